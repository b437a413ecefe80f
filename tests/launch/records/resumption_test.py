"""One rule for every run that is resumed: what is given has to be what is stored, or may change."""

import json

import pytest

from nas_with_rl.launch.records.continuation import SEARCH
from nas_with_rl.launch.records.resumption import (
    ExperimentRequest,
    SearchRequest,
    check_same,
    claim_workdir,
    complete,
    read_run,
    stored_run,
    with_given,
)
from nas_with_rl.launch.records.training_result import TRAINING
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError

STORED = {
    "experiment": "quickstart",
    "seed": 3,
    "search": {"kind": "SearchConfig", "num_samples": 20, "batch_size": 4, "on_error": "raise"},
    "controller": {},
    "space": {},
    "overrides": ["search.batch_size=4", "child.units=8"],
    "location": {"data_dir": "/data", "plan": "here"},
}
OTHERS = {
    "training": {"kind": "training", "experiment": "ptb", "seed": 0},
    "comparison": {"kind": "comparison", "experiment": "ptb", "seed": 0},
    "grid": {"kind": "grid_search", "experiment": "ptb", "grid": {}, "search": {}},
    "search": {name: STORED[name] for name in ("experiment", "search", "controller", "space")},
}
KINDS = {"training": TRAINING, "search": SEARCH}


@pytest.mark.parametrize(
    ("given", "together"),
    [
        ((), ("a.b=1", "c=2")),
        (("c=2",), ("a.b=1", "c=2")),  # what is stored: not even the order changes
        ((" a.b = 1",), ("a.b=1", "c=2")),
        (("c=2", "a.b=1"), ("a.b=1", "c=2")),
        (("a.b=3",), ("a.b=3", "c=2")),
        (("d=4", "c=2"), ("a.b=1", "c=2", "d=4")),
    ],
)
def test_given_overrides_take_the_place_of_stored_ones_of_their_field(given, together):
    assert with_given(("a.b=1", "c=2"), given) == together


def test_a_field_that_was_set_twice_has_the_last_value():
    assert with_given(("a=1", "a=2"), ("a=2",)) == ("a=1", "a=2")
    assert with_given(("a=1", "a=2"), ("a=1",)) == ("a=1",)
    assert with_given(("a=1", "a=2"), ("a=1", "a=2")) == ("a=1", "a=2")


def test_what_is_not_given_is_as_stored():
    asked = SearchRequest(workdir="run", resume=True, num_samples=40, overrides=("d=4",))
    assert complete(asked, STORED, SEARCH) == SearchRequest(
        "quickstart",
        workdir="run",
        data_dir="/data",
        seed=3,
        num_samples=40,
        plan="here",
        overrides=("search.batch_size=4", "child.units=8", "d=4"),
        resume=True,
    )
    given = SearchRequest("m:E", workdir="run", seed=0, data_dir="", plan="auto", resume=True)
    completed = complete(given, STORED, SEARCH)
    assert (completed.experiment, completed.seed, completed.plan) == ("m:E", 0, "auto")


def test_another_experiment_is_refused_before_the_stored_overrides_meet_it():
    with pytest.raises(InputError, match="experiment: 'quickstart' / 'ptb'"):
        complete(SearchRequest("ptb", workdir="run", resume=True), STORED, SEARCH)


@pytest.mark.parametrize(
    ("here", "found"),
    [
        ({}, None),
        ({"location": {"data_dir": "/other"}, "overrides": []}, None),
        ({"search": STORED["search"] | {"num_samples": 9, "on_error": "fail"}}, None),
        ({"search": STORED["search"] | {"batch_size": 5}}, r"search.batch_size: 4 / 5"),
        ({"seed": 4}, "seed: 3 / 4"),
    ],
)
def test_a_resumed_search_may_change_what_is_on_the_list_alone(here, found):
    wanted = STORED | here
    if found is None:
        check_same(STORED, wanted, kind=SEARCH, workdir="run")
    else:
        with pytest.raises(InputError, match=f"another run.*there / here: {found}"):
            check_same(STORED, wanted, kind=SEARCH, workdir="run")


def test_every_kind_of_run_is_taken_for_itself_alone(tmp_path):
    for name, description in OTHERS.items():
        place = Workdir(tmp_path / name)
        place.path.mkdir()
        place.write(description)
        for other, kind in KINDS.items():
            if other == name:
                assert read_run(place, kind) == description
            else:
                with pytest.raises(InputError, match="another kind of run"):
                    read_run(place, kind)


def test_a_workdir_is_claimed_once_and_keeps_what_a_resumed_run_says(tmp_path):
    begun = OTHERS["training"] | {"location": {"data_dir": None}}
    with claim_workdir(tmp_path / "run", begun, kind=TRAINING, resume=False) as place:
        assert json.loads((place.path / "experiment.json").read_text())["versions"]
        for resume in (False, True):
            with (
                pytest.raises(InputError, match="in use"),
                claim_workdir(tmp_path / "run", begun, kind=TRAINING, resume=resume),
            ):
                pass
    moved = begun | {"location": {"data_dir": "/data"}}
    with claim_workdir(tmp_path / "run", moved, kind=TRAINING, resume=True) as place:
        assert place.read()["location"] == {"data_dir": "/data"}
    with (
        pytest.raises(InputError, match="continue it with --resume"),
        claim_workdir(tmp_path / "run", begun, kind=TRAINING, resume=False),
    ):
        pass


def test_what_another_process_wrote_until_the_claim_is_kept(tmp_path, monkeypatch):
    begun = OTHERS["training"] | {"location": {"data_dir": None}}
    with claim_workdir(tmp_path / "run", begun, kind=TRAINING, resume=False):
        pass
    lock = Workdir.lock

    def locked_late(place):
        place.write(place.read() | {"written": "meanwhile"})
        lock(place)

    monkeypatch.setattr(Workdir, "lock", locked_late)
    moved = begun | {"location": {"data_dir": "/data"}}
    with claim_workdir(tmp_path / "run", moved, kind=TRAINING, resume=True) as place:
        told = place.read()
    assert told["written"] == "meanwhile" and told["location"] == {"data_dir": "/data"}


def test_what_is_resumed_has_a_workdir():
    with pytest.raises(InputError, match="--resume needs --workdir"):
        stored_run(ExperimentRequest(resume=True), TRAINING)
    with pytest.raises(InputError, match="--workdir is missing"):
        ExperimentRequest().place()
    with pytest.raises(InputError, match="--workdir is empty"):
        ExperimentRequest(workdir="").place()


def test_a_workdirs_long_name_is_cut_where_it_cannot_be_used(tmp_path):
    place = Workdir(tmp_path / ("long" * 1000))
    for use in (place.is_begun, place.lock):
        with pytest.raises(InputError) as raised:
            use()
        assert len(str(raised.value)) < 400
