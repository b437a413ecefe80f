"""Populations: what they refuse; the cases that compile, in a process of their own."""

import os
from pathlib import Path

import numpy as np
import pytest

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.populations.population import Member, Population
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell
from tests.harness.jax_processes import ROOT, run_python

CASES = Path(__file__).parents[2] / "harness" / "population_cases.py"
SMALL = LanguageModelTraining(units=3, batch_size=2, num_steps=3)
BASE_2 = UniversalCell(2)


def new_population(num_tokens=100, **options):
    tokens = (np.arange(num_tokens) % 5).astype(np.int32)
    corpus = Corpus(tokens, tokens, tuple("abcde"), ())
    return Population(BASE_2, corpus, SMALL, **({"num_children": 2} | options))


def cell_with(**node):
    nodes = Node(**({"combination": "add", "activation": "tanh"} | node))
    return RecurrentCell((nodes,) * 3, Node("add", "tanh"), output_node=2, inject_node=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: new_population(num_children=0), "num_children is 0, below 1"),
        (lambda: new_population(7), "the training text has 7 tokens, below the 8 of one batch"),
        (lambda: new_population().begin([]), "0 children in a population of 2"),
        (
            lambda: new_population().train([Member(cell_with(), seed) for seed in range(3)]),
            "3 children in a population of 2",
        ),
        (
            lambda: new_population().begin([Member(UniversalCell(4).any_cell(), 0)]),
            "a cell of base 4 in a population of base 2",
        ),
        (
            lambda: new_population().begin([Member(cell_with(combination="max"), 0)]),
            "a cell has max tanh, its population only add, elem_mult and identity, tanh, sigmoid,",
        ),
        (
            lambda: new_population().begin([Member(cell_with(activation="sin"), 0)]),
            "a cell has add sin, its population only",
        ),
        (lambda: Member(cell_with(), -1), "seed is -1, not from 0 to 2^63 - 1"),
        (lambda: Member(cell_with(), 0, learning_rate=0.0), "learning_rate is 0.0, not a number"),
        (lambda: Member(cell_with(), 0, clip_norm=np.inf), "clip_norm is inf, not a number above"),
    ],
)
def test_bad_values_are_one_clear_line(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_child_starts_from_the_weights_that_it_has_alone():
    from nas_with_rl.child_models.language_models.model import LanguageModel

    population = new_population()
    cell = RecurrentCell(
        (Node("add", "tanh"),) * 3, Node("add", "tanh"), output_node=2, inject_node=1
    )
    group = population.begin([Member(cell_with(), 4), Member(cell, 3)])
    for child, member in enumerate((Member(cell_with(), 4), Member(cell, 3))):
        model = LanguageModel(member.cell, population.size, seed=member.seed)
        assert len(model.trainable_variables) == len(population.shapes)
        for ours, theirs in zip(group.weights(child), model.trainable_variables, strict=True):
            np.testing.assert_array_equal(ours, theirs.numpy(), theirs.name)


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_children_together_and_alone(which):
    # Half the time to compile: one population compiles for 4 to 10 s.
    flags = os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": " ".join(flags).strip()}
    done = run_python(["-m", "pytest", "-m", which, str(CASES)], environment)
    assert done.returncode == 0, done.stdout[-6000:]
