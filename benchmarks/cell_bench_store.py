"""What `cell_bench.py` keeps: each group of each phase as a file, written whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nas_with_rl.launch.experiments.cell_bench import (
    NUM_CELLS,
    CellBench,
    cell_at,
    mirrored,
    seed_of,
)
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.whole_files import write_whole

# A cell and the number of its training, from 0, by member.
Group = Sequence[tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Phase:
    """Trainings of one length.

    Attributes:
      name: folder of its groups.
      groups: which trainings, in the order in which they are made.
      checkpoints: in segments.
    """

    name: str
    groups: Sequence[Group]
    checkpoints: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class TrainedGroup:
    """What a group measured.

    Attributes:
      cells, trainings, seeds: by member.
      train_nll, validation_nll: by member, one for each checkpoint, in nats per character; None
        where it was not finite, and from then on: a child that has diverged in training is frozen,
        and measures what it was before. The training's is the mean since the checkpoint before.
      seconds, cpu_seconds: of the whole group.
    """

    cells: Sequence[int]
    trainings: Sequence[int]
    seeds: Sequence[int]
    train_nll: Sequence[Sequence[float | None]]
    validation_nll: Sequence[Sequence[float | None]]
    seconds: float
    cpu_seconds: float

    @classmethod
    def of(
        cls,
        group: Group,
        train: Sequence[np.ndarray],
        validation: Sequence[np.ndarray],
        seconds: tuple[float, float],
    ) -> TrainedGroup:
        """Return it from nll by checkpoint and member, and seconds by the clock and of the CPU."""
        cells, trainings = (list(each) for each in zip(*group, strict=True))
        # NaN once and for all: a sum with NaN is one.
        unharmed = np.cumsum(np.where(np.isfinite(train), 0, np.nan), axis=0)
        return cls(
            cells,
            trainings,
            [seed_of(cell_at(cell), training) for cell, training in group],
            [_rounded(each) for each in np.transpose(train)],
            [_rounded(each) for each in np.transpose(np.asarray(validation) + unharmed)],
            *(round(each, 3) for each in seconds),
        )


def _rounded(nlls: Iterable[float]) -> list[float | None]:
    return [round(float(nll), 6) if math.isfinite(nll) else None for nll in nlls]


class Store:
    """A folder of trained groups, which several processes may fill.

    Who trains a group holds a lock on a file of its name, which ends with the process.
    """

    def __init__(self, folder: Path, settings: CellBench, num_children: int):
        """Make the folder, or check that it is of the same settings.

        Raises:
          InputError: what lies there is of other settings.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {"settings": settings.as_json(), "num_children": num_children}
        path = folder / "settings.json"
        if not path.exists():
            write_whole(json.dumps(wanted, indent=1) + "\n", path)
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(wanted)):
            raise InputError(f"{path} has other settings than this program")

    def note_machine(self, facts: Mapping[str, str]) -> None:
        """Add the facts of this machine to those that have filled the store, once."""
        path, line = self._folder / "machines.jsonl", json.dumps(facts)
        known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if line not in known:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def missing(self, phase: Phase) -> list[int]:
        """Return which groups nobody has trained."""
        there = self._there(phase)
        return [index for index in range(len(phase.groups)) if index not in there]

    def num_done(self, phase: Phase) -> int:
        """Return how many groups are there."""
        return len(self._there(phase))

    def trained(self, phase: Phase) -> list[TrainedGroup]:
        """Return the groups that are there, in order."""
        return [self._read(phase, index) for index in sorted(self._there(phase))]

    def write(self, phase: Phase, index: int, group: TrainedGroup) -> None:
        """Keep a group."""
        self._path(phase, index).parent.mkdir(exist_ok=True)
        write_whole(json.dumps(dataclasses.asdict(group)) + "\n", self._path(phase, index))

    @contextlib.contextmanager
    def claimed(self, phase: Phase, index: int) -> Iterator[bool]:
        """Yield whether the group is this process's to train, for as long as the block runs."""
        lock = self._path(phase, index).with_suffix(".lock")
        lock.parent.mkdir(exist_ok=True)
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            # Only under the lock: another may have trained it since it was missed.
            yield not self._path(phase, index).exists()
            lock.unlink(missing_ok=True)

    def _there(self, phase: Phase) -> set[int]:
        return {int(path.stem) for path in (self._folder / phase.name).glob("[0-9]*.json")}

    def _read(self, phase: Phase, index: int) -> TrainedGroup:
        return TrainedGroup(**json.loads(self._path(phase, index).read_text(encoding="utf-8")))

    def _path(self, phase: Phase, index: int) -> Path:
        return self._folder / phase.name / f"{index:05}.json"


def phase_1(settings: CellBench, size: int) -> Phase:
    """Return each cell once, in groups of a size, drawn at random so that a part is a sample."""
    order = np.random.default_rng(0).permutation(NUM_CELLS)
    trainings = [(int(cell), 0) for cell in order]
    return Phase("phase_1", _grouped(trainings, size), settings.checkpoints)


def phase_2(trained: Iterable[TrainedGroup], settings: CellBench, size: int) -> Phase:
    """Return the further trainings, for all groups of phase 1.

    Of two mirrored cells the one of the smaller number stands for both, and the mean of both nll
    decides. Those at random are drawn from all others, diverged ones too.
    """
    nlls = {
        cell: nll[-1] if nll[-1] is not None else math.inf
        for group in trained
        for cell, nll in zip(group.cells, group.validation_nll, strict=True)
    }
    means = {
        cell: (nll + nlls[mirrored(cell)]) / 2
        for cell, nll in nlls.items()
        if cell <= mirrored(cell)
    }
    ranked = sorted(means, key=lambda cell: (means[cell], cell))
    best, others = ranked[: settings.num_best], sorted(ranked[settings.num_best :])
    drawn = np.random.default_rng(1).choice(others, settings.num_random, replace=False)
    trainings = [
        (int(cell), training)
        for cell in (*best, *drawn)
        for training in range(1, settings.num_further + 1)
    ]
    return Phase("phase_2", _grouped(trainings, size), settings.further_checkpoints)


def _grouped(trainings: Sequence[tuple[int, int]], size: int) -> list[Group]:
    return [trainings[first : first + size] for first in range(0, len(trainings), size)]


def machine() -> dict[str, str]:
    """Return what a child's last digits may depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {
        "processor": next(iter(models), platform.machine()),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **packages,
    }
