"""The contestant of `children.py` that trains any cells by one program, compiled once."""

import functools
from collections.abc import Sequence

from children_rivals import corpus_of, own_training
from children_task import SEED, Task

from nas_with_rl.child_models.memory import release_child
from nas_with_rl.child_models.populations.population import Member
from nas_with_rl.child_models.populations.population import Population as Program
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

release = release_child  # called after each group


class Population:
    """C children of one base, trained together; all start from the same seed."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell], num_children: int):
        members = [Member(cell, SEED) for cell in cells]
        self._group = _program(task, num_children).begin(members)

    def train_epoch(self) -> Sequence[float]:
        return self._group.train_epoch(1).tolist()

    def validate(self) -> Sequence[float]:
        return self._group.validate().tolist()


@functools.cache
def _program(task: Task, num_children: int) -> Program:
    """Return the program, which lives as long as the process."""
    operations = UniversalCell(base=task.base)
    config = own_training(task, jit_compile=True)
    return Program(operations, corpus_of(task), config, num_children=num_children)
