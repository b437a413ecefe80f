"""The trial store: what is written comes back, once, and damage is one clear line."""

import sqlite3

import numpy as np
import pytest

from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.errors import InputError


def running(number, architecture="a b", version=0):
    return Trial(number, architecture, 0, "running", -1.5, version, None, seed=7)


def completed(number, reward, architecture="a b"):
    trial = running(number, architecture)
    metrics = {"accuracy": [0.25, 0.5], "size": 3.0}
    values = {**vars(trial), "status": "completed", "reward": reward, "metrics": metrics}
    return Trial(**values)


def test_trials_come_back_as_they_were_written(tmp_path):
    store = TrialStore(tmp_path / "trials.sqlite")
    store.add([running(0), running(1, "c d")])
    store.finish(completed(0, 0.5))
    store.mark_learned([0], 1)
    store.close()
    again = TrialStore(tmp_path / "trials.sqlite")
    first, second = again.all()
    assert first == Trial(**{**vars(completed(0, 0.5)), "updated_version": 1})
    assert second == running(1, "c d")
    assert (len(again), again.num_finished(), again.num_unique()) == (2, 1, 2)


def test_an_outcome_is_recorded_once():
    store = TrialStore(None)
    store.add([running(0)])
    store.finish(completed(0, 0.5))
    with pytest.raises(ValueError, match="recorded once"):
        store.finish(completed(0, 0.6))
    with pytest.raises(sqlite3.IntegrityError):
        store.add([running(0)])
    assert store.all()[0].reward == 0.5


def test_running_trials_are_counted_as_they_change_and_as_others_change_them(tmp_path):
    store = TrialStore(tmp_path / "trials.sqlite")
    onlooker = TrialStore(tmp_path / "trials.sqlite", read_only=True)
    seen = []
    for change in (
        lambda: store.add([running(0), running(1), completed(2, 0.5)]),
        lambda: store.finish(completed(1, 0.5)),
        lambda: store.add([running(3)]),
    ):
        change()
        seen.append((store.num_running(), onlooker.num_running(), store.num_finished()))
    with pytest.raises(ValueError, match="recorded once"):
        store.finish(completed(1, 0.5))
    with pytest.raises(sqlite3.IntegrityError):
        store.add([running(4), running(3)])
    assert seen == [(2, 2, 1), (1, 1, 2), (2, 2, 2)]
    assert store.num_running() == 2
    assert TrialStore(tmp_path / "trials.sqlite").num_running() == 2


def test_sampled_batches_are_added_whole_or_not_at_all():
    store = TrialStore(None)
    store.add([running(3)])
    with pytest.raises(sqlite3.IntegrityError):
        store.add([running(2), running(3)])
    assert [trial.number for trial in store.all()] == [3]


def test_the_best_has_the_highest_mean_of_an_architectures_own_evaluations():
    store = TrialStore(None)
    for number, (text, reward) in enumerate([("x", 0.5), ("y", 0.25), ("y", 1.0), ("y", 1.0)]):
        store.add([running(number, text)])
        reused = {"reused_from": 2} if number == 3 else {}
        store.finish(Trial(**{**vars(completed(number, reward, text)), **reused}))
    found = [(trial.number, trial.reward) for trial in store.best_evaluations()]
    assert found == [(1, 0.25), (2, 1.0)]  # 0.625
    store.add([running(4, "z")])
    store.finish(completed(4, 0.625, "z"))
    assert [trial.number for trial in store.best_evaluations()] == [1, 2]  # of equals the first


def test_a_count_that_was_numpys_is_an_integer_again(tmp_path):
    store = TrialStore(tmp_path / "trials.sqlite")
    store.add([running(0)])
    store.finish(Trial(**{**vars(completed(0, 0.5)), "num_parameters": np.int64(300)}))
    assert [trial.num_parameters for trial in store.all()] == [300]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be read as one" * 20, b"S"]
)
def test_a_damaged_file_is_one_clear_line(tmp_path, content):
    path = tmp_path / "trials.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"trials\.sqlite cannot be read") as caught:
        TrialStore(path)
    assert "\n" not in str(caught.value) and path.read_bytes() == content


def test_a_file_damaged_in_the_middle_is_found(tmp_path):
    path = tmp_path / "trials.sqlite"
    store = TrialStore(path)
    for number in range(300):
        store.add([running(number, f"architecture {number}")])
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:20000] = b"\xff" * (20000 - 8192)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        TrialStore(path).all()


def test_the_history_of_updates_can_be_asked_for():
    store = TrialStore(None)
    assert (store.num_batches(), store.last_update(), store.best_evaluations()) == (0, 0, [])
    for number, batch in enumerate([0, 0, 1, 2, 2]):
        store.add([Trial(**{**vars(running(number)), "batch": batch})])
        if number < 4:
            store.finish(Trial(**{**vars(completed(number, number / 10)), "batch": batch}))
    assert (store.num_batches(), store.num_running(), store.num_finished()) == (3, 1, 4)
    assert [trial.number for trial in store.batches([0, 2])] == [0, 1, 3, 4]
    store.mark_learned([2], 1)
    store.mark_learned([0, 1], 2)
    assert [trial.number for trial in store.learned_after(0)] == [2, 0, 1]
    assert [trial.number for trial in store.learned_after(1)] == [0, 1]
    assert [trial.number for trial in store.unlearned()] == [3, 4]
    rewards = [trial.reward for trial in store.best_evaluations()]
    assert (store.last_update(), sum(rewards) / len(rewards)) == (2, pytest.approx(0.15))


def test_a_store_without_batches_had_one_for_each_version(tmp_path):
    path = tmp_path / "trials.sqlite"
    store = TrialStore(path)
    store.add([running(0), running(1), running(2, version=1)])
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX by_batch")
        connection.execute("ALTER TABLE trials DROP COLUMN batch")
    assert [trial.batch for trial in TrialStore(path).all()] == [0, 0, 1]


def test_a_trial_may_have_no_probability(tmp_path):
    trials = [Trial(**{**vars(running(number)), "log_prob": None}) for number in range(2)]
    store = TrialStore(tmp_path / "trials.sqlite")
    store.add(trials)
    store.finish(Trial(**{**vars(completed(1, 0.5)), "log_prob": None}))
    store.close()
    for read_only in (False, True):
        found = TrialStore(tmp_path / "trials.sqlite", read_only=read_only).all()
        assert found[0] == trials[0] and [trial.log_prob for trial in found] == [None, None]


def test_a_store_in_which_each_trial_had_a_probability_goes_on(tmp_path):
    path = tmp_path / "trials.sqlite"
    store = TrialStore(path)
    store.add([running(0)])
    store.close()
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'trials'"
        ).fetchone()
        names = [row[1] for row in connection.execute("PRAGMA table_info(trials)")]
        before = text.replace("log_prob REAL", "log_prob REAL NOT NULL")
        connection.execute("ALTER TABLE trials RENAME TO new")
        for index in ("architecture", "batch", "update", "reward", "failure"):
            connection.execute(f"DROP INDEX by_{index}")
        connection.execute(before)
        connection.execute(f"INSERT INTO trials SELECT {', '.join(names)} FROM new")
        connection.execute("DROP TABLE new")
    connection.close()
    assert before != text
    store = TrialStore(path)
    store.add([running(1)])
    assert [trial.log_prob for trial in store.all()] == [-1.5, -1.5]


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "trials.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trials (name TEXT)")
    with pytest.raises(InputError, match="its columns are name"):
        TrialStore(path)


@pytest.mark.parametrize("column", [*vars(running(0))])
def test_a_value_of_another_type_is_one_line_that_names_it(tmp_path, column):
    path, refused = tmp_path / "trials.sqlite", 0
    store = TrialStore(path)
    store.add([running(0)])
    store.finish(completed(0, 0.5))
    store.close()
    content = path.read_bytes()
    for value in (None, "x", b"\x10\0\0\0\0\0\0\0", -1, 1.5, "[]", "{", "[" * 100_000, 10**15):
        path.write_bytes(content)
        with sqlite3.connect(path) as connection:
            try:
                connection.execute(f"UPDATE trials SET {column} = ?", (value,))
            except sqlite3.IntegrityError:
                continue
        connection.close()
        for read_only in (False, True):
            try:
                found = TrialStore(path, read_only=read_only)
                assert len(found.all()) == 1
                found.close()
            except InputError as error:
                message, refused = str(error), refused + 1
                assert f"the {column} of trial" in message or "are missing" in message
                assert "trials.sqlite" in message and "\n" not in message and len(message) < 400
    assert refused >= 2


def test_the_advice_to_restore_a_store_names_its_log(tmp_path):
    path = tmp_path / "trials.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"-wal and -shm"):
        TrialStore(path)
