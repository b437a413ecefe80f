"""A report is renewed while a search runs, in at most a hundredth of its time."""

import pytest

from nas_with_rl.launch.reports.writing import LEAST_SECONDS, SHARE, ReportSoFar


class Clock:
    """A clock that is set, and reports that take their time."""

    def __init__(self, cost):
        self.now, self.cost, self.spent = 0.0, cost, []

    def write(self):
        self.now += self.cost
        self.spent.append(self.now)


@pytest.mark.parametrize("cost", [0.001, 0.5, 20.0])
def test_it_takes_its_share_at_most(cost):
    clock = Clock(cost)
    observer = ReportSoFar(clock.write, clock=lambda: clock.now)
    while clock.now < 20_000:
        clock.now += 0.7
        observer.finished(None)
    assert len(clock.spent) > 1
    assert sum(clock.cost for _ in clock.spent[:-1]) <= SHARE * clock.spent[-1] + 1e-9
    gaps = [b - a for a, b in zip(clock.spent, clock.spent[1:], strict=False)]
    assert min(gaps) >= LEAST_SECONDS


def test_a_short_search_is_not_held_up():
    clock = Clock(1.0)
    observer = ReportSoFar(clock.write, clock=lambda: clock.now)
    for _ in range(100):
        clock.now += (LEAST_SECONDS - 0.1) / 100
        observer.finished(None)
    observer.learned(None, (), None)
    observer.close()
    assert clock.spent == []
