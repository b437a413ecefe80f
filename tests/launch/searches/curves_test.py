"""The dashboard, read back from its event files: values in closed form, few points, one run."""

import dataclasses
import re

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.searches import curves as curves_module
from nas_with_rl.launch.searches.curves import Curves
from nas_with_rl.launch.searches.dashboard import layout as made_layout

LAYOUT = "custom_scalars__config__"


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self):
        return self.now


class MadeUpSearch:
    """A store and its curves, as a search would drive them."""

    def __init__(self, directory, store=None):
        self.store, self.clock, self.version = store or TrialStore(None), Clock(), 0
        self.curves = Curves(directory, self.store, clock=self.clock)

    def sample(self, numbers, version=0):
        self.store.add(
            [Trial(n, f"choice {n}", 0, "running", -1.0, version, None, seed=n) for n in numbers]
        )

    def finish(self, number, *, worker="w", started=0.0, ended=1.0, reward=0.5, **changes):
        trial = next(trial for trial in self.store.all() if trial.number == number)
        times = {"worker": worker, "started": started, "ended": ended}
        done = {"status": "completed", "reward": reward, **times, **changes}
        trial = dataclasses.replace(trial, **done)
        self.store.finish(trial)
        self.curves.finished(trial)
        return trial

    def learn(self, trials, version=None):
        self.version = version or self.version + 1
        update = Update(self.version, baseline=0.25, entropies={"op": 1.5}, gradient_norm=2.0)
        self.curves.learned(update, trials, self.store)


@pytest.fixture
def search(tmp_path):
    made_up = MadeUpSearch(tmp_path)
    yield made_up
    made_up.curves.close()


def points(directory, tag):
    """Return a scalar's (step, value) pairs."""
    found = accumulated(directory).Tensors(tag)
    return [(point.step, float(tf.make_ndarray(point.tensor_proto))) for point in found]


def value(directory, tag):
    """Return a scalar's newest value."""
    return points(directory, tag)[-1][1]


def accumulated(directory):
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    return events.Reload()


def tags(directory):
    return set(accumulated(directory).Tags()["tensors"])


def test_a_point_says_what_is_in_flight_and_why_children_failed(search, tmp_path):
    search.sample(range(6))
    done = [
        search.finish(0, reward=0.25),
        search.finish(4, status="failed", reward=0.0, failure="diverged"),
        search.finish(2, status="failed", reward=0.0, failure="timed_out"),
    ]
    search.learn(done)
    assert points(tmp_path, "children/in_flight") == [(3, 5.0)]  # the mean of 6, 5 and 4
    reasons = {tag: value(tmp_path, tag) for tag in tags(tmp_path) if tag.startswith("failed/")}
    assert reasons == {
        "failed/diverged": 1.0,
        "failed/timed_out": 1.0,
        "failed/out_of_memory": 0.0,
        "failed/crashed": 0.0,
        "failed/infeasible": 0.0,
    }
    assert value(tmp_path, "trials/failed") == 2.0
    assert value(tmp_path, "reward/best") == 0.25
    assert value(tmp_path, "reward/mean") == pytest.approx(0.25 / 3)


def test_staleness_counts_the_updates_between_sampling_and_learning(search, tmp_path):
    search.sample([0, 1], version=0)
    search.sample([2], version=3)
    trials = [search.finish(number) for number in (2, 0, 1)]
    search.learn(trials[:1], version=4)
    assert value(tmp_path, "staleness/max") == 0.0
    search.learn(trials[1:], version=5)
    search.learn(trials, version=6)
    assert value(tmp_path, "staleness/max") == 5.0
    assert value(tmp_path, "staleness/mean") == pytest.approx((2 + 5 + 5) / 3)


def test_idle_share_is_the_time_between_a_workers_children(search, tmp_path):
    search.sample(range(7))
    search.finish(0, worker="a", started=10.0, ended=12.0)
    search.finish(1, worker="b", started=500.0, ended=501.0)  # by a clock of its own
    search.finish(2, worker="a", started=13.0, ended=15.0)  # 1 idle, 2 busy
    search.finish(3, worker="b", started=500.5, ended=503.5)  # begun before the last had ended
    done = [
        search.finish(4, worker="a", started=15.0, ended=15.0, reused_from=0),  # no evaluation
        search.finish(5, worker="a", started=16.0, ended=20.0),  # 1 idle, 4 busy
        search.finish(6, worker="only one", started=0.0, ended=9.0),
    ]
    search.learn(done)
    assert value(tmp_path, "idle_share/a") == pytest.approx(2 / 8)
    assert value(tmp_path, "idle_share/b") == 0.0
    assert "idle_share/only one" not in tags(tmp_path)
    assert value(tmp_path, "workers/idle_share") == pytest.approx(1 / 8)
    assert value(tmp_path, "workers/idle_share_min") == 0.0
    assert value(tmp_path, "workers/idle_share_max") == pytest.approx(2 / 8)
    assert value(tmp_path, "workers/active") == 3.0
    buckets = tf.make_ndarray(accumulated(tmp_path).Tensors("workers/idle_shares")[0].tensor_proto)
    assert buckets[:, 2].sum() == 2.0 and buckets[0, 0] == 0.0
    assert buckets[-1, 1] == pytest.approx(2 / 8)


def test_an_outcome_that_comes_late_leaves_no_gap(search, tmp_path):
    search.sample(range(3))
    search.finish(0, started=0.0, ended=10.0)
    search.finish(1, started=2.0, ended=3.0)  # 1 busy, heard of after the later one
    search.learn([search.finish(2, started=11.0, ended=12.0)])  # 1 idle, 1 busy
    assert value(tmp_path, "idle_share/w") == pytest.approx(1 / 3)


def test_children_per_hour_are_those_of_the_last_ten_minutes(search, tmp_path):
    search.sample(range(200))
    for number in range(100):  # one a second
        search.clock.now += 1.0
        done = search.finish(number)
    search.learn([done])
    assert value(tmp_path, "children/per_hour") == pytest.approx(3600.0)
    search.clock.now += 1000.0
    search.learn([search.finish(100, started=5.0, ended=6.0)])
    assert value(tmp_path, "children/per_hour") == pytest.approx(6.0)  # one in ten minutes
    assert value(tmp_path, "workers/active") == 1.0
    assert value(tmp_path, "idle_share/w") == pytest.approx(4 / 5)


def test_reused_outcomes_are_not_evaluations(search, tmp_path):
    search.sample(range(4))
    search.clock.now += 3600.0 / 4
    done = [search.finish(number, reused_from=0 if number else None) for number in range(4)]
    search.learn(done)
    assert value(tmp_path, "children/per_hour") == pytest.approx(6.0)


def test_the_window_grows_with_long_children(search, tmp_path):
    search.sample(range(10))
    for number in range(10):  # five hours each, one every half hour
        search.clock.now += 1800.0
        done = search.finish(number, worker=str(number), ended=18000.0)
    search.learn([done])
    assert value(tmp_path, "children/per_hour") == pytest.approx(2.0)
    assert value(tmp_path, "workers/active") == 10.0


def test_long_children_draw_what_changes_with_time_without_an_update(search, tmp_path):
    search.sample(range(8))
    search.finish(0)
    assert tags(tmp_path) == {LAYOUT}
    for number in (1, 2, 3):
        search.clock.now += 61.0
        search.finish(number)
        search.finish(number + 4)
    assert [step for step, _ in points(tmp_path, "children/in_flight")] == [2, 4, 6]
    assert "reward/mean" not in tags(tmp_path)


def test_fast_updates_share_points_and_none_is_lost(search, tmp_path, monkeypatch):
    monkeypatch.setattr(curves_module, "NUM_CLOSE_POINTS", 2)
    search.sample(range(5))
    for number in range(5):
        search.learn([search.finish(number, reward=float(number))])
    assert points(tmp_path, "reward/mean") == [(1, 0.0), (2, 1.0)]
    search.curves.close()
    assert points(tmp_path, "reward/mean")[2:] == [(5, 3.0)]  # the mean of 2, 3 and 4


def test_half_a_second_later_a_finished_trial_draws_what_waits(search, tmp_path, monkeypatch):
    monkeypatch.setattr(curves_module, "NUM_CLOSE_POINTS", 1)
    search.sample(range(3))
    for number in range(2):
        search.learn([search.finish(number, reward=float(number))])
    search.clock.now += 0.6
    search.finish(2)
    assert points(tmp_path, "reward/mean") == [(1, 0.0), (3, 1.0)]


def test_many_workers_have_a_distribution_and_no_curves(search, tmp_path):
    count = curves_module.MOST_WORKER_CURVES + 1
    search.sample(range(2 * count))
    for number in range(2 * count):
        started = 3.0 * (number // count)  # 2 idle, 1 busy
        done = search.finish(
            number, worker=f"worker-{number % count}", started=started, ended=started + 1.0
        )
    search.learn([done])
    assert value(tmp_path, "workers/active") == count
    assert value(tmp_path, "workers/idle_share") == pytest.approx(2 / 3)
    assert not [tag for tag in tags(tmp_path) if tag.startswith("idle_share/")]


def test_every_chart_of_the_layout_finds_its_tags(search, tmp_path):
    search.sample(range(2))
    done = [search.finish(0), search.finish(1, started=2.0, ended=3.0)]
    search.learn(done)
    [written] = accumulated(tmp_path).Tensors(LAYOUT)
    layout = layout_pb2.Layout.FromString(tf.make_ndarray(written.tensor_proto).item())
    theirs = custom_scalar.pb(layout).SerializeToString()  # TensorBoard's own
    assert Summary.FromString(made_layout()) == Summary.FromString(theirs)
    assert [group.title for group in layout.category] == [
        "Search",
        "Children",
        "Controller",
        "Workers",
    ]
    written_tags = tags(tmp_path)
    shown = set()
    for group in layout.category:
        for chart in group.chart:
            found = {
                tag
                for tag in written_tags
                for pattern in chart.multiline.tag
                if re.match(pattern, tag)  # as TensorBoard does
            }
            for band in chart.margin.series:
                found |= {band.value, band.lower, band.upper} & written_tags
                assert len(found) == 3
            assert found, chart.title
            shown |= found
    assert {"reward/mean", "entropy/op", "failed/crashed", "idle_share/w"} <= shown
    assert "workers/idle_shares" not in shown  # a histogram is no curve


def test_a_resumed_search_continues_the_same_curves(tmp_path):
    first = MadeUpSearch(tmp_path)
    first.sample(range(4))
    first.learn([first.finish(0), first.finish(1)])
    first.curves.close()
    again = MadeUpSearch(tmp_path, first.store)
    again.learn([again.finish(2), again.finish(3)], version=2)
    again.curves.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [step for step, _ in points(tmp_path, "reward/mean")] == [2, 4]
    assert [step for step, _ in points(tmp_path, "children/in_flight")] == [2, 4]
    assert LAYOUT in tags(tmp_path)
