"""The benchmark beside other libraries: what it counts, kills and breaks is what it says."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", name="libraries")
def _libraries():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("libraries")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module", name="ours")
def _ours(libraries):
    return libraries.Library("ours", sys.executable, tolerance=', on_error="fail"')


def test_lines_are_those_of_code_alone(libraries, tmp_path, monkeypatch):
    text = '"""What it is,\n\nin lines."""\n\n# why\nimport sys  # this\n\nprint(\n    1\n)\n'
    (tmp_path / "libraries_toy.py").write_text(text)
    monkeypatch.setattr(libraries, "FOLDER", tmp_path)
    assert libraries.Library("toy", sys.executable).num_lines() == 4
    changed = libraries.Library("toy", sys.executable, changes=(("    1\n", "    1,\n    2,\n"),))
    assert changed.num_lines() == 5
    with pytest.raises(RuntimeError, match="has not once: missing"):
        libraries.Library("toy", sys.executable, changes=(("missing", ""),)).code()


def test_a_search_here_loses_the_evaluation_that_was_killed_alone(libraries, ours):
    end = libraries.killed(ours)
    assert (end.kept, end.completed, end.stale, end.same) == (39, 100, 0, True)
    # One evaluation is made twice, and a trial that repeats an architecture needs none.
    assert end.calls == end.different + 1


def test_what_is_bad_is_a_failed_trial_or_ends_the_search_as_it_is_told(libraries, ours):
    failed = libraries.broken(ours, "raise", 10)
    assert (failed.status, failed.message) == (0, True)
    assert failed.statuses == {"completed": 99, "failed": 1}
    ended = libraries.broken(ours, "raise", 10, tolerant=False)
    assert ended.status == 1 and ended.statuses["completed"] == 9
    assert libraries.broken(ours, "nan", 20).statuses == {"completed": 99, "failed": 1}


def test_the_first_call_is_timed_where_it_is_made(libraries, ours, tmp_path):
    ran = libraries.run(ours, tmp_path, 3, faults={})
    assert ran.status == 0 and ran.calls == 3
    assert 0 < ran.first_cpu < ran.cpu_seconds and 0 < ran.first < ran.seconds
    again = libraries.run(ours, tmp_path, 5, faults={})
    assert again.calls == 2
    (first, *_) = (json.loads(line) for line in (tmp_path / "calls.log").read_text().splitlines())
    assert libraries.stored(ours, tmp_path)["completed"][0] == first[2]


def test_the_table_takes_the_place_of_the_one_before(libraries):
    table = [["", "here", "there"], ["lines", "1", "2"]]
    assert libraries.as_markdown(table) == "|  | here | there |\n|---|---|---|\n| lines | 1 | 2 |\n"
    text = (FOLDER.parent / "docs" / "libraries.md").read_text(encoding="utf-8")
    assert text.count("\n|---|") == 1 and "python benchmarks/libraries.py" in text
