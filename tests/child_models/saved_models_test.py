"""Saved models: what they say of themselves, that they load in a fresh process, what is refused."""

import importlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.convolutional import build_convnet
from nas_with_rl.child_models.language_model import LanguageModel
from nas_with_rl.child_models.language_model_size import LanguageModelSize
from nas_with_rl.child_models.registration import CLASSES
from nas_with_rl.child_models.saved_models import (
    MEMBER,
    SavedDescription,
    describe_model,
    load_model,
    save_model,
)
from nas_with_rl.search_spaces.convnet import (
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
)
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

ROOT = Path(__file__).resolve().parents[2]
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
TOKENS = np.array([[1, 4, 2], [0, 3, 3]], np.int32)

LOAD = """
import json, sys
import keras, numpy as np
outputs = {}
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    inputs = np.load(path.replace(".keras", ".npy"))
    outputs[path] = keras.ops.convert_to_numpy(model(inputs)).ravel().tolist()
print(json.dumps(outputs))
"""


def models():
    """One model of each kind whose classes Keras does not know by itself."""
    convnet = ConvNet(
        (LocalContrastNormalizationLayer(3), ConvolutionalLayer(3, 1, 4, (1,), stride_height=2))
    )
    size = LanguageModelSize(vocabulary=5, units=3)
    return {
        "convnet": build_convnet(convnet, image_shape=(8, 8, 1), num_classes=3),
        "tree": LanguageModel(cell_of(PUBLISHED["figure_5"].architecture), size),
        "peephole": LanguageModel("baseline_peephole_lstm", size),
        "gru": LanguageModel("baseline_gru", LanguageModelSize(5, 3, tie_embeddings=True)),
    }


def description(**changes):
    values = {"architecture": "3 3 - 8", "experiment": "cifar10", "epoch": 2, "validation": 0.5}
    return SavedDescription(**{"kind": "convnet", **values, **changes})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models as files, with an input and the output of each."""
    folder = tmp_path_factory.mktemp("saved")
    outputs = {}
    for name, model in models().items():
        inputs = IMAGES if name == "convnet" else TOKENS
        outputs[str(folder / f"{name}.keras")] = keras.ops.convert_to_numpy(model(inputs)).ravel()
        save_model(model, folder / f"{name}.keras", description())
        np.save(folder / f"{name}.npy", inputs)
    return outputs


@pytest.mark.parametrize(
    "first", ["import nas_with_rl\nimport keras", "import keras\nimport nas_with_rl"]
)
def test_keras_loads_them_in_a_fresh_process(saved, first):
    done = subprocess.run(
        [sys.executable, "-c", first + LOAD, *saved],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = json.loads(done.stdout)
    assert outputs.keys() == saved.keys()
    for path, output in outputs.items():
        np.testing.assert_allclose(output, saved[path], rtol=1e-5, atol=1e-6, err_msg=path)


def test_every_class_that_is_registered_has_a_stand_in():
    for path in sorted((ROOT / "child_models").glob("*.py")):
        if not path.stem.startswith("jax_"):  # those define no layers, and need JAX
            importlib.import_module(f"nas_with_rl.child_models.{path.stem}")
    registered = {
        name: cls.__module__
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith("nas_with_rl>")
    }
    assert registered == {
        f"nas_with_rl>{name}": f"nas_with_rl.child_models.{module}"
        for name, module in CLASSES.items()
    }


def test_a_saved_model_says_what_it_is(tmp_path):
    path = tmp_path / "model.keras"
    told = description(kind="language_model", vocabulary=("a", "<unk>"))
    save_model(models()["tree"], path, told)
    assert describe_model(path) == told
    assert isinstance(nas.load_model(path), LanguageModel)
    save_model(models()["convnet"], path, description(epoch=3))  # in its place
    assert describe_model(path).epoch == 3
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_what_is_no_model_of_this_project_is_one_clear_line(tmp_path, saved):
    path = tmp_path / "model.keras"

    def refused(message):
        with pytest.raises(InputError, match=message) as caught:
            load_model(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)

    refused("No such file")
    path.write_text("3 3 - 8")
    refused("is no .keras file that can be read: File is not a zip file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    refused("is no .keras file: it has no config.json")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    refused("is another model, neither a ConvNet nor a language model .* no nas_with_rl.json")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, '{"kind": "table"}')
    refused("is another model")
    whole = Path(next(iter(saved))).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("is no .keras file")
    with zipfile.ZipFile(next(iter(saved))) as archive, zipfile.ZipFile(path, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, b"" if name.endswith(".h5") else archive.read(name))
    refused("is damaged, Keras cannot load it")
