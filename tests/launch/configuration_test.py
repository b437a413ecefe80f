"""Overrides are checked against the fields and types of every experiment."""

import dataclasses
import json
import re

import pytest

from nas_with_rl.launch.configuration import as_json, difference, with_overrides
from nas_with_rl.launch.experiments import EXPERIMENTS, find_experiment
from nas_with_rl.search_spaces.errors import InputError

QUICKSTART = find_experiment("quickstart")


@pytest.mark.parametrize(
    ("name", "epochs", "rates"),
    [
        ("ptb", 35, {1: 1, 6: 1, 7: 1 / 1.2, 35: 1.2**-29}),
        ("ptb_medium", 39, {1: 1, 6: 1, 7: 1 / 1.2, 8: 1 / 1.44, 39: 1.2**-33}),
        ("ptb_25m", 39, {6: 1, 7: 1 / 1.2, 39: 1.2**-33}),
        ("ptb_large", 55, {1: 1, 14: 1, 15: 1 / 1.15, 55: 1.15**-41}),
        ("ptb_54m", 55, {10: 1, 11: 1 / 1.15, 55: 1.15**-45}),
        ("char_ptb", 205, {1: 0.001, 205: 0.001}),
    ],
)
def test_the_language_models_have_the_literatures_schedules(name, epochs, rates):
    child = find_experiment(name).child
    assert child.epochs == epochs
    found = {epoch: child.learning_rate_of(epoch) for epoch in rates}
    assert found == pytest.approx(rates)


def test_no_experiment_has_a_blank():
    for experiment in EXPERIMENTS:
        texts = (experiment.source, experiment.expected_time, experiment.expected_result)
        assert all(texts) and not any(re.search(r"[A-Z]+_[A-Z]", text) for text in texts), texts


def test_overrides_reach_every_depth_and_type():
    changed = with_overrides(
        find_experiment("cifar10"),
        [
            "child.epochs=5",
            "child.learning_rate=1e-2",
            "child.flip=false",
            "child.decay_epochs=0.25,0.5",
            "space.filters=8,16",
            "search.depth.initial=4",
            "search.searcher=random",
            "controller.policy.num_units=20",
        ],
    )
    assert (changed.child.epochs, changed.child.learning_rate, changed.child.flip) == (
        5,
        0.01,
        False,
    )
    assert changed.child.decay_epochs == (0.25, 0.5) and changed.space.filters == (8, 16)
    assert changed.search.depth.initial == 4 and changed.search.searcher == "random"
    assert changed.controller.policy.num_units == 20
    assert find_experiment("cifar10").child.epochs == 50


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("child.epochs", "expected FIELD=VALUE"),
        ("child.epoch=5", "has no field 'epoch'; it has units, num_layers, num_parameters"),
        ("child.epochs=five", "'five' is not an integer"),
        ("child.learning_rate=fast", "'fast' is not a number"),
        ("child.tie_embeddings=yes", "'yes' is not true or false"),
        ("search.searcher=genetic", "'genetic' is not one of reinforce, random"),
        ("search=1", "search is a group; name one of its fields: search.num_samples"),
        ("child.epochs.more=1", "epochs has no fields of its own"),
        ("name=other", "has no field 'name'"),
        ("search.batch_size=0", "search.batch_size is 0"),
        ("child.epochs=0", "epochs is 0"),
        ("space.activations=swish", "activations has 'swish'"),
        ("controller.learning_rate=nan", "learning_rate is nan"),
        ("controller.policy.num_units=0", "policy.num_units is 0"),
        ("search.failure_reward=nan", "search.failure_reward is nan"),
        ("num_compared=-1", "num_compared is -1"),
    ],
)
def test_a_bad_override_is_one_clear_line(assignment, message):
    with pytest.raises(InputError) as caught:
        with_overrides(QUICKSTART, [assignment])
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_experiments_are_described_and_become_json(experiment):
    for field in ("source", "expected_time", "expected_result"):
        assert getattr(experiment, field)
    text = json.dumps(as_json(experiment))
    assert difference(json.loads(text), as_json(experiment)) is None
    assert experiment.search_space().size > 0


def test_a_run_begun_before_a_field_had_its_default():
    now = as_json(QUICKSTART)
    before = json.loads(json.dumps(now))
    for group, name in (("child", "num_layers"), ("search", "num_replicas")):
        del before[group][name]
    assert difference(before, now) is None
    other = as_json(with_overrides(QUICKSTART, ["child.num_layers=1"]))
    assert difference(before, other) == "child.num_layers: 2 / 1"
    del before["child"]["units"]  # which there always was
    assert difference(before, now) == "child.units: None / 32"


def test_difference_names_the_field():
    other = dataclasses.replace(
        QUICKSTART, search=dataclasses.replace(QUICKSTART.search, batch_size=3)
    )
    assert difference(as_json(QUICKSTART), as_json(other)) == "search.batch_size: 4 / 3"
