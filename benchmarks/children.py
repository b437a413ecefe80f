"""Speed of recurrent children, beside what one would use instead, every one treated alike.

    python benchmarks/children.py                                # hours, most of it PyTorch's
    python benchmarks/children.py --units=32 --rival_cells=4     # 10 minutes on 2 cores
    python benchmarks/children.py --beside=CHECKOUT              # and another checkout's population

The children are `children_task`'s: random cells, of base 8 unless `--base` says otherwise, as both
layers of a character model. Each contestant runs in fresh processes of one thread, each pinned to
one of the cores that this one may use (`taskset` narrows them).

- `steps`: ms per training step of one child, on one core. The contestants take turns, a round of
  10 steps of each cell. The cells are the first 4 that diverge for nobody, or the first 16 where a
  program takes as many. First calls: CPU seconds that the first program costs beyond its steps
  (building, tracing, compiling), and each further cell. Ratios are of CPU time, which on an idle
  machine is the wall-clock time of one thread and on a busy one still holds.
- `rewards`: seconds from nothing to the validation nll of 32 different cells, trained for 100
  steps each, with a process on every core: start, imports and compilation included. Of those that
  diverge a population takes no further steps; how many is said.

Floor: 6 operations (2 forward, 4 backward) for each multiply-add of the forward products, at the
rate of large float32 matrix products, which is measured in the same run.

The exit status is 1 if a target is missed.
"""

import contextlib
import dataclasses
import functools
import math
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import figures
from absl import flags
from children_cells import ChosenCells, diverged, first_finite, grouped, scaled
from children_contestants import CONTESTANTS, NOBODY, ContestantProcess, Start, present
from children_figures import (
    BASE,
    HAND,
    HAND_TARGETS,
    KERAS,
    REWARD_TARGETS,
    STEP_TARGETS,
    figures_of,
)
from children_task import multiply_adds, save_text

from nas_with_rl.launch import command_line
from nas_with_rl.search_spaces.errors import InputError

STEPS_PER_ROUND, STEPS_PER_CHILD = 10, 100
STEP_CELLS = 4  # of the table of steps, where a program does not take more
SCREENING = "population_1"  # tells which cells diverge

_UNITS = flags.DEFINE_list("units", ["32", "64", "128"], "Hidden units, one table for each.")
_TABLES = flags.DEFINE_list("table", ["steps", "rewards"], "Which tables.")
_CONTESTANTS = flags.DEFINE_list("contestants", list(CONTESTANTS), "Who takes part.")
_CELLS = flags.DEFINE_integer("cells", 32, "Cells of the table of rewards.", lower_bound=1)
_RIVAL_CELLS = flags.DEFINE_integer(
    "rival_cells",
    0,
    "Cells trained by those that need a program for each; what they take after the start is then "
    "scaled. 0: all.",
    lower_bound=0,
)
_REPETITIONS = flags.DEFINE_integer("repetitions", 7, "Rounds of steps.", lower_bound=1)
_TORCH_PYTHON = flags.DEFINE_string("torch_python", sys.executable, "A Python that has PyTorch.")
_BESIDE = flags.DEFINE_string("beside", None, "Another checkout, whose population takes part too.")
_BASE = flags.DEFINE_enum("base", "8", ["2", "4", "8"], "Of the random cells.")
_OUTPUT = flags.DEFINE_string("output", "runs/children.json", "Where the figures are written.")


@dataclasses.dataclass(frozen=True)
class StepFigures:
    """A line of the table of steps, by wall-clock and CPU time; medians over the rounds.

    Attributes:
      first_seconds: of the first program.
      further_seconds: of a further group of cells; None where one was all.
      ms_per_step: of one child.
      nll: the first cell's, in nats, of its first epoch.
    """

    first_seconds: tuple[float, float]
    further_seconds: tuple[float, float] | None
    ms_per_step: tuple[float, float]
    nll: float | None


@dataclasses.dataclass(frozen=True)
class RewardFigures:
    """A line of the table of rewards.

    Attributes:
      seconds: from nothing to all rewards.
      cpu_seconds: of the process that takes most.
      num_trained: cells; if fewer than were wanted, what came after the start is scaled.
      nlls: of the validation text by cell; None: diverged.
    """

    seconds: float
    cpu_seconds: float
    num_trained: int
    nlls: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class StepTable:
    """The table of steps of one size.

    Attributes:
      lines: by contestant.
      cells: which, and which were left out.
      operations_per_second: of matrix products, by CPU time.
    """

    lines: dict[str, StepFigures]
    cells: ChosenCells
    operations_per_second: float


def measure_steps(names: Sequence[str], start: Start, repetitions: int) -> StepTable:
    """Measure each contestant on the same cells, those that nobody finds diverging."""
    wanted = max(STEP_CELLS, *(CONTESTANTS[name].group_size for name in names))
    epochs = 2 + repetitions  # `begin` takes two
    found: set[int] = set()  # by anyone while it was measured
    with ContestantProcess(CONTESTANTS[SCREENING], start) as screening:

        @functools.cache
        def stays_finite(number: int) -> bool:
            return screening.ask("finite", [number, epochs])[0]["finite"]

        while True:
            cells = first_finite(wanted, lambda n: n not in found and stays_finite(n))
            print(f"  cells {list(cells.kept)}; {list(cells.left_out)} diverge", flush=True)
            now_found, table = _measured(names, start, repetitions, cells)
            if not now_found:
                return table
            found.update(now_found)


def _measured(
    names: Sequence[str], start: Start, repetitions: int, cells: ChosenCells
) -> tuple[set[int], StepTable]:
    """Return the cells that have diverged, for whomever, and the figures."""
    groups = {name: grouped(cells.kept, STEP_CELLS, CONTESTANTS[name].group_size) for name in names}
    rates: list[float] = []
    seconds: dict[str, list[Any]] = {name: [] for name in names}
    found: set[int] = set()
    with contextlib.ExitStack() as stack:
        products = stack.enter_context(ContestantProcess(NOBODY, start))
        processes, begun = {}, {}
        for name in names:  # one after the other: they share the core
            processes[name] = stack.enter_context(ContestantProcess(CONTESTANTS[name], start))
            begun[name] = processes[name].ask("begin", groups[name])
            first_calls = ", ".join(f"{answer['first'][0]:.1f}" for answer in begun[name])
            print(f"  {name}: first calls of {first_calls} s", flush=True)
        for _ in range(repetitions):
            rates.append(products.ask("epoch")[0]["per_second"][1])
            for name, process in processes.items():
                (answer,) = process.ask("epoch")
                seconds[name].append(answer["seconds"])
                found |= diverged(groups[name], answer["nlls"])
    lines = {}
    for name in names:
        steps = STEPS_PER_ROUND * sum(map(len, groups[name]))
        lines[name] = _step_figures(begun[name], seconds[name], steps)
    return found, StepTable(lines, cells, statistics.median(rates))


def _step_figures(begun: Sequence[dict], rounds: Sequence[Any], steps: int) -> StepFigures:
    """Return a line, of what a process answered to "begin" and of rounds of so many steps."""
    first, *further = [answer["first"] for answer in begun]
    return StepFigures(
        first_seconds=medians([first]),
        further_seconds=medians(further) if further else None,
        ms_per_step=medians([[1000 * each / steps for each in pair] for pair in rounds]),
        nll=begun[0]["nlls"][0],
    )


def measure_rewards(name: str, start: Start, cores: Sequence[int], num_cells: int) -> RewardFigures:
    """Return one contestant's figures, with a process on each core."""
    group_size = CONTESTANTS[name].group_size
    groups = grouped(range(num_cells + group_size), num_cells, group_size)
    shares = [groups[index :: len(cores)] for index in range(min(len(cores), len(groups)))]
    with contextlib.ExitStack() as stack:
        processes = []
        for core, share in zip(cores, shares, strict=False):
            process = ContestantProcess(CONTESTANTS[name], dataclasses.replace(start, core=core))
            processes.append(stack.enter_context(process))
            process.tell("rewards", share)
        answers = [process.answers() for process in processes]
        ready = [process.ready for process in processes]
        began = processes[0].started
    # By the cells of the process that has most.
    most = 0 if CONTESTANTS[name].any_cell else math.ceil(_CELLS.value / len(cores))

    def last_end(key: str) -> float:
        return max(
            scaled(started[key], [one[key] for one in of_process], max(most, len(of_process)))
            for started, of_process in zip(ready, answers, strict=True)
        )

    return RewardFigures(
        seconds=last_end("at") - began,
        cpu_seconds=last_end("cpu_seconds"),
        num_trained=num_cells,
        nlls=tuple(nll for of_process in answers for one in of_process for nll in one["nlls"]),
    )


def medians(pairs: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the median wall-clock and CPU time."""
    wall, cpu = (statistics.median(values) for values in zip(*pairs, strict=True))
    return wall, cpu


def show_steps(table: StepTable, units: int, base: int) -> None:
    """Print a table of steps."""
    lines, rate = table.lines, table.operations_per_second
    floor = 1000 * 2 * multiply_adds(units, base) / rate
    billions = multiply_adds(units, base) / 1e9
    print(
        f"{units} units, base {base}: floor {floor:.1f} ms = 2 x {billions:.3f}e9 multiply-adds"
        f" (forward and two backward products) / {rate / 1e9:.1f} GFLOP/s\n"
        f"  the same cells for all, the first of {list(table.cells.kept)};"
        f" {len(table.cells.left_out)} left out, as they diverge: {list(table.cells.left_out)}\n"
        f"  {'ms per training step of one child':44}first s further s     ms  CPU ms"
        "  x by hand  x floor  nll"
    )
    hand = lines.get(HAND)
    for name, line in lines.items():
        further = f"{max(0, line.further_seconds[1]):9.1f}" if line.further_seconds else f"{'-':>9}"
        ratio = f"{line.ms_per_step[1] / hand.ms_per_step[1]:11.2f}" if hand else f"{'-':>11}"
        nll = "diverged" if line.nll is None else f"{line.nll:.5f}"
        print(
            f"  {CONTESTANTS[name].title:44}{line.first_seconds[1]:7.1f} {further}"
            f"{line.ms_per_step[0]:7.1f}{line.ms_per_step[1]:8.1f}{ratio}"
            f"{line.ms_per_step[1] / floor:9.1f}  {nll}",
            flush=True,
        )


def show_rewards(lines: dict[str, RewardFigures], units: int) -> None:
    """Print a table of rewards."""
    rivals = [line.cpu_seconds for name, line in lines.items() if not CONTESTANTS[name].own]
    best = min(rivals, default=0)
    print(
        f"{units} units, {_CELLS.value} cells x {STEPS_PER_CHILD} steps\n"
        f"  {'from nothing to all rewards':44}seconds  CPU s a core  x best rival  median nll"
        "  diverged"
    )
    for name, line in lines.items():
        finite = [math.inf if nll is None else nll for nll in line.nlls]
        partial = line.num_trained < _CELLS.value
        ratio = f"{line.cpu_seconds / best:14.2f}" if best else f"{'-':>14}"
        note = f"  SCALED from {line.num_trained} cells" if partial else ""
        print(
            f"  {CONTESTANTS[name].title:44}{line.seconds:7.1f}{line.cpu_seconds:14.1f}{ratio}"
            f"{statistics.median(finite):12.4f}{line.nlls.count(None):10d}{note}",
            flush=True,
        )


def targets(
    steps: dict[str, StepFigures], rewards: dict[str, RewardFigures], units: int
) -> list[tuple[str, float, float]]:
    """Return what is wanted of any cell as data: in words, a ratio and its ceiling."""
    found = []
    if {HAND, KERAS} <= steps.keys() and units in HAND_TARGETS:
        ratio = steps[HAND].ms_per_step[1] / steps[KERAS].ms_per_step[1]
        found.append((f"{HAND} per step, of {KERAS}", ratio, HAND_TARGETS[units]))
    ours = [line.ms_per_step[1] for name, line in steps.items() if CONTESTANTS[name].is_data]
    for name in STEP_TARGETS.keys() & steps.keys() if ours else ():
        if units in STEP_TARGETS[name]:
            ratio = min(ours) / steps[name].ms_per_step[1]
            title = f"any cell as data per step, of {name}"
            found.append((title, ratio, STEP_TARGETS[name][units]))
    rivals = [line.cpu_seconds for name, line in rewards.items() if not CONTESTANTS[name].own]
    ours = [line.cpu_seconds for name, line in rewards.items() if CONTESTANTS[name].is_data]
    if ours and rivals and units in REWARD_TARGETS:
        ratio = min(ours) / min(rivals)
        found.append(
            ("any cell as data, all rewards, of the best rival", ratio, REWARD_TARGETS[units])
        )
    return found


def measure(start: Start, names: Sequence[str], cores: Sequence[int]) -> dict:
    """Measure, print and return the tables of one size; `start` has a folder for its texts."""
    table = None
    rewards: dict[str, RewardFigures] = {}
    units, base, directory = start.units, start.base, start.text
    if "steps" in _TABLES.value:
        text = directory / "steps.npz"
        save_text(text, STEPS_PER_ROUND)
        table = measure_steps(names, dataclasses.replace(start, text=text), _REPETITIONS.value)
        show_steps(table, units, base)
    if "rewards" in _TABLES.value:
        text = directory / "rewards.npz"
        save_text(text, STEPS_PER_CHILD)
        for name in names:
            few = _RIVAL_CELLS.value and not CONTESTANTS[name].any_cell
            num_cells = min(_RIVAL_CELLS.value, _CELLS.value) if few else _CELLS.value
            with_text = dataclasses.replace(start, text=text)
            rewards[name] = measure_rewards(name, with_text, cores, num_cells)
            print(f"  {name}: {rewards[name].seconds:.1f} s", flush=True)
        show_rewards(rewards, units)
    steps = table.lines if table else {}
    goals = targets(steps, rewards, units) if base == BASE else []
    for title, ratio, ceiling in goals:
        print(f"  {title}: {ratio:.2f} (at most {ceiling}), {verdict(ratio, ceiling)}", flush=True)
    return {
        "units": units,
        "base": base,
        "operations_per_second": table.operations_per_second if table else None,
        "multiply_adds": multiply_adds(units, base),
        "step_cells": dataclasses.asdict(table.cells) if table else None,
        "steps": {name: dataclasses.asdict(line) for name, line in steps.items()},
        "rewards": {name: dataclasses.asdict(line) for name, line in rewards.items()},
        "targets": goals,
    }


def verdict(ratio: float, ceiling: float) -> str:
    return "met" if ratio <= ceiling else "MISSED"


def main() -> int:
    """Measure all sizes; return the exit status."""
    if wrong := [table for table in _TABLES.value if table not in ("steps", "rewards")]:
        raise InputError(f"--table has {wrong[0]!r}, not steps or rewards")
    if wrong := [units for units in _UNITS.value if not units.isdigit() or not int(units)]:
        raise InputError(f"--units has {wrong[0]!r}, not a number above 0")
    beside = str(Path(_BESIDE.value).resolve()) if _BESIDE.value else None
    names = list(present(_CONTESTANTS.value, _TORCH_PYTHON.value, beside))
    cores = sorted(os.sched_getaffinity(0))
    output = Path(_OUTPUT.value)
    print(f"{platform.machine()}, cores {cores}; figures go to {output}", flush=True)
    sizes: list[dict] = []
    with tempfile.TemporaryDirectory() as directory:
        for units in map(int, _UNITS.value):
            start = Start(
                units, int(_BASE.value), Path(directory), cores[0], _TORCH_PYTHON.value, beside
            )
            sizes.append(measure(start, names, cores))
            found = [figure for size in sizes for figure in figures_of(size)]
            figures.write(output, found, cores=cores, cells=_CELLS.value, sizes=sizes)
    missed = [goal for size in sizes for goal in size["targets"] if goal[1] > goal[2]]
    return 1 if missed else 0


if __name__ == "__main__":
    command_line.run_main(main)
