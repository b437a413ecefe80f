"""The process of `new_networks.py` that trains by this project: the checkout of its PYTHONPATH.

Started as `python new_networks_process.py IMAGES.npz`; it answers in JSON lines.
"""

import gc
import json
import os
import sys
import time
from typing import Any

import numpy as np

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import evaluate_convnet
from nas_with_rl.child_models.data.images import Images, LabelledImages
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer

BATCH_SIZE, UPSAMPLED_SIZE = 50, 18  # of `cifar10_small`


def load(file: str) -> dict[int, Images]:
    """Return what trains and what validates, by how many images train."""
    with np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
        split = len(images) - int(arrays["num_validation"])
    validation = LabelledImages(images[split:], labels[split:])
    return {
        size: Images(LabelledImages(images[:size], labels[:size]), validation, num_classes=10)
        for size in (split // 2, split)
    }


def train(order: dict[str, Any], images: Images) -> dict[str, Any]:
    """Train a network; return its seconds, and when each epoch ended."""
    layers = tuple(
        ConvolutionalLayer(height, width, filters, tuple(inputs))
        for height, width, filters, inputs in order["layers"]
    )
    config = ImageTraining(
        epochs=order["epochs"], batch_size=BATCH_SIZE, upsampled_size=UPSAMPLED_SIZE
    )
    ends: list[float] = []
    start = time.process_time()

    def report(*_: float) -> None:
        ends.append(time.process_time() - start)

    evaluate_convnet(ConvNet(layers), images, config, seed=0, report=report)
    return {"total": time.process_time() - start, "ends": ends}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    data = load(sys.argv[1])
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        print(json.dumps(train(order, data[order["num_train"]])), file=answers)
        if number < len(data):  # what is there to stay is not looked at again, as in a child
            gc.collect()
            gc.freeze()


if __name__ == "__main__":
    main()
