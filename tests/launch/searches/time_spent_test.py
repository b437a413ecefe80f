"""Where a search's time went, and how long it will take: from what is measured."""

import dataclasses
import json
import re
import time

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.records.ledger import Ledger, read_ledger, write_ledger
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.times import describe_time, time_rows
from nas_with_rl.launch.searches.forecast import Forecast
from nas_with_rl.launch.searches.time_spent import TimeSpent

SPACE = nas.SearchSpace({"units": tuple(range(40))})
TRIAL = Trial(0, "8", 0, "completed", -1.0, 0, 1, seed=0, reward=0.5, worker="one")
CHILD_SECONDS = 0.02


class Stopped(Exception):
    pass


def search(workdir, *, stop_after, resume=False):
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) == stop_after:
            raise Stopped
        time.sleep(CHILD_SECONDS)
        return architecture["units"]

    options = nas.SearchOptions(
        search=SearchConfig(searcher="evolution", batch_size=4), progress=False, resume=resume
    )
    return nas.search(SPACE, evaluate, num_samples=40, seed=0, workdir=workdir, options=options)


def test_the_time_of_all_starts_is_added_up(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Stopped):
        search(run, stop_after=11)
    first = read_ledger(run / "ledger.json")
    assert first.starts == 1 and first.waiting >= 10 * CHILD_SECONDS
    result = search(run, stop_after=0, resume=True)
    both = read_ledger(run / "ledger.json")
    num_trained = len({trial.architecture for trial in result.trials})
    assert both.starts == 2 and both.waiting >= num_trained * CHILD_SECONDS
    assert both.sampling > first.sampling > 0 and both.learning > first.learning > 0
    assert both.checkpoints > 0 and both.rest > 0
    page = (run / "report.html").read_text()
    assert "Where the time went" in page and "waiting for children" in page
    # What it was not there to see it does not stop: the trials are those of any search.
    plain = search(None, stop_after=0)
    assert [t.architecture for t in plain.trials] == [t.architecture for t in result.trials]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"sampling": "x"}', '{"rest": -1}', '{"rest": NaN}', "[" * 10_000]
)
def test_a_ledger_that_cannot_be_read_begins_anew(content, tmp_path):
    path = tmp_path / "ledger.json"
    assert read_ledger(path) == Ledger()
    path.write_text(content)
    assert read_ledger(path) == Ledger()
    assert TimeSpent(path).ledger().starts == 1


def test_a_ledger_that_cannot_be_written_stops_no_search(tmp_path, capsys):
    spent = TimeSpent(tmp_path / "none" / "ledger.json")
    for _ in range(2):
        with spent.kept(), spent.timing("learning"):
            pass
    assert capsys.readouterr().err.count("left out the ledger") == 1


def test_what_is_written_is_read(tmp_path):
    ledger = Ledger(1.5, 2.25, 3.0, 4.0, 5.125, starts=2)
    write_ledger(ledger, tmp_path / "ledger.json")
    assert read_ledger(tmp_path / "ledger.json") == ledger
    assert json.loads((tmp_path / "ledger.json").read_text())["starts"] == 2
    assert ledger.total == 15.875
    assert ledger.plus(ledger) == Ledger(3.0, 4.5, 6.0, 8.0, 10.25, starts=4)


def children(*seconds, worker="one", depth=0):
    """Return trials that one worker has evaluated, one after the other."""
    ends = [sum(seconds[: number + 1]) for number in range(len(seconds))]
    return [
        dataclasses.replace(
            TRIAL, number=n, started=1e6 + end - took, ended=1e6 + end, worker=worker, depth=depth
        )
        for n, (end, took) in enumerate(zip(ends, seconds, strict=True))
    ]


def test_what_the_first_child_of_each_worker_took_longer_is_its_compilation():
    trials = [*children(12.0, 2.0, 2.0, 2.0), *children(9.0, 1.0, 1.0, 1.0, worker="two")]
    rows = dict(time_rows(Ledger(waiting=20.0, starts=1), trials))
    assert rows["children, on 2 workers"] == "30.0 s"
    assert rows["of it building and compiling, by each worker's first child"] == "18.0 s"
    assert rows["waiting for children"] == "20.0 s (100%)"
    even = dict(time_rows(Ledger(waiting=20.0), children(2.0, 2.0, 2.0, 2.0)))
    assert list(even)[-1] == "children, on 1 worker"
    assert describe_time(Ledger(waiting=0.5, starts=1), trials) == ""
    line = describe_time(Ledger(waiting=400.0, sampling=200.0, starts=3), trials)
    assert line.startswith("time: 10.0 minutes in 3 starts: waiting for children 6.7 minutes (67%)")


def lines_of(trials, **config):
    forecast = Forecast(SearchConfig(**config), has_layers=bool(trials[0].depth))
    return [line for n, trial in enumerate(trials) if (line := forecast.finished(trial, n + 1))]


def test_a_forecast_is_of_what_follows_the_first_child():
    (line,) = lines_of(children(60.0, *[2.0] * 20), num_samples=105)
    # Five trials are measured: one of 60 s that compiles, four of 2 s.
    assert re.fullmatch(
        r"forecast: a child every 2 s: 100 more in 3\.3 minutes, at .*\d\d:\d\d; sooner where "
        "architectures repeat",
        line,
    )
    assert lines_of(children(60.0, *[2.0] * 20), num_samples=30) == []  # not worth a line
    assert lines_of(children(*[0.1] * 9), num_samples=10_000) == []  # too little was measured
    reused = [dataclasses.replace(trial, reused_from=0) for trial in children(*[2.0] * 20)]
    assert lines_of(reused, num_samples=1000) == []


def test_several_workers_and_growing_depth_are_counted():
    pairs = zip(children(*[4.0] * 20), children(*[4.0] * 20, worker="two"), strict=True)
    (line,) = lines_of([trial for pair in pairs for trial in pair], num_samples=206)
    assert "a child every 2 s on 2 workers: 200 more in 6.7 minutes" in line
    # 105 trials: 5 measured at depth 2, 45 of 2 s to come, 50 at depth 4 of 4 s, and 5 of 6 s.
    schedule = DepthSchedule(initial=2, increment=2, every=50, maximum=6)
    (line,) = lines_of(children(*[2.0] * 20, depth=2), num_samples=105, depth=schedule)
    assert "100 more in 5.3 minutes" in line and "counted by their layers" in line
    deeper = [*children(*[2.0] * 9, depth=2), *children(*[5.0] * 9, depth=4)]
    first, second = lines_of(deeper, num_samples=105, depth=schedule)
    assert "a child every 2 s" in first and "a child every 5 s" in second
