"""kill -9 at several moments, in real processes: the same trials as a run never killed."""

import pytest

from tests.harness.kills import differences, run_through, trials_of

# Three that differ in kind: what has no checkpoint yet, what is learned and not marked, and a
# checkpoint that is half written.
KILLS = (("evaluating", 3), ("learned", 3), ("checkpoint", 1))
ALL_KILLS = (
    ("evaluating", 3),
    ("recorded", 4),
    ("learned", 3),
    ("checkpoint", 1),
    ("renamed", 2),  # written whole, not yet renamed
    ("evaluating", 7),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never killed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    run_through("killed_search.py", workdir, ())
    return workdir


@pytest.mark.parametrize("moments", [KILLS, pytest.param(ALL_KILLS, marks=pytest.mark.slow)])
def test_a_killed_search_ends_as_one_never_killed(whole, tmp_path, moments):
    killed = tmp_path / "run"
    run_through("killed_search.py", killed, moments)
    assert differences(killed, whole) == []
    trials = trials_of(killed)
    assert len(trials) == 42 and all(trial.status == "completed" for trial in trials)
    # Every trial was learned from once.
    assert [t.updated_version for t in trials] == [1 + t.number // 4 for t in trials]


@pytest.mark.parametrize(
    "searcher", ["evolution", "local_search", "tests.harness.own_searchers:Careful"]
)
def test_so_does_one_of_a_searcher_without_a_controller(searcher, tmp_path):
    moments = (*KILLS, ("evaluating", 53))
    run_through("killed_search.py", tmp_path / "whole", (), searcher)
    run_through("killed_search.py", tmp_path / "killed", moments, searcher)
    assert differences(tmp_path / "killed", tmp_path / "whole") == []
    trials = trials_of(tmp_path / "whole")
    assert len(trials) == 90 and {trial.depth for trial in trials} == {4, 5}
