"""The files that stand beside a saved ConvNet: code, preparation of images, how to use them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import SIDES, ImageDataConfig
from nas_with_rl.child_models.source_code.convnets import ConvNetFile, convnet_source
from nas_with_rl.child_models.source_code.language_models import README_FILE, SOURCE_FILE
from nas_with_rl.search_spaces.convnet import ConvNet

_LOAD = '''
def load(path=Path(__file__).with_name("model.keras")):
    """Return the trained model."""
    return keras.models.load_model(path, compile=False)
'''
_LOAD_CONTRAST = '''
def load(path=Path(__file__).with_name("model.keras")):
    """Return the trained model."""
    cls = LocalContrastNormalization
    names = (f"nas_with_rl>{cls.__name__}", cls.__name__)  # as it was trained; saved from here
    with keras.saving.custom_object_scope(dict.fromkeys(names, cls)):
        return keras.models.load_model(path, compile=False)
'''

_PREPARED = '''

def prepared(images):
    """Return images {extents}, pixels from 0 to 255, as the network takes them."""
    x = ops.cast({images}, "float32")
    x = x - ops.mean(x, axis=(1, 2, 3), keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(x), axis=(1, 2, 3), keepdims=True))
    {result} x / ops.maximum(deviation, {least!r})
'''
_CROPPED = """    # Upsampled to {upsampled} pixels, the middle {size} of them.
    scale, shift = {scale!r}, {shift!r}
    transforms = ops.array([[scale, 0.0, shift, 0.0, scale, shift, 0.0, 0.0]] * x.shape[0])
    return ops.image.affine_transform(
        x, transforms, fill_mode="nearest", data_format="channels_last"
    )
"""
_REDUCED = '''

def reduced(images):
    """Return images of {resolution} pixels a side, each the mean of the area that it covers."""
    size, wanted = images.shape[1], {resolution}
    starts, pixels = np.arange(wanted)[:, None] * size / wanted, np.arange(size)
    overlap = np.minimum(pixels + 1, starts + size / wanted) - np.maximum(pixels, starts)
    means = np.clip(overlap, 0, 1) * wanted / size  # [wanted, size]
    return np.rint(np.einsum("rh,bhwc,sw->brsc", means, images, means))
'''

_README = """# A ConvNet

`model.keras` is a ConvNet that was trained on {dataset}: from images of {height} x {width} pixels
and {channels} to logits of {classes} classes, numbered as the labels there. With `model.py` beside
it, it needs Keras 3 on any backend and nothing else:

```python
import keras
import numpy as np

import model

convnet = model.load()
images = np.random.default_rng(0).integers(0, 256, {example})  # yours, in their place
logits = keras.ops.convert_to_numpy(convnet(model.prepared(images)))
print(logits.argmax(axis=-1))
```

`model.py` has the network as code (`build`), and what was done to the images (`prepared`):
they were {preparation}.

`convnet.export("saved_model")` writes it for TensorFlow alone, `format="onnx"` for ONNX (Keras
needs tf2onnx for it), `format="litert"` for LiteRT.
"""


@dataclasses.dataclass(frozen=True)
class TrainedConvNet:
    """A ConvNet with what it was trained on, and how.

    Attributes:
      convnet, text: its layers, and its architecture as one line.
      data, training: as it was trained.
      num_classes: of the logits.
    """

    convnet: ConvNet
    text: str
    data: ImageDataConfig
    training: ImageTraining
    num_classes: int


def convnet_files(trained: TrainedConvNet) -> Mapping[str, str]:
    """Return the files beside a `model.keras`, by name: code, and how to use it."""
    height, width, channels = shape = trained.data.image_shape
    file = ConvNetFile(shape, trained.num_classes, trained.training.batch_norm_epsilon)
    contrast = "LocalContrastNormalization(" in convnet_source(trained.convnet, "", file)
    load = _LOAD_CONTRAST if contrast else _LOAD
    further = load + _prepared(trained.data, trained.training)
    file = dataclasses.replace(file, further=further)
    own = SIDES[trained.data.dataset]
    readme = _README.format(
        dataset=trained.data.dataset,
        height=height,
        width=width,
        channels=f"{channels} channel{'s' * (channels > 1)}",
        classes=trained.num_classes,
        example=(2, own, own, channels),
        preparation=_in_words(trained.data, trained.training),
    )
    return {SOURCE_FILE: convnet_source(trained.convnet, trained.text, file), README_FILE: readme}


def _is_reduced(data: ImageDataConfig) -> bool:
    return data.resolution not in (0, SIDES[data.dataset])


def _prepared(data: ImageDataConfig, training: ImageTraining) -> str:
    """Return the function that does what `images.whiten` and `images.central_crop` do."""
    size, _, channels = data.image_shape
    own, upsampled = SIDES[data.dataset], training.upsampled_size
    reduced = _is_reduced(data)
    code = _PREPARED.format(
        extents=f"[batch, {own}, {own}, {channels}]",
        images="reduced(images)" if reduced else "images",
        least=1 / math.sqrt(size * size * channels),
        result="x =" if upsampled else "return",
    )
    if upsampled:
        scale = size / upsampled
        shift = ((upsampled - size) // 2 + 0.5) * scale - 0.5
        code += _CROPPED.format(upsampled=upsampled, size=size, scale=scale, shift=shift)
    return code + (_REDUCED.format(resolution=data.resolution) if reduced else "")


def _in_words(data: ImageDataConfig, training: ImageTraining) -> str:
    size, enlarged = data.image_shape[0], training.upsampled_size
    steps = [
        *([f"reduced to {size} x {size} pixels"] if _is_reduced(data) else []),
        "given mean 0 and variance 1 each",
        *([f"enlarged to {enlarged} pixels and cut to the middle {size}"] if enlarged else []),
    ]
    return ",\n".join(steps)
