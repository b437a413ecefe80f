"""How many recurrent children an hour one accelerator trains, by how many are trained together.

    KERAS_BACKEND=jax python benchmarks/gpu_population.py                      # under ten minutes
    KERAS_BACKEND=jax python benchmarks/gpu_population.py --sizes=8 --children=1,4 --steps=3   # CPU

Random base-8 cells, two layers, random tokens: characters (V = 50, batch 32, 35 steps) at 32 and
128 units; words (V = 10,000, batch 20, 35 steps) at 20M parameters, the paper's size. Each line is
one compiled program of C children: seconds to compile, ms of a step of all, children an hour
(characters: 1,000 steps each; words: the paper's 35 epochs), operations of matrix products a second
as a share of what large products reach here, and memory. A C that does not fit ends its size. The
last line says how long the paper's 15,000 children would take at the best C.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.child_models.populations.population import Member, Population
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

BASE, LAYERS, STEPS = 8, 2, 35
PAPER = "paper"
PAPER_PARAMETERS, PAPER_CHILDREN, PAPER_EPOCHS, WORDS = 20_000_000, 15_000, 35, 929_589
CHARACTER_STEPS = 1_000  # of a child
ROUNDS = 3


@dataclasses.dataclass(frozen=True)
class Line:
    """What a program of C children takes.

    Attributes:
      size: units, or "paper".
      num_children: C.
      compile_seconds: of the first call, beyond its steps.
      step_ms: of one training step of all C.
      per_hour: children.
      rate: operations of matrix products a second.
      gib: the largest memory so far, the device's or, on CPU, the process's.
    """

    size: str
    num_children: int
    compile_seconds: float
    step_ms: float
    per_hour: float
    rate: float
    gib: float


def training_of(size: str) -> LanguageModelTraining:
    """Return how a child of a size is trained."""
    if size == PAPER:
        return LanguageModelTraining(
            num_parameters=PAPER_PARAMETERS, num_layers=LAYERS, batch_size=20, num_steps=STEPS
        )
    return LanguageModelTraining(
        units=int(size), num_layers=LAYERS, batch_size=32, num_steps=STEPS, tie_embeddings=True
    )


def random_cells(number: int) -> list[RecurrentCell]:
    space = RecurrentCellSpace(BASE).search_space()
    rng = np.random.default_rng(0)
    return [cell_of(random_architecture(space, rng)) for _ in range(number)]


def measured(size: str, num_children: int, num_steps: int) -> Line:
    """Compile a program, take some steps, and return what they took.

    Raises:
      ChildFailure: "out_of_memory".
    """
    training, vocabulary = training_of(size), 10_000 if size == PAPER else 50
    num_tokens = training.batch_size * (num_steps * STEPS + 1)
    tokens = np.random.default_rng(1).integers(0, vocabulary, num_tokens).astype(np.int32)
    corpus = Corpus(tokens, tokens, tuple(map(str, range(vocabulary))), ())
    population = Population(UniversalCell(BASE), corpus, training, num_children=num_children)
    # A small learning rate: a child that diverges would be frozen, and all of them end the loop.
    members = [
        Member(cell, seed, learning_rate=1e-4)
        for seed, cell in enumerate(random_cells(num_children))
    ]
    with out_of_memory_is_a_failure():
        group = population.begin(members)
        first = _seconds(lambda: group.train_epoch(1, most=num_steps))
        if not np.isfinite(group.validate(most=1)).any():
            raise ChildFailure("diverged", "all children diverged: their loop takes no time")
        epochs = [_seconds(lambda: group.train_epoch(1, most=num_steps)) for _ in range(ROUNDS)]
    step = statistics.median(epochs) / num_steps
    size_of = population.size
    by_token = size_of.num_layers * 2 * BASE * size_of.units**2 + size_of.units * vocabulary
    operations = 6 * by_token * training.batch_size * STEPS * num_children
    steps = CHARACTER_STEPS
    if size == PAPER:
        steps = PAPER_EPOCHS * WORDS // (training.batch_size * STEPS)
    return Line(
        size=size,
        num_children=num_children,
        compile_seconds=first - statistics.median(epochs),
        step_ms=1000 * step,
        per_hour=3600 * num_children / (step * steps),
        rate=operations / step,
        gib=memory_gib(),
    )


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()  # returns NumPy's arrays: the device is done
    return time.perf_counter() - started


def memory_gib() -> float:
    """Return the largest memory in use so far: the device's, where it says so."""
    if keras.backend.backend() == "jax":
        import jax

        told = jax.local_devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in told:
            return told["peak_bytes_in_use"] / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def device_name() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.local_devices()[0].device_kind
    return "cpu"


def product_rate(size: int) -> float:
    """Return the operations a second of large float32 matrix products at default precision."""
    left = keras.ops.ones((size, size))
    best = min(_seconds(lambda: np.array(keras.ops.matmul(left, left)[0, 0])) for _ in range(5))
    return 2 * size**3 / best


def lines(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield what fits into the memory and the minutes."""
    deadline = time.monotonic() + 60 * arguments.minutes
    for size in arguments.sizes.split(","):
        for number in map(int, arguments.children.split(",")):
            if time.monotonic() > deadline:
                print(f"{size}: not run from C = {number} on, the minutes are over", flush=True)
                break
            try:
                yield measured(size, number, arguments.steps)
            except ChildFailure as failure:
                print(f"{size}: C = {number} is not measured: {failure.reason}", flush=True)
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default=f"32,128,{PAPER}", help="units, or 'paper'")
    parser.add_argument("--children", default="1,4,16,64,256,1024,4096", help="C, ascending")
    parser.add_argument("--steps", type=int, default=20, help="timed, three times")
    parser.add_argument("--minutes", type=float, default=9.0, help="no program begins after these")
    parser.add_argument("--products", type=int, default=8192, help="size of the matrices timed")
    parser.add_argument("--output", default="runs/gpu_population.json")
    arguments = parser.parse_args()
    name, rate = device_name(), product_rate(arguments.products)
    print(f"{name}, {keras.backend.backend()}: large products {rate / 1e12:.2f} TFLOP/s")
    print("  size      C  compile s   ms a step  children/h  of products      GiB")
    found = []
    for line in lines(arguments):
        found.append(line)
        print(
            f"{line.size:>6} {line.num_children:>6} {line.compile_seconds:10.1f} "
            f"{line.step_ms:11.2f} {line.per_hour:11.1f} {line.rate / rate:11.1%} {line.gib:8.2f}",
            flush=True,
        )
    output = Path(arguments.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    figures = {"device": name, "products": rate, "lines": [dataclasses.asdict(x) for x in found]}
    output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if best := max((x.per_hour for x in found if x.size == PAPER), default=None):
        days = PAPER_CHILDREN / best / 24
        print(f"the paper's {PAPER_CHILDREN:,} children of {PAPER_EPOCHS} epochs: {days:.1f} days")


if __name__ == "__main__":
    main()
