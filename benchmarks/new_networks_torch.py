"""The process of `new_networks.py` that trains by PyTorch, eager.

Started as `python new_networks_torch.py '["IMAGES.npz", CHANNELS_LAST]'`. Needs PyTorch and NumPy
alone. The network, its update, its crops and flips are those of `child_models/convnets`; draws
differ.

Shapes: B images, C channels, S height and width; `[B, C, S, S]`.
"""

import gc
import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH_SIZE, UPSAMPLED_SIZE = 50, 18  # of `cifar10_small`
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, EPSILON, AVERAGED = 0.1, 0.9, 1e-4, 1e-3, 0.1
DECAYS = (0.5, 0.75)

torch.set_num_threads(1)
torch.set_flush_denormal(True)  # as TensorFlow does


class ConvNet(nn.Module):
    """Convolutions with batch normalisation and ReLU, connected as the layers say."""

    def __init__(self, layers):
        super().__init__()
        self.inputs = [tuple(inputs) or (0,) for *_, inputs in layers]
        channels = [3]
        self.convolutions, self.normalizations = nn.ModuleList(), nn.ModuleList()
        for (height, width, filters, _), inputs in zip(layers, self.inputs, strict=True):
            taken = sum(channels[source] for source in inputs)
            convolution = nn.Conv2d(
                taken, filters, (height, width), padding=(height // 2, width // 2), bias=False
            )
            nn.init.kaiming_normal_(convolution.weight)
            self.convolutions.append(convolution)
            self.normalizations.append(nn.BatchNorm2d(filters, EPSILON, AVERAGED))
            channels.append(filters)
        taken = {source for inputs in self.inputs for source in inputs}
        self.loose = tuple(n for n in range(1, len(channels)) if n not in taken)
        self.classifier = nn.Linear(sum(channels[n] for n in self.loose), 10)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images):
        outputs = [images]
        parts = zip(self.inputs, self.convolutions, self.normalizations, strict=True)
        for inputs, convolution, normalization in parts:
            made = normalization(convolution(concatenated(outputs, inputs)))
            outputs.append(functional.relu(made, inplace=True))
        return self.classifier(concatenated(outputs, self.loose).mean((2, 3)))


def concatenated(outputs, numbers):
    if len(numbers) == 1:
        return outputs[numbers[0]]
    return torch.cat([outputs[n] for n in numbers], 1)


def whiten(images):
    images = images.float()
    centred = images - images.mean((1, 2, 3), keepdim=True)
    deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp_min(images[0].numel() ** -0.5)


def crop(images, offsets, flips):
    """Upsample, cut out and flip in one interpolation, as `images.upsampled_crop`."""
    batch, _, size, _ = images.shape
    places = torch.arange(size) + 0.5
    scale = size / UPSAMPLED_SIZE
    rows = (places + offsets[:, :1]) * scale  # [B, S], in pixels
    columns = (torch.where(flips[:, None], size - places, places) + offsets[:, 1:]) * scale
    grid = torch.stack(
        [
            (columns * 2 / size - 1)[:, None, :].expand(batch, size, size),
            (rows * 2 / size - 1)[:, :, None].expand(batch, size, size),
        ],
        -1,
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


class Child:
    """A network in training."""

    def __init__(self, layers, data, epochs, layout):
        self.data, self.epochs, self.layout = data, epochs, layout
        self.network = ConvNet(layers).to(memory_format=layout)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            LEARNING_RATE,
            MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            nesterov=True,
            fused=True,
        )

    def train_epoch(self, epoch):
        (images, labels), _ = self.data
        decays = sum(epoch > fraction * self.epochs for fraction in DECAYS)
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * 0.1**decays
        self.network.train()
        order, total = torch.randperm(len(images)), torch.zeros(())
        margin = UPSAMPLED_SIZE - images.shape[2] + 1
        for batch in order[: len(order) // BATCH_SIZE * BATCH_SIZE].split(BATCH_SIZE):
            offsets = torch.randint(0, margin, (BATCH_SIZE, 2))
            inputs = crop(whiten(images[batch]), offsets, torch.rand(BATCH_SIZE) < 0.5)
            logits = self.network(inputs.contiguous(memory_format=self.layout))
            loss = functional.cross_entropy(logits, labels[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / (len(order) // BATCH_SIZE)

    @torch.no_grad()
    def validate(self):
        _, (images, labels) = self.data
        self.network.eval()
        middle, correct = (UPSAMPLED_SIZE - images.shape[2]) // 2, 0
        for batch, truth in zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True):
            offsets = torch.full((len(batch), 2), middle)
            inputs = crop(whiten(batch), offsets, torch.zeros(len(batch), dtype=torch.bool))
            logits = self.network(inputs.contiguous(memory_format=self.layout))
            correct += int((logits.argmax(1) == truth).sum())
        return correct / len(labels)


def load(file):
    """Return what trains and what validates, by how many images train."""
    with np.load(file) as arrays:
        images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(arrays["labels"]).long()
        split = len(images) - int(arrays["num_validation"])
    validation = images[split:], labels[split:]
    return {size: ((images[:size], labels[:size]), validation) for size in (split // 2, split)}


def train(order, data, layout):
    """Train a network; return its seconds, and when each epoch ended."""
    start, ends = time.process_time(), []
    child = Child(order["layers"], data, order["epochs"], layout)
    for epoch in range(1, order["epochs"] + 1):
        child.train_epoch(epoch)
        child.validate()
        ends.append(time.process_time() - start)
    del child
    return {"total": time.process_time() - start, "ends": ends}


def main():
    file, channels_last = json.loads(sys.argv[1])
    layout = torch.channels_last if channels_last else torch.contiguous_format
    data = load(file)
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        print(json.dumps(train(order, data[order["num_train"]], layout)), flush=True)
        if number < len(data):
            gc.collect()
            gc.freeze()


if __name__ == "__main__":
    main()
