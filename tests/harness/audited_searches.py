"""Searches that tests audit, and what they change of them."""

import contextlib
import dataclasses
import sqlite3

import nas_with_rl as nas
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.comparisons.variants import variant_of
from nas_with_rl.launch.experiments.search_config import SearchConfig

SPACE = nas.SearchSpace([nas.Choice(f"digit_{place}", (1, 2, 3, 4)) for place in range(5)])
LIGHT = ("random", "evolution", "local_search")
NORMALISED, RANKS = (f"reinforce+advantage={name}" for name in ("normalised", "ranks"))
CONTROLLER = ReinforceConfig(
    0.02, policy=PolicyConfig(num_layers=1, num_units=4, jit_compile=False)
)
NUM_SAMPLES = 120


class Stopped(Exception):
    pass


def measured(architecture, seed):
    """Return a reward of its own for nearly every child; every eleventh architecture fails."""
    text = str(architecture).encode()
    return float("nan") if sum(text) % 11 == 0 else sum(text) % 97 / 97 + seed % 1000 / 5000


def searched(workdir, name, *, space=SPACE, stops=(), num_samples=NUM_SAMPLES, **config):
    """Search, stopped after so many children each time, until it has ended.

    A name is a searcher's, with settings of its controller as `compare_searchers` takes them.
    """
    variant = variant_of(name)
    settings = {"batch_size": 4, "checkpoint_every": 5, "searcher": variant.searcher, **config}
    options = nas.SearchOptions(
        search=SearchConfig(**settings), controller=variant.controller(CONTROLLER), progress=False
    )
    for stop in (*stops, -1):
        left = [stop]

        def evaluate(architecture, seed, left=left):
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return measured(architecture, seed)

        with contextlib.suppress(Stopped):
            nas.search(
                space, evaluate, num_samples=num_samples, seed=3, workdir=workdir, options=options
            )
        options = dataclasses.replace(options, resume=(workdir / "experiment.json").exists())
    return workdir


def value(workdir, query):
    with sqlite3.connect(f"file:{workdir / 'trials.sqlite'}?mode=ro", uri=True) as connection:
        (row,) = connection.execute(query).fetchall()
    return row[0]


ONE = "WHERE number = 37"
