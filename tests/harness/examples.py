"""Explorations made of NumPy alone: texts, and what cells with random weights do on them."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.traces.trace import LayerTrace, Signal, Trace
from nas_with_rl.explorer.exploration import Exploration, ExploredModel, Table
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

FOLDER = Path(__file__).parent
INFINITE = float("inf")
LSTM_KINDS = (
    SignalKind("input_gate", "i", "input gate (save)", 0, 1, "gate"),
    SignalKind("forget_gate", "f", "forget gate (remember)", 0, 1, "gate"),
    SignalKind("candidate", "g", "candidate (candidate long-term memory)", -1, 1, "state"),
    SignalKind("output_gate", "o", "output gate (focus)", 0, 1, "gate"),
    SignalKind("cell", "c", "cell (long-term memory)", -INFINITE, INFINITE, "state"),
    SignalKind("hidden", "h", "hidden (working memory)", -1, 1, "state"),
)
LSTM_EQUATIONS = (
    "i = σ(W_i x + U_i h(t-1) + b_i)",
    "f = σ(W_f x + U_f h(t-1) + b_f)",
    "g = tanh(W_g x + U_g h(t-1) + b_g)",
    "o = σ(W_o x + U_o h(t-1) + b_o)",
    "c = f · c(t-1) + i · g",
    "h = o · tanh(c)",
)
HOSTILE = (
    "</script><img src=x onerror=\"document.title='broken'\"><!-- <script> --> "
    "<b>bold</b> &amp; 'q' \"q\" \\n \\ ` ${x} \u2028\u2029\x00\r 🙂 é \ud800 ]]> </textarea>\n"
)
SOURCE_CODE = (
    "def find(values, wanted):\n"
    "    for index, value in enumerate(values):\n"
    "        if value == wanted:\n"
    "            return [index, (value, {})]\n"
    "    return None\n\n\n"
)
TWEET = "@friend See http://example.org/page#part and #MakeModels #Small again, www.example.org !\n"


def counter_text(num_tokens):
    lines = (f"{'a' * n}X{'b' * n}\n" for n in (3, 7, 1, 10, 5, 2, 8, 4, 9, 6) * num_tokens)
    text = ""
    while len(text) < num_tokens:
        text += next(lines)
    return text[:num_tokens]


def repeated(text, num_tokens):
    return (text * (num_tokens // len(text) + 1))[:num_tokens]


def library_code(num_tokens):
    """Real source code, which hardly repeats."""
    text = Path(argparse.__file__).read_text(encoding="utf-8")
    return repeated(text, num_tokens)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _inputs(tokens, generator, width):
    """The projected input of each token [T, width]."""
    vocabulary = sorted(set(tokens))
    table = generator.normal(size=(len(vocabulary), width))
    return table[[vocabulary.index(token) for token in tokens]].astype(np.float32)


def lstm_layer(tokens, *, units=10, seed=0, scale=1.0):
    """The signals of an LSTM with random weights, recorded as they are computed."""
    generator = np.random.default_rng(seed)
    projected = _inputs(tokens, generator, 4 * units)
    recurrent = generator.normal(size=(units, 4 * units)).astype(np.float32) / np.sqrt(units)
    hidden, cell = np.zeros((2, units), np.float32)
    steps = []
    for row in projected:
        i, f, g, o = np.split(scale * (row + hidden @ recurrent), 4)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        cell = f * cell + i * g
        hidden = o * np.tanh(cell)
        steps.append((i, f, g, o, cell, hidden))
    values = np.array(steps, np.float32)  # [T, 6, H]
    return LayerTrace(
        tuple(Signal(kind, values[:, index]) for index, kind in enumerate(LSTM_KINDS))
    )


TREE = RecurrentCell(
    nodes=(
        Node("add", "tanh"),
        Node("elem_mult", "sigmoid"),
        Node("add", "identity"),
        Node("add", "sigmoid"),
        Node("add", "tanh"),
        Node("elem_mult", "relu"),
        Node("add", "tanh"),
    ),
    inject=Node("add", "relu"),
    output_node=5,
    inject_node=4,
)
_ACTIVATIONS = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
}
_RANGES = {"tanh": (-1, 1), "sigmoid": (0, 1)}


def _applied(node, left, right):
    return _ACTIVATIONS[node.activation](
        left + right if node.combination == "add" else left * right
    )


def tree_layer(tokens, *, cell=TREE, units=10, seed=0):
    """The nodes of a tree cell with random weights: after activation, after the inject."""
    generator = np.random.default_rng(seed)
    base = cell.base
    projected = _inputs(tokens, generator, base * units)
    recurrent = generator.normal(size=(units, base * units)).astype(np.float32) / np.sqrt(units)
    hidden, state = np.zeros((2, units), np.float32)
    steps = []
    for row in projected:
        pairs = list(zip(np.split(row, base), np.split(hidden @ recurrent, base), strict=True))
        values, before = [], 0
        for number, node in enumerate(cell.nodes):
            left, right = (
                pairs[number] if number < base else (values[n] for n in cell.inputs_of(number))
            )
            if number == cell.output_node:
                identity = Node(node.combination, "identity")
                before = _applied(identity, left, right)
            value = _applied(node, left, right)
            values.append(
                _applied(cell.inject, value, state) if number == cell.inject_node else value
            )
        hidden, state = values[-1], before
        steps.append((*values, state, hidden))
    recorded = np.array(steps, np.float32)  # [T, 2N + 1, H]
    return LayerTrace(
        tuple(Signal(kind, recorded[:, index]) for index, kind in enumerate(tree_kinds(cell)))
    )


def tree_kinds(cell):
    kinds = []
    for number, node in enumerate(cell.nodes):
        injected = number == cell.inject_node
        activation = cell.inject.activation if injected else node.activation
        low, high = _RANGES.get(activation, (-INFINITE, INFINITE))
        kind = "gate" if activation == "sigmoid" else "state"
        title = f"node {number}: {node.activation}(x_t W_{number} + h_(t-1) U_{number})"
        kinds.append(SignalKind(f"node_{number}", f"a_{number}", title, low, high, kind))
    root = kinds[-1]
    cell_title = f"cell state (long-term memory): node {cell.output_node} before its activation"
    kinds.append(SignalKind("cell", "c", cell_title, -INFINITE, INFINITE, "state"))
    hidden_title = "hidden state (working memory): the root"
    kinds.append(dataclasses.replace(root, name="hidden", symbol="h", title=hidden_title))
    return kinds


GRU_KINDS = (
    SignalKind("update_gate", "z", "update gate", 0, 1, "gate"),
    SignalKind("reset_gate", "r", "reset gate", 0, 1, "gate"),
    SignalKind("candidate", "h'", "candidate", -1, 1, "state"),
    SignalKind("hidden", "h", "hidden", -1, 1, "state"),
)


def gru_layer(tokens, *, units=10, seed=0):
    """The signals of a GRU with random weights, z keeping, the reset before the product."""
    generator = np.random.default_rng(seed)
    projected = _inputs(tokens, generator, 3 * units)
    recurrent = generator.normal(size=(3, units, units)).astype(np.float32) / np.sqrt(units)
    hidden = np.zeros(units, np.float32)
    steps = []
    for row in projected:
        for_z, for_r, for_candidate = np.split(row, 3)
        z = _sigmoid(for_z + hidden @ recurrent[0])
        r = _sigmoid(for_r + hidden @ recurrent[1])
        candidate = np.tanh(for_candidate + (r * hidden) @ recurrent[2])
        hidden = z * hidden + (1 - z) * candidate
        steps.append((z, r, candidate, hidden))
    values = np.array(steps, np.float32)  # [T, 4, H]
    return LayerTrace(tuple(Signal(kind, values[:, index]) for index, kind in enumerate(GRU_KINDS)))


def trace_of(tokens, layers, *, seed=0):
    vocabulary = tuple(sorted(set(tokens)))
    logits = np.random.default_rng(seed).normal(size=(len(tokens), len(vocabulary)), scale=3)
    shares = np.exp(logits)
    probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return Trace(tuple(tokens), vocabulary, tuple(layers), probabilities)


def connectivity_of(tokens, *, reach=50, seed=0):
    """Norms that fade with the distance, 0 before the text."""
    steps, back = np.ogrid[: len(tokens), :reach]
    norms = np.random.default_rng(seed).gamma(2, size=(len(tokens), reach)) * 0.9**back
    return np.where(back <= steps, norms, 0).astype(np.float32)


def lstm_model(tokens, *, units=10, num_layers=1, seed=0, name="lstm", reach=50):
    layers = [lstm_layer(tokens, units=units, seed=seed + number) for number in range(num_layers)]
    return ExploredModel(
        name=name,
        title=f"LSTM, {num_layers} layer(s) of {units} units",
        trace=trace_of(tokens, layers, seed=seed),
        equations=LSTM_EQUATIONS,
        connectivity=connectivity_of(tokens, seed=seed, reach=reach),
        tables=(
            Table(
                "Findings",
                ("finding", "here", "the post", "verdict"),
                (
                    ("neuron that follows the a's", "neuron 3, r = 0.999", "1.000", "as there"),
                    ("hidden near 0", "0.20", "0.18", "as there"),
                ),
                "Near 0 is |value| < 0.1.",
            ),
        ),
        samples=("aaaXbbb\naaXbb\n",),
    )


def tree_model(tokens, *, units=10, seed=0, name="found cell"):
    return ExploredModel(
        name=name,
        title=f"tree of base {TREE.base}, {units} units",
        trace=trace_of(tokens, [tree_layer(tokens, units=units, seed=seed)], seed=seed),
        connectivity=connectivity_of(tokens, seed=seed),
        tree=TREE,
    )


def counter(num_tokens=200):
    text = counter_text(num_tokens)
    return Exploration("Counting a's", ("N a's, X, N b's.",), (lstm_model(text),))


def source_code(num_tokens=600):
    text = repeated(SOURCE_CODE, num_tokens)
    model = lstm_model(text, units=32, num_layers=2)
    return Exploration("Source code", ("Python.",), (model,))


def deep(num_tokens=200):
    """Two layers, of which the first counts, in a neuron far smaller than its neighbour."""
    text = counter_text(num_tokens)
    model = lstm_model(text, num_layers=2)
    cell = model.trace.layers[0].signal("cell").values
    cell *= 20
    cell[:, 6] = 2 * np.array(levels_of(text))
    cell[:, 2] = np.where(np.arange(num_tokens) % 7 == 0, 721, -700)
    return Exploration("Two layers", (), (model,))


def tweets(num_tokens=400):
    text = repeated(TWEET, num_tokens)
    return Exploration("Tweets", (), (lstm_model(text, units=16),))


def side_by_side(num_tokens=300):
    text = counter_text(num_tokens)
    return Exploration("An LSTM and a found cell", (), (lstm_model(text), tree_model(text, seed=1)))


def doubling(num_tokens=200):
    """A tree cell that counts in powers of 2: neuron 1 in those above 0, neuron 2 below."""
    text = counter_text(num_tokens)
    model = tree_model(text)
    powers = 2.0 ** np.array(levels_of(text))
    layer = model.trace.layers[0]
    values = {signal.name: signal.values.copy() for signal in layer.signals}
    values["node_2"][:, 0], values["node_2"][:, 1] = powers, -powers
    values["node_3"][:, :2] = 1
    values["cell"][:, :2] = values["node_2"][:, :2]
    values["node_5"][:, :2] = np.maximum(values["cell"][:, :2], 0)
    layer = LayerTrace(tuple(Signal(one.kind, values[one.name]) for one in layer.signals))
    trace = dataclasses.replace(model.trace, layers=(layer,))
    return Exploration("Doubling", (), (dataclasses.replace(model, trace=trace),))


def far_from_zero(num_tokens=100):
    """A tree cell whose memory varies by little around -123456."""
    exploration = doubling(num_tokens)
    model = exploration.models[0]
    signals = tuple(
        Signal(
            one.kind, one.values / 1e3 - 123456.0 if one.name in ("cell", "node_2") else one.values
        )
        for one in model.trace.layers[0].signals
    )
    trace = dataclasses.replace(model.trace, layers=(LayerTrace(signals),))
    return Exploration("Far from 0", (), (dataclasses.replace(model, trace=trace),))


def levels_of(text):
    """How many a's of the line have not had their b, after each character."""
    lines = ("".join(text[: time + 1]).split("\n")[-1] for time in range(len(text)))
    return [line.count("a") - line.count("b") for line in lines]


def gated(num_tokens=300):
    """A GRU, which has no cell."""
    text = library_code(num_tokens)
    trace = trace_of(text, [gru_layer(text, units=20)])
    return Exploration("GRU", (), (ExploredModel("gru", "GRU of 20 units", trace),))


def hostile():
    model = lstm_model(HOSTILE)
    model = dataclasses.replace(
        model,
        name=HOSTILE,
        title=HOSTILE,
        equations=(HOSTILE,),
        samples=(HOSTILE,),
        tables=(Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE),),
    )
    return Exploration(HOSTILE, (HOSTILE,), (model,))


def large(num_tokens=2000, units=64):
    """The size that a page has to hold: an LSTM of 64 units on 2,000 characters."""
    text = library_code(num_tokens)
    return Exploration("Large", (), (lstm_model(text, units=units),))


def words():
    """A text that was read word by word."""
    line = "the <unk> was the internationalization of antidisestablishmentarianism <eos>"
    tokens = ("it <eos> " + f"{line} " * 12).split()
    return Exploration("Words", (), (lstm_model(tokens),))


def constant(num_tokens=300):
    """An LSTM that nothing moves: every gate half open, every state one value below zero."""
    model = lstm_model(counter_text(num_tokens))
    signals = tuple(
        Signal(signal.kind, np.full_like(signal.values, 0.5 if signal.kind.low == 0 else -0.25))
        for signal in model.trace.layers[0].signals
    )
    trace = dataclasses.replace(model.trace, layers=(LayerTrace(signals),))
    return Exploration("Constant", (), (dataclasses.replace(model, trace=trace),))


def diverged(num_tokens=60):
    """A tree cell whose values overflow on the way."""
    text = counter_text(num_tokens)
    model = tree_model(text)
    layer = model.trace.layers[0]
    signals = []
    for signal in layer.signals:
        values = signal.values.copy()
        values[num_tokens // 2 :, 0] = np.nan
        values[num_tokens // 2 + 1 :, 1] = np.inf
        values[:, 2] = -np.inf
        signals.append(Signal(signal.kind, values))
    trace = dataclasses.replace(
        model.trace,
        layers=(LayerTrace(tuple(signals)),),
        probabilities=np.full_like(model.trace.probabilities, np.nan),
    )
    return Exploration("Diverged", (), (dataclasses.replace(model, trace=trace),))
