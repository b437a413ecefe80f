"""The post's findings on each task, on traces built by hand: each verdict comes out both ways."""

import numpy as np
import pytest

from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.explorer.findings.rows import AS_IN_THE_POST, NO_FIGURE, NOT_HERE, NOT_IN_THIS_TEXT
from nas_with_rl.explorer.findings.tables import findings
from nas_with_rl.explorer.findings.task_lines import task_lines
from tests.harness.built_traces import (
    by_letter,
    constant,
    random,
    row,
    rows,
    running,
    text_of,
    trace_of,
    with_neuron,
)

# The counter.

COUNTER = text_of("counter")


def test_a_perfect_counter_is_found_named_and_measured():
    cell = running(COUNTER, {"a": 0.5, "b": -0.5})
    trace = trace_of(COUNTER, with_neuron(random(COUNTER), 1, cell=cell))
    here = ("neuron 2: r = 1.000, +0.50 each", AS_IN_THE_POST)
    assert row("counter", trace, "a neuron's cell counts a's read") == here
    assert row("counter", trace, "a neuron's cell counts b's left") == here


def test_noise_does_not_count():
    trace = trace_of(COUNTER, random(COUNTER))
    for what in ("a's read", "b's left"):
        assert row("counter", trace, f"a neuron's cell counts {what}")[1] == NOT_HERE


def test_a_counter_that_saturates_is_none():
    cell = np.tanh(running(COUNTER, {"a": 1}))
    trace = trace_of(COUNTER, with_neuron(constant(COUNTER), 0, cell=cell))
    here, verdict = row("counter", trace, "a neuron's cell counts a's read")
    assert here.startswith("neuron 1: r = 0.") and verdict == NOT_HERE


def test_a_counter_in_powers_of_two_orders_what_it_does_not_count_evenly():
    hidden = 2 ** running(COUNTER, {"a": 1})
    trace = trace_of(COUNTER, with_neuron(random(COUNTER), 2, cell=hidden, hidden=hidden))
    assert row("counter", trace, "a neuron's cell counts a's read")[1] == NOT_HERE
    found = row("counter", trace, "a neuron's cell or hidden state orders a's read")
    assert found == ("neuron 3, cell: 1.000", NO_FIGURE)
    noise = row("counter", trace_of(COUNTER, random(COUNTER)), "a neuron's cell or hidden state")
    assert "1.000" not in noise[0] and noise[1] == NO_FIGURE


def test_longer_lines_change_nothing_but_how_far_it_counts():
    beyond = "".join(sample.line for sample in TASKS["counter"].beyond)
    longer = COUNTER + beyond
    cell = np.minimum(running(longer, {"a": 1.0}), 10)  # stops where the training does
    first_wrong = len(COUNTER) + len("a" * 11 + "X")
    trace = trace_of(longer, with_neuron(constant(longer), 0, cell=cell), wrong=(first_wrong,))
    assert row("counter", trace, "a neuron's cell counts a's read")[0].startswith(
        "neuron 1: r = 1.000"
    )
    assert row("counter", trace, "right for N from 1 to 10") == ("20 of 20 lines", AS_IN_THE_POST)
    assert row("counter", trace, "counts beyond 10") == ("to 10", NOT_HERE)


def test_how_far_it_counts_is_what_no_smaller_line_contradicts():
    longer = COUNTER + "".join(sample.line for sample in TASKS["counter"].beyond[:5])
    signals = constant(longer)
    found = row("counter", trace_of(longer, signals), "counts beyond 10")
    assert found == ("to 15, the most there", AS_IN_THE_POST)
    wrong = longer.index("a" * 14 + "X") + 16
    found = row("counter", trace_of(longer, signals, wrong=(wrong,)), "counts beyond 10")
    assert found == ("to 13", AS_IN_THE_POST)
    assert row("counter", trace_of(COUNTER, constant(COUNTER)), "counts beyond 10") == (
        "-",
        NOT_IN_THIS_TEXT,
    )


def test_a_wrong_line_is_counted():
    wrong = COUNTER.index("X") + 1  # in the first whole line
    trace = trace_of(COUNTER, constant(COUNTER), wrong=(wrong,))
    assert row("counter", trace, "right for N from 1 to 10") == ("19 of 20 lines", NOT_HERE)


def test_the_line_that_begins_with_a_zero_state_does_not_count():
    whole = COUNTER[2:]
    trace = trace_of(whole, constant(whole), wrong=(1,))
    assert row("counter", trace, "right for N from 1 to 10") == ("19 of 19 lines", AS_IN_THE_POST)


@pytest.mark.parametrize(("forget", "verdict"), [(0.95, AS_IN_THE_POST), (0.85, NOT_HERE)])
def test_the_counting_neurons_forget_gate_is_the_one_that_is_read(forget, verdict):
    cell = running(COUNTER, {"a": 1, "b": -1})
    signals = with_neuron(constant(COUNTER, value=0), 2, cell=cell, forget_gate=forget)
    found = row("counter", trace_of(COUNTER, signals), "its forget gate is open")
    assert found == (f"neuron 3: {forget:.2f}", verdict)


def test_silent_and_loud_neurons_are_listed():
    loud = by_letter(COUNTER, {"a": 0.01, "b": -0.9})
    signals = with_neuron(with_neuron(constant(COUNTER), 0, hidden=loud), 2, hidden=-loud)
    trace = trace_of(COUNTER, signals)
    assert row("counter", trace, "silent at a's") == ("neurons 1, 3", AS_IN_THE_POST)
    assert row("counter", trace_of(COUNTER, constant(COUNTER)), "silent at a's") == (
        "none",
        NOT_HERE,
    )


@pytest.mark.parametrize(("share", "verdict"), [(0.5, AS_IN_THE_POST), (0.25, NOT_HERE)])
def test_near_zero_shares_are_those_of_the_lines(share, verdict):
    hidden = np.where(np.arange(4) < 4 * share, 0.05, 0.5) * np.ones((len(COUNTER), 1))
    cell = np.where(np.arange(4) < 1, 0.05, 0.5) * np.ones((len(COUNTER), 1))
    signals = constant(COUNTER, units=4) | {"hidden": hidden, "cell": cell}
    found = row("counter", trace_of(COUNTER, signals), "more hidden than cell")
    assert found == (f"{share:.3f} against 0.250", verdict)


# The selective counter.

SELECTIVE = text_of("selective_counter")


def selective(*, at_x=0.0, gate_at_x=0.0, spread=0.0):
    """Return a trace whose neuron 2 counts and whose neuron 3 waits for Y.

    Args:
      at_x: what an X changes.
      gate_at_x: the input gate there.
      spread: of equal counts, at Y.
    """
    cell = running(SELECTIVE, {"a": 1, "b": -1, "X": at_x})
    is_y = by_letter(SELECTIVE, {"Y": 1.0})
    if spread:
        # What stands at Y then differs between lines of one size.
        cell = cell + is_y * spread * np.where(np.cumsum(is_y) % 2, 1.0, -1.0)
    gate = by_letter(SELECTIVE, {"X": gate_at_x}, otherwise=1.0)
    signals = with_neuron(
        constant(SELECTIVE, value=0.3), 1, cell=cell, input_gate=gate, forget_gate=1.0
    )
    return trace_of(SELECTIVE, with_neuron(signals, 2, hidden=0.9 * is_y))


def test_a_perfect_selective_counter_shows_the_posts_pattern():
    found = rows("selective_counter", selective())
    by_beginning = {claim.split(":")[0].split(" at a")[0]: value for claim, value in found.items()}
    assert by_beginning["a cell goes up"] == (
        "neuron 2: +1.00, -1.00, +0.00",
        AS_IN_THE_POST,
    )
    assert by_beginning["its input gate"] == (
        "neuron 2: 1.00, 0.00, 1.00, 1.00",
        AS_IN_THE_POST,
    )
    # The others' is 0.3 everywhere.
    assert by_beginning["any input gate"] == ("neuron 2 (mean of all: 0.53, 0.20)", AS_IN_THE_POST)
    assert by_beginning["a cell at Y orders by a's"] == (
        "neuron 2: r = 1.00, spread 0.0%",
        AS_IN_THE_POST,
    )
    assert by_beginning["silent until Y, loud at Y"] == ("neuron 3", AS_IN_THE_POST)


def test_a_counter_that_counts_xs_too_is_not_the_posts():
    trace = selective(at_x=0.4)
    here, verdict = row("selective_counter", trace, "a cell goes up")
    assert here == "neuron 2: +1.00, -1.00, +0.40" and verdict == NOT_HERE


def test_an_input_gate_that_is_open_at_x_is_not_the_posts():
    trace = selective(gate_at_x=0.6)
    assert row("selective_counter", trace, "its input gate") == (
        "neuron 2: 1.00, 0.60, 1.00, 1.00",
        NOT_HERE,
    )
    assert row("selective_counter", trace, "any input gate")[1] == NOT_HERE


def test_equal_counts_that_differ_at_y_are_no_clean_order():
    here, verdict = row("selective_counter", selective(spread=0.4), "a cell at Y orders")
    assert "spread 8." in here and verdict == NOT_HERE  # 0.8 of 9.8


def test_a_neuron_that_counts_one_way_only_is_not_the_posts():
    cell = running(SELECTIVE, {"a": 1})
    trace = trace_of(SELECTIVE, with_neuron(constant(SELECTIVE), 0, cell=cell))
    here, verdict = row("selective_counter", trace, "a cell goes up")
    assert here == "neuron 1: +1.00, +0.00, +0.00" and verdict == NOT_HERE
    assert row("selective_counter", trace, "silent until Y")[1] == NOT_HERE


# The state memorizer.

STATE = text_of("state_memorizer")


def remembered(letter, *, on=0.8, off=0.1):
    """Return h [T] that is on from one letter to its Y, with a little noise."""
    is_on, values = False, []
    for each in STATE:
        is_on = each == letter or (is_on and each not in "Y\n")
        values.append(on if is_on else off)
    return np.array(values) + np.random.default_rng(0).normal(0, 0.01, len(values))


def memorizer(*, on=0.8, off=0.1, keep=0.98, write=0.05, at_y=0.02):
    gates = {
        "forget_gate": by_letter(STATE, {"x": keep, "Y": at_y}, otherwise=0.5),
        "input_gate": by_letter(STATE, {"x": write}, otherwise=0.5),
    }
    signals = constant(STATE, units=4)
    for number, letter in ((1, "A"), (3, "B")):
        hidden = remembered(letter, on=on, off=off)
        signals = with_neuron(signals, number, hidden=hidden, **gates)
    cell = running(STATE, {"x": -0.1})
    return trace_of(STATE, with_neuron(signals, 0, cell=cell))


def test_a_perfect_memorizer_shows_the_posts_pattern():
    found = rows("state_memorizer", memorizer())
    claims = {claim.split(":")[0]: value for claim, value in found.items()}
    assert claims["a neuron is for A"][0].startswith("neuron 2: A +0.80, B +0.10, d' ")
    assert claims["a neuron is for B"][0].startswith("neuron 4: B +0.80, A +0.10, d' ")
    assert claims["still on at a line's last x"] == ("neurons 2, 4: 0.80, 0.80", AS_IN_THE_POST)
    assert claims["its forget gate is open at x"] == ("neurons 2, 4: 0.98, 0.98", AS_IN_THE_POST)
    assert claims["its input gate is shut at x"] == ("neurons 2, 4: 0.05, 0.05", AS_IN_THE_POST)
    assert claims["its forget gate shuts at Y, of one at least"][1] == AS_IN_THE_POST
    assert claims["a neuron's cell counts x's read"] == (
        "neuron 1: r = -1.000, -0.10 each",
        AS_IN_THE_POST,
    )
    assert {claims[f"a neuron is for {letter}"][1] for letter in "AB"} == {AS_IN_THE_POST}


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"keep": 0.7}, "its forget gate is open at x"),
        ({"write": 0.4}, "its input gate is shut at x"),
        ({"at_y": 0.6}, "its forget gate shuts at Y"),
        ({"off": 0.79}, "a neuron is for A"),
        ({"off": 0.79}, "still on at a line's last x"),
        ({"on": 0.3}, "a neuron is for B"),
    ],
)
def test_a_memorizer_that_does_otherwise_is_not_the_posts(change, claim):
    assert row("state_memorizer", memorizer(**change), claim)[1] == NOT_HERE


def test_a_memory_that_is_off_at_the_last_x_does_not_stay_on():
    hidden = remembered("A", off=0.0)
    is_last = np.array([STATE.startswith("xY", place) for place in range(len(STATE))])
    hidden[is_last] = 0.3
    trace = trace_of(STATE, with_neuron(constant(STATE, value=0), 0, hidden=hidden))
    assert row("state_memorizer", trace, "a neuron is for A")[1] == AS_IN_THE_POST
    assert row("state_memorizer", trace, "still on") == ("neuron 1: 0.30", NOT_HERE)


# The copy machine.

COPY = text_of("copy_machine")


def copier(*, on=0.9, off=-0.9, reading=0.0):
    """Return a trace of two layers; neuron 2 of the last is for the next letter being b."""
    hidden = np.full(len(COPY), reading)
    for line in task_lines("copy_machine", COPY):
        for i, following in enumerate(line.sample.answer + "\n"):
            hidden[line.last_of_prompt + i] = on if following == "b" else off
    last = with_neuron(constant(COPY), 1, hidden=hidden, cell=2 * hidden)
    return trace_of(COPY, random(COPY), last)


def test_a_perfect_copy_neuron_is_found_in_the_last_layer():
    trace = copier()
    table, neurons = findings("copy_machine", trace)
    assert table.title.startswith("copy machine, layer 2:")
    for claim in ('at X a neuron is for "starts with b"', 'after X one is for "next is b"'):
        here, verdict = row("copy_machine", trace, claim)
        assert here.startswith("neuron 2: +0.90, nearest -0.90, d' ") and verdict == AS_IN_THE_POST
    assert row("copy_machine", trace, 'after X one is for "next is c"')[1] == NOT_HERE
    assert row("copy_machine", trace, 'at X a neuron is for "starts with a"')[1] == NO_FIGURE
    assert row("copy_machine", trace, "at X a cell has one first letter") == (
        "neuron 2: b 1.80 to 1.80, gap 3.60",
        AS_IN_THE_POST,
    )
    assert row("copy_machine", trace, "silent while reading") == ("neuron 2", AS_IN_THE_POST)
    (neuron,) = neurons.rows
    assert neuron[0] == "neuron 2" and neuron[-1] == "0.00, 0.90"
    assert neuron[1] == "b | a, c: +0.90, nearest -0.90"
    assert neuron[3] == "b | a, c, newline: +0.90, nearest -0.90"


def test_a_neuron_that_is_loud_while_reading_or_tells_little_is_not_the_posts():
    assert row("copy_machine", copier(reading=0.5), "silent while reading") == ("none", NOT_HERE)
    trace = copier(on=0.9, off=0.8)
    claim = 'at X a neuron is for "starts with b"'
    assert row("copy_machine", trace, claim)[1] == NOT_HERE
    neurons = findings("copy_machine", trace)[1]
    assert neurons.rows == () and neurons.note.startswith("No neuron tells one letter apart")


def test_noise_orders_no_first_letters():
    trace = trace_of(COPY, random(COPY, units=1))
    assert row("copy_machine", trace, "at X a cell has one first letter")[1] == NOT_HERE
