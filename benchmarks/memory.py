"""Resident memory of a search in one process: does it grow with each child?

    python benchmarks/memory.py --children=100     # 3 minutes on 2 cores

Builds, trains and forgets random 4-layer ConvNets on the digits and prints the resident memory
at every tenth. A search of 100 children must not raise it by more than 10 % after the tenth.
What still grows is oneDNN's compiled primitives, which TensorFlow caches, up to a fixed number, in
each of its inter-op threads.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import evaluate_convnet
from nas_with_rl.child_models.data.images import ImageDataConfig, load_images
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace

SEED = 0
LIMIT = 1.10  # of the resident memory after the tenth child


def resident_mib() -> float:
    """Return this process's resident memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def resident_mib_by_child(num_children: int) -> list[float]:
    """Train random children one after the other; return the memory after each."""
    space = ConvolutionalSpace(filters=(4, 8, 12, 16))
    images = load_images(ImageDataConfig("digits", 320, 100), data_dir=None, seed=SEED)
    config = ImageTraining(epochs=1, batch_size=32, upsampled_size=0, flip=False)
    memory: list[float] = []
    start = time.perf_counter()
    for child in range(1, num_children + 1):
        architecture = random_architecture(
            space.search_space(4), np.random.default_rng([SEED, child])
        )
        evaluate_convnet(space.convnet(architecture), images, config, seed=child)
        memory.append(resident_mib())
        if child % 10 == 0:
            seconds = (time.perf_counter() - start) / child
            print(
                f"child {child:4d}: {memory[-1]:7.1f} MiB, largest of the last ten "
                f"{max(memory[-10:]):7.1f} MiB, {seconds:.1f} s a child",
                flush=True,
            )
    return memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--children", type=int, default=100, help="how many, at least 20")
    parser.add_argument(
        "--inter_op_threads",
        type=int,
        default=1,  # as the binaries set it
        help="0 leaves the number to TensorFlow",
    )
    flags = parser.parse_args()
    num_children = flags.children
    if num_children < 20:
        parser.error(f"--children is {num_children}, below 20")
    tf.config.threading.set_inter_op_parallelism_threads(flags.inter_op_threads)
    memory = resident_mib_by_child(num_children)
    growth = max(memory[10:]) / memory[9]
    print(f"largest after the tenth child: {growth:.3f} times the tenth's (limit {LIMIT:.2f})")
    return 0 if growth <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
