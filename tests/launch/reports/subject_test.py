"""What a report is of: running, stopped or finished, and a workdir that cannot be written to."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.reports.page import report_html
from nas_with_rl.launch.reports.subject import is_at_work, read_subject
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
SPACE = nas.SearchSpace({"units": tuple(range(40))})
SLOW = """
import sys, time
import nas_with_rl as nas
def evaluate(a):
    time.sleep(0.05)
    return a["units"]
space = nas.SearchSpace({"units": tuple(range(40))})
search = nas.SearchConfig(searcher="random", batch_size=4)
options = nas.SearchOptions(search=search, progress=False)
nas.search(space, evaluate, num_samples=10_000, workdir=sys.argv[1], options=options)
"""


def search(workdir, *, num_samples=8, stop_after=99, resume=False, **others):
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) > stop_after:
            raise KeyboardInterrupt
        return architecture["units"]

    config = nas.SearchConfig(searcher="random", batch_size=4)
    options = nas.SearchOptions(search=config, progress=False, resume=resume)
    settings = {"workdir": workdir, "options": options, **others}
    return nas.search(SPACE, evaluate, num_samples=num_samples, **settings)


def digests(folder):
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_finished_stopped_and_gone_on_with(tmp_path):
    search(tmp_path, stop_after=5)
    assert read_subject(tmp_path).state == "stopped"
    assert "stopped before its end: 5 of 8 trials" in (tmp_path / "report.html").read_text()
    search(tmp_path, resume=True)
    assert read_subject(tmp_path).state == "finished"
    assert "finished: 8 of 8 trials" in (tmp_path / "report.html").read_text()


def test_a_space_that_is_exhausted_is_finished(tmp_path):
    small = nas.SearchSpace({"units": (1, 2)})
    options = nas.SearchOptions(
        search=nas.SearchConfig(searcher="random", batch_size=2), progress=False
    )
    nas.search(small, lambda a: a["units"], num_children=5, workdir=tmp_path, options=options)
    assert read_subject(tmp_path).state == "finished"


def test_running_and_killed(tmp_path):
    run = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(run)], env=environment)
    try:
        until = time.monotonic() + 60
        number = 0
        while time.monotonic() < until and number < 8:
            time.sleep(0.05)
            with contextlib.suppress(InputError):  # it has not begun, or is just beginning
                number = len(nas.load(run).trials)
        subject = read_subject(run)
        assert subject.state == "running" and is_at_work(Workdir(run))
        assert "running: " in report_html(subject)
    finally:
        process.kill()
        process.wait()
    subject = read_subject(run)
    assert subject.state == "stopped" and not is_at_work(Workdir(run))
    page = report_html(subject)
    assert "without an outcome: the search was stopped before it" in page
    assert "stopped before its end: " in page


def test_reading_writes_nothing(tmp_path):
    search(tmp_path / "run")
    before = digests(tmp_path / "run")
    report_html(read_subject(tmp_path / "run"))
    assert digests(tmp_path / "run") == before


def test_a_report_of_a_named_experiment_knows_its_source(tmp_path):
    search(tmp_path)
    stored = json.loads((tmp_path / "experiment.json").read_text())
    for experiment, overrides, said in (
        ("nas_bench_201", [], "Dong & Yang (2020)"),
        ("nas_bench_201", ["search.batch_size=4"], "changed: search.batch_size=4"),
        ("mine:EXPERIMENT", [], ""),
        ("no_such", [], ""),
        ("nas_bench_201", ["search.no_such=4"], ""),
    ):
        changed = stored | {"experiment": experiment, "overrides": overrides}
        (tmp_path / "experiment.json").write_text(json.dumps(changed))
        assert said in read_subject(tmp_path).source


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ('{"kind": "training"}', "another kind")],
)
def test_what_is_no_search_is_said(tmp_path, content, message):
    (tmp_path / "experiment.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_subject(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"candidates": [{"title": 1}]}'])
def test_what_stands_beside_the_trials_may_be_damaged(tmp_path, content):
    search(tmp_path)
    (tmp_path / "comparison.json").write_text(content)
    (tmp_path / "ledger.json").write_text(content)
    subject = read_subject(tmp_path)
    assert subject.comparison is None and "Which is best" in report_html(subject)
