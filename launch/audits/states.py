"""Saved states of a searcher, compared value by value: a checkpoint with a recomputed one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from nas_with_rl.launch.audits.recorded import Batch
from nas_with_rl.launch.records.checkpoints import MANIFEST
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.search_spaces.errors import shown

Values = dict[str, Any]  # numbers as arrays, what else there is as it is


@dataclasses.dataclass(frozen=True)
class Difference:
    """One value, or an array of them, that two states differ in.

    Attributes:
      name: as in "reinforce.json: baseline".
      stored, follows: the values; of an array those that differ most.
      size: of the difference, by the array's largest value; infinite for what is no number.
      places: indices within the array, where that is of one dimension.
    """

    name: str
    stored: Any
    follows: Any
    size: float
    places: tuple[int, ...] = ()

    def __str__(self) -> str:
        found = f"{self.name} is stored as {_short(self.stored)}, {_short(self.follows)} follows"
        return found if len(self.places) < 2 else f"{found} ({len(self.places)} values differ)"


def differences(stored: Path, follows: Path, *, tolerance: float) -> tuple[list[Difference], float]:
    """Return in what two saved states differ, and the largest difference of all numbers.

    Args:
      stored, follows: their directories.
      tolerance: of a number, by the largest of its array.
    """
    found, largest = [], 0.0
    one, other = _read(stored), _read(follows)
    for name, expected in other.items():
        if name not in one:  # an earlier version kept less
            continue
        difference = _difference(name, one[name], expected, tolerance)
        largest = max(largest, difference.size)
        if difference.size > tolerance:
            found.append(difference)
    return found, largest


def _difference(name: str, stored: Any, follows: Any, tolerance: float) -> Difference:
    if not isinstance(stored, np.ndarray) or not isinstance(follows, np.ndarray):
        same = type(stored) is type(follows) and stored == follows
        return Difference(name, stored, follows, 0.0 if same else math.inf)
    if stored.shape != follows.shape:
        return Difference(name, f"shape {stored.shape}", f"shape {follows.shape}", math.inf)
    if not stored.size:
        return Difference(name, stored, follows, 0.0)
    one, other = stored.astype(np.float64), follows.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.where(one == other, 0.0, np.abs(one - other))
        scale = float(np.max(np.abs(one[np.isfinite(one)]), initial=0.0)) or 1.0
        sizes = np.nan_to_num(gaps / scale, nan=np.inf)
    place = np.unravel_index(np.argmax(sizes), sizes.shape)
    places = np.flatnonzero(sizes > tolerance).tolist() if sizes.ndim == 1 else []
    return Difference(
        name, stored[place].item(), follows[place].item(), float(sizes[place]), tuple(places)
    )


def _read(directory: Path) -> Values:
    """Return everything that a saved state says, by file and name."""
    found: Values = {}
    for path in sorted(directory.iterdir()):
        if path.name == MANIFEST or ".data-" in path.name:
            continue
        if path.suffix == ".json":
            found |= _named(path.name, json.loads(path.read_text()))
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found |= {f"{path.name}: {name}": arrays[name] for name in arrays.files}
        elif path.suffix == ".index":
            found |= _of_tensorflow(path.with_suffix(""))
        else:
            found[path.name] = path.read_bytes()
    return found


def _named(file: str, value: Any) -> Values:
    if isinstance(value, dict):
        return {f"{file}: {name}": _as_array(each) for name, each in value.items()}
    return {file: _as_array(value)}


def _as_array(value: Any) -> Any:
    """Return numbers, also in lists of equal lengths, as an array; what else as it is."""
    if isinstance(value, list | int | float) and not isinstance(value, bool):
        try:
            array = np.asarray(value)
        except ValueError:  # of unequal lengths
            return value
        if array.dtype.kind in "if":
            return array
    return value


def _of_tensorflow(path: Path) -> Values:
    import tensorflow as tf  # of a searcher that learns by it

    reader = tf.train.load_checkpoint(str(path))
    kinds = reader.get_variable_to_dtype_map()
    return {
        _plain(name): np.asarray(reader.get_tensor(name))
        for name, kind in kinds.items()
        if kind.is_floating or kind.is_integer
    }


def _plain(name: str) -> str:
    return name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")


def _short(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else shown(value)


# Where states keep the rewards that they were told: of the newest trials, or of each architecture
# once, in the order in which they came first.
_NEWEST: Mapping[str, str] = MappingProxyType(
    {"reinforce.json: rewards": "newest", "evolution.json: rewards": "newest"}
)
_ONCE: Mapping[str, str] = MappingProxyType(
    {"tried.npz: means": "means", "local_search.json: rewards": "rewards"}
)


def rewards_told(
    found: Sequence[Difference], stored: Path, batches: Mapping[int, Sequence[Batch]], version: int
) -> Iterator[tuple[Trial, float]]:
    """Yield the trials that a checkpoint was told other rewards of than the store has, and those.

    Args:
      found: its differences from what follows.
      stored: its copy.
      batches: by update.
      version: of the checkpoint.
    """
    told = [
        trial
        for update in range(1, version + 1)
        for trial in sorted(
            (trial for batch in batches.get(update, ()) for trial in batch.trials),
            key=lambda trial: trial.number,
        )
    ]
    values = _read(stored)
    for difference in found:
        name, places = difference.name, difference.places
        if name not in (*_NEWEST, *_ONCE) or not places:
            continue
        kept = values[name]
        if name in _NEWEST:
            for place in places:
                yield told[len(told) - len(kept) + place], float(kept[place])
            continue
        yield from _of_once(name, kept, told, places)


def _of_once(
    name: str, kept: Any, told: Sequence[Trial], places: Sequence[int]
) -> Iterator[tuple[Trial, float]]:
    depth = max((trial.depth for trial in told), default=0)
    members: dict[tuple[int, str], list[Trial]] = {}
    for trial in told:
        if trial.depth == depth or _ONCE[name] == "means":
            members.setdefault((trial.depth, trial.architecture), []).append(trial)
    groups = list(members.values())
    if len(groups) != len(kept):
        return
    for place in places:
        first, *others = groups[place]
        if _ONCE[name] == "rewards" or not others:
            yield first, float(kept[place])
        elif len({trial.reward for trial in others}) == 1 and first.reward != others[0].reward:
            others_sum = sum(trial.reward or 0.0 for trial in others)
            yield first, float(kept[place]) * len(groups[place]) - others_sum
