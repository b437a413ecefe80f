"""What the paper's Penn Treebank search would take on one accelerator: an estimate.

    python benchmarks/paper_search.py --product_rate=150    # TFLOP/s that its matrix products reach

    seconds = cells · epochs · words · (6 · multiply-adds a word) / (rate of products · share)

A word's multiply-adds are those of the matrix products of one forward pass; 6 counts both
operations of each and the two products of the backward pass. The share is what `children.py`
measured on this machine: the arithmetic's floor over the time of the population, at its largest
size. Element-wise work is bounded apart, by the memory traffic of the step's products.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from nas_with_rl.child_models.language_models.size import (
    LanguageModelSize,
    num_parameters,
    units_for,
)
from nas_with_rl.child_models.populations.universal_cell import UniversalCell

# Zoph & Le (2016), section 4.2: 15,000 cells, 35 epochs each, models of about 20M parameters.
CELLS, EPOCHS, WORDS, PARAMETERS = 15_000, 35, 929_589, 20_000_000
VOCABULARY, BASE, LAYERS = 10_000, 8, 2
DAY = 86_400.0
# Of [B, N·H] arrays in 32 bits that a layer's step reads and writes: x W and h U when they are
# made and used, again in the backward pass, with their gradients.
PASSES = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--product_rate",
        type=float,
        default=150.0,
        help="TFLOP/s of the accelerator's matrix products; 150 is 30 %% of an H200's TF32 peak",
    )
    parser.add_argument(
        "--bandwidth", type=float, default=4.8, help="TB/s of its memory; an H200 has 4.8"
    )
    parser.add_argument(
        "--share", type=float, default=0.0, help="0 reads it from the figures of children.py"
    )
    parser.add_argument("--figures", default="runs/children.json", help="of children.py")
    flags = parser.parse_args()
    share = flags.share or measured_share(Path(flags.figures))
    cell = UniversalCell(BASE).any_cell()
    size = LanguageModelSize(VOCABULARY, 1)
    units = units_for(PARAMETERS, cell, size)
    size = LanguageModelSize(VOCABULARY, units)
    by_word = LAYERS * 2 * BASE * units**2 + units * VOCABULARY
    words = CELLS * EPOCHS * WORDS
    products = words * 6 * by_word / (flags.product_rate * 1e12 * share)
    traffic = words * LAYERS * PASSES * 4 * BASE * units / (flags.bandwidth * 1e12)
    parameters = num_parameters(cell, size)
    print(f"{parameters:,} parameters: {units} units, {by_word:,} multiply-adds a word")
    print(f"{CELLS:,} cells x {EPOCHS} epochs x {WORDS:,} words = {words:.3g} words")
    rate = f"{flags.product_rate:g} TFLOP/s x {share:.2f}"
    print(f"products: {words * 6 * by_word:.3g} FLOP / ({rate}) = {products / DAY:.1f} days")
    print(f"element-wise: {traffic / DAY:.1f} days of memory traffic at {flags.bandwidth:g} TB/s")
    print(f"together {(products + traffic) / DAY:.1f} days; none of it was timed on an accelerator")
    return 0


def measured_share(path: Path) -> float:
    """Return the floor over the time of the population's step, at the largest size measured."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        sys.exit(f"{path} cannot be read: run benchmarks/children.py first, or give --share")
    return share_of(figures)


def share_of(figures: dict) -> float:
    """Return the share from the figures of children.py."""
    largest = max(figures["sizes"], key=lambda size: size["units"])
    floor = 1000 * 2 * largest["multiply_adds"] / largest["operations_per_second"]
    steps = [
        line["ms_per_step"][1]
        for name, line in largest["steps"].items()
        if name.startswith("population")
    ]
    if not steps:
        sys.exit("the figures have no population: run children.py with it, or give --share")
    return floor / min(steps)


if __name__ == "__main__":
    sys.exit(main())
