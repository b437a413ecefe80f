"""Populations beside children trained alone; `population_test` runs them in a process in which XLA
compiles quickly. One population serves all tests of float32.

Shapes: C children, T steps, B sequences, V vocabulary, E embedding width, H hidden units.
"""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.child_models.language_models.training import (
    begin_training,
    perplexity,
    train_language_model,
)
from nas_with_rl.child_models.populations.population import Member, Population
from nas_with_rl.child_models.populations.states import MAX_ONE_HOT
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    COMBINATIONS,
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

T, B, V, H = 4, 3, 12, 5
VARIATIONAL = Dropout("variational", embedding=0.1, input=0.2, recurrent=0.3, output=0.2)
ZAREMBA = Dropout("zaremba", input=0.2, output=0.4)
SGD = LanguageModelTraining(
    units=H,
    batch_size=B,
    num_steps=T,
    steps_per_epoch=150,
    epochs=2,
    optimizer="sgd",
    learning_rate=0.1,
    decay_factor=0.5,
    decay_after=1,
    clip_norm=2.0,
    init_scale=0.3,
    weight_decay=1e-4,
    tie_embeddings=True,
)
ADAM = dataclasses.replace(SGD, optimizer="adam", learning_rate=0.003, dropout=VARIATIONAL)
# Untied, without decay, E unlike H, and V so large that the embedding's rows are gathered.
WIDE = dataclasses.replace(
    SGD,
    tie_embeddings=False,
    embedding_units=H + 2,
    weight_decay=0.0,
    steps_per_epoch=300,
    epochs=1,
    dropout=ZAREMBA,
)
ONE_STEP = dataclasses.replace(WIDE, steps_per_epoch=1, dropout=VARIATIONAL)
EVERYTHING = UniversalCell(2, COMBINATIONS, ACTIVATIONS)
C = 3
# Of base 4 and drawn at random; the hidden state of many others stays 0, which shows nothing.
TRAINABLE = (8, 7)


@functools.cache
def corpus(vocabulary=V):
    """A text that can be learned in part: each token is one or two beyond the one before."""
    tokens = np.cumsum(np.random.default_rng(0).integers(1, 3, B * (300 * T + 1))) % vocabulary
    tokens = tokens.astype(np.int32)
    return Corpus(tokens, tokens[-B * (5 * T + 1) :], tuple(map(str, range(vocabulary))), ())


def random_cell(operations, number):
    space = RecurrentCellSpace(
        operations.base, operations.combinations, operations.activations
    ).search_space()
    return cell_of(random_architecture(space, np.random.default_rng([7, number])))


def own_members():
    """C children with a seed each, and some with a learning rate or a ceiling of their own."""
    cells = [random_cell(EVERYTHING, number) for number in range(C)]
    return [
        Member(cells[0], 0),
        Member(cells[1], 1, learning_rate=0.3),
        Member(cells[2], 2**40 + 3, learning_rate=0.02, clip_norm=0.05),
    ]


def own_config(member, config):
    rate = member.learning_rate or config.learning_rate
    clip_norm = member.clip_norm or config.clip_norm
    return dataclasses.replace(config, learning_rate=rate, clip_norm=clip_norm)


def trained(population, members):
    """Train to the end; return the group, and by child (training, validation) nll by epoch."""
    group = population.begin(members)
    nlls = [
        (group.train_epoch(epoch), group.validate())
        for epoch in range(1, population.config.epochs + 1)
    ]
    return group, np.transpose(nlls, (2, 0, 1))


def distances(found, expected):
    """By weight, the norm of the difference over the norm."""
    pairs = zip(found, expected, strict=True)
    return [np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) for ours, theirs in pairs]


def check_equal(population, members, text, tolerance):
    """Check weights and losses against those of each child trained alone."""
    group, nlls = trained(population, members)
    for child, member in enumerate(members):
        config = own_config(member, population.config)
        alone = begin_training(member.cell, text, config, seed=member.seed)
        start = [weight.numpy() for weight in alone.model.trainable_variables]
        expected = [
            (alone.train_epoch(epoch), alone.validate()) for epoch in range(1, config.epochs + 1)
        ]
        weights = [weight.numpy() for weight in alone.model.trainable_variables]
        assert weights[0].dtype == keras.config.floatx()
        assert distances(weights, start)[-1] > 100 * tolerance  # it has been trained
        assert max(distances(group.weights(child), weights)) < tolerance, member
        np.testing.assert_allclose(nlls[child], expected, rtol=1e-5)


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def population():
    return Population(EVERYTHING, corpus(), SGD, num_children=C)


@pytest.fixture(scope="module")
def together(population):
    return trained(population, own_members())


def same_bits(one, other):
    return all(np.array_equal(*each, equal_nan=True) for each in zip(one, other, strict=True))


def test_300_steps_are_those_of_each_child_alone_with_its_own_settings(population):
    check_equal(population, own_members(), corpus(), 1e-5)


@pytest.mark.slow
def test_one_step_of_a_large_vocabulary():
    operations, text = UniversalCell(4), corpus(MAX_ONE_HOT + 1)
    members = [Member(random_cell(operations, number), number) for number in TRAINABLE]
    check_equal(Population(operations, text, ONE_STEP, num_children=2), members, text, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("num_layers", [1, 3])
def test_some_steps_of_other_numbers_of_layers(num_layers):
    config = dataclasses.replace(ADAM, num_layers=num_layers, epochs=1, steps_per_epoch=20)
    members = [Member(random_cell(EVERYTHING, number), number) for number in TRAINABLE]
    check_equal(Population(EVERYTHING, corpus(), config, num_children=2), members, corpus(), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operations", "vocabulary", "config"),
    [(UniversalCell(4), MAX_ONE_HOT + 1, WIDE), (EVERYTHING, V, ADAM)],
    ids=("sgd_zaremba_wide", "adam_variational_tied"),
)
def test_300_steps_in_float64(operations, vocabulary, config, float64):
    text = corpus(vocabulary)
    members = [Member(random_cell(operations, number), number) for number in TRAINABLE]
    check_equal(Population(operations, text, config, num_children=2), members, text, 1e-10)


def test_neighbours_do_not_change_a_bit(population, together):
    members = own_members()
    group, nlls = together
    strangers = [Member(random_cell(EVERYTHING, 10 + number), number) for number in range(C - 1)]
    other_group, other_nlls = trained(population, [members[0], *strangers])
    alone, alone_nlls = trained(population, members[:1])  # the other places are left free
    for others, other_nll in ((other_group, other_nlls[0]), (alone, alone_nlls[0])):
        assert same_bits(others.weights(0), group.weights(0)) and (other_nll == nlls[0]).all()


def test_places_do_not_change_a_bit(population, together):
    members = own_members()
    group, nlls = together
    turned, turned_nlls = trained(population, members[::-1])
    for child in range(C):
        assert same_bits(turned.weights(C - 1 - child), group.weights(child))
    np.testing.assert_array_equal(turned_nlls[::-1], nlls)


def test_a_diverging_child_is_a_failure_and_its_neighbours_do_not_change_a_bit(
    population, together
):
    members = own_members()
    doomed = dataclasses.replace(members[1], learning_rate=1e9, clip_norm=1e9)
    members[1] = doomed
    group, nlls = trained(population, members)
    for child in (0, 2):
        assert same_bits(group.weights(child), together[0].weights(child))
        np.testing.assert_array_equal(nlls[child], together[1][child])
    result = population.train(members)[1]
    with pytest.raises(ChildFailure) as alone:
        config = own_config(doomed, SGD)
        train_language_model(doomed.cell, corpus(), config, seed=doomed.seed)
    assert isinstance(result, ChildFailure) and str(result) == str(alone.value)
    assert result.reason == alone.value.reason == "diverged"


def test_an_infinite_value_under_a_tanh_is_no_divergence(population):
    # The first update throws the weights so far that the root's product is infinite in float32.
    sums = (Node("add", "identity"),) * 2
    cell = RecurrentCell(
        (*sums, Node("elem_mult", "tanh")), Node("add", "identity"), output_node=1, inject_node=1
    )
    member = Member(cell, 0, learning_rate=1e14)
    group, nlls = trained(population, [member])
    embedding, _, kernel, *_ = group.weights(0)
    left, right = np.split(embedding @ kernel, 2, axis=-1)
    with np.errstate(over="ignore"):
        assert np.isinf(left * right).all()
    alone = begin_training(cell, corpus(), own_config(member, SGD), seed=0)
    expected = [(alone.train_epoch(epoch), alone.validate()) for epoch in (1, 2)]
    np.testing.assert_allclose(nlls[0], expected, rtol=1e-3)


def test_an_epoch_in_parts_is_the_same_epoch(population, together):
    group = population.begin(own_members())
    parts = [group.train_epoch(1, most=100), group.continue_epoch(1, most=30)]
    parts.append(group.continue_epoch(1))
    mean = np.average(parts, axis=0, weights=[100, 30, 20])
    np.testing.assert_allclose(mean, together[1][:, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(group.validate(), together[1][:, 0, 1])
    with pytest.raises(InputError, match="all 150 segments of epoch 1 were trained on"):
        group.continue_epoch(1)
    group.train_epoch(2)  # starts from the text's beginning and from zero again
    for child in range(C):
        assert same_bits(group.weights(child), together[0].weights(child))


@pytest.mark.slow
def test_another_number_of_children_agrees_up_to_rounding(population, together):
    members = own_members()[:2]
    group, nlls = trained(Population(EVERYTHING, corpus(), SGD, num_children=2), members)
    for child in range(2):
        assert max(distances(group.weights(child), together[0].weights(child))) < 1e-6
    np.testing.assert_allclose(nlls, together[1][:2], rtol=1e-6)


def test_nothing_is_compiled_for_other_cells(population, together):
    def counts():
        loops = population.train_loop, population.validation_loop
        return [loop.experimental_get_tracing_count() for loop in loops]

    before = counts()
    strangers = [
        Member(random_cell(EVERYTHING, 20 + n), 100 + n, learning_rate=0.1 * n, clip_norm=n)
        for n in range(1, C + 1)
    ]
    population.train(strangers)
    assert counts() == before and min(before) > 0


def test_a_training_returns_and_reports_what_its_epochs_measure(population, together):
    reports = []
    results = population.train(own_members(), lambda *report: reports.append(report))
    measured = np.vectorize(perplexity)(together[1])  # [C, epochs, 2]
    for result, (train, validation) in zip(results, measured.transpose(0, 2, 1), strict=True):
        assert result.train_perplexity == tuple(train)
        assert result.validation_perplexity == tuple(validation)
        assert result.num_parameters == population.num_parameters
    assert reports == [
        (epoch, list(measured[:, epoch - 1, 0]), list(measured[:, epoch - 1, 1]))
        for epoch in (1, 2)
    ]
    one = train_language_model(own_members()[0].cell, corpus(), SGD, seed=0)
    assert one.num_parameters == population.num_parameters
    np.testing.assert_allclose(results[0].validation_perplexity, one.validation_perplexity, 1e-5)
