"""kill -9 at random moments of searches of three kinds: the same end as if never killed."""

import json

import pytest


def kill(run_script, folder, kills, seed):
    done = run_script("random_kills.py", f"--kills={kills}", f"--seed={seed}", f"--folder={folder}")
    report = json.loads(done.stdout)
    print(report)
    assert report["differences"] == []
    assert sum(report["kills"].values()) + report["child_kills"] >= kills
    assert set(report["searches"]) == {"OWN", "CHILDREN", "RANDOM"}


@pytest.mark.slow  # `resume_test` kills one search at moments that differ in kind
def test_kills_at_random_moments_change_nothing(run_script, tmp_path):
    kill(run_script, tmp_path, kills=3, seed=7)
