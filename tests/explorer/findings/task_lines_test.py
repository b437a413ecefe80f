"""Lines of the tasks in a text: whole ones alone, their places, and which are answered rightly."""

import numpy as np
import pytest

from nas_with_rl.child_models.data.sequences import TASKS, Sample
from nas_with_rl.explorer.findings.task_lines import (
    Line,
    characters,
    line_places,
    right_lines,
    task_lines,
    trained_sizes,
)
from tests.harness import built_traces


@pytest.mark.parametrize("name", TASKS)
def test_every_line_of_a_task_is_found_with_its_sample(name):
    task = TASKS[name]
    samples = (*task.training, *task.held_out, *task.beyond)
    found = task_lines(name, list("".join(sample.line for sample in samples)))
    assert [line.sample for line in found] == list(samples)
    ends = np.cumsum([len(sample.line) for sample in samples])
    assert [line.start for line in found] == [0, *ends[:-1]]


@pytest.mark.parametrize(
    ("name", "text", "starts"),
    [
        ("counter", "bb\naXb\naaXbb", [3]),  # cut off at both ends
        ("counter", "aaXb\nX\naX\n\nXb\naXbb\naXb\n", [19]),
        ("selective_counter", "Y\nXXY\naXb\nXaY\nXaYb\n", [14]),
        ("state_memorizer", "xxYa\nAxYb\nAYa\nAxYa\n", [14]),
        ("copy_machine", "bcXabc\nabcXabd\nabXab\nabcXabc\n", [21]),
        ("copy_machine", "abcXabc", []),
        ("counter", "", []),
    ],
)
def test_what_is_no_whole_and_faultless_line_is_left_out(name, text, starts):
    assert [line.start for line in task_lines(name, list(text))] == starts


def test_a_token_of_several_characters_is_one_place():
    tokens = ["a", "<unk>", "\n", "a", "X", "b", "\n"]
    assert task_lines("counter", tokens) == (Line(3, Sample("aX", "b", 1)),)


def test_places_count_within_each_line():
    lines = task_lines("counter", list("b\naaXbb\naXb\n"))
    a, b, x = (line_places(lines, letter) for letter in "abX")
    assert a.index.tolist() == [2, 3, 8] and a.order.tolist() == [1, 2, 1]
    assert a.first.tolist() == [True, False, True] and a.last.tolist() == [False, True, True]
    assert b.index.tolist() == [5, 6, 10] and b.left.tolist() == [1, 0, 0]
    assert x.index.tolist() == [4, 9] and x.sizes.tolist() == [2, 1]
    assert not line_places(lines, "Y").index.size
    assert characters(lines).tolist() == list(range(2, 12))


def test_lines_longer_than_the_trained_ones_are_left_out_where_there_are_others():
    short, long = Line(0, Sample("aX", "b", 1)), Line(4, Sample("a" * 11 + "X", "b" * 11, 11))
    assert trained_sizes([short, long]) == (short,)
    assert trained_sizes([long]) == (long,)


def test_a_line_is_right_where_answer_and_end_are_the_likeliest_throughout():
    text = "aaXbb\naXb\n"
    lines = task_lines("counter", text)

    def right(*wrong):
        trace = built_traces.trace_of(text, built_traces.constant(text), wrong=wrong)
        return right_lines(trace, lines).tolist()

    assert right() == [True, True]
    assert right(0, 1) == [True, True]  # the prompt is no part of the answer
    assert right(5) == [True, True]  # nor what follows the line's end
    assert right(2) == right(3) == right(4) == [False, True]
    assert right(8) == [True, False]


def test_a_probability_that_is_not_a_number_is_not_right():
    text = "aXb\naXb\n"
    trace = built_traces.trace_of(text, built_traces.constant(text))
    trace.probabilities[1] = np.nan
    assert right_lines(trace, task_lines("counter", text)).tolist() == [False, True]
