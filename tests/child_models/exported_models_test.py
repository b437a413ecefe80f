"""Saved models as other programs take them: equal to the model, by programs that have no Keras."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.language_models.exported import FIXED_EXTENTS
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.saved_models import SavedDescription, load_model, save_model
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

CELLS = {
    "nas_cell": cell_of(PUBLISHED["nas_cell"].architecture),
    "max_cell": cell_of(PUBLISHED["max_cell"].architecture),
    "lstm": "lstm",
    "gru": "gru",
}
MODELS = [
    pytest.param(name, id=name, marks=[] if name in ("max_cell", "convnet") else pytest.mark.slow)
    for name in (*CELLS, "convnet")
]
LAYERS = (
    LocalContrastNormalizationLayer(3),
    ConvolutionalLayer(3, 3, 4, (1,), 2, 1),
    PoolingLayer("average_pooling", 2, 2, (1, 2)),
    PoolingLayer("max_pooling", 3, 1, (2,)),
    BatchNormalizationLayer((3, 4)),
)


@pytest.fixture
def saved(request, tmp_path):
    """A model as it is loaded from its file, and inputs of a number of rows."""
    name, rng = request.param, np.random.default_rng(0)
    if name == "convnet":
        model = build_convnet(ConvNet(LAYERS, (3,)), image_shape=(9, 8, 2), num_classes=3)
        kind, inputs = "convnet", lambda rows: rng.normal(size=(rows, 9, 8, 2)).astype("float32")
    else:
        size = LanguageModelSize(11, 6, tie_embeddings=name == "max_cell")
        model = LanguageModel(CELLS[name], size, init_scale=0.5)
        kind = "language_model"

        def inputs(rows):
            steps = FIXED_EXTENTS[1] if rows == 1 else 9
            return rng.integers(0, 11, (rows, steps)).astype("int32")

    save_model(model, tmp_path / "model.keras", SavedDescription(kind, name, "own", 1, 0.5, ("a",)))
    return load_model(tmp_path / "model.keras"), inputs


def assert_equal(found, model, inputs):
    wanted = keras.ops.convert_to_numpy(model(inputs))
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("saved", MODELS, indirect=True)
def test_a_saved_model_of_tensorflow(saved, tmp_path):
    model, inputs = saved
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    for rows in (3, 2):
        assert_equal(loaded.serve(values := inputs(rows)).numpy(), model, values)


@pytest.mark.parametrize("saved", MODELS, indirect=True)
def test_a_lite_model_of_the_interpreters_own_operations(saved, tmp_path):
    model, inputs = saved
    path = tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False)
    assert b"Flex" not in path.read_bytes()  # TensorFlow's, which no plain interpreter has
    interpreter = tf.lite.Interpreter(str(path)).get_signature_runner()
    (name,) = interpreter.get_input_details()
    (found,) = interpreter(**{name: (values := inputs(1))}).values()
    assert_equal(found, model, values)


@pytest.mark.parametrize("saved", MODELS, indirect=True)
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tf2onnx", "onnxruntime")),
    reason="tf2onnx and onnxruntime are not installed, which no dependency of this project needs",
)
def test_an_onnx_model(saved, tmp_path):
    import onnxruntime

    model, inputs = saved
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for rows in (3, 2):
        values = inputs(rows)
        (found,) = session.run(None, {session.get_inputs()[0].name: values})
        assert_equal(found, model, values)


@pytest.mark.parametrize("saved", ["lstm"], indirect=True)
def test_other_extents_are_taken_as_they_are_asked_for(saved, tmp_path):
    model, _ = saved
    signature = [keras.InputSpec(shape=(2, 5), dtype="int32")]
    path = tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False, input_signature=signature)
    details = tf.lite.Interpreter(str(path)).get_input_details()
    assert [each["shape"].tolist() for each in details] == [[2, 5]]
