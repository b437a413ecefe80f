"""What a benchmark hands to `side_by_side.py`: its figures, in a JSON file.

A figure is a cost, so that less is better: of this checkout, of the one beside it, and of rivals.
Needs the standard library alone.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE, BESIDE = "here", "beside"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One thing measured, by whoever took part.

    Attributes:
      name: what, in words.
      unit: of the costs.
      costs: by contestant: `HERE`, `BESIDE`, or a rival's title, which begins with its library.
      targets: how many times a contestant's cost `HERE` may take at most, and for `HERE` itself its
        largest cost; None where nothing is wanted. Whoever stands here and has no cost could not
        take part.
    """

    name: str
    unit: str
    costs: Mapping[str, float]
    targets: Mapping[str, float | None]

    def ratio(self, contestant: str) -> float | None:
        """Return this checkout's cost, of a contestant's; None where one of them has none."""
        if HERE not in self.costs or contestant not in self.costs:
            return None
        return self.costs[HERE] / self.costs[contestant]

    def met(self, contestant: str) -> bool | None:
        """Return whether a target is met; None where there is none, or nothing to compare."""
        most = self.targets.get(contestant)
        found = self.costs.get(HERE) if contestant == HERE else self.ratio(contestant)
        return None if found is None or most is None else found <= most


def write(path: str | Path | None, figures: Sequence[Figure], **others: object) -> None:
    """Write figures, and what else a benchmark keeps in the file; nothing where there is none."""
    if path is None:
        return
    found = {**others, "figures": [dataclasses.asdict(figure) for figure in figures]}
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read(path: str | Path) -> list[Figure]:
    """Read what `write` wrote."""
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Figure(**figure) for figure in found["figures"]]


@functools.cache
def has_module(module: str, python: str) -> bool:
    """Return whether a Python has a module, of this checkout too, without importing it."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run([python, "-c", code], env=environment).returncode == 0
