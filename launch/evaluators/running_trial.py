"""A trial as a function of one's own sees it: its number, a directory, and what it reports."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from nas_with_rl.child_models.failures import Stopped
from nas_with_rl.launch.evaluators.measurements import (
    Failure,
    Measurement,
    number_of,
    result_of,
)
from nas_with_rl.launch.records.trial_store import Metrics
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import checked

# (step, least value) of those at which a child may be stopped, ascending; None: nothing is to be.
Rungs = tuple[tuple[int, float], ...]
VALUES, STEPS = "reported", "reported_step"  # the metrics that a curve is stored as


class RunningTrial:
    """The trial that is being evaluated, for `evaluate(architecture, trial)`.

    Attributes:
      number: from 0, in the order of sampling.
      seed: the child's.
      is_watched: whether it may be stopped early for what it reports.
      is_stopped: whether it has been.
    """

    def __init__(
        self, number: int, seed: int, directory: str | None = None, rungs: Rungs | None = None
    ):
        self.number, self.seed, self.is_watched = number, seed, rungs is not None
        self._place, self._rungs = directory, list(rungs or ())
        self.is_stopped = False
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._steps: list[int] = []
        self._values: list[int | float] = []

    def __repr__(self) -> str:
        return f"<trial {self.number} under way, seed {self.seed}>"

    @functools.cached_property
    def directory(self) -> Path:
        """A directory for this trial alone, made when it is first asked for, and empty then.

        It lies in the search's workdir, as children/NUMBER, and is kept. Without a workdir it is a
        temporary one, deleted when the trial ends.
        """
        if self._place is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="nas_with_rl-")
            return Path(self._temporary.name)
        place = Path(self._place)
        shutil.rmtree(place, ignore_errors=True)  # of an evaluation that was killed
        place.mkdir(parents=True)
        return place

    def report(self, step: int, value: float) -> None:
        """Store how good the child is by now: a point of the trial's curve.

        Args:
          step: an epoch, a number of batches or the like; each is above the one before.
          value: what the reward would be now; higher is better.

        Raises:
          Stopped: the child is to end here, as early stopping has it. The trial then counts as
            this value, whether the exception passes or not.
          InputError: the step is no integer above the last one, or the value no number.
        """
        if self.is_stopped:
            raise Stopped(self._stop())
        step, number = checked(step, int, "the step of report"), number_of(value)
        before = self._steps[-1] if self._steps else -1
        if step <= before:
            above = f"not above {before}, the one before" if self._steps else "below 0"
            raise InputError(f"the step of report is {step}, {above}")
        if number is None:
            raise InputError(f"the value of report is {shown(value)}, not a number")
        self._steps.append(step)
        self._values.append(number)
        while self._rungs and self._rungs[0][0] <= step:
            _, least = self._rungs.pop(0)
            if not number >= least:  # NaN too
                self.is_stopped = True
                raise Stopped(self._stop())

    def _stop(self) -> str:
        return f"trial {self.number} is stopped at step {self._steps[-1]}"

    def close(self) -> None:
        """Delete a temporary directory."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def result(self, returned: Measurement | Failure) -> Measurement | Failure:
        """Return what the trial came to, with its curve; of a stopped one its last value.

        Raises:
          InputError: a metric has the name of a curve's.
        """
        if isinstance(returned, Failure) or not self._steps:
            return returned
        found = dataclasses.replace(returned, metrics=self._with_curve(returned.metrics))
        if not self.is_stopped:
            return found
        # The value may not be finite.
        return result_of(dataclasses.replace(found, reward=self._values[-1], is_stopped=True))

    def stopped(self) -> Measurement:
        """Return what a trial came to that `Stopped` has ended, without its curve.

        Raises:
          InputError: it has reported nothing.
        """
        if not self._values:
            raise InputError("evaluate raised Stopped, and has reported nothing that counts")
        self.is_stopped = True
        return Measurement(self._values[-1], is_stopped=True)

    def _with_curve(self, metrics: Metrics) -> dict[str, Any]:
        for name in (VALUES, STEPS):
            if name in metrics:
                raise InputError(
                    f"a metric that evaluate returned is named {name!r}, as what it has reported"
                )
        return {**metrics, VALUES: list(self._values), STEPS: list(self._steps)}
