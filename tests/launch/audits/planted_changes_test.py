"""What is changed of a search afterwards is found and named."""

import re
import shutil
import sqlite3

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.launch.experiments.search_config import SearchConfig
from tests.harness.audited_searches import LIGHT, NORMALISED, NUM_SAMPLES, ONE, RANKS, value


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


@pytest.mark.parametrize("name", ["reinforce", NORMALISED])
def test_a_controller_names_what_was_changed(name, changed, runs):
    (finding,) = changed(name, f"UPDATE trials SET log_prob = log_prob + 0.01 {ONE}").findings
    assert finding.trial == 37 and "the log-probability" in finding.message
    number, query = 21, "SELECT reward FROM trials WHERE number = 21"
    reward = value(runs(name), query)
    statement = "UPDATE trials SET reward = reward + 0.01 WHERE number = 21"
    for keeps in (True, False):
        audit = changed(name, statement, keeps_checkpoints=keeps)
        (finding,) = audit.findings
        assert (finding.trial, finding.update) == (number, 6), audit.describe()
        assert finding.follows == pytest.approx(reward, abs=0 if keeps else 2e-3)
    # With what follows for that trial the rest follows.
    assert "with what follows for trials 21: 60 of 60 trials proposed again" in audit.describe()


def test_a_controller_of_ranks_names_what_was_changed(changed, runs):
    reward = value(runs(RANKS), "SELECT reward FROM trials WHERE number = 21")
    # Too little to change a rank: the checkpoint alone was told another number.
    slight = "UPDATE trials SET reward = reward + 0.0001 WHERE number = 21"
    (finding,) = changed(RANKS, slight).findings
    assert (finding.trial, finding.update, finding.follows) == (21, 6, reward)
    assert changed(RANKS, slight, keeps_checkpoints=False).follows
    # 5 is named by what was proposed at once; 21 by a later trial, since it was among the best.
    for number, update in ((5, 2), (21, 6)):
        reward = value(runs(RANKS), f"SELECT reward FROM trials WHERE number = {number}")
        statement = f"UPDATE trials SET reward = 2 WHERE number = {number}"
        audit = changed(RANKS, statement, keeps_checkpoints=False)
        (finding,) = audit.findings
        assert (finding.trial, finding.update) == (number, update), audit.describe()
        bounds = dict(re.findall(r"(above|below) (-?\d+(?:\.\d+)?)", finding.message))
        assert float(bounds["above"]) < reward < float(bounds["below"])
        assert f"with what follows for trials {number}: 60 of 60 trials" in audit.describe()


def noticed_late(workdir):
    """Return a trial and a reward for it at the other side of what came to lie beside it later.

    Up to then it has the same place among all others with both.
    """
    with sqlite3.connect(workdir / "trials.sqlite") as connection:
        query = "SELECT number, updated_version, reward FROM trials ORDER BY number"
        trials = connection.execute(query).fetchall()
    for number, own, reward in trials[8:]:
        others = [r for _, update, r in trials if update <= own and r != reward]
        above = min((r for r in others if r > reward), default=None)
        later = [(u, r) for _, u, r in trials if u > own and above and reward < r < above]
        if (
            later
            and sum(u == later[0][0] for u, _ in later) == 1
            and reward not in [r for n, _, r in trials if n != number]
        ):
            update, between = later[0]
            return number, own, update, reward, (between + above) / 2
    raise LookupError


def test_a_rank_that_was_changed_is_named_where_it_is_noticed_later(changed, runs):
    number, own, update, reward, other = noticed_late(runs(RANKS))
    statement = f"UPDATE trials SET reward = {other} WHERE number = {number}"
    audit = changed(RANKS, statement, keeps_checkpoints=False)
    (finding,) = audit.findings
    assert (finding.trial, finding.update) == (number, own), audit.describe()
    assert f"proposed after update {update}" in finding.message and own < update
    # It is the worst that has trained, which the failed child tells exactly.
    assert finding.follows == pytest.approx(reward)
    assert f"with what follows for trials {number}: 60 of 60 trials" in audit.describe()


def test_a_dreaming_controller_names_what_was_changed(changed, runs):
    reward = value(runs("dream"), "SELECT reward FROM trials WHERE number = 21")
    statement = "UPDATE trials SET reward = reward + 0.01 WHERE number = 21"
    (finding,) = changed("dream", statement).findings
    assert (finding.trial, finding.update) == (21, 6)
    assert finding.follows == pytest.approx(reward)


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
