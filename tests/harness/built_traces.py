"""Traces built by hand, of cells that do exactly what a test says, and the findings on them."""

import numpy as np

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.child_models.traces.trace import LayerTrace, Signal, Trace
from nas_with_rl.explorer.findings.tables import COLUMNS, findings

LSTM = ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden")
GRU = ("update_gate", "reset_gate", "candidate", "hidden")
RNN = ("hidden",)
TREE = ("node_0", "node_1", "node_2", "cell", "hidden")
FAMILIES = {"lstm": LSTM, "gru": GRU, "rnn": RNN, "tree": TREE}
VOCABULARY = tuple("\nABXYabcx")


def text_of(task_name, *, copies=2):
    """Return a cut line, then all of a task's trained lines, or as many of each size."""
    lines, number = [], {}
    for sample in TASKS[task_name].training:
        number[sample.size] = number.get(sample.size, 0) + 1
        if number[sample.size] <= (27 if "copy" in task_name else 12):
            lines += [sample.line] * copies
    return "b\n" + "".join(lines)


def layer_of(signals):
    """Return a layer of {name: [T, H]}."""
    return LayerTrace(
        tuple(
            Signal(_kind(name), np.asarray(values, np.float32)) for name, values in signals.items()
        )
    )


def _kind(name):
    is_gate = name.endswith("gate")
    return SignalKind(
        name,
        name[0],
        name,
        0 if is_gate else -np.inf,
        1 if is_gate else np.inf,
        "gate" if is_gate else "state",
    )


def trace_of(text, *layers, wrong=()):
    """Return a trace of layers of {name: [T, H]}, sure of each next character.

    Args:
      text: of the trace.
      layers: their signals.
      wrong: places whose prediction is wrong.
    """
    probabilities = np.zeros((len(text), len(VOCABULARY)), np.float32)
    for place, following in enumerate([*text[1:], "a"]):
        number = VOCABULARY.index(following) + (place in wrong)
        probabilities[place, number % len(VOCABULARY)] = 1
    return Trace(tuple(text), VOCABULARY, tuple(map(layer_of, layers)), probabilities)


def constant(text, names=LSTM, *, units=3, value=0.5):
    """Return {name: [T, H]} of neurons that never change."""
    return {name: np.full((len(text), units), float(value)) for name in names}


def random(text, names=LSTM, *, units=3, seed=0):
    """Return {name: [T, H]} of noise."""
    rng = np.random.default_rng(seed)
    return {name: rng.random((len(text), units)) for name in names}


def running(text, changes, *, reset="\n"):
    """Return [T] a sum of changes by character, set to 0 at each reset."""
    total, totals = 0.0, []
    for letter in text:
        total = 0.0 if letter in reset else total + changes.get(letter, 0.0)
        totals.append(total)
    return np.array(totals)


def by_letter(text, values, *, otherwise=0.0):
    """Return [T] a value for each character."""
    return np.array([values.get(letter, otherwise) for letter in text])


def rows(task_name, trace):
    """Return {beginning of the claim: (here, verdict)}."""
    table = findings(task_name, trace)[0]
    assert table.columns == COLUMNS
    return {claim: (here, verdict) for claim, here, _, verdict in table.rows}


def row(task_name, trace, beginning):
    """Return the one row whose claim begins so."""
    (found,) = (
        value for claim, value in rows(task_name, trace).items() if claim.startswith(beginning)
    )
    return found


def with_neuron(signals, number, **values):
    """Return the signals with one neuron's values [T] set, by the signals' names."""
    changed = {name: np.array(each) for name, each in signals.items()}
    for name, each in values.items():
        changed[name][:, number] = each
    return changed
