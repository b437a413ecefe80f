"""The types of what `experiment.json` holds, checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas_with_rl.search_spaces.field_checks import check_number, checked

MOST_STORED = 2**63 - 1

# Of every kind of run, by name: that of an object's member with its object's. No integer
# is below 0.
_STORED: Mapping[str, Any] = MappingProxyType(
    {
        "experiment": str,
        "kind": str,
        "architecture": str,
        "architectures": tuple[str, ...],
        "named": str | None,
        "seed": int,
        "overrides": tuple[str, ...],
        "evaluate": str | None,
        "search": dict,
        "search.num_samples": int,
        "search.num_children": int,
        "search.finished_trials": int,
        "controller": dict,
        "location": dict,
        "location.data_dir": str | None,
        "location.plan": str,
        "location.metric": str,
        "grid": dict,
        "grid.experiment": str,
        "grid.architectures": tuple[str, ...],
        "grid.axes": tuple[str, ...],
        "grid.overrides": tuple[str, ...],
        "grid.final_overrides": tuple[str, ...],
        "grid.seed": int,
        "grid.data_dir": str | None,
    }
)


def check_stored(values: Mapping[str, Any], *, path: Path) -> None:
    """Raise InputError for the first value of another type; what is missing is not checked.

    Args:
      values: of an `experiment.json`.
      path: of the file, for the message.
    """
    for name, kind in _STORED.items():
        group, _, member = name.rpartition(".")
        inside = values.get(group, {}) if group else values
        if member in inside:
            value = checked(inside[member], kind, f"{path}: {name}")
            if kind is int:
                check_number(value, f"{path}: {name}", least=0, most=MOST_STORED)
