"""What looks on at a search may fail; the search and its result stay."""

import itertools

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.host.progress_bars import SHOWN_VARIABLE
from nas_with_rl.launch.records.event_file import EventFile
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.searches import run
from nas_with_rl.launch.searches.observers import Dispensable
from nas_with_rl.launch.searches.progress import Progress

SPACE = nas.SearchSpace([nas.Choice("units", (16, 32, 64))])


class Looking:
    """Notes what it is told, and fails at a moment."""

    def __init__(self, fails_at=None, error=None):
        self.fails_at, self.error, self.told = fails_at, error or OSError("no\nspace"), []

    def _tell(self, moment):
        self.told.append(moment)
        if moment == self.fails_at:
            raise self.error

    def finished(self, trial):
        self._tell("finished")

    def learned(self, update, trials, store):
        self._tell("learned")

    def close(self):
        self._tell("close")


def told(looking):
    observer = Dispensable("the picture", lambda: looking)
    for _ in range(2):
        observer.finished(None)
        observer.learned(None, (), None)
    observer.close()
    return looking.told


def test_what_fails_is_left_out_with_one_line(capsys):
    assert told(Looking()) == [*["finished", "learned"] * 2, "close"]
    assert capsys.readouterr().err == ""
    for moment, heard in (("finished", 1), ("learned", 2), ("close", 5)):
        looking = Looking(moment)
        assert told(looking)[:heard][-1] == moment
        assert looking.told[heard:] == ["close"]  # at once, and never again
        err = capsys.readouterr().err
        assert err == "warning: left out the picture, which failed: OSError: no space\n"


def test_what_cannot_be_made_is_left_out(capsys):
    observer = Dispensable("the picture", lambda: Looking(1 / 0))
    observer.finished(None)
    observer.close()
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interruption_is_no_failure():
    with pytest.raises(KeyboardInterrupt):
        told(Looking("finished", KeyboardInterrupt()))


def test_a_search_survives_its_curves_its_report_and_its_progress_bar(
    tmp_path, monkeypatch, capsys
):
    calls = itertools.count()

    def failing(*arguments, **named):
        next(calls)
        raise OSError(28, "No space left on device")

    monkeypatch.setenv(SHOWN_VARIABLE, "1")
    monkeypatch.setattr(EventFile, "add", failing)
    monkeypatch.setattr(Progress, "_look", failing)
    monkeypatch.setattr(run, "write_report", failing)
    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"))
    result = nas.search(
        SPACE, lambda a: a["units"], num_samples=24, options=options, workdir=tmp_path / "run"
    )
    assert len(result.trials) == 24 and result.best.reward == 64.0
    err = capsys.readouterr().err
    for what in ("the curves for TensorBoard", "the progress bar", "the report"):
        assert err.count(f"warning: left out {what}, which failed: OSError: [Errno 28]") == 1
    assert next(calls) <= 4  # each once; a bar that is closed looks once more


def test_the_progress_bar_shows_the_best_mean(monkeypatch, capsys):
    monkeypatch.setenv(SHOWN_VARIABLE, "1")
    given = itertools.cycle([1.0, 0.0])
    space = nas.SearchSpace([nas.Choice("units", (16,))])
    search = nas.SearchConfig(searcher="random", duplicates="evaluate")
    result = nas.search(
        space, lambda a: next(given), num_samples=16, options=nas.SearchOptions(search=search)
    )
    assert result.best.reward == 0.5 and result.best.num_evaluations == 16
    assert "best reward 0.5000" in capsys.readouterr().err.split("\r")[-1]
    assert isinstance(result.trials, tuple) and TrialStore(None).best_evaluations() == []


@pytest.mark.parametrize(
    ("metric", "best"),
    [(None, "best reward 0.0100"), ("validation_perplexity", "best perplexity 8.045")],
)
def test_progress_speaks_of_the_best_in_the_unit_of_the_search(monkeypatch, capsys, metric, best):
    monkeypatch.setenv(SHOWN_VARIABLE, "1")

    def evaluate(architecture):
        if architecture["units"] == 16:
            raise nas.ChildFailure("diverged", "NaN")
        return 0.01, {"validation_perplexity": [12.0, 8.045]}

    search = nas.SearchConfig(searcher="random", failure_retries=0)
    options = nas.SearchOptions(search=search, metric=metric)
    result = nas.search(SPACE, evaluate, num_samples=32, options=options)
    num_failed = sum(trial.status == "failed" for trial in result.trials)
    assert num_failed and f"{best}, {num_failed} failed" in capsys.readouterr().err


def test_a_search_that_is_stopped_says_what_there_is_and_how_to_go_on(tmp_path, capsys):
    calls = itertools.count()

    def evaluate(architecture):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return 1.0

    search = nas.SearchConfig(searcher="random", duplicates="evaluate")
    for place, how in (
        ({}, "which the result has\n"),
        ({"workdir": tmp_path / "run"}, "has; options=nas.SearchOptions(resume=True) goes on"),
    ):
        calls = itertools.count()
        options = nas.SearchOptions(search=search)
        result = nas.search(SPACE, evaluate, num_samples=20, options=options, **place)
        assert result.interrupted and "interrupted" in repr(result)
        said = capsys.readouterr().err
        assert "stopped: 3 of 20 trials are done, " in said and how in said
