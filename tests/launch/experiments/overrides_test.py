"""Overrides are checked against the fields and types of every experiment."""

import dataclasses
import itertools
import json
import math
import re
from typing import Literal

import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.api import SearchOptions
from nas_with_rl.launch.clusters.options import ClusterOptions
from nas_with_rl.launch.evaluators.process_pool import Limits
from nas_with_rl.launch.experiments.catalogue import EXPERIMENTS, find_experiment
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup, TabularLookup
from nas_with_rl.launch.experiments.overrides import (
    as_json,
    difference,
    space_from_json,
    with_overrides,
)
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.launch.explorations.preparation import ExploreRequest
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

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
        ("search.searcher=genetic", "search.searcher is 'genetic', not one of dream"),
        ("search.searcher=my.module:", "search.searcher=my.module:: expected MODULE:NAME"),
        ("search=1", "search is a group; name one of its fields: search.num_samples"),
        ("child.epochs.more=1", "epochs has no fields of its own"),
        ("name=other", "has no field 'name'"),
        ("search.batch_size=0", "search.batch_size is 0"),
        ("child.epochs=0", "epochs is 0"),
        ("space.activations=swish", "activations has 'swish'"),
        ("controller.learning_rate=nan", "learning_rate is nan"),
        ("controller.learning_rate=1e38", "learning_rate is 1e+38"),
        ("controller.policy.num_units=0", "policy.num_units is 0"),
        ("controller.advantage=best", "'best' is not one of raw, normalised, ranks"),
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
    added = (("child", "num_layers"), ("search", "num_replicas"), ("controller", "advantage"))
    for group, name in added:
        del before[group][name]
    assert difference(before, now) is None
    other = as_json(with_overrides(QUICKSTART, ["child.num_layers=1"]))
    assert difference(before, other) == "child.num_layers: 2 / 1"
    del before["child"]["units"]  # which there always was
    assert difference(before, now) == "child.units: None / 32"


@dataclasses.dataclass(frozen=True)
class Optional:
    penalty: float | None = None
    kind: Literal["a", "b"] | None = None
    limit: int | None = 3
    search: SearchConfig | None = None


def test_a_value_that_is_none_can_be_overridden():
    config = Optional()
    assert with_overrides(config, ["penalty=-1.5", "kind=b"]) == Optional(-1.5, "b")
    assert with_overrides(config, ["limit=none", "penalty=None"]) == Optional(limit=None)
    assert with_overrides(Optional(2.0), ["penalty=none"]) == config
    with pytest.raises(InputError, match="'much' is not a number"):
        with_overrides(config, ["penalty=much"])
    with pytest.raises(InputError, match="no field 'search'; it has penalty, kind, limit"):
        with_overrides(config, ["search.batch_size=2"])


@pytest.mark.parametrize(
    "assignment", ["x" * 10**5, "child.epochs=" + "9" * 10**5, f"{'x' * 10**5}=1", "child.a\nb=1"]
)
def test_a_long_override_is_not_shown_whole(assignment):
    with pytest.raises(InputError) as caught:
        with_overrides(QUICKSTART, [assignment])
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


CONFIGURATIONS = {
    "search": SearchConfig(),
    "depth": DepthSchedule(),
    "policy": PolicyConfig(),
    "controller": ReinforceConfig(),
    "convolutional": ConvolutionalSpace(),
    "recurrent_cell": RecurrentCellSpace(),
    "images": ImageTraining(),
    "language_models": LanguageModelTraining(),
    "dropout": Dropout(),
    "image_data": ImageDataConfig(),
    "text_data": TextDataConfig(),
    "table": TableLookup(),
    "table of one's own": TabularLookup(),
    "its space": TabularSpace(),
    "function": OwnEvaluation("module:name"),
    "experiment": QUICKSTART,
    "exploration": ExploreRequest(task="counter"),
    "options": SearchOptions(),
    "limits": Limits(),
    "cluster": ClusterOptions(),
}


@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_every_field_of_every_configuration_is_checked_in_python(config):
    assert dataclasses.replace(config) == config
    for field in dataclasses.fields(config):
        for wrong in (object(), complex(0, 1), b"", {"a": 1}, {1}):
            with pytest.raises(InputError, match=field.name) as caught:
                dataclasses.replace(config, **{field.name: wrong})
            assert "\n" not in str(caught.value)
        value = getattr(config, field.name)
        if isinstance(value, int) and not isinstance(value, bool):
            wrong, alike = [True, str(value), value + 0.5], np.int64(value)
        elif isinstance(value, float):
            wrong, alike = [True, str(value), math.nan], np.float64(value)
        elif isinstance(value, bool):
            wrong, alike = [str(value), 2], np.bool_(value)
        elif isinstance(value, tuple):
            wrong, alike = ["ab", 5], list(value)
        else:
            continue
        for each in wrong:
            with pytest.raises(InputError, match=field.name):
                dataclasses.replace(config, **{field.name: each})
        converted = dataclasses.replace(config, **{field.name: alike})
        assert converted == config
        assert type(getattr(converted, field.name)) is type(value)
        assert json.dumps(as_json(converted)) == json.dumps(as_json(config))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SearchConfig(searcher="Random"), "'Random', not one of dream"),
        (lambda: SearchConfig(searcher="genetic"), "local_search, random; one of your own is"),
        (lambda: SearchConfig(searcher=3), "search.searcher is 3, not a text"),
        (lambda: SearchConfig(searcher=SearchConfig), "search.searcher is <class"),
        (lambda: SearchConfig(duplicates="Reuse"), "'Reuse', not one of reuse, evaluate"),
        (lambda: SearchConfig(depth=6), "search.depth is 6, not a DepthSchedule or None"),
        (lambda: TableLookup("cifar1000"), "dataset is 'cifar1000', not one of cifar10, cifar100"),
        (lambda: TextDataConfig(unit="byte"), "'byte', not one of character, word"),
        (lambda: ImageDataConfig("CIFAR10"), "'CIFAR10', not one of cifar10, digits"),
        (lambda: LanguageModelTraining(optimizer="Adam"), "'Adam', not one of sgd, adam"),
        (lambda: LanguageModelTraining(dropout=0.5), "dropout is 0.5, not a Dropout"),
        (lambda: LanguageModelTraining(num_layers=10**9), "num_layers is 1000000000, above 100"),
        (lambda: ImageTraining(upsampled_size=10**9), "above 1,024"),
        (lambda: PolicyConfig(num_units=10**9), "policy.num_units is 1000000000, above 2,048"),
        (lambda: ReinforceConfig(policy=20), "controller.policy is 20, not a PolicyConfig"),
        (lambda: ConvolutionalSpace(filters=(10**9,)), "at most 100,000"),
        (lambda: RecurrentCellSpace(combinations=()), "has no options"),
        (lambda: RecurrentCellSpace(activations=("tanh", "tanh")), "same text"),
        (lambda: SearchOptions(search="random"), "options.search is 'random', not a SearchConfig"),
        (lambda: ExploreRequest(task="counter", cells="lstm"), "cells is 'lstm', not a tuple"),
        (lambda: ExploreRequest(task="counter", temperature=0.5), "temperature is 0.5, which has"),
        (lambda: ClusterOptions(start_timeout=math.nan), "start_timeout is nan"),
        (lambda: dataclasses.replace(QUICKSTART, num_compared=10**9), "above 1,000"),
        (lambda: dataclasses.replace(QUICKSTART, name="x" * 300), "is one word"),
    ],
    ids=itertools.count(),
)
def test_a_wrong_setting_in_python_is_one_clear_line(make, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_difference_names_the_field():
    other = dataclasses.replace(
        QUICKSTART, search=dataclasses.replace(QUICKSTART.search, batch_size=3)
    )
    assert difference(as_json(QUICKSTART), as_json(other)) == "search.batch_size: 4 / 3"
    one, other = ({"names": ["a", name], "rest": 1} for name in ("b", "c"))
    assert difference(one, other) == "names: ['a', 'b'] / ['a', 'c']"
    assert difference(one, {"names": ["a"], "rest": 1}) == "names: ['a', 'b'] / ['a']"
    long, other = ({"names": ["a" * 60, name]} for name in ("b", "c"))
    assert difference(long, other) == "names[1]: 'b' / 'c'"


@pytest.mark.parametrize(
    "space",
    [
        nas.NasBench201Space().search_space(),
        nas.RecurrentCellSpace(base=2).search_space(),
        nas.ConvolutionalSpace(filters=(4, 8)).search_space(3),
        nas.SearchSpace(
            [nas.Choice("a", (3, 2.5, True, "x'y")), nas.Choice("b", (1, 2), only_if=("a", 2.5))],
        ),
    ],
)
def test_a_space_is_read_from_its_decisions(space):
    read = space_from_json(json.loads(json.dumps(as_json(space))))
    assert as_json(read) == as_json(space)
    assert read.steps == space.steps


def test_options_of_any_kind_are_read_by_their_texts():
    space = nas.SearchSpace(
        [
            nas.Choice("a", np.array([1, -2])),
            nas.Choice("b", np.array([0.5, 1e-3], np.float32), only_if=("a", 1)),
            nas.Choice("c", {"small": (3, 3), "none": None, "abs": abs}),
            nas.Choice("d", (-1, abs, None), only_if={"b": 0.5, "c": (abs, None)}),
        ]
    )
    read = space_from_json(json.loads(json.dumps(as_json(space))))
    assert [step.conditions for step in read.steps] == [step.conditions for step in space.steps]
    assert [each.texts for each in read.decisions] == [each.texts for each in space.decisions]
    assert [each.options for each in read.decisions] == [
        (1, -2), (0.5, pytest.approx(1e-3)), ((3, 3), None, "abs"), (-1, "abs", None),
    ]  # fmt: skip
    assert as_json(read)["decisions"][2:] == as_json(space)["decisions"][2:]


@pytest.mark.parametrize(
    "decision",
    [
        "Choice(name='a', options=(print(1),))",
        "Skips('a')",
        "Choice(name='a', options=(np.load('x', 1),))",
        "os",
        "Choice(",
        3,
        "Own(a=1)",
    ],
)
def test_what_is_no_decision_is_refused_and_not_called(decision, capsys):
    with pytest.raises(InputError, match="no decision of plain options"):
        space_from_json({"decisions": [decision], "layer_decisions": [], "depth": 0})
    assert capsys.readouterr().out == ""
