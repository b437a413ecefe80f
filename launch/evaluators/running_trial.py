"""A trial as a function of one's own sees it: its number, a directory, and what it reports."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nas_with_rl.launch.evaluators.measurements import Failure, Measurement, number_of
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import checked

VALUES, STEPS = "reported", "reported_step"  # the metrics that a curve is stored as


class RunningTrial:
    """The trial that is being evaluated, for `evaluate(architecture, trial)`.

    Attributes:
      number: from 0, in the order of sampling.
      seed: the child's.
    """

    def __init__(self, number: int, seed: int, directory: str | None = None):
        self.number, self.seed = number, seed
        self._place = directory
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
          InputError: the step is no integer above the last one, or the value no number.
        """
        step, number = checked(step, int, "the step of report"), number_of(value)
        least = self._steps[-1] + 1 if self._steps else 0
        if step < least:
            above = f"not above {least - 1}, the one before" if self._steps else "below 0"
            raise InputError(f"the step of report is {step}, {above}")
        if number is None:
            raise InputError(f"the value of report is {shown(value)}, not a number")
        self._steps.append(step)
        self._values.append(number)

    def close(self) -> None:
        """Delete a temporary directory."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def result(self, returned: Measurement | Failure) -> Measurement | Failure:
        """Return what the trial came to, with its curve.

        Raises:
          InputError: a metric has the name of a curve's.
        """
        if isinstance(returned, Failure) or not self._steps:
            return returned
        return dataclasses.replace(returned, metrics=self._with_curve(returned.metrics))

    def _with_curve(self, metrics: Mapping) -> dict:
        for name in (VALUES, STEPS):
            if name in metrics:
                raise InputError(
                    f"a metric that evaluate returned is named {name!r}, as what it has reported"
                )
        return {**metrics, VALUES: list(self._values), STEPS: list(self._steps)}
