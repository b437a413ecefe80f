"""Random draws keyed by (seed, trial number), never by global state."""

from collections.abc import Container
from typing import Literal

import numpy as np

Stream = Literal["sampling", "child", "weights", "searching", "exploring", "retraining"]
_STREAMS: dict[Stream, int] = {
    "sampling": 0,
    "child": 1,
    "weights": 2,
    "searching": 3,
    "exploring": 4,
    "retraining": 5,
}


def trial_generator(seed: int, trial: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one trial: equal arguments give equal draws on every machine.

    Philox is counter-based: the key is (seed, trial), the stream is the counter's upper word.
    """
    counter = [0, 0, 0, _STREAMS[stream]]
    return np.random.Generator(
        np.random.Philox(key=np.array([seed, trial], np.uint64), counter=counter)
    )


def child_seed(seed: int, trial: int) -> int:
    """Return the seed of a trial's child, in [0, 2^31)."""
    return int(trial_generator(seed, trial, "child").integers(2**31))


def fresh_seeds(count: int, used: Container[int]) -> list[int]:
    """Return the first seeds, in [0, 2^31), of those for training again that are not used yet."""
    seeds: list[int] = []
    number = 0
    while len(seeds) < count:
        seed = int(trial_generator(0, number, "retraining").integers(2**31))
        number += 1
        if seed not in used and seed not in seeds:
            seeds.append(seed)
    return seeds
