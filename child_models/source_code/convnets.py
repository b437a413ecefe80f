"""ConvNets as code: a function that builds one, a line for each layer.

It builds what `convnets.builder` builds, under the same names and in the same order, so that either
takes the other's weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from nas_with_rl.child_models.convnets.config import BATCH_NORM_MOMENTUM
from nas_with_rl.child_models.convnets.wiring import Sides, classifier_inputs
from nas_with_rl.child_models.source_code.cells import described
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.drawing import draw_convnet

_WIDTH = 100  # of the lines of a file


@dataclasses.dataclass(frozen=True)
class ConvNetFile:
    """What a file says of a ConvNet beside its layers.

    Attributes:
      image_shape, num_classes: what it is built for where nothing else is said.
      batch_norm_epsilon: what is added to the variance.
      further: code at the end.
    """

    image_shape: tuple[int, int, int] = (32, 32, 3)
    num_classes: int = 10
    batch_norm_epsilon: float = 1e-3
    further: str = ""


_HEAD = '''"""A ConvNet that an architecture search found, as a function of plain Keras 3.

{words}

    model = build(image_shape={file.image_shape}, num_classes={file.num_classes})

maps images [batch, height, width, channels] to logits [batch, classes], on any backend of Keras.
Its weights stand in get_weights(), and in files of weights, in the order of its layers.
"""
'''

_BUILD = '''
def build(image_shape={file.image_shape}, num_classes={file.num_classes}):
    """Return the network, its weights drawn at random."""
    image = keras.Input(image_shape, name="image")
{lines}
    x = layers.GlobalAveragePooling2D(name="classifier_pooling")({classified})
    logits = layers.Dense(num_classes, name="classifier")(x)
    return keras.Model(image, logits, name="convnet")
'''

# What the lines call, in the order of the file.
_HELPERS: Mapping[str, str] = MappingProxyType(
    {
        "convolution": '''
def convolution(x, filters, size, name, strides=(1, 1)):
    """Return a convolution without bias, normalised over the batch, rectified."""
    convolved = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    return layers.ReLU(name=f"{name}_relu")(normalized(convolved, name))
''',
        "normalized": '''
def normalized(x, name):
    """Return maps normalised over the batch."""
    name = f"{{name}}_normalization"
    return layers.BatchNormalization(momentum={momentum}, epsilon={epsilon}, name=name)(x)
''',
        "max_pooled": '''
def max_pooled(x, name, size=2, stride=2):
    """Return the greatest value of each square of pixels; sizes are rounded up."""
    return layers.MaxPooling2D(size, stride, padding="same", name=name)(x)
''',
        "average_pooled": '''
def average_pooled(x, name, size, stride):
    """Return the mean of each square of pixels; sizes are rounded up."""
    return layers.AveragePooling2D(size, stride, padding="same", name=name)(x)
''',
        "joined": '''
def joined(maps, name):
    """Return maps one behind the other, smaller ones padded with zeros up to the largest."""
    height, width = (max(x.shape[axis] for x in maps) for axis in (1, 2))
    padded = []
    for place, x in enumerate(maps, start=1):
        rows, columns = height - x.shape[1], width - x.shape[2]
        if rows or columns:
            sides = [(size // 2, size - size // 2) for size in (rows, columns)]
            x = layers.ZeroPadding2D(sides, name=f"{name}_padding_{place}")(x)
        padded.append(x)
    return layers.Concatenate(name=f"{name}_concatenation")(padded)
''',
        "LocalContrastNormalization": '''
class LocalContrastNormalization(layers.Layer):
    """Subtracts the local mean, then divides by the local deviation (Jarrett et al., 2009).

    The window is Gaussian, its deviation a quarter of its size; at the border it is cut off.
    """

    def __init__(self, window, **kwargs):
        super().__init__(**kwargs)
        self.window = window

    def call(self, inputs):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        x = ops.cast(inputs, keras.backend.result_type(dtype, "float32"))
        centred = x - self.local_mean(x)
        variance = ops.maximum(self.local_mean(ops.square(centred)), 1e-8)
        deviation = ops.sqrt(variance)  # [batch, height, width, 1]
        mean = ops.mean(deviation, axis=(1, 2), keepdims=True)
        return ops.cast(centred / ops.maximum(mean, deviation), dtype)

    def local_mean(self, x):
        distances = np.arange(self.window) - (self.window - 1) / 2
        weights = np.exp(-(distances**2) / (2 * (self.window / 4) ** 2))
        window = np.outer(weights, weights) / weights.sum() ** 2
        kernel = ops.cast(window.astype("float32")[:, :, None, None], x.dtype)
        means = ops.mean(x, axis=-1, keepdims=True)
        sums, shares = (
            ops.conv(each, kernel, padding="same", data_format="channels_last")
            for each in (means, ops.ones_like(means[:1]))
        )
        return sums / shares

    def get_config(self):
        return super().get_config() | {"window": self.window}
''',
    }
)


def convnet_source(convnet: ConvNet, text: str, file: ConvNetFile = ConvNetFile()) -> str:
    """Return a file with the function `build`.

    Args:
      convnet: its layers.
      text: its architecture, as one line.
      file: everything else.
    """
    lines = _Lines()
    classified = classifier_inputs(convnet, _Name("image"), lines)
    body = "\n".join(f"    {line}" for line in lines.written)
    built = _BUILD.format(file=file, lines=body, classified=classified.text)
    constants = {"momentum": BATCH_NORM_MOMENTUM, "epsilon": file.batch_norm_epsilon}
    helpers = [
        code.format(**constants) if name == "normalized" else code
        for name, code in _HELPERS.items()
        if name in lines.called
    ]
    code = "\n".join([built, *helpers, *([file.further] if file.further else [])])
    names = "layers, ops" if "ops." in code else "layers"
    imports = [
        *(["from pathlib import Path", ""] if "Path(" in code else []),
        "import keras",
        *(["import numpy as np"] if "np." in code else []),
        f"from keras import {names}",
    ]
    head = _HEAD.format(words=described(text, draw_convnet(convnet)), file=file)
    return "\n".join([head, *imports, "", code])


class _Name(NamedTuple):
    """A map, as the name of the variable that holds it; maps are joined whatever their sizes."""

    text: str
    shape: tuple[int, int, int] = (0, 0, 0)


class _Lines:
    """The lines of code of a network, as `wiring.Parts`.

    Attributes:
      written: lines.
      called: the helpers that they call.
    """

    def __init__(self) -> None:
        self.written: list[str] = []
        self.called: set[str] = set()

    def layer(self, inputs: _Name, layer: Layer, number: int) -> _Name:
        """Write the line of a layer."""
        name = f"layer_{number}"
        return self._assigned(name, *_CALLS[type(layer)](inputs.text, layer, name))

    def max_pooled(self, x: _Name, source: int, after: int) -> _Name:
        """Write the line that pools what a layer made."""
        origin = f"layer_{source}" if source else "image"
        name = f"{origin}_pooling_after_{after}"
        return self._assigned(
            f"{origin}_after_{after}", "max_pooled", f'max_pooled({x.text}, "{name}")'
        )

    def padded(self, x: _Name, sides: Sides, name: str) -> _Name:
        """Never asked for: `joined` pads where the sizes are known."""
        raise AssertionError(f"{name}: maps without sizes are not padded")

    def concatenated(self, inputs: Sequence[_Name], name: str) -> _Name:
        """Write the line that joins maps."""
        owner = name.removesuffix("_concatenation")
        call = _joined([x.text for x in inputs], owner)
        return self._assigned(f"{owner}_inputs", "joined", call)

    def _assigned(self, name: str, helper: str, call: str) -> _Name:
        self.called |= {helper, *(["normalized"] if helper == "convolution" else [])}
        self.written.append(f"{name} = {call}")
        return _Name(name)


def _joined(maps: Sequence[str], owner: str) -> str:
    """Return the call that joins maps, in several lines where one has no room for them."""
    listed, name = f"[{', '.join(maps)}]", f'"{owner}"'
    if len(line := f"joined({listed}, {name})") + len(f"    {owner}_inputs = ") <= _WIDTH:
        return line
    if len(line := f"        {listed}, {name}") <= _WIDTH:
        return f"joined(\n{line}\n    )"
    if len(line := f"        {listed},") > _WIDTH:
        line = "\n".join(["        [", *(f"            {each}," for each in maps), "        ],"])
    return f"joined(\n{line}\n        {name},\n    )"


def _convolution(x: str, layer: ConvolutionalLayer, name: str) -> tuple[str, str]:
    strides = (layer.stride_height, layer.stride_width)
    last = "" if strides == (1, 1) else f", strides={strides}"
    size = (layer.filter_height, layer.filter_width)
    return "convolution", f'convolution({x}, {layer.filters}, {size}, "{name}"{last})'


def _pooling(x: str, layer: PoolingLayer, name: str) -> tuple[str, str]:
    helper = layer.kind.replace("_pooling", "_pooled")
    sizes = f"size={layer.pool_size}, stride={layer.pool_stride}"
    return helper, f'{helper}({x}, "{name}_{layer.kind}", {sizes})'


def _contrast(x: str, layer: LocalContrastNormalizationLayer, name: str) -> tuple[str, str]:
    helper, full = "LocalContrastNormalization", f"{name}_contrast_normalization"
    return helper, f'{helper}({layer.window}, name="{full}")({x})'


def _normalization(x: str, layer: BatchNormalizationLayer, name: str) -> tuple[str, str]:
    return "normalized", f'normalized({x}, "{name}")'


# By type of layer: from the input's and the layer's names to what is called, and the call.
_CALLS: Mapping[type, Callable[..., tuple[str, str]]] = MappingProxyType(
    {
        ConvolutionalLayer: _convolution,
        PoolingLayer: _pooling,
        LocalContrastNormalizationLayer: _contrast,
        BatchNormalizationLayer: _normalization,
    }
)
