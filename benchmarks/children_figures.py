"""What is wanted of `children.py`, and its figures for `side_by_side.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from children_contestants import CONTESTANTS
from figures import BESIDE, HERE, Figure

HAND, KERAS, JAX, TORCH = "by_hand_xla", "keras_cell", "jax_by_hand", "torch"
BASE = 8  # of the cells that the targets are of
# The hand-written cell's time per step, of the Keras cell's: or it would be a straw man.
HAND_TARGETS = {32: 0.64, 64: 0.67, 128: 0.88}
# Of any cell as data, times the time per step of the cell by hand, in TensorFlow and in JAX.
STEP_TARGETS = {HAND: {32: 1.25, 64: 1.25, 128: 1.25}, JAX: {32: 1.15, 64: 1.0, 128: 1.0}}
REWARD_TARGETS = {32: 0.55, 64: 0.6, 128: 0.8}  # of the best rival's time
BASE_2_MS = {32: 2.2}  # of a step
COMPILATION_SECONDS = 4.5  # of the processor

_RIVALS = {JAX: "JAX by hand", TORCH: "PyTorch by hand", HAND: "TensorFlow by hand"}
_EXPECTED = (JAX, TORCH)  # named where they did not take part


def figures_of(size: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of one size, of what `children.py` writes of it."""
    units, base = size["units"], size["base"]
    title, usual = f"any cell, base {base}, {units} units", base == BASE
    if steps := size["steps"]:
        costs = _costs({name: line["ms_per_step"][1] for name, line in steps.items()})
        wanted = {
            name: STEP_TARGETS.get(name, {}).get(units) if usual else None for name in _RIVALS
        }
        of_here = BASE_2_MS.get(units) if base == 2 else None
        yield Figure(f"{title}: a step", "CPU ms", costs, _targets(costs, wanted, of_here))
        costs = _costs({name: line["first_seconds"][1] for name, line in steps.items()})
        of_here = COMPILATION_SECONDS if usual else None
        yield Figure(f"{title}: first call", "CPU s", costs, _targets(costs, {}, of_here))
    if rewards := size["rewards"]:
        costs = _costs({name: line["cpu_seconds"] for name, line in rewards.items()})
        most = REWARD_TARGETS.get(units) if usual else None
        wanted = dict.fromkeys(_RIVALS, most)  # of the best of them: of each
        yield Figure(f"{title}: all rewards", "CPU s", costs, _targets(costs, wanted, None))


def _costs(by_contestant: Mapping[str, float]) -> dict[str, float]:
    """Return the costs of those that `side_by_side.py` shows; here, of the best program."""
    costs = {_RIVALS[name]: cost for name, cost in by_contestant.items() if name in _RIVALS}
    ours = [cost for name, cost in by_contestant.items() if CONTESTANTS[name].is_data]
    beside = [cost for name, cost in by_contestant.items() if CONTESTANTS[name].beside]
    return costs | ({HERE: min(ours)} if ours else {}) | ({BESIDE: min(beside)} if beside else {})


def _targets(
    costs: Mapping[str, float], of_rivals: Mapping[str, float | None], of_here: float | None
) -> dict[str, float | None]:
    """Return what is wanted, for whoever took part and whoever should have."""
    rivals = {
        title: of_rivals.get(name)
        for name, title in _RIVALS.items()
        if name in _EXPECTED or title in costs
    }
    return {HERE: of_here, BESIDE: None, **rivals}
