"""What lies beside a trained model: enough to use it where this project cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.data.images import (
    ImageDataConfig,
    LabelledImages,
    _reduced,
    central_crop,
    whiten,
)
from nas_with_rl.child_models.data.text import _tokens, numbers_of
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.trainings.trainees import FinalTraining
from nas_with_rl.launch.trainings.training import train

PROGRAM = Path(__file__).resolve().parents[2] / "harness" / "beside_model_process.py"
TEXT = "abc bca\ncab abc\n" * 60
TINY = ("child.epochs=1", "child.batch_size=4", "child.num_steps=5", "child.units=6")
FEW = ("child.epochs=1", "data.num_train=100", "data.num_validation=50", "child.batch_size=25")
TYPES = "local_contrast_normalization,convolution"
# By name: experiment, architecture, overrides.
TRAINED = {
    "characters": ("quickstart", "add tanh | max sin | elem_mult relu | add sigmoid | 1 0", ()),
    "words": ("quickstart", "peephole_lstm", ("data.unit=word", "child.tie_embeddings=true")),
    "images": (
        "quickstart_conv",
        "local_contrast_normalization 3 - | convolution 3 3 1 8",
        (f"space.layer_types={TYPES}", "data.resolution=6", "child.upsampled_size=9"),
    ),
    "whole_images": ("quickstart_conv", "3 3 - 8", ("child.batch_norm_epsilon=0.5",)),
}


def trained(name, folder):
    """Train a model; return its folder, with inputs and a text to try it on."""
    experiment, architecture, overrides = TRAINED[name]
    is_text = experiment == "quickstart"
    if is_text:
        (folder / "text").write_text(TEXT)
        source = f"data.source={folder / 'text'}"
        operations = (
            "space.combinations=add,elem_mult,max",
            "space.activations=tanh,sin,relu,sigmoid",
        )
        overrides = (*TINY, source, "space.base=2", *operations, *overrides)
    else:
        overrides = (*FEW, *overrides)
    training = FinalTraining(configure(experiment, overrides), architecture, overrides=overrides)
    place = folder / name
    train(training, place, test="never")
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 5, (2, 7)) if is_text else rng.integers(0, 256, (3, 8, 8, 1))
    np.save(place / "inputs.npy", inputs.astype("int32" if is_text else "uint8"))
    if is_text:
        (place / "text.txt").write_text("abc zz\ncab\n")
    return place


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """Of each model its folder, and what a process without this project has found there."""
    folder = tmp_path_factory.mktemp("beside")
    places = {name: trained(name, folder) for name in TRAINED}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, places.values())],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=kept | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (place, dict(np.load(place / "found.npz"))) for name, place in places.items()}


@pytest.mark.real_start  # a forked process has this project
@pytest.mark.parametrize("name", TRAINED)
def test_the_model_is_the_trained_one(used, name):
    place, found = used[name]
    inputs = np.load(place / "inputs.npy") if "inputs" not in found else found["inputs"]
    wanted = keras.ops.convert_to_numpy(nas.load_model(place / "model.keras")(inputs))
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(found["logits"], wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found["again"], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.real_start
@pytest.mark.parametrize("name", ["characters", "words"])
def test_texts_are_numbered_as_in_the_training(used, name):
    place, found = used[name]
    vocabulary = json.loads((place / "vocabulary.json").read_text(encoding="utf-8"))
    text = (place / "text.txt").read_text()
    wanted = numbers_of(_tokens(text, name.removesuffix("s")), vocabulary)
    np.testing.assert_array_equal(found["numbers"], wanted)
    assert str(found["text"]) == text.replace("zz", "<unk>" * (2 if name == "characters" else 1))


@pytest.mark.real_start
@pytest.mark.parametrize(
    ("name", "resolution", "upsampled"), [("images", 6, 9), ("whole_images", 8, 0)]
)
def test_images_are_prepared_as_in_the_training(used, name, resolution, upsampled):
    place, found = used[name]
    images = LabelledImages(np.load(place / "inputs.npy"), np.zeros(3, np.int32))
    reduced = _reduced(images, resolution).images
    wanted = keras.ops.convert_to_numpy(central_crop(whiten(reduced), upsampled))
    np.testing.assert_allclose(found["inputs"], wanted, atol=1e-6)
    assert wanted.shape == (3, *ImageDataConfig("digits", resolution=resolution).image_shape)


@pytest.mark.real_start
def test_the_readmes_read_as_such(used):
    for name, (place, _) in used.items():
        text = (place / "README.md").read_text(encoding="utf-8")
        assert "{" not in text and max(map(len, text.splitlines())) <= 100, name
        code = (place / "model.py").read_text(encoding="utf-8")
        assert "nas_with_rl import" not in code and "import nas_with_rl" not in code
        assert max(map(len, code.splitlines())) <= 100
