"""The findings on every cell, on short texts, and on networks that diverged."""

import numpy as np
import pytest

from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.explorer.findings.rows import AS_IN_THE_POST, NOT_IN_THIS_TEXT, number
from nas_with_rl.explorer.findings.tables import findings, general_findings
from nas_with_rl.explorer.findings.task_lines import task_lines
from tests.harness import built_traces
from tests.harness.built_traces import (
    LSTM,
    by_letter,
    constant,
    random,
    row,
    running,
    text_of,
    trace_of,
    with_neuron,
)

COUNTER, SELECTIVE = text_of("counter"), text_of("selective_counter")


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("family", built_traces.FAMILIES)
def test_every_cell_has_findings_and_rows_on_gates_where_it_has_gates(task_name, family):
    text = text_of(task_name)
    layer = random(text, built_traces.FAMILIES[family])
    tables = findings(task_name, trace_of(text, layer))
    table = tables[0]
    assert len(tables) == (2 if "copy" in task_name else 1) and len(table.rows) >= 5
    claims = " ".join(claim for claim, *_ in table.rows)
    has_gates = family in ("lstm", "gru")
    assert ("no input and forget gate" in table.note) != has_gates
    if "copy" not in task_name:
        wanted = {"lstm": "forget gate", "gru": "update gate z"}
        assert ("gate" in claims) == has_gates and wanted.get(family, "") in claims
    assert ("which stands for the cell" in table.note) == (family in ("gru", "rnn"))
    assert all(cell for each in table.rows for cell in each)


def test_a_grus_update_gate_keeps_and_its_complement_writes():
    cell = running(SELECTIVE, {"a": 0.1, "b": -0.1})
    gate = by_letter(SELECTIVE, {"X": 1.0, "a": 0.05, "Y": 0.1, "b": 0.2})
    signals = with_neuron(random(SELECTIVE, built_traces.GRU), 0, hidden=cell, update_gate=gate)
    trace = trace_of(SELECTIVE, signals)
    assert row("selective_counter", trace, "its 1 - z at a") == (
        "neuron 1: 0.95, 0.00, 0.90, 0.80",
        AS_IN_THE_POST,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.125, "+0.12"), (-99_999.0, "-99999.00"), (3e35, "+3.0e+35"), (np.nan, "-")],
)
def test_a_diverging_cells_numbers_stay_short(value, text):
    assert number(value, "+.2f") == text


@pytest.mark.parametrize("is_learnt", [True, False])
def test_a_network_that_has_not_learnt_the_task_is_said_to_be_one(is_learnt):
    ends = [place for place, letter in enumerate(COUNTER[:-1]) if COUNTER[place + 1] == "\n"]
    half = len(ends) // 2
    trace = trace_of(COUNTER, random(COUNTER), wrong=ends[: half if is_learnt else half + 2])
    (table,) = findings("counter", trace)
    assert ("has not learnt the task, 9 of the lines are right" in table.note) != is_learnt


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize(
    "text", ["a", "\n\n", "aX", "aXb\n", "\naXb\n", "\naYb\n\nXaYb\n", "\nAxYa\n", "\nabcXabc\n"]
)
def test_a_short_text_says_so_and_breaks_nothing(task_name, text):
    (table, *_) = findings(task_name, trace_of(text, random(text)))
    lines = task_lines(task_name, text)
    assert bool(table.rows) == bool(lines)
    assert ("no whole line" in table.note) != bool(lines)
    if lines:
        assert NOT_IN_THIS_TEXT in [verdict for *_, verdict in table.rows]
    assert table.as_text()


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("value", [0.0, 0.5, np.nan, np.inf, 3e38])
def test_constant_and_diverged_neurons_are_not_the_posts_and_break_nothing(task_name, value):
    text = text_of(task_name)
    signals = constant(text, built_traces.TREE, value=value)
    (table, *others) = findings(task_name, trace_of(text, signals))
    shown = [claim for claim, *_, verdict in table.rows if verdict == AS_IN_THE_POST]
    assert [claim for claim in shown if "right for N" not in claim] == []
    assert ("not finite" in table.note) == (not np.isfinite(value))
    assert all(not other.rows for other in others)


def test_a_neuron_that_diverges_hides_no_other():
    cell = running(COUNTER, {"a": 1, "b": -1})
    signals = with_neuron(with_neuron(random(COUNTER), 2, cell=cell), 0, cell=np.nan, hidden=np.nan)
    here, verdict = row("counter", trace_of(COUNTER, signals), "a neuron's cell counts a's read")
    assert here.startswith("neuron 3: r = 1.000") and verdict == AS_IN_THE_POST


def test_another_text_has_no_findings_of_the_post():
    assert findings("text", trace_of("abc", constant("abc"))) == ()


def test_general_findings_count_open_and_shut_gates_by_layer():
    text = "abababababab"
    first = constant(text, units=4)
    first["forget_gate"] = np.tile([0.95, 0.05, 0.5, 0.5], (len(text), 1))
    first["hidden"] = np.tile([0.0, -0.05, -0.95, 0.5], (len(text), 1))
    table = general_findings(trace_of(text, first, constant(text, LSTM)))
    by_signal = {each[:2]: each[2:] for each in table.rows}
    assert by_signal["1", "forget_gate"] == ("0.25", "0.25", "1", "1")
    assert by_signal["1", "hidden"] == ("0.50", "0.25", "2", "1")
    assert by_signal["2", "forget_gate"] == ("0.00", "0.00", "0", "0")
    assert len(table.rows) == 10  # three gates, cell and hidden of two layers; no candidate


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_general_findings_of_a_diverged_tree_break_nothing(value):
    table = general_findings(trace_of("ab", constant("ab", built_traces.TREE, value=value)))
    assert [each[1] for each in table.rows] == ["cell", "hidden"]
    assert all(each[2] == "-" for each in table.rows)
