"""The types of what `experiment.json` and `result.json` hold, checked where they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas_with_rl.search_spaces.errors import InputError, shown

MOST = 2**63 - 1


class Kind:
    """What a value may be; `name` completes "… is not"."""

    def __init__(self, name: str, holds: Callable[[Any], bool]):
        self.name, self.holds = name, holds

    def or_none(self) -> Kind:
        """Return the kind of values that may be missing too."""
        return Kind(f"{self.name} or null", lambda value: value is None or self.holds(value))

    def several(self) -> Kind:
        """Return the kind of lists of such values."""
        return Kind(
            f"a list, each of it {self.name}",
            lambda value: isinstance(value, list | tuple) and all(map(self.holds, value)),
        )


def one_of(values: Sequence[str]) -> Kind:
    """Return the kind of a closed list of words."""
    return Kind(f"one of {', '.join(values)}", lambda value: value in values)


TEXT = Kind("a text", lambda value: isinstance(value, str))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
COUNT = Kind(
    "an integer from 0 to 2^63 - 1", lambda value: type(value) is int and 0 <= value <= MOST
)
NUMBER = Kind("a number", lambda value: type(value) is float or COUNT.holds(value))

# Of every kind of run; what is missing is not checked.
STORED: Mapping[str, Kind] = MappingProxyType(
    {
        "experiment": TEXT,
        "kind": TEXT,
        "architecture": TEXT,
        "architectures": TEXT.several(),
        "named": TEXT.or_none(),
        "seed": COUNT,
        "overrides": TEXT.several(),
        "evaluate": TEXT.or_none(),
        "search": OBJECT,
        "search.num_samples": COUNT,
        "search.finished_trials": COUNT,
        "controller": OBJECT,
        "location": OBJECT,
        "location.data_dir": TEXT.or_none(),
        "location.plan": TEXT,
        "grid": OBJECT,
        "grid.experiment": TEXT,
        "grid.architectures": TEXT.several(),
        "grid.axes": TEXT.several(),
        "grid.overrides": TEXT.several(),
        "grid.final_overrides": TEXT.several(),
        "grid.seed": COUNT,
        "grid.data_dir": TEXT.or_none(),
    }
)


def check_values(values: Mapping[str, Any], kinds: Mapping[str, Kind], *, path: Path) -> None:
    """Raise InputError, which names file and field, for the first value of another kind.

    Args:
      values: of a JSON object.
      kinds: by name, that of an object's member with its object's, as in "search.num_samples".
      path: of the file.
    """
    for name, kind in kinds.items():
        group, _, member = name.rpartition(".")
        inside = values.get(group, {}) if group else values
        if member in inside and not kind.holds(inside[member]):
            raise InputError(f"{path}: {name} is {shown(inside[member])}, not {kind.name}")
