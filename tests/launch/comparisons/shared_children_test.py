"""Children that searches share, with evaluators that finish in any order."""

from collections import deque

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.comparisons.shared_children import ChildStore, SharedChildren, seed_of
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace
from tests.launch.searches.loop_test import Workers

SPACE = SearchSpace([Choice("a", tuple(range(100)))])


def asked(trial, option, seed=7):
    return Evaluation(trial, parse_architecture(str(option), SPACE), seed)


def measured(architecture, seed):
    if architecture["a"] == 5:
        raise ChildFailure("out_of_memory", "too large")
    return Measurement(architecture["a"] / 7, {"nll": [float("nan"), 1.0], "seed": seed}, 12)


def test_what_came_of_a_child_is_kept_as_it_was(tmp_path):
    shared = SharedChildren(Workers(measured, 3), ChildStore(tmp_path / "c.sqlite"))
    first = {
        each.evaluation.trial: each for each in shared.evaluate(deque([asked(1, 5), asked(2, 9)]))
    }
    assert first[1].result == Failure("out_of_memory", "too large")
    assert first[2].result.reward == 9 / 7 and first[2].result.metrics["seed"] == seed_of("9")
    assert first[2].evaluation == asked(2, 9)  # with the seed of the trial that asked
    again = SharedChildren(Workers(lambda a: 1 / 0, 3), ChildStore(tmp_path / "c.sqlite"))
    queue = deque([asked(8, 9, seed=3), asked(9, 5, seed=3)])
    for outcome, before in zip(again.evaluate(queue), (first[2], first[1]), strict=True):
        assert repr(outcome.result) == repr(before.result)  # NaN among it
        assert (outcome.worker, outcome.ended) == (before.worker, before.ended)
    assert again.num_trained == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_asked_for_meanwhile_is_answered_too(workers):
    store = ChildStore(None)
    shared = SharedChildren(Workers(measured, workers), store)
    queue = deque(asked(trial, trial) for trial in range(4))
    answers, more = [], iter(range(4, 60))
    for outcome in shared.evaluate(queue):
        answers.append(outcome.evaluation)
        for trial in (next(more, None), next(more, None)):
            if trial is not None:  # something new, or what has been answered
                known = outcome.evaluation.architecture["a"]
                queue.append(asked(trial, known if trial % 2 else trial))
    assert sorted(each.trial for each in answers) == list(range(60))
    different = {str(each.architecture) for each in answers}
    assert shared.num_trained == len(store) == len(different) == 2 + 30


def test_an_evaluator_that_is_left_is_closed():
    closed = []

    class Closing:
        def evaluate(self, queue):
            try:
                while queue:
                    yield from Workers(measured, 1).evaluate(deque([queue.popleft()]))
            finally:
                closed.append(True)

    outcomes = SharedChildren(Closing(), ChildStore(None)).evaluate(
        deque([asked(0, 1), asked(1, 2)])
    )
    next(outcomes)
    outcomes.close()
    assert closed == [True]


def test_what_is_no_store_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.sqlite").write_text("no database" * 100)
    with pytest.raises(InputError, match=r"a\.sqlite"):
        ChildStore(tmp_path / "a.sqlite")
    store = ChildStore(tmp_path / "b.sqlite")
    store._write("DROP TABLE children")
    store._write("CREATE TABLE children (x)")
    store.close()
    with pytest.raises(InputError, match="the columns of children are x"):
        ChildStore(tmp_path / "b.sqlite")
    store = ChildStore(tmp_path / "c.sqlite")
    store._write("INSERT INTO children VALUES ('1', 0, 'x', '{}', 1, NULL, NULL, '', 0, 0)")
    with pytest.raises(InputError, match="no measurement"):
        store.outcome(asked(0, 1))
