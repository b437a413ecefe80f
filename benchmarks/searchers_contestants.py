"""Who takes part in `searchers.py`: this project's searchers and Optuna's TPE, and one run of one.

A child is a different architecture that was measured: what a contestant proposes again costs it
nothing, and it is told what it was told before.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from searchers_optuna import Column
from searchers_tasks import TASKS, Task

import nas_with_rl as nas
from nas_with_rl.child_models.rewards import failure_reward
from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.configuration import PolicyConfig
from nas_with_rl.controller.searcher import Proposal
from nas_with_rl.launch.experiments.searchers import SearcherSetting, make_searcher

TPE = "tpe"
BATCH_SIZE = 8
MOST_REPEATS = 500  # trials in a row that repeat what is known
TRIALS_A_CHILD = 5  # at most, over a whole run
TOLERANCE = 1e-9  # of values that are equal but for rounding


@dataclasses.dataclass(frozen=True)
class Run:
    """What a contestant has found on a benchmark with one seed.

    Attributes:
      task, contestant, seed: of what.
      budget: children that it was given.
      best: of all; None where that is not known.
      improvements: each better value, with how many children had been measured by then.
      children, trials: measured, proposed.
      cpu_seconds: of proposing and learning.
      ended: "budget"; "best" of all is found; "all" are measured; or it only "repeats".
      commit: of the project.
    """

    task: str
    contestant: str
    seed: int
    budget: int
    best: float | None
    improvements: tuple[tuple[int, float], ...]
    children: int
    trials: int
    cpu_seconds: float
    ended: str
    commit: str

    def __str__(self) -> str:
        said = f"{self.after(self.budget):.3f} after {self.children} children ({self.ended})"
        return f"{self.task} {self.contestant} {self.seed}: {said}, {self.cpu_seconds:.1f} s"

    def after(self, num_children: int) -> float:
        """Return the best value after so many children; -inf where there is none."""
        values = [value for number, value in self.improvements if number <= num_children]
        return values[-1] if values else -np.inf

    def has_best(self, num_children: int) -> bool:
        """Return whether the best of all was found by then."""
        return self.ended == "best" and self.improvements[-1][0] <= num_children

    def serves(self, budget: int) -> bool:
        """Return whether another run with this budget would say nothing more."""
        return self.budget >= budget or self.ended in ("best", "all")


class Contestant(Protocol):
    """Proposes architectures."""

    cpu_seconds: float  # so far

    def ask(self) -> list[nas.Architecture]:
        """Return the next batch."""

    def tell(self, rewards: Sequence[float | None]) -> None:
        """Take the rewards of the last batch; None where a child failed."""


class Ours:
    """A searcher of this project, told as `launch/searches/loop.py` tells it."""

    def __init__(self, name: str, space: nas.SearchSpace, seed: int):
        """Make it.

        Args:
          name: of the searcher; after "@" how many architectures are under way at a time.
        """
        searcher, _, batch = name.partition("@")
        self._space, self._batch_size = space, int(batch or BATCH_SIZE)
        # Without XLA, as `nas.search` has it where nothing else is said.
        controller = nas.ReinforceConfig(policy=PolicyConfig(jit_compile=False))
        setting = SearcherSetting(
            space=space, max_depth=space.depth, seed=seed, controller=controller
        )
        self._searcher = make_searcher(searcher, setting)
        self._asked: list[Proposal] = []
        self._untold: list[tuple[list[Proposal], list[float | None]]] = []
        self._trial, self._worst, self._best = 0, np.inf, -np.inf
        self.cpu_seconds = 0.0

    def ask(self) -> list[nas.Architecture]:
        """Return the next batch."""
        start = time.process_time()
        last = self._trial + self._batch_size
        self._asked = self._searcher.ask(self._space, range(self._trial, last))
        self._trial = last
        self.cpu_seconds += time.process_time() - start
        return [proposal.architecture for proposal in self._asked]

    def tell(self, rewards: Sequence[float | None]) -> None:
        """Tell the searcher, as soon as any child has trained: failures are below those."""
        start = time.process_time()
        trained = [reward for reward in rewards if reward is not None]
        self._worst, self._best = min([self._worst, *trained]), max([self._best, *trained])
        self._untold.append((self._asked, list(rewards)))
        if self._best > -np.inf:
            failed = failure_reward(self._worst, self._best)
            for proposals, told in self._untold:
                self._searcher.tell(proposals, [failed if r is None else r for r in told])
            self._untold = []
        self.cpu_seconds += time.process_time() - start


@functools.cache
def _optuna_process(python: str) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("searchers_optuna.py")
    return subprocess.Popen(
        [python, str(program)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Optuna:
    """Optuna's TPE in a process of its own; it ends with the process that has started it."""

    def __init__(self, python: str, space: nas.SearchSpace, seed: int):
        self._process, self._space = _optuna_process(python), space
        self._columns = Columns(space, max_depth=space.depth)
        self.cpu_seconds = 0.0
        self._row = self._answer({"columns": columns_of(space), "seed": seed})

    def ask(self) -> list[nas.Architecture]:
        """Return the next one."""
        return self._columns.architectures(np.array([self._row], np.int16), self._space)

    def tell(self, rewards: Sequence[float | None]) -> None:
        """Take its reward; the next one is proposed at once."""
        self._row = self._answer(rewards[0])

    def _answer(self, told: object) -> list[int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(told), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"Optuna's process ended with status {self._process.wait()}")
        row, self.cpu_seconds = json.loads(line)
        found: list[int] = row
        return found


def columns_of(space: nas.SearchSpace) -> list[Column]:
    """Return a space's columns, as `controller/columns.py` counts them, for another library.

    Returns:
      of each its number of tokens, and the columns that its existence hangs on, each with the
      tokens under which it exists.
    """
    columns: list[Column] = []
    first = []
    for step in space.steps:
        first.append(len(columns))
        conditions = [(first[parent], sorted(tokens)) for parent, tokens in step.conditions]
        if isinstance(step.decision, nas.Choice):
            columns.append((len(step.decision.options), conditions))
        else:
            columns += [(2, conditions)] * step.num_candidates
    return columns


def run(
    names: tuple[str, str, int], budget: int, commit: str, optuna_python: str | None = None
) -> Run:
    """Let a contestant search.

    Args:
      names: of the benchmark and the contestant, and the seed.
      budget: children.
      commit: of the project.
      optuna_python: the Python that has Optuna.
    """
    task_name, name, seed = names
    task = TASKS[task_name].make(seed)
    contestant: Contestant
    if name == TPE:
        assert optuna_python is not None
        contestant = Optuna(optuna_python, task.space, seed)
    else:
        contestant = Ours(name, task.space, seed)
    measured = _Measured(task, budget)
    while True:
        rewards = measured.rewards(contestant.ask())
        if ended := measured.ended:
            break
        contestant.tell(rewards)
    return Run(
        task_name,
        name,
        seed,
        budget,
        task.best,
        tuple(measured.improvements),
        len(measured.known),
        measured.trials,
        contestant.cpu_seconds,
        ended,
        commit,
    )


class _Measured:
    """The children of a run.

    Attributes:
      known: rewards by tokens.
      improvements: as a `Run` has them.
      trials: proposed so far.
    """

    def __init__(self, task: Task, budget: int):
        self._task, self._budget = task, budget
        self.known: dict[tuple, float | None] = {}
        self.improvements: list[tuple[int, float]] = []
        self.trials = self._repeats = 0

    def rewards(self, architectures: Sequence[nas.Architecture]) -> list[float | None]:
        """Return the rewards of a batch; what the budget has no child for counts as failed."""
        return [self._reward(architecture) for architecture in architectures]

    def _reward(self, architecture: nas.Architecture) -> float | None:
        self.trials += 1
        self._repeats += 1
        tokens = architecture.tokens
        if tokens not in self.known and len(self.known) < self._budget:
            outcome = self._task.measure(architecture)
            self.known[tokens], self._repeats = outcome.reward, 0
            if outcome.value > (self.improvements[-1][1] if self.improvements else -np.inf):
                self.improvements.append((len(self.known), outcome.value))
        return self.known.get(tokens)

    @property
    def ended(self) -> str:
        """Why the run has ended; empty where it goes on."""
        best = self.improvements[-1][1] if self.improvements else -np.inf
        reasons = {
            "best": self._task.best is not None and best >= self._task.best - TOLERANCE,
            "budget": len(self.known) >= self._budget,
            "all": len(self.known) >= self._task.space.size,
            "repeats": self._repeats >= MOST_REPEATS
            or self.trials >= TRIALS_A_CHILD * self._budget,
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")
