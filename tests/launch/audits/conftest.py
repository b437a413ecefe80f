"""Searches of every searcher, and their audits after a change."""

import shutil
import sqlite3

import pytest

from nas_with_rl.launch.audits.audit import audit_search
from tests.harness.audited_searches import LIGHT, NUM_SAMPLES, searched


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the workdir of a finished search by a searcher, which nobody changes."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name):
        if not (folder / name).exists():
            searched(folder / name, name, num_samples=NUM_SAMPLES if name in LIGHT else 60)
        return folder / name

    return run


@pytest.fixture
def changed(runs, tmp_path):
    """Return the audit of a searcher's run after some statements."""

    def audit(name, *statements, keeps_checkpoints=True):
        copy = tmp_path / "changed"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(runs(name), copy)
        if not keeps_checkpoints:
            shutil.rmtree(copy / "checkpoints")
        with sqlite3.connect(copy / "trials.sqlite") as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0
        connection.close()
        return audit_search(copy)

    return audit
