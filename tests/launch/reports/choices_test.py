"""What was chosen, read by the thousand: the same as each architecture says by itself."""

import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.launch.reports import choices
from nas_with_rl.launch.reports.choices import MISSING, choices_of
from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Skips

CONDITIONAL = nas.SearchSpace(
    [
        nas.Choice("optimizer", ("sgd", "adam")),
        nas.Choice("momentum", (0.0, 0.9), only_if=("optimizer", "sgd")),
        nas.Choice("one", ("only",)),
    ]
)
SPACES = {
    "table": NasBench201Space().search_space(),
    "cells": RecurrentCellSpace().search_space(),
    "convnets": ConvolutionalSpace(strides=(1, 2)).search_space(6),
    "types": ConvolutionalSpace(layer_types=("convolution", "max_pooling")).search_space(3),
    "conditions": CONDITIONAL,
}


def twin(text, space):
    """Return what an architecture has chosen, by the titles of its decisions."""
    found = {}
    architecture = parse_architecture(text, space)
    for step, token in zip(space.steps, architecture.tokens, strict=True):
        if isinstance(step.decision, Skips):
            for source in range(1, step.layer):
                found[f"layer {step.layer} takes layer {source}"] = int(source in token)
        else:
            found[step.title] = MISSING if token is None else token
    return found


def texts_in(space, number, seed=0):
    generator = np.random.default_rng(seed)
    return [str(random_architecture(space, generator)) for _ in range(number)]


@pytest.mark.parametrize("name", SPACES)
def test_codes_are_the_tokens(name):
    space = SPACES[name]
    texts = texts_in(space, 50)
    found = choices_of(texts, np.full(50, space.depth), space)
    assert found.rows.tolist() == list(range(50))
    titles = [each.title for each in found.decided]
    for text, codes in zip(texts, found.codes.tolist(), strict=True):
        assert dict(zip(titles, codes, strict=True)) == twin(text, space)


def test_depths_stand_beside_each_other():
    space = ConvolutionalSpace().search_space(2)
    depths = np.array([2, 3, 2, 4, 3])
    texts = [texts_in(space.at_depth(int(d)), 1, seed)[0] for seed, d in enumerate(depths)]
    found = choices_of(texts, depths, space)
    titles = [each.title for each in found.decided]
    assert "layer 4 takes layer 3" in titles and len(titles) == 4 * 3 + 6
    for text, depth, codes in zip(texts, depths.tolist(), found.codes.tolist(), strict=True):
        there = {title: c for title, c in zip(titles, codes, strict=True) if c != MISSING}
        assert there == twin(text, space.at_depth(depth))


def test_of_many_some_are_read_evenly_spread(monkeypatch):
    monkeypatch.setattr(choices, "MOST_WORDS", 0)
    monkeypatch.setattr(choices, "LEAST_READ", 11)
    space = SPACES["table"]
    found = choices_of(texts_in(space, 101), np.zeros(101, int), space)
    assert found.rows.tolist() == list(range(0, 101, 10))


@pytest.mark.parametrize("name", SPACES)
def test_what_is_no_architecture_is_left_out(name):
    space = SPACES[name]
    texts = texts_in(space, 5)
    texts[2:2] = ["<b>", texts[0] + " more", ""]
    found = choices_of(texts, np.full(8, space.depth), space)
    assert found.rows.tolist() == [0, 1, 5, 6, 7]
    assert choices_of([], np.zeros(0, int), space).codes.shape[0] == 0
