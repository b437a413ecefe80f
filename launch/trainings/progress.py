"""What a final training shows while it runs: a line per epoch or a bar, TensorBoard's curves."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import tqdm

from nas_with_rl.launch.records.training_result import FinalResult, figure


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
        print(heading, flush=True)
        if done := len(result.validation):
            print(f"continuing after epoch {done} of {result.epochs}", flush=True)

    def add(self, epoch: Epoch, result: FinalResult) -> None:
        """See `EpochProgress`."""
        print(epoch_line(epoch, result), flush=True)

    def close(self) -> None:
        """See `EpochProgress`."""


class EpochBar:
    """A bar on the standard error where that is a terminal, for trainings of a minute."""

    def __init__(self, name: str):
        self._name, self._bar = name, tqdm.tqdm(disable=True)

    def begin(self, heading: str, result: FinalResult) -> None:
        """See `EpochProgress`."""
        self._bar = tqdm.tqdm(
            desc=self._name,
            total=result.epochs,
            initial=len(result.validation),
            unit="epoch",
            dynamic_ncols=True,
            disable=None,
        )
        self._bar.set_postfix_str("compiling")

    def add(self, epoch: Epoch, result: FinalResult) -> None:
        """See `EpochProgress`."""
        self._bar.set_postfix_str(f"validation {figure(epoch.validation, result.metric)}", False)
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
        self._writer = None
        shutil.rmtree(directory, ignore_errors=True)
        try:
            # Not its EventFileWriter, nor TensorFlow's: either imports TensorFlow, beside JAX too.
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        directory.mkdir(parents=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        self._writer = RecordWriter((directory / name).open("wb"))
        self._write(Event(file_version="brain.Event:2"))
        for epoch in epochs:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Draw one epoch."""
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = {
            "loss/training": epoch.train_loss,
            self._tag: epoch.validation,
            "learning_rate": epoch.learning_rate,
            "epoch_seconds": epoch.seconds,
        }
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(Event(step=epoch.number, summary=Summary(value=points)))

    def _write(self, event: Any) -> None:
        assert self._writer is not None
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
