"""The findings of "Exploring LSTMs" (Chen, 2017), checked on one network, as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.exploration import Table
from nas_with_rl.explorer.findings import copy_machine, counter, selective_counter, state_memorizer
from nas_with_rl.explorer.findings.copy_neurons import copy_neurons
from nas_with_rl.explorer.findings.measurements import NEAR_ZERO, Memory, memory_of, share_near_zero
from nas_with_rl.explorer.findings.rows import Finding, number
from nas_with_rl.explorer.findings.task_lines import Line, right_lines, task_lines

COLUMNS = ("finding", "here", "the post", "verdict")
NEAR_ONE = 0.9  # Karpathy et al. (2015): a gate above it is "right-saturated", below 0.1 "left-"
MOSTLY = 0.9  # of the text
LEARNT = 0.5  # of the lines are right

_COPY_MACHINES = ("copy_machine", "copy_machine_held_out")


@dataclasses.dataclass(frozen=True)
class _TaskFindings:
    rows: Callable[[Trace, Sequence[Line]], Iterator[Finding]]
    criteria: str = ""  # what the rows do not say


_COPIES = _TaskFindings(copy_machine.copy_machine_findings, copy_machine.CRITERIA)
_FINDINGS: Mapping[str, _TaskFindings] = MappingProxyType(
    {
        "counter": _TaskFindings(counter.counter_findings),
        "selective_counter": _TaskFindings(
            selective_counter.selective_counter_findings,
            selective_counter.CRITERIA,
        ),
        "state_memorizer": _TaskFindings(
            state_memorizer.state_memorizer_findings, state_memorizer.CRITERIA
        ),
        **dict.fromkeys(_COPY_MACHINES, _COPIES),
    }
)


def findings(task_name: str, trace: Trace) -> tuple[Table, ...]:
    """Return a task's findings on this network beside the post's; of another text none.

    Args:
      task_name: one of `sequences.TASKS`, or any other name for a text of one's own.
      trace: of a text of the task's lines. Those that are longer than any in the training count
        only where the finding is about them.
    """
    if task_name not in _FINDINGS:
        return ()
    is_copied = task_name in _COPY_MACHINES
    layer = f", layer {len(trace.layers) if is_copied else 1}" if len(trace.layers) > 1 else ""
    title = f'{TASKS[task_name].title}{layer}: the findings of "Exploring LSTMs" on this network'
    lines = task_lines(task_name, trace.tokens)
    # The first starts from a zero state, which the training has seen once an epoch.
    lines = tuple(line for line in lines if line.start) or lines
    if not lines:
        return (Table(title, COLUMNS, (), "The text has no whole line of this task."),)
    rows = tuple(finding.row for finding in _FINDINGS[task_name].rows(trace, lines))
    memory = memory_of(trace, -1 if is_copied else 0)
    note = f"{_note(memory, right_lines(trace, lines))} {_FINDINGS[task_name].criteria}".strip()
    found = Table(title, COLUMNS, rows, note)
    return (found, copy_neurons(trace, lines)) if is_copied else (found,)


def _note(memory: Memory, right: np.ndarray) -> str:
    """Return how to read the table, for bool [number of lines]: which the network answers."""
    notes = [
        f"Over {len(right):,} whole line{'s' * (len(right) > 1)}; neurons are "
        "numbered from 1. Each row states when it counts as the post's: the post's own figure, a "
        "little more generous. The post's figures are of one network, whose neurons have other "
        "numbers."
    ]
    if right.mean() < LEARNT:
        notes.append(
            f"This network has not learnt the task, {int(right.sum())} of the lines are right: "
            "where a row agrees with the post, that may be chance."
        )
    if memory.keep is None:
        notes.append("This cell has no input and forget gate: the rows on them are left out.")
    elif memory.keep_name != "forget gate":
        notes.append(
            f"In this cell {memory.keep_name} stands for the forget gate (1 keeps) and "
            f"{memory.write_name} for the input gate."
        )
    if not memory.has_cell:
        notes.append("It has no memory but the hidden state, which stands for the cell.")
    if not memory.is_finite:
        notes.append("Values that are not finite are left out.")
    return " ".join(notes)


def general_findings(trace: Trace) -> Table:
    """Return how often the gates are shut or open and how often the states are near zero.

    A row for each gate, the cell and the hidden state of each layer. A neuron whose forget gate is
    open nearly always adds up what it reads (Karpathy, Johnson, Fei-Fei, 2015: "integrators").
    """
    rows = []
    for number_of_layer, layer in enumerate(trace.layers, 1):
        for signal in layer.signals:
            if signal.kind.kind != "gate" and signal.name not in ("cell", "hidden"):
                continue
            sizes = np.abs(signal.values)
            rows.append(
                (
                    str(number_of_layer),
                    signal.kind.title,
                    number(share_near_zero(sizes)),
                    number(1 - share_near_zero(sizes, NEAR_ONE)),
                    str(int(np.sum(np.mean(sizes < NEAR_ZERO, axis=0) > MOSTLY))),
                    str(int(np.sum(np.mean(sizes > NEAR_ONE, axis=0) > MOSTLY))),
                )
            )
    columns = (
        "layer",
        "signal",
        f"below {NEAR_ZERO}",
        f"{NEAR_ONE} and more",
        f"neurons always below {NEAR_ZERO}",
        f"always above {NEAR_ONE}",
    )
    note = (
        f"Shares of all values, by size, over the {len(trace.tokens):,} characters read. The last "
        f"two columns count the neurons that are so at more than {MOSTLY:.0%} of the characters."
    )
    return Table("how often the signals are near zero or one", columns, tuple(rows), note)
