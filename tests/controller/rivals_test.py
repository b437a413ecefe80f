"""Evolution, local search and random search against short serial implementations of their own."""

import functools
import random

import numpy as np
import pytest

from nas_with_rl.controller.evolution import Evolution
from nas_with_rl.controller.local_search import LocalSearch
from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.search_spaces.space import Choice, SearchSpace

NUM_RUNS = 200
SIZES = (4, 4, 4, 4, 4)
SPACE = SearchSpace([Choice(f"d{place}", tuple(range(size))) for place, size in enumerate(SIZES)])
# Each decision counts together with the next one, by a table of its own.
TABLES = np.random.default_rng(7).random((len(SIZES), 4, 4)) ** 2
# The greatest distance of two empirical distributions of 200 runs each that are one and the same is
# above this in 1 of 1,000 cases (Kolmogorov and Smirnov).
FARTHEST = 1.95 * (2 / NUM_RUNS) ** 0.5


@functools.cache
def value(tokens):
    return sum(TABLES[k][t][tokens[(k + 1) % len(tokens)]] for k, t in enumerate(tokens))


def drawn(rng):
    return tuple(rng.randrange(size) for size in SIZES)


def neighbours(tokens):
    return [
        (*tokens[:place], other, *tokens[place + 1 :])
        for place, size in enumerate(SIZES)
        for other in range(size)
        if other != tokens[place]
    ]


def serial_random(seed, number):
    rng = random.Random(seed)
    return max(value(drawn(rng)) for _ in range(number))


def serial_evolution(seed, number):
    rng, history = random.Random(seed), []
    for count in range(number):
        if count < 50:
            child = drawn(rng)
        else:
            parent = max(rng.choices(history[-50:], k=10), key=value)
            place = rng.randrange(len(SIZES))
            other = rng.choice([t for t in range(SIZES[place]) if t != parent[place]])
            child = (*parent[:place], other, *parent[place + 1 :])
        history.append(child)
    return max(map(value, history))


def serial_local_search(seed, number):
    rng, known = random.Random(seed), {}

    def trained(tokens):
        known.setdefault(tokens, value(tokens))
        return len(known) < number

    while True:
        here = drawn(rng)
        if here in known:
            continue
        if not trained(here):
            return max(known.values())
        climbing = True
        while climbing:
            climbing, around = False, neighbours(here)
            rng.shuffle(around)
            for other in around:
                if not trained(other):
                    return max(known.values())
                if known[other] > known[here]:
                    here, climbing = other, True
                    break


def best_of(searcher, number, batch_size=1):
    values = []
    for first in range(0, number, batch_size):
        proposals = searcher.ask(SPACE, range(first, min(first + batch_size, number)))
        rewards = [value(proposal.architecture.tokens) for proposal in proposals]
        searcher.tell(proposals, rewards)
        values += rewards
    return max(values)


@pytest.mark.parametrize(
    ("made", "serial", "number"),
    [
        (lambda seed: RandomSearch(seed=seed), serial_random, 20),
        (lambda seed: Evolution(SPACE, max_depth=0, seed=seed), serial_evolution, 45),
        (lambda seed: Evolution(SPACE, max_depth=0, seed=seed), serial_evolution, 90),
        (lambda seed: LocalSearch(SPACE, max_depth=0, seed=seed), serial_local_search, 20),
        (lambda seed: LocalSearch(SPACE, max_depth=0, seed=seed), serial_local_search, 60),
    ],
    ids=["random", "evolution fills", "evolution", "local search climbs", "local search"],
)
def test_the_best_of_n_is_distributed_as_that_of_a_serial_implementation(made, serial, number):
    found = np.sort([best_of(made(seed), number) for seed in range(NUM_RUNS)])
    expected = np.sort([serial(seed, number) for seed in range(NUM_RUNS)])
    places = np.concatenate([found, expected])
    below = [np.searchsorted(each, places, "right") / NUM_RUNS for each in (found, expected)]
    assert abs(below[0] - below[1]).max() < FARTHEST
    error = (found.var() / NUM_RUNS + expected.var() / NUM_RUNS) ** 0.5
    assert abs(found.mean() - expected.mean()) < 3.5 * error
