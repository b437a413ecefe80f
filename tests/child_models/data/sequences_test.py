"""The tasks against what the post says of them."""

import itertools
import re

import pytest

from nas_with_rl.child_models.data.sequences import TASKS, draw_samples

PATTERNS = {
    "counter": r"(a+)X(b+)",
    "selective_counter": r"([aX]+)Y(b+)",
    "state_memorizer": r"[AB](x+)Y[ab]",
    "copy_machine": r"[abc]{3}X[abc]{3}",
    "copy_machine_held_out": r"[abc]{3}X[abc]{3}",
}


def all_samples(task):
    return (*task.training, *task.held_out, *task.beyond)


def expected_answer(name, prompt):
    """Return what a reader of the prompt has to write, worked out from the prompt alone."""
    if name.endswith("counter"):
        return "b" * prompt.count("a")
    return prompt[0].lower() if name == "state_memorizer" else prompt[:3]


@pytest.mark.parametrize("name", TASKS)
def test_every_line_is_what_the_post_describes(name):
    for sample in all_samples(TASKS[name]):
        assert re.fullmatch(PATTERNS[name], sample.prompt + sample.answer)
        assert sample.answer == expected_answer(name, sample.prompt)
        assert sample.line == f"{sample.prompt}{sample.answer}\n"


@pytest.mark.parametrize("name", TASKS)
def test_no_sample_is_in_two_parts_and_the_streams_keep_to_theirs(name):
    task = TASKS[name]
    prompts = [sample.prompt for sample in all_samples(task)]
    assert len(set(prompts)) == len(prompts)
    training = {sample.line for sample in task.training}
    drawn = set(task.training_text().splitlines(keepends=True))
    assert drawn <= training and len(drawn) > 0.95 * len(training)
    judged = set(task.validation_text().splitlines(keepends=True))
    assert judged <= training  # what is held out does not choose the best epoch either
    assert {line.count("b") for line in judged} == {line.count("b") for line in training}
    assert task.training_text() == task.training_text() != task.validation_text()


@pytest.mark.parametrize(
    ("name", "numbers", "sizes", "beyond"),
    [
        ("counter", (10, 0, 20), range(1, 11), range(11, 31)),
        ("selective_counter", (1579, 94, 50), range(1, 11), range(11, 21)),
        ("state_memorizer", (14, 6, 40), range(1, 11), range(11, 31)),
        ("copy_machine", (27, 0, 0), [3], []),
        ("copy_machine_held_out", (20, 7, 0), [3], []),
    ],
)
def test_numbers_and_sizes(name, numbers, sizes, beyond):
    task = TASKS[name]
    assert (len(task.training), len(task.held_out), len(task.beyond)) == numbers
    assert {sample.size for sample in task.training} == set(sizes)
    assert {sample.size for sample in task.beyond} == set(beyond)


def test_what_is_held_out_has_every_kind():
    selective = TASKS["selective_counter"].held_out
    assert {sample.size for sample in selective} == set(range(1, 11))
    assert {sample.prompt.count("X") for sample in selective} == set(range(1, 6))
    states = TASKS["state_memorizer"].held_out
    assert [sample.prompt[0] for sample in states].count("A") == len(states) / 2
    copies = TASKS["copy_machine_held_out"]
    whole = {sample.answer for sample in TASKS["copy_machine"].training}
    assert whole == set(map("".join, itertools.product("abc", repeat=3)))
    assert {sample.answer for sample in all_samples(copies)} == whole
    seen = {(place, letter) for s in copies.training for place, letter in enumerate(s.answer)}
    assert seen == set(itertools.product(range(3), "abc"))  # every letter in every place


def test_sizes_are_equally_frequent_although_few_lines_are_short():
    drawn = draw_samples(TASKS["selective_counter"].training, 5_000, seed=3)
    counts = [sum(sample.size == size for sample in drawn) for size in range(1, 11)]
    # 500 expected, standard deviation 21.
    assert min(counts) > 400 and max(counts) < 600
