"""Plans: read, written, described, refused."""

import pytest

from nas_with_rl.launch.evaluators.plans import Plan, parse_plan
from nas_with_rl.search_spaces.errors import InputError

PLANS = {
    "here": (Plan("here"), "one child after the other, in this process"),
    "single@1": (Plan("single", 1, 1), "a program for each child, in 1 process"),
    "single@12": (Plan("single", 1, 12), "a program for each child, in 12 processes"),
    "population:1@1": (Plan("population", 1, 1), "one program for all cells, in 1 process"),
    "population:4@2": (
        Plan("population", 4, 2),
        "one program for all cells, 4 at a time, in 2 processes",
    ),
}


@pytest.mark.parametrize("text", PLANS)
def test_plans_are_read_written_and_described(text):
    plan, words = PLANS[text]
    assert parse_plan(text) == plan and str(plan) == text
    assert plan.describe() == words


@pytest.mark.parametrize(
    "text", ["auto", "", "here@1", "single", "single:2@2", "population@2", "population:-1@2", "x"]
)
def test_what_is_no_plan_is_refused_with_what_is_one(text):
    with pytest.raises(InputError) as raised:
        parse_plan(text)
    assert str(raised.value) == (
        f"--plan={text}: expected auto, population:CHILDREN@PROCESSES, single@PROCESSES or here, "
        "as in population:4@2"
    )


def test_a_long_text_is_cut_and_a_long_number_is_refused():
    with pytest.raises(InputError, match=r"^--plan=single@9+…: expected auto") as raised:
        parse_plan("single@" + "9" * 5000)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("text", ["single@0", "population:0@2", "population:2@0"])
def test_none_are_too_few(text):
    with pytest.raises(InputError, match=f"^--plan={text} has too few"):
        parse_plan(text)


@pytest.mark.parametrize("text", ["single@1001", "population:1001@2", "single@999999999"])
def test_more_than_a_machine_holds_are_too_many(text):
    with pytest.raises(InputError, match=f"^--plan={text} has more than 1,000"):
        parse_plan(text)


def test_a_long_text_is_not_shown_whole():
    with pytest.raises(InputError, match=r"^--plan=single@9+…: expected") as raised:
        parse_plan("single@" + "9" * 5000)
    assert len(str(raised.value)) < 200


def test_only_populations_are_of_several_children():
    with pytest.raises(InputError, match="2 children together are a population's"):
        Plan("single", 2, 2)
    with pytest.raises(InputError, match="too few"):
        Plan("here", 1, 2)
