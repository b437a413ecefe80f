"""One contestant of `children.py` in a process of its own, pinned to one core.

Started as `python children_process.py '<JSON of Assignment>'`. It says when it has imported all,
then reads a JSON object per line and answers in JSON lines:

    {"finite": [0, 9]}         train cell 0 for 9 epochs; whether its nll was finite in all
    {"begin": [[0], [1]]}      make each group of cells and train it for two epochs; the seconds
    {"epoch": true}            train every group for another epoch; the seconds and the nlls
    {"rewards": [[0], [1]]}    one group after the other, from nothing to its validation nll; a
                               line after each
"""

import dataclasses
import importlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from children_task import Children, load_task, random_cell

PRODUCT_SIZE = 1536  # of the square matrices whose product is timed


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What a process is to do.

    Attributes:
      make: "module:class", called with a task, cells and the options; "" for no contestant.
      options: keyword arguments.
      units: H.
      base: of the cells.
      text: the file that `children_task.save_text` wrote.
      core: the one it runs on; -1 for any.
    """

    make: str
    options: dict[str, Any]
    units: int
    base: int
    text: str
    core: int


class Runner:
    """Answers the commands.

    A pair of seconds is wall-clock and CPU time: on a machine that has other work to do the first
    grows and the second hardly.
    """

    def __init__(self, assignment: Assignment):
        module_name, _, class_name = assignment.make.partition(":")
        self._module = importlib.import_module(module_name)
        self._make: Callable[..., Children] = getattr(self._module, class_name)
        self._options = assignment.options
        self._task = load_task(Path(assignment.text), assignment.units, assignment.base)
        self._groups: list[Children] = []

    def finite(self, argument: tuple[int, int]) -> Iterator[dict]:
        """Train a cell for so many epochs, or until it diverges."""
        number, num_epochs = argument
        children = self._begin([number])
        yield {"finite": all(math.isfinite(*children.train_epoch()) for _ in range(num_epochs))}
        del children
        self._module.release()

    def begin(self, groups: Sequence[Sequence[int]]) -> Iterator[dict]:
        """Make the groups; "first" is beyond what the second epoch took, a pair per group."""
        first = []
        for numbers in groups:
            start = _now()
            children = self._begin(numbers)
            nlls = children.train_epoch()
            made = _now()
            children.train_epoch()
            first.append((2 * made - start - _now()).tolist())
            self._groups.append(children)
            yield {"first": first[-1], "nlls": _numbers(nlls)}

    def epoch(self, _: Any) -> Iterator[dict]:
        """Train each group for another epoch."""
        start = _now()
        nlls = [children.train_epoch() for children in self._groups]
        yield {"seconds": (_now() - start).tolist(), "nlls": list(map(_numbers, nlls))}

    def rewards(self, groups: Sequence[Sequence[int]]) -> Iterator[dict]:
        """Train and validate each group, and forget it."""
        for numbers in groups:
            children = self._begin(numbers)
            children.train_epoch()
            nlls = _numbers(children.validate())
            yield {"nlls": nlls, "at": time.time(), "cpu_seconds": _now()[1]}
            del children
            self._module.release()

    def _begin(self, numbers: Sequence[int]) -> Children:
        cells = [random_cell(number, self._task.base) for number in numbers]
        return self._make(self._task, cells, **self._options)


class MatrixProducts:
    """Answers "epoch" with this core's rate of float32 matrix products."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        shape = (2, PRODUCT_SIZE, PRODUCT_SIZE)
        self._left, self._right = rng.standard_normal(shape, dtype=np.float32)
        self._product = self._left @ self._right

    def epoch(self, _: Any) -> Iterator[dict]:
        """Multiply some times; the operations per second by wall-clock and by CPU time."""
        count = 10
        start = _now()
        for _ in range(count):
            np.matmul(self._left, self._right, out=self._product)
        yield {"per_second": (count * 2 * PRODUCT_SIZE**3 / (_now() - start)).tolist()}


def _now() -> np.ndarray:
    """Return the wall-clock time, and the CPU time of this process and its ended children."""
    of_children = sum(os.times()[2:4])  # torch's compilers; in hundredths of a second
    return np.array([time.perf_counter(), time.process_time() + of_children])


def _numbers(nlls: Sequence[float]) -> list[float | None]:
    """Return what JSON can say; a diverged child's is None."""
    return [nll if math.isfinite(nll) else None for nll in map(float, nlls)]


def main() -> None:
    assignment = Assignment(**json.loads(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    if assignment.core >= 0:
        os.sched_setaffinity(0, {assignment.core})
    runner: Any = Runner(assignment) if assignment.make else MatrixProducts()
    print(json.dumps({"at": time.time(), "cpu_seconds": _now()[1]}), file=answers)
    for line in sys.stdin:
        ((name, argument),) = json.loads(line).items()
        for answer in getattr(runner, name)(argument):
            print(json.dumps(answer), file=answers)
        print("{}", file=answers)  # the end of the answer


if __name__ == "__main__":
    main()
