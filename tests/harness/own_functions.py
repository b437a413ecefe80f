"""A module as a user may have one: functions that evaluate, and some that are of no use."""

import math
import os
import sys

import numpy as np

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.measurements import Measurement

NUMBER = 3


def plain(architecture):
    """Measure without a seed."""
    return architecture["units"] / 64


def seeded(architecture, seed):
    """Measure with the seed, by its name."""
    return plain(architecture) + seed % 7, {"seed": seed % 7}


def by_place(architecture, number):
    """Measure with the seed, by its place."""
    return Measurement(plain(architecture) + number % 7, {"seed": number % 7}, 5)


def mixed(architecture, seed):
    """Fail with 8 units, diverge with 16, else measure and tell of the process."""
    if architecture["units"] == 8:
        raise ChildFailure("timed_out", "as it should")
    if architecture["units"] == 16:
        return math.nan
    return seed % 7, {"pid": os.getpid(), "keras": "keras" in sys.modules}


def errs(architecture):
    """Have a bug."""
    raise ZeroDivisionError("nothing to divide by")


def forgets(architecture):
    """Lack a return."""


def odd(architecture):
    """Raise, leave, or measure in numbers of NumPy."""
    units = architecture["units"]
    if units == 8:
        raise ZeroDivisionError("nothing to divide by")
    if units == 16:
        sys.exit(0)
    return Measurement(np.float32(0.5), {"each": np.array([units, 1]), "seed": np.int64(units)})


def leaves(architecture):
    """Leave Python."""
    sys.exit(0)
