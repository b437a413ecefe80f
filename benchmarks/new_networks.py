"""The table `new_networks` of `convnets.py`: what a ConvNet costs that was never trained before.

Random networks of `cifar10_small` with 4 layers, each trained once: half of them for an epoch of
500 images, half for three of 1,000, of 16 x 16 pixels (noise, for it is the time that counts), each
epoch with the validation on 500 more. Each contestant has a process on one core, with one thread;
they take turns, network by network, in turning order. Seconds are of the processor, means over
networks; `fixed` is what a network takes beside its three epochs. The first network of either kind
warms up and is not counted.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import figures
import numpy as np
import tqdm

from nas_with_rl.launch.experiments.small import CIFAR10_SMALL
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace

HERE = Path(__file__).parent
DEPTH, PIXELS, NUM_VALIDATION, SEED = 4, 16, 500, 0
KINDS = {"1 x 500": (1, 500), "3 x 1,000": (3, 1000)}  # epochs, images
ENVIRONMENT = {  # one thread, no GPU, no greetings
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
HERE_TITLE, BESIDE_TITLE = "this checkout", "the other checkout"
TORCH_TITLES = {"torch": "PyTorch", "torch_last": "PyTorch, channels last"}
TIMES_BESIDE, TIMES_TORCH = 0.5, {"1 x 500": 2.0, "3 x 1,000": 1.0}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds of a child: all of them, and when each epoch ended, counted from its start."""

    total: float
    ends: tuple[float, ...]

    @property
    def epoch(self) -> float:
        """Seconds of an epoch after the first."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)

    @property
    def fixed(self) -> float:
        """Seconds beside the epochs."""
        return self.total - len(self.ends) * self.epoch


Costs = dict[str, dict[str, list[Cost]]]  # by contestant and kind


class Contestant:
    """A process that trains networks."""

    def __init__(self, python: str, program: str, argument: str, checkout: Path):
        core = max(os.sched_getaffinity(0))
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), python, str(HERE / program), argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(checkout)},
            text=True,
        )

    def train(self, convnet: ConvNet, epochs: int, num_train: int) -> Cost:
        """Train a network and return what it cost."""
        layers = [
            (layer.filter_height, layer.filter_width, layer.filters, layer.inputs)  # type: ignore[union-attr]
            for layer in convnet.layers
        ]
        assert self._process.stdin and self._process.stdout
        order = {"layers": layers, "epochs": epochs, "num_train": num_train}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return Cost(answer["total"], tuple(answer["ends"]))

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def compare(
    number: int, *, beside: str | None, torch_python: str | None, json_file: str | None = None
) -> int:
    """Print the table of so many networks of each kind; return the exit status.

    Args:
      number: of networks of each kind.
      beside: another checkout.
      torch_python: a Python that has PyTorch.
      json_file: where the figures are written too.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = str(Path(directory) / "images.npz")
        save_images(file)
        contestants = start(file, beside, torch_python)
        try:
            costs = measure(contestants, number)
        finally:
            for contestant in contestants.values():
                contestant.end()
    figures.write(json_file, figures_of(costs))
    return 0 if show(costs) else 1


def figures_of(costs: Costs) -> list[figures.Figure]:
    """Return what `show` shows for `side_by_side.py`, and what an epoch costs."""
    names = {HERE_TITLE: figures.HERE, BESIDE_TITLE: figures.BESIDE}
    torch = tuple(TORCH_TITLES.values())

    def mean(kind: str, what: str) -> dict[str, float]:
        return {
            names.get(title, title): statistics.mean(getattr(c, what) for c in found[kind])
            for title, found in costs.items()
        }

    nothing = dict.fromkeys((figures.BESIDE, *torch))
    three = tuple(KINDS)[-1]
    return [
        figures.Figure(
            "new ConvNet: beside its epochs",
            "CPU s",
            {name: seconds for name, seconds in mean(three, "fixed").items() if name not in torch},
            {figures.BESIDE: TIMES_BESIDE},
        ),
        *(
            figures.Figure(
                f"new ConvNet: {kind} images",
                "CPU s",
                mean(kind, "total"),
                nothing | dict.fromkeys(torch, TIMES_TORCH[kind]),
            )
            for kind in KINDS
        ),
        figures.Figure("ConvNet: an epoch of 1,000 images", "CPU s", mean(three, "epoch"), nothing),
    ]


def save_images(file: str) -> None:
    """Write noise and labels, enough for the longest training."""
    generator = np.random.default_rng(SEED)
    size = max(images for _, images in KINDS.values()) + NUM_VALIDATION
    images = generator.integers(0, 256, (size, PIXELS, PIXELS, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, size, dtype=np.int32)
    np.savez(file, images=images, labels=labels, num_validation=NUM_VALIDATION)


def start(file: str, beside: str | None, torch_python: str | None) -> dict[str, Contestant]:
    """Start a process for each contestant."""
    own, root = "new_networks_process.py", HERE.parent
    contestants = {HERE_TITLE: Contestant(sys.executable, own, file, root)}
    if beside:
        contestants[BESIDE_TITLE] = Contestant(sys.executable, own, file, Path(beside).resolve())
    for name, title in TORCH_TITLES.items() if torch_python else ():
        argument = json.dumps([file, name == "torch_last"])
        contestants[title] = Contestant(
            str(torch_python), "new_networks_torch.py", argument, HERE.parent
        )
    return contestants


def measure(contestants: dict[str, Contestant], number: int) -> Costs:
    """Train different networks of either kind by everyone."""
    space = CIFAR10_SMALL.space
    assert isinstance(space, ConvolutionalSpace)
    costs: Costs = {title: {kind: [] for kind in KINDS} for title in contestants}
    turns = [(index, kind) for index in range(number + 1) for kind in KINDS]
    for turn, (index, kind) in enumerate(tqdm.tqdm(turns, unit="network")):
        generator = np.random.default_rng([SEED, turn])
        convnet = space.convnet(random_architecture(space.search_space(DEPTH), generator))
        titles = list(contestants)
        first = turn % len(titles)
        for title in titles[first:] + titles[:first]:
            cost = contestants[title].train(convnet, *KINDS[kind])
            if index:
                costs[title][kind].append(cost)
    return costs


def show(costs: Costs) -> bool:
    """Print the table; return whether the targets are met."""
    one, three = KINDS
    fixed = {t: statistics.mean(c.fixed for c in found[three]) for t, found in costs.items()}
    total = {
        kind: {t: statistics.mean(c.total for c in found[kind]) for t, found in costs.items()}
        for kind in KINDS
    }
    print(f"new networks, {len(costs[HERE_TITLE][one])} of each kind, CPU seconds:")
    print(f"  {'':24}{'fixed':>9}{one:>11}{three:>11}")
    for title in costs:
        row = f"{fixed[title]:7.2f} s{total[one][title]:9.2f} s{total[three][title]:9.2f} s"
        print(f"  {title:24}{row}")
    met = True
    if BESIDE_TITLE in costs:
        ratio = fixed[HERE_TITLE] / fixed[BESIDE_TITLE]
        print(f"  fixed: {ratio:.2f} of the other checkout's, the target is at most {TIMES_BESIDE}")
        met = ratio <= TIMES_BESIDE
    rivals = [title for title in costs if title in TORCH_TITLES.values()]
    for kind in KINDS if rivals else ():
        ratio = total[kind][HERE_TITLE] / min(total[kind][title] for title in rivals)
        most = TIMES_TORCH[kind]
        print(f"  {kind}: {ratio:.2f} of the faster PyTorch's, the target is at most {most}")
        met = met and ratio <= most
    return met
