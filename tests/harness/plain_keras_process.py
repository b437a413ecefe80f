"""The program of `plain_keras`: builds by each file alone, and prints how far that is off."""

import importlib.util
import json
import sys
from pathlib import Path

import keras
import numpy as np

UNITS = 6


def imported(path):
    """Execute a file as a module."""
    spec = importlib.util.spec_from_file_location("found", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of(module, inputs):
    """Build what a file is for."""
    if hasattr(module, "build"):
        return module.build(inputs.shape[1:], num_classes=3)
    cell = module.FoundCell(UNITS)
    again = type(cell).from_config(cell.get_config())  # as `keras.models.load_model` makes it
    layer = keras.layers.RNN(again, return_sequences=True, return_state=True)
    sequence = keras.Input(inputs.shape[1:])
    return keras.Model(sequence, keras.ops.concatenate(_flat(layer(sequence)), axis=-1))


def _flat(tensors):
    return [keras.layers.Flatten()(each) for each in tensors]


def difference(folder):
    """Return the largest of a case's differences."""
    inputs, wanted = np.load(folder / "inputs.npy"), np.load(folder / "outputs.npz")
    module = imported(folder / "found.py")
    model = model_of(module, inputs)
    with np.load(folder / "weights.npz") as weights:
        model.set_weights([weights[name] for name in weights.files])
    found = {"outputs": model(inputs)}
    if (folder / "built.weights.h5").exists():
        model.set_weights([np.zeros_like(each) for each in model.get_weights()])
        model.load_weights(folder / "built.weights.h5")
        found["loaded"] = model(inputs)
    if "training" in wanted:
        found["training"] = model(inputs, training=True)
        found["averages"] = np.concatenate([np.ravel(each) for each in model.get_weights()])
    return max(
        _off(keras.ops.convert_to_numpy(each), wanted["outputs" if name == "loaded" else name])
        for name, each in found.items()
    )


def _off(found, wanted):
    assert found.shape == wanted.shape and np.isfinite(wanted).all()
    return float((np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max())


if __name__ == "__main__":
    sys.modules["nas_with_rl"] = None  # whoever imports it gets an ImportError
    print(json.dumps({Path(path).name: difference(Path(path)) for path in sys.argv[1:]}))
