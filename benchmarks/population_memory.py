"""Largest resident memory of a population by its number of children: linear?

    python benchmarks/population_memory.py     # 3 minutes on 2 cores

Trains two steps of random base-8 cells in fresh processes, one for each C, and fits a line. Prints
it beside what `child_models.populations.memory` foretells, which has to lie above and within a
quarter.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys

import numpy as np

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.populations.memory import PROCESS_BYTES, child_bytes
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace, cell_of

MIB = 2**20
BASE = 8
SIZES = ((32, 50, (1, 16, 64, 128)), (128, 50, (1, 8, 32)), (32, 10_000, (1, 8, 16)))


def training(units: int) -> LanguageModelTraining:
    return LanguageModelTraining(
        units=units, batch_size=32, num_steps=35, optimizer="adam", tie_embeddings=True
    )


def peak_mib(units: int, vocabulary: int, num_children: int) -> float:
    """Train two steps in this process and return its largest resident memory."""
    from nas_with_rl.child_models.populations.population import Member, Population
    from nas_with_rl.child_models.populations.universal_cell import UniversalCell

    rng = np.random.default_rng(0)
    tokens = rng.integers(0, vocabulary, 32 * (2 * 35 + 1)).astype(np.int32)
    corpus = Corpus(tokens, tokens, tuple(map(str, range(vocabulary))), ())
    space = RecurrentCellSpace(BASE).search_space()
    cells = [cell_of(random_architecture(space, rng)) for _ in range(num_children)]
    population = Population(UniversalCell(BASE), corpus, training(units), num_children=num_children)
    group = population.begin([Member(cell, seed) for seed, cell in enumerate(cells)])
    group.train_epoch(1)
    group.validate()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured_mib(units: int, vocabulary: int, num_children: int) -> float:
    """Return `peak_mib` of a fresh process."""
    words = [str(word) for word in (units, vocabulary, num_children)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    printed = subprocess.run(
        [sys.executable, __file__, "--one", *words],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout
    return float(printed.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--one", type=int, nargs=3, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        print(peak_mib(*flags.one))
        return 0
    missed = 0
    for units, vocabulary, counts in SIZES:
        peaks = [measured_mib(units, vocabulary, count) for count in counts]
        slope, start = np.polyfit(counts, peaks, 1)
        deviation = max(abs(start + slope * c - p) / p for c, p in zip(counts, peaks, strict=True))
        size = training(units).size(vocabulary, "lstm")
        foretold = child_bytes(size, training(units), BASE) / MIB
        fits = slope <= foretold <= 1.25 * slope and start <= PROCESS_BYTES / MIB
        missed += not fits
        listed = ", ".join(f"{c}: {p:,.0f}" for c, p in zip(counts, peaks, strict=True))
        print(
            f"{units} units, {vocabulary:,} words: MiB by C {listed}; {start:,.0f} + {slope:.1f} C "
            f"(off by at most {deviation:.1%}); foretold {PROCESS_BYTES / MIB:,.0f} + "
            f"{foretold:.1f} C{'' if fits else '  MISSED'}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
