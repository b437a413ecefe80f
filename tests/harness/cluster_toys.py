"""A module as a user may have one: evaluations that are cheap, for whole clusters."""

import os
import random
import time
from pathlib import Path

FOLDER_VARIABLE = "CLUSTER_TOYS_FOLDER"  # where evaluations are noted, and held
EVALUATIONS = "evaluations.txt"  # "seed pid time" of the beginning of each
HOLD = "hold"  # as long as it is there, no evaluation ends
SHORTEST, LONGEST = 0.05, 0.5  # seconds


def instant(architecture, seed):
    """Measure at once: the choices' sum, with a trace of the seed."""
    return sum(architecture[name] for name in "abc") / 21 + seed % 97 / 1000, {"trace": seed % 97}


def skips(architecture, seed):
    """Measure a layered architecture at once."""
    rows = architecture["inputs"]
    return sum(architecture["filters"]) / 10 + sum(map(len, rows)) / 9 + seed % 97 / 1000


def slow(architecture, seed):
    """Note that it begins, then sleep for a time that the seed gives."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    note(folder / EVALUATIONS, f"{seed} {os.getpid()} {time.time():.4f}\n")
    time.sleep(random.Random(seed).uniform(SHORTEST, LONGEST))
    while (folder / HOLD).exists():
        time.sleep(0.05)
    return instant(architecture, seed)


def note(file, line):
    """Append a line in one write, which no kill can split."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
