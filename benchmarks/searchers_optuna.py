"""Optuna's TPE for `searchers.py`: a process that asks for architectures' rewards, one at a time.

It runs under whichever Python has Optuna and needs nothing else. Each line that it reads is JSON:
`{"columns": [[size, [[parent, tokens], ...]], ...], "seed": 0}` begins a study, where a column
exists if each parent, the number of a column before it, has one of its tokens; then a number is the
reward of what was proposed last, and null says that it failed. Each line that it answers with is
`[row, CPU seconds so far]`, the row with a token for each column, -1 where it does not exist.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

Column = tuple[int, Sequence[tuple[int, Sequence[int]]]]
ABSENT = -1


class Study:
    """A study by `TPESampler` as it is by default, told of a trial before the next is proposed."""

    def __init__(self, optuna: Any, columns: Sequence[Column], seed: int):
        self._optuna, self._columns = optuna, columns
        # A liar speaks for trials under way elsewhere, of which there are none.
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trial: Any = None

    def ask(self) -> list[int]:
        """Return the next row."""
        self._trial = self._study.ask()
        row: list[int] = []
        for number, (size, conditions) in enumerate(self._columns):
            if all(row[parent] in tokens for parent, tokens in conditions):
                row.append(self._trial.suggest_categorical(str(number), range(size)))
            else:
                row.append(ABSENT)
        return row

    def tell(self, reward: float | None) -> None:
        """Take the reward of the last row; None where it failed."""
        states = self._optuna.trial.TrialState
        if reward is None:
            self._study.tell(self._trial, state=states.FAIL)
        else:
            self._study.tell(self._trial, reward)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.simplefilter("ignore")  # of what is experimental
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, start = None, 0.0
    for line in sys.stdin:
        read = json.loads(line)
        if isinstance(read, dict):
            start = time.process_time()
            study = Study(optuna, read["columns"], read["seed"])
        elif study is not None:
            study.tell(read)
        if study is not None:
            print(json.dumps([study.ask(), time.process_time() - start]), file=answers)


if __name__ == "__main__":
    main()
