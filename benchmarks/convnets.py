"""Where the time of a ConvNet child goes, beside the same network in Keras's `fit`.

    python benchmarks/convnets.py            # 8 minutes on one core
    python benchmarks/convnets.py --quick    # 3 minutes
    python benchmarks/convnets.py --table=new_networks --beside=CHECKOUT --torch-python=PYTHON

Random children of `quickstart_conv` (digits, 8x8 pixels) and of `cifar10_small` (16x16, crops and
flips; left out where $NAS_WITH_RL_DATA_DIR has no CIFAR-10), each trained from nothing to its
reward in one process, with one thread on one core, by all contestants in turn:

    ours        `evaluate_convnet`
    again       the same once more, with another seed
    XLA         the same with `jit_compile=True`
    fit         `model.fit` as Keras compiles it: SGD with Nesterov momentum and weight decay, a
                `tf.data` pipeline that shuffles, whitens, crops and flips whole batches
    fit, epoch  the same with an epoch in one execution (`steps_per_execution`)

Seconds are of the processor. `fixed` is what a child takes beside its epochs, each of them with its
validation. Networks and first weights are the same, draws are not, so accuracies are alike.

`--table=new_networks` is another table: what a network costs that is trained for an epoch of 500
images or for three of 1,000, here, in another checkout of this project and in PyTorch, whichever is
named (`new_networks.py`).

The exit status is 1 if the faster `fit` takes less than 1.2 times as long, or if the same network
again costs more than half of its fixed time.
"""

import argparse
import dataclasses
import functools
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from nas_with_rl.child_models.data.images import ImageDataConfig

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import new_networks
import numpy as np
import tensorflow as tf
import tqdm

from nas_with_rl.child_models.convnets import tf_epochs, tf_program
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import evaluate_convnet, new_convnet
from nas_with_rl.child_models.data.images import (
    Images,
    LabelledImages,
    central_crop,
    load_images,
    whiten,
)
from nas_with_rl.child_models.memory import release_child
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.small import SMALL_EXPERIMENTS
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace

SEED = 0
NAMES = ("quickstart_conv", "cifar10_small")
DEPTHS = (3, 4)  # of either, in turn
TIMES_FIT, SHARE_AGAIN = 1.2, 0.5
OURS, AGAIN, XLA, FIT, FIT_EPOCH = "ours", "again", "XLA", "fit", "fit, epoch"
Costs = dict[str, list["Cost"]]  # of each child, by contestant
Seconds = dict[str, list[float]]  # of each child, by stage
Report = Callable[[int, float, float], None]
now = time.process_time


@dataclasses.dataclass(frozen=True)
class Task:
    """What all of them do: a network, on these images, in this way."""

    convnet: ConvNet
    images: Images
    config: ImageTraining
    seed: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds of a child: beside its epochs, and per epoch; and its best accuracy."""

    fixed: float
    epoch: float
    accuracy: float
    epochs: int

    @property
    def total(self) -> float:
        """The whole child's seconds."""
        return self.fixed + self.epochs * self.epoch


def ours(task: Task, report: Report) -> None:
    """Train by `evaluate_convnet`."""
    evaluate_convnet(task.convnet, task.images, task.config, seed=task.seed, report=report)


def again(task: Task, report: Report) -> None:
    """Train what `ours` has just trained, with another seed."""
    ours(dataclasses.replace(task, seed=task.seed + 1), report)


def xla(task: Task, report: Report) -> None:
    """Train by `evaluate_convnet` with XLA."""
    config = dataclasses.replace(task.config, jit_compile=True)
    ours(dataclasses.replace(task, config=config), report)


def fit(task: Task, report: Report, *, whole_epochs: bool = False) -> None:
    """Train by Keras, a step or a whole epoch in an execution."""
    config, images = task.config, task.images
    model = new_convnet(task.convnet, images, config, seed=task.seed)
    optimizer = keras.optimizers.SGD(
        config.learning_rate, config.momentum, nesterov=True, weight_decay=config.weight_decay
    )
    steps = len(images.train) // config.batch_size
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps if whole_epochs else 1,
    )
    rate = keras.callbacks.LearningRateScheduler(lambda e: config.learning_rate_at(e + 1))
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda e, logs: report(e + 1, logs["loss"], logs["val_accuracy"])
    )
    train, validation = pipelines(images, config)
    options = {"callbacks": [rate, told], "shuffle": False, "verbose": 0}  # `train` is shuffled
    model.fit(train, epochs=config.epochs, validation_data=validation, **options)


def pipelines(images: Images, config: ImageTraining) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Return the batches that train and those that the reward is measured on."""

    def augmented(batch: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        crops = tf_epochs.augment(whiten(batch), config.upsampled_size, flip=config.flip, seed=seed)
        return crops, labels

    def central(batch: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return central_crop(whiten(batch), config.upsampled_size), labels

    def slices(split: LabelledImages) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((split.images, split.labels))

    shuffled = slices(images.train).shuffle(len(images.train))
    train = shuffled.batch(config.batch_size, drop_remainder=True).map(augmented)
    validation = slices(images.validation).batch(config.batch_size).map(central)
    return train.prefetch(2), validation.cache().prefetch(2)


CONTESTANTS: dict[str, Callable[..., None]] = {
    OURS: ours,
    AGAIN: again,
    XLA: xla,
    FIT: fit,
    FIT_EPOCH: functools.partial(fit, whole_epochs=True),
}


def cost(train: Callable[[Task, Report], None], task: Task) -> Cost:
    """Train a child and return what it cost."""
    ends, accuracies = [], []

    def report(_: int, __: float, accuracy: float) -> None:
        ends.append(now())
        accuracies.append(accuracy)

    start = now()
    train(task, report)  # what a rival leaves behind is cleared untimed
    total = now() - start
    epoch = (ends[-1] - ends[0]) / (len(ends) - 1)
    return Cost(total - len(ends) * epoch, epoch, max(accuracies), len(ends))


def stages(task: Task) -> dict[str, float]:
    """Return the seconds of our child's parts, each beyond what is done again in every epoch."""
    tracing: list[float] = []

    def traced(*arguments: Any) -> Any:
        start = now()
        function = trace(*arguments)
        tracing.append(now() - start)
        return function

    trace: Any = tf_program.traced
    timed: Any = traced
    tf_program.traced = timed
    moments = [now()]
    try:
        child = tf_program.ConvNetProgram(task.convnet, task.images, task.config, seed=task.seed)
        for epoch in range(1, task.config.epochs + 1):
            moments.append(now())
            child.train_epoch(epoch)
            moments.append(now())
            child.validate()
        moments.append(now())
        del child
        release_child()
        moments.append(now())
    finally:
        tf_program.traced = trace
    begin, train, validate, *later, release = np.diff(moments)
    per_epoch, validation = statistics.mean(later[::2]), statistics.mean(later[1::2])
    return {
        "first weights": begin,
        "trace a step": tracing[0],  # crops are traced with the first network, which is left out
        "prepare it, first run": train - tracing[0] - per_epoch,
        "trace the validation": tracing[1],
        "prepare it, first run ": validate - tracing[1] - validation,
        f"{task.config.epochs} epochs": task.config.epochs * per_epoch,
        f"{task.config.epochs} validations": task.config.epochs * validation,
        "release": release,
    }


def tasks(experiment: Experiment, images: Images, number: int) -> list[Task]:
    """Return random networks of an experiment's space to train as it does."""
    space, config = experiment.space, experiment.child
    assert isinstance(space, ConvolutionalSpace) and isinstance(config, ImageTraining)
    found = []
    for index in range(number):
        depth = DEPTHS[index % len(DEPTHS)]
        generator = np.random.default_rng([SEED, index])
        architecture = random_architecture(space.search_space(depth), generator)
        found.append(Task(space.convnet(architecture), images, config, seed=2 * index))
    return found


def measure(all_tasks: Sequence[Task]) -> tuple[Costs, Seconds]:
    """Train each network by everyone; the first one warms up and is not counted."""
    costs: Costs = {name: [] for name in CONTESTANTS}
    parts: Seconds = {}
    for number, task in enumerate(tqdm.tqdm(all_tasks, unit="network")):
        for name, train in CONTESTANTS.items():
            costs[name].append(cost(train, task))
            gc.collect()
        for part, seconds in stages(task).items():
            parts.setdefault(part, []).append(seconds)
        if not number:  # what is there to stay is not looked at again, as in a child process
            gc.freeze()
    return {n: c[1:] for n, c in costs.items()}, {p: s[1:] for p, s in parts.items()}


def show_stages(parts: Seconds) -> None:
    """Print where the time of our children goes."""
    for part, seconds in parts.items():
        print(f"  {part:34}{1000 * statistics.mean(seconds):8.0f} ms")


def show_costs(costs: Costs) -> bool:
    """Print the contestants; return whether the targets are met."""
    total = {name: statistics.mean(c.total for c in found) for name, found in costs.items()}
    fixed = {name: statistics.mean(c.fixed for c in found) for name, found in costs.items()}
    print(f"  {'':12}{'fixed':>9}{'epoch':>9}{'child':>9}  a minute  times ours  accuracy")
    for name, found in costs.items():
        epoch = statistics.mean(c.epoch for c in found)
        accuracy = statistics.mean(c.accuracy for c in found)
        seconds = f"{fixed[name]:7.2f} s{epoch:7.3f} s{total[name]:7.2f} s"
        rest = f"{60 / total[name]:10.1f}{total[name] / total[OURS]:12.2f}{accuracy:10.3f}"
        print(f"  {name:12}{seconds}{rest}")
    ratio, share = min(total[FIT], total[FIT_EPOCH]) / total[OURS], fixed[AGAIN] / fixed[OURS]
    print(f"  the faster fit takes {ratio:.2f} times as long, the target is at least {TIMES_FIT}")
    print(f"  again costs {share:.2f} of the fixed time, the target is at most {SHARE_AGAIN}")
    return ratio >= TIMES_FIT and share <= SHARE_AGAIN


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="4 networks instead of 12")
    parser.add_argument("--table", choices=("children", "new_networks"), default="children")
    parser.add_argument("--beside", help="another checkout of this project, for new_networks")
    parser.add_argument("--torch-python", help="a Python that has PyTorch, for new_networks")
    parser.add_argument("--networks", type=int, help="so many, whatever --quick says")
    parser.add_argument("--json", help="where the figures of new_networks are written too")
    flags = parser.parse_args()
    number = flags.networks or (4 if flags.quick else 12)
    if flags.table == "new_networks":
        return new_networks.compare(
            number,
            beside=flags.beside,
            torch_python=flags.torch_python,
            json_file=flags.json,
        )
    return compare_children(number)


def compare_children(number: int) -> int:
    """Print the stages and the contestants of so many networks; return the exit status."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    met = True
    for name in NAMES:
        (experiment,) = (e for e in SMALL_EXPERIMENTS if e.name == name)
        data_dir = os.environ.get("NAS_WITH_RL_DATA_DIR")
        assert isinstance(experiment.data, ImageDataConfig)
        if experiment.data.dataset == "cifar10" and data_dir is None:
            print(f"{name}: left out, NAS_WITH_RL_DATA_DIR names no directory")
            continue
        images = load_images(experiment.data, data_dir=data_dir, seed=SEED)
        costs, parts = measure(tasks(experiment, images, number + 1))
        print(f"{name}, mean of {number} networks of {' and '.join(map(str, DEPTHS))} layers:")
        show_stages(parts)
        met = show_costs(costs) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
