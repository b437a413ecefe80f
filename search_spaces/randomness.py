"""Random draws keyed by (seed, trial number), never by global state."""

from typing import Literal

import numpy as np

Stream = Literal["sampling", "child", "weights", "searching", "exploring"]
_STREAMS: dict[Stream, int] = {
    "sampling": 0,
    "child": 1,
    "weights": 2,
    "searching": 3,
    "exploring": 4,
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
