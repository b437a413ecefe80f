"""The commands of the tables' rows can be run: programs, flags, experiments, architectures."""

import dataclasses
import hashlib
import os
import re
from pathlib import Path

import pytest

from nas_with_rl.child_models.data.text import PTB_MD5
from nas_with_rl.launch.experiments.catalogue import find_experiment
from nas_with_rl.launch.experiments.overrides import with_overrides
from nas_with_rl.launch.paper.our_rows import OUR_ROWS, PENN_TREEBANK
from nas_with_rl.launch.paper.printed_tables import PAPER_TABLES
from nas_with_rl.launch.trainings.trainees import read_named

ROOT = Path(__file__).resolve().parents[3]
KEYS = pytest.mark.parametrize("key", OUR_ROWS)


def test_every_row_with_a_key_is_made_here():
    keys = [(row.key, table.number) for table in PAPER_TABLES for row in table.rows if row.key]
    assert keys == [(key, row.table) for key, row in OUR_ROWS.items()]
    bold = [row.model for table in PAPER_TABLES for row in table.rows if row.bold]
    assert len(bold) == 9


@KEYS
def test_the_commands_name_programs_and_flags_that_there_are(key):
    for program, *words in OUR_ROWS[key].commands():
        module = program.removeprefix("python -m nas_with_rl.launch.")
        source = (ROOT / "launch" / f"{module}.py").read_text()
        if "SearchFlags(" in source:
            source += (ROOT / "launch" / "search_flags.py").read_text()
        known = re.findall(r"flags\.DEFINE_\w+\(\s*\"(\w+)\"", source)
        for word in words:
            flag, equals, value = word.removeprefix("--").partition("=")
            assert flag in known and equals and value


@KEYS
def test_what_the_commands_resolve_to(key):
    row = OUR_ROWS[key]
    experiment = find_experiment(row.experiment)
    resolved = dataclasses.replace(row.configuration(), source=experiment.source)
    assert resolved == with_overrides(experiment, row.overrides)
    last = row.commands()[-1]
    assert f"--workdir={row.workdir}" in last
    changed = [word.partition("=")[2] for word in last if "override=" in word]
    assert tuple(changed) == row.overrides
    if row.architecture is None:
        assert experiment.search is not None and row.text is None
        first = row.commands()[0]
        assert f"--experiment={row.experiment}" in first
        assert f"--workdir=runs/{row.experiment}" in first
        assert f"--search=runs/{row.experiment}" in last
    else:
        assert f"--experiment={row.experiment}" in last
        assert read_named(row.architecture, experiment).text == row.text


def test_the_rows_are_trained_to_convergence():
    for key in ("v1", "v2", "v3", "v3_more_filters"):
        assert OUR_ROWS[key].configuration().child.epochs == 300
    assert OUR_ROWS["v3_more_filters"].configuration().space.extra_filters == 40
    ties = {
        key: OUR_ROWS[key].configuration().child.tie_embeddings for key in OUR_ROWS if "8" in key
    }
    assert ties == {"base_8_32m": False, "base_8_25m": True, "base_8_54m": True}


def test_the_digests_are_those_of_the_published_files():
    if "NAS_WITH_RL_DATA_DIR" not in os.environ:
        pytest.skip("NAS_WITH_RL_DATA_DIR is not set")
    for split, md5 in PTB_MD5.items():
        name = f"ptb.{split}.txt"
        content = (Path(os.environ["NAS_WITH_RL_DATA_DIR"]) / "ptb" / name).read_bytes()
        assert hashlib.md5(content).hexdigest() == md5
        assert hashlib.sha256(content).hexdigest() == PENN_TREEBANK[name]
