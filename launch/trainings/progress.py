"""What a final training shows while it runs: a line per epoch or a bar, TensorBoard's curves."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nas_with_rl.launch.host.progress_bars import Bar, NoBar, make_bar
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.training_result import FinalResult, figure

if TYPE_CHECKING:
    from nas_with_rl.launch.records.event_file import EventFile


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1: mean cross-entropy in nats, validation in the metric."""

    number: int
    train_loss: float
    validation: float
    learning_rate: float
    seconds: float


def epoch_line(epoch: Epoch, result: FinalResult) -> str:
    """Return what is printed after an epoch; the result holds it already."""
    line = (
        f"epoch {epoch.number:{len(str(result.epochs))}} of {result.epochs}: "
        f"training {epoch.train_loss:.4f}, validation {figure(epoch.validation, result.metric)}, "
        f"rate {epoch.learning_rate:.4g}, {epoch.seconds:.1f} s"
    )
    left = (result.epochs - epoch.number) * (result.seconds_per_epoch or 0.0)
    if left >= 60:
        line += f", {_duration(left)} left"
    return line + (" (best)" if result.best_epoch == epoch.number else "")


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"


class EpochProgress(Protocol):
    """Shows a training's epochs."""

    def begin(self, heading: str, result: FinalResult) -> None:
        """Show what is trained, and from which epoch on: those in the result are done."""

    def add(self, epoch: Epoch, result: FinalResult) -> None:
        """Show one epoch; the result holds it already."""

    def close(self) -> None:
        """Leave what is shown."""


class EpochLines:
    """A line per epoch, for trainings of hours."""

    def begin(self, heading: str, result: FinalResult) -> None:
        """See `EpochProgress`."""
        say(heading)
        if done := len(result.validation):
            say(f"continuing after epoch {done} of {result.epochs}")

    def add(self, epoch: Epoch, result: FinalResult) -> None:
        """See `EpochProgress`."""
        say(epoch_line(epoch, result))

    def close(self) -> None:
        """See `EpochProgress`."""


class EpochBar:
    """A bar where somebody looks on, for trainings of a minute."""

    def __init__(self, name: str):
        self._name = name
        self._bar: Bar = NoBar()

    def begin(self, heading: str, result: FinalResult) -> None:
        """See `EpochProgress`."""
        done = len(result.validation)
        self._bar = make_bar(result.epochs, unit="epoch", initial=done, title=self._name)
        self._bar.describe("compiling")

    def add(self, epoch: Epoch, result: FinalResult) -> None:
        """See `EpochProgress`."""
        self._bar.describe(f"validation {figure(epoch.validation, result.metric)}")
        self._bar.update()

    def close(self) -> None:
        """See `EpochProgress`."""
        self._bar.close()


class TrainingCurves:
    """TensorBoard's curves of one training; the horizontal axis is the epoch.

    Tags: `loss/training`, `validation/<metric>`, `learning_rate`, `epoch_seconds`. They are drawn
    anew where a training is resumed, from what its checkpoint holds, so that no epoch has two
    points.
    """

    def __init__(self, directory: Path, epochs: Sequence[Epoch], metric: str):
        """Draw the epochs so far; nothing where TensorBoard is not installed."""
        self._tag = f"validation/{metric}"
        self._file: EventFile | None = None
        shutil.rmtree(directory, ignore_errors=True)
        try:
            from nas_with_rl.launch.records import event_file
        except ImportError:
            return
        self._file = event_file.EventFile(directory)
        for epoch in epochs:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Draw one epoch."""
        if self._file is not None:
            scalars = {
                "loss/training": epoch.train_loss,
                self._tag: epoch.validation,
                "learning_rate": epoch.learning_rate,
                "epoch_seconds": epoch.seconds,
            }
            self._file.add(epoch.number, scalars)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
