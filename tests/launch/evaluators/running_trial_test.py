"""What a function of one's own sees of its trial: a directory, and a curve that it reports."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

import nas_with_rl as nas

UNITS = {"units": (16, 32, 64)}


def settings(**changes):
    search = nas.SearchConfig(searcher="random", duplicates="evaluate", **changes)
    return nas.SearchOptions(search=search, progress=False)


def searched(evaluate, *, num_samples=4, **named):
    named.setdefault("options", settings())
    return nas.search(UNITS, evaluate, num_samples=num_samples, **named)


def test_a_trial_has_its_number_its_seed_and_a_curve():
    seen = []

    def evaluate(architecture, trial, seed):
        seen.append((trial.number, trial.seed == seed, str(trial)))
        for step in (1, 2, 5):
            trial.report(np.int64(step), np.float32(trial.number + step))
        return 1.0, {"size": 3}

    result = searched(evaluate)
    assert [number for number, *_ in seen] == [0, 1, 2, 3]
    assert all(agree for _, agree, _ in seen)
    assert f"seed {result.trials[2].seed}" in seen[2][2]
    assert result.trials[2].metrics == {
        "size": 3,
        "reported": [3.0, 4.0, 7.0],
        "reported_step": [1, 2, 5],
    }
    assert result.metrics == ("reported", "reported_step", "size")
    assert dict(result.curve(metric="reported"))[0] == 5.0


def test_a_failed_child_has_no_curve_and_nan_may_be_reported():
    def evaluate(architecture, trial):
        trial.report(0, math.nan)
        if trial.number == 1:
            raise nas.ChildFailure("diverged")
        return 1.0

    trials = searched(evaluate).trials
    assert trials[1].failure == "diverged" and trials[1].metrics == {}
    assert math.isnan(trials[0].metrics["reported"][0])


def test_a_directory_lies_in_the_workdir_and_is_empty_at_first(tmp_path):
    def evaluate(architecture, trial):
        if trial.number == 2:
            return 0.5  # which asks for none
        assert trial.directory is trial.directory and not list(trial.directory.iterdir())
        (trial.directory / "weights").write_text(str(trial.number))
        return 1.0

    (tmp_path / "run" / "children" / "1").mkdir(parents=True)  # of a search that was killed
    (tmp_path / "run" / "children" / "1" / "half").write_text("a half-written file")
    searched(evaluate, workdir=tmp_path / "run")
    found = {path.relative_to(tmp_path) for path in tmp_path.rglob("children/*/*")}
    assert found == {Path(f"run/children/{number}/weights") for number in (0, 1, 3)}


def test_without_a_workdir_it_is_temporary():
    places = []

    def evaluate(architecture, trial):
        (trial.directory / "weights").write_text("")
        places.append(trial.directory)
        if trial.number == 1:
            raise nas.ChildFailure("crashed")
        return 1.0

    searched(evaluate)
    assert len(set(places)) == 4 and not any(place.exists() for place in places)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(-1, 0.5)], "the step of report is -1, below 0"),
        ([(1, 0.5), (1, 0.5)], "the step of report is 1, not above 1, the one before"),
        ([(1.5, 0.5)], "the step of report is 1.5, not an integer"),
        ([(1, "high")], "the value of report is 'high', not a number"),
        ([(1, [0.5, 0.6])], "the value of report is [0.5, 0.6], not a number"),
    ],
    ids=itertools.count(),
)
def test_a_wrong_point_is_one_line(points, said):
    def evaluate(architecture, trial):
        for point in points:
            trial.report(*point)
        return 1.0

    with pytest.raises(nas.InputError) as error:
        searched(evaluate)
    assert said in str(error.value) and "trial 0, architecture" in str(error.value)


def test_a_metric_does_not_take_the_curves_name():
    def evaluate(architecture, trial):
        trial.report(1, 0.5)
        return 1.0, {"reported": 2}

    with pytest.raises(nas.InputError, match="is named 'reported', as what it has reported"):
        searched(evaluate)


def test_the_first_parameter_may_have_any_name():
    assert searched(lambda trial: trial["units"] / 64).best.reward == 1.0
    found = searched(lambda seed, trial: seed["units"] + 100 * trial.number).trials
    assert [trial.reward // 100 for trial in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "evaluate",
    [lambda a, b, trial: 1.0, lambda a, trial, b: 1.0, lambda a, b, seed=0: 1.0],
    ids=itertools.count(),
)
def test_what_cannot_be_called_is_refused(evaluate):
    with pytest.raises(nas.InputError, match=r"\(architecture, seed\) or \(architecture, trial\)"):
        searched(evaluate)
