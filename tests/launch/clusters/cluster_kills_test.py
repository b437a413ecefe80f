"""Roles of a real cluster killed at random moments: nothing is lost, nothing done twice."""

import json
import sqlite3

import pytest

from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.search_spaces.randomness import child_seed


@pytest.fixture(scope="module", autouse=True)
def scripts(request):
    """Let the scripts beside this test find one another, as they do when run by hand."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(request.path.parents[2] / "harness")
        yield


def killed(folder, **settings):
    """Run a search with kills; return its audit."""
    from cluster_audit import audit
    from cluster_kills import KilledCluster, Settings

    KilledCluster(Settings(folder, **settings)).run()
    return audit(folder)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """A search of 40 children: workers killed twice, a server and the chief once each."""
    folder = tmp_path_factory.mktemp("kills")
    report = killed(
        folder,
        children=40,
        num_ps=2,
        num_workers=3,
        seed=5,
        worker_kills=(1, 1, 0),
        chief_kills=1,
        limit_seconds=400.0,
    )
    return folder, report


def test_a_search_with_kills_loses_nothing_and_does_nothing_twice(short_run):
    _, report = short_run
    print(report)
    assert report.problems == []
    assert sum(report.figures["signals"].values()) == 4
    assert report.figures["reused"] > 0


def test_the_audit_sees_what_is_wrong(short_run):
    """Each damage to a good run's files is a problem of its own."""
    from cluster_audit import audit
    from cluster_kills import KILLS
    from cluster_toys import EVALUATIONS

    folder, _ = short_run
    store, evaluations = folder / "run" / "trials.sqlite", folder / EVALUATIONS
    TrialStore(store).close()  # its writing ahead ends in the file itself
    files = {path: path.read_bytes() for path in (store, evaluations, folder / KILLS)}
    late = json.loads(files[folder / KILLS])["finished"]["0"][0] + 5

    def problems_after(*statements, line="", replayed=False):
        for path, content in files.items():
            path.write_bytes(content)
        with sqlite3.connect(store) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        with evaluations.open("a") as log:
            log.write(line)
        return " / ".join(audit(folder, replayed=replayed).problems)

    first = "WHERE number = 0"
    assert problems_after() == ""
    assert "trial 0 was recorded and is lost" in problems_after(f"DELETE FROM trials {first}")
    assert "trial 0 was never learned" in problems_after(
        f"UPDATE trials SET updated_version = NULL {first}"
    )
    changed = problems_after(f"UPDATE trials SET reward = reward + 0.5 {first}", replayed=True)
    assert "trial 0 was recorded as" in changed
    assert "trial 0 (update" in changed and "follows from the checkpoint after" in changed
    assert "learned by" in problems_after(f"UPDATE trials SET updated_version = 3 {first}")
    assert "the updates are" in problems_after(
        "UPDATE trials SET updated_version = updated_version + 1"
    )
    assert "is running" in problems_after(f"UPDATE trials SET status = 'running' {first}")
    again = child_seed(5, 0)
    assert "after it was recorded" in problems_after(line=f"{again} 1 {late}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "accumulated"), [(0, 1), (1, 2)])
def test_300_children_with_every_role_killed(tmp_path, seed, accumulated):
    report = killed(
        tmp_path,
        children=300,
        num_ps=2,
        num_workers=4,
        seed=seed,
        worker_kills=(2, 2, 2, 2),
        chief_kills=3,
        stops=1,
        experiment="LARGER",
        overrides=(f"search.accumulate_gradients={accumulated}",),
    )
    print(report)
    assert report.problems == []
    assert report.figures["reused"] > 0
    assert len(report.figures["seconds until a stopped worker was ended"]) == 1
