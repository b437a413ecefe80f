"""Searchers of one's own: what they return is checked, their version is counted for them."""

import json

import pytest

from nas_with_rl.controller.own_searcher import OwnSearcher, check_class
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace
from tests.harness import own_searchers

SPACE = SearchSpace([Choice("a", (1, 2, 3)), Choice("b", (1, 2))], (Choice("c", (1, 2)),), depth=2)


def made(name):
    own = getattr(own_searchers, name)(SPACE, max_depth=4, seed=0)
    return OwnSearcher(own, name=f"mine:{name}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Deeper", r"an architecture for trial 4 of depth 3, where the space has depth 2"),
        (
            "Elsewhere",
            r"an architecture for trial 4 of space 'smaller', not of the 'space' it was given",
        ),
        ("Short", r"3 architectures for 4 trials"),
        ("Lines", r"'4' for trial 4, no Architecture"),
        ("Nothing", r"None, no list of architectures"),
        ("Shuffled", r"a proposal for trial 7 in the place of 4"),
        ("Endless", r"log_prob -inf for trial 4, no finite number"),
    ],
)
def test_what_is_no_proposal_is_one_line_that_names_the_class(name, message):
    with pytest.raises(InputError, match=f"^mine:{name}.ask has returned {message}$"):
        made(name).ask(SPACE, range(4, 8))


def test_versions_are_counted_for_it_and_kept_in_a_file_of_their_own(tmp_path):
    searcher = made("Careful")
    for batch in range(3):
        proposals = searcher.ask(SPACE, range(4 * batch, 4 * batch + 4))
        assert [p.trial for p in proposals] == list(range(4 * batch, 4 * batch + 4))
        assert {p.version for p in proposals} == {batch} and {p.log_prob for p in proposals} == {
            None
        }
        update = searcher.tell(proposals, [1.0, 2.0, 3.0, batch])
        assert update.version == searcher.version == batch + 1
    searcher.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"best.json", "own_searcher.json"}
    again = made("Careful")
    again.restore(tmp_path)
    assert again.version == 3
    assert again.ask(SPACE, range(12, 16)) == searcher.ask(SPACE, range(12, 16))


def test_a_state_that_cannot_be_read_leaves_the_version(tmp_path):
    searcher = made("Careful")
    (tmp_path / "own_searcher.json").write_text(json.dumps({"version": 5}))
    with pytest.raises(FileNotFoundError):
        searcher.restore(tmp_path)
    assert searcher.version == 0


def test_what_it_tells_of_itself_is_kept_but_for_the_version():
    searcher = made("Telling")
    proposals = searcher.ask(SPACE, [0, 1])
    assert [(p.version, p.log_prob) for p in proposals] == [(0, -1.5)] * 2
    assert type(proposals[0].log_prob) is float
    update = searcher.tell(proposals, [1.0, 2.0])
    assert (update.version, update.baseline, update.notes) == (1, 2.5, ("so it is",))


@pytest.mark.parametrize(
    ("name", "found"),
    [("Folders", "a folder 'more'"), ("Overwriting", "a file 'own_searcher.json'")],
)
def test_what_it_may_not_save_is_one_line(name, found, tmp_path):
    with pytest.raises(InputError, match=f"^mine:{name}.save has made {found}; it may have files"):
        made(name).save(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Silent", "it has no tell and no restore"),
        ("Seedless", r"it is called with \(space, max_depth=..., seed=...\), and takes \(space\)"),
        ("NUMBER", "it is of type int, no class"),
    ],
)
def test_what_is_no_class_of_a_searcher_is_one_line(name, message):
    with pytest.raises(InputError, match=f"^title: {message}$"):
        check_class(getattr(own_searchers, name), title="title")


def test_a_function_may_make_it_and_what_it_makes_is_checked():
    check_class(own_searchers.factory, title="title")
    own = own_searchers.factory(SPACE, max_depth=2, seed=0)
    with pytest.raises(InputError, match=r"^mine: it has no ask and no tell and no save"):
        OwnSearcher(own, name="mine")
