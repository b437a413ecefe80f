"""The JSON and the buffer hold what was traced."""

import shutil
import zlib

import numpy as np
import pytest

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.traces.trace import LayerTrace, Signal
from nas_with_rl.explorer.exploration import Exploration, ExploredModel
from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.explorer.page.expected_signals import expected_codes, expressions
from nas_with_rl.explorer.stored_signals import store
from nas_with_rl.search_spaces.drawing import draw_cell
from tests.harness import examples
from tests.harness.packed_arrays import read_by_the_page, read_packed

EXAMPLES = (
    "counter",
    "source_code",
    "tweets",
    "side_by_side",
    "hostile",
    "diverged",
    "gated",
    "doubling",
)


def layers_of(exploration, document):
    for model, described in zip(exploration.models, document["models"], strict=True):
        yield from zip(model.trace.layers, described["layers"], strict=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_values_are_those_of_the_trace_to_half_a_step(name):
    exploration = getattr(examples, name)()
    data = page_data(exploration)
    document, inflated = data.exploration, zlib.decompress(data.data)
    assert "".join(document["text"]) == "".join(exploration.tokens)
    for layer, described in layers_of(exploration, document):
        stored = {signal.name: store(signal) for signal in layer.signals}
        assert [description["name"] for description in described["signals"]] == list(stored)
        for signal, description in zip(layer.signals, described["signals"], strict=True):
            codes, origins, steps = (
                read_packed(description[key], inflated) for key in ("codes", "origins", "steps")
            )
            if expression := description["codes"].get("expected"):
                codes = codes + expected_codes(expression, stored[signal.name], stored)
            wanted = signal.values.T
            finite = np.isfinite(wanted)
            np.testing.assert_array_equal(codes == 255, ~finite)
            if "fine" in description:
                codes = codes + (read_packed(description["fine"], inflated) - 32767.0) / 65534
                steps_told = steps[:, None] / 65534
            else:
                steps_told = steps[:, None]
            values = origins[:, None] + codes * steps[:, None]
            error = np.abs(values - wanted, where=finite, out=np.zeros(wanted.shape))
            assert np.all(error <= steps_told * (0.5 + 1e-6))
            assert np.isfinite([description["low"], description["high"]]).all()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to run JavaScript")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_reads_the_stored_codes_to_the_last_one(name):
    exploration = getattr(examples, name)()
    found = read_by_the_page(page_data(exploration))
    for model, layers in zip(exploration.models, found, strict=True):
        for layer, signals in zip(model.trace.layers, layers, strict=True):
            for signal, codes in zip(layer.signals, signals, strict=True):
                np.testing.assert_array_equal(codes, store(signal).codes.ravel(), signal.name)


def test_predictions_are_the_five_most_probable_and_the_one_that_came():
    exploration = examples.source_code(100)
    trace = exploration.models[0].trace
    data = page_data(exploration)
    description = data.exploration["models"][0]["predictions"]
    tokens, probabilities, actual = (
        read_packed(description[key], zlib.decompress(data.data))
        for key in ("tokens", "probabilities", "actual")
    )
    assert tokens.shape == probabilities.shape == (100, 5)
    for step, row in enumerate(trace.probabilities):
        wanted = sorted(range(len(row)), key=lambda token: (-row[token], token))[:5]
        assert tokens[step].tolist() == wanted
        np.testing.assert_allclose(probabilities[step] / 65535, row[wanted], atol=0.51 / 65535)
        if step < 99:
            came = row[trace.vocabulary.index(trace.tokens[step + 1])]
            assert actual[step] / 65535 == pytest.approx(came, abs=0.51 / 65535)
    assert actual[-1] == 0


def test_a_vocabulary_of_three_has_three_predictions():
    exploration = Exploration("x", (), (examples.lstm_model("ab\nab\n"),))
    description = page_data(exploration).exploration["models"][0]["predictions"]
    assert description["tokens"]["shape"] == [6, 3]


def test_connectivity_keeps_its_values_to_half_a_step_and_is_0_before_the_text():
    exploration = examples.counter(120)
    wanted = exploration.models[0].connectivity
    data = page_data(exploration)
    description = data.exploration["models"][0]["connectivity"]
    inflated = zlib.decompress(data.data)
    codes, steps = (read_packed(description[key], inflated) for key in ("codes", "steps"))
    assert description["reach"] == 50
    assert np.all(np.abs(codes * steps[:, None] - wanted) <= steps[:, None] * (0.5 + 1e-6))
    assert np.all(codes[0, 1:] == 0)


def test_a_tree_is_described_node_by_node():
    exploration = examples.side_by_side()
    lstm, found = page_data(exploration).exploration["models"]
    assert lstm["layers"][0]["tree"] is None and lstm["equations"]
    tree = found["layers"][0]["tree"]
    assert tree["text"] == draw_cell(examples.TREE)
    assert tree["nodes"][0] == {
        "signal": "node_0",
        "inputs": ["x·W", "h·U"],
        "combination": "add",
        "activation": "tanh",
    }
    assert tree["nodes"][6]["inputs"] == ["node_4", "node_5"]
    assert tree["inject"] == {"node": "node_4", "combination": "add", "activation": "relu"}
    assert tree["output_node"] == "node_5"
    signals = {signal["name"]: signal for signal in found["layers"][0]["signals"]}
    assert signals["hidden"]["codes"] == signals["node_6"]["codes"], "equal values, stored once"


def expected_of(model):
    """The expression of each signal that was stored by one."""
    signals = page_data(Exploration("x", (), (model,))).exploration["models"][0]["layers"][0]
    return {
        signal["name"]: signal["codes"]["expected"]
        for signal in signals["signals"]
        if "expected" in signal["codes"]
    }


def test_what_the_equations_give_is_not_stored_again():
    text = examples.library_code(300)
    assert expected_of(examples.lstm_model(text, units=20)).keys() == {"cell", "hidden"}
    gated = examples.gated(300).models[0]
    assert expected_of(gated).keys() == {"hidden"}
    expected = expected_of(examples.tree_model(text, units=20))
    assert "cell" in expected and "node_6" in expected
    assert "node_4" not in expected, "c(t-1) enters there, and c comes of it"


def test_a_cell_of_other_equations_is_stored_as_it_is():
    text = examples.library_code(300)
    layer = examples.lstm_layer(text, units=20)
    values = np.random.default_rng(0).permuted(layer.signal("cell").values, axis=0)
    signals = (*layer.signals[:4], Signal(layer.signals[4].kind, values), layer.signals[5])
    trace = examples.trace_of(text, [LayerTrace(signals)])
    assert expected_of(ExploredModel("x", "x", trace)) == {}


def test_expressions_give_the_codes_of_the_values():
    """Of the exact equations, but for a rounded input: at most two steps off."""
    layer = examples.lstm_layer(examples.library_code(300), units=20)
    stored = {signal.name: store(signal) for signal in layer.signals}
    wanted = expressions(frozenset(stored), None)
    assert wanted.keys() == {"cell", "hidden"}
    for name, expression in wanted.items():
        found = expected_codes(expression, stored[name], stored).astype(int)
        assert np.abs(found - stored[name].codes).max() <= 2


def test_a_basic_rnn_and_unknown_signals_have_no_expressions():
    assert expressions(frozenset({"hidden"}), None) == {}
    kind = SignalKind("hidden", "h", "hidden", -1, 1, "state")
    values = np.zeros((3, 2), np.float32)
    trace = examples.trace_of("aXb", [LayerTrace((Signal(kind, values),))])
    assert expected_of(ExploredModel("rnn", "RNN", trace)) == {}
