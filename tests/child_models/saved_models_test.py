"""Saved models: what they say of themselves, that they load in a fresh process, what is refused."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.registration import CLASSES
from nas_with_rl.child_models.saved_classes import check_classes
from nas_with_rl.child_models.saved_models import (
    SavedDescription,
    describe_model,
    load_model,
    save_model,
)
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

ROOT = Path(__file__).resolve().parents[2]
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
TOKENS = np.array([[1, 4, 2], [0, 3, 3]], np.int32)

LOAD = """
import json, sys
import numpy as np
outputs = {}
for path in sys.argv[1:]:
    inputs = np.load(path.replace(".keras", ".npy"))
    for number, load in enumerate(loaders):
        model = load(path)
        outputs[f"{path} {number}"] = np.asarray(model(inputs)).ravel().tolist()
print(json.dumps(outputs))
"""
# What a process does first, by backend; `loaders` are the ways to load a model, in their order.
ORDERS = {
    "tensorflow": [
        """
import nas_with_rl as nas
import tensorflow as tf
loaders = [tf.keras.models.load_model, nas.load_model]
""",
        """
import tensorflow as tf
import nas_with_rl as nas
loaders = [tf.keras.models.load_model, nas.load_model]
""",
    ],
    "jax": [
        """
import keras
import nas_with_rl as nas
loaders = [keras.models.load_model, nas.load_model]
""",
        """
import importlib, importlib.util
import nas_with_rl as nas
for _ in range(2):
    spec = importlib.util.find_spec("keras")
    assert spec.origin == spec.loader.get_filename("keras")  # as Keras's own loader has it
assert importlib.util.find_spec("keras.saving") is not None  # imports the package
import keras.src.models
importlib.reload(keras)
assert type(keras.__loader__) is type(keras.__spec__.loader) is type(keras.saving.__loader__)
loaders = [keras.saving.load_model, nas.load_model]
""",
        """
import importlib, importlib.util, sys, threading
together = threading.Barrier(8)
failures = []
def load_late(name):
    together.wait()
    try:
        importlib.util.find_spec("keras") if name is None else importlib.import_module(name)
    except BaseException as error:
        failures.append(error)
sys.setswitchinterval(1e-6)
names = ["nas_with_rl", "keras", None, "keras", "nas_with_rl", "keras", None, "nas_with_rl"]
threads = [threading.Thread(target=load_late, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
import keras, nas_with_rl as nas
loaders = [keras.models.load_model, nas.load_model]
""",
        """
import importlib.abc, importlib.util, sys
import nas_with_rl as nas
class Other(importlib.abc.MetaPathFinder):  # another program's, which asks all the others
    busy = False
    def find_spec(self, name, path=None, target=None):
        if name != "keras" or self.busy:
            return None
        self.busy = True
        try:
            return importlib.util.find_spec(name)
        finally:
            self.busy = False
sys.meta_path.insert(0, Other())
sys.meta_path.insert(2, Other())
import keras.saving
loaders = [keras.models.load_model, nas.load_model]
""",
    ],
}


def models():
    """One model of each kind whose classes Keras does not know by itself."""
    convnet = ConvNet(
        (LocalContrastNormalizationLayer(3), ConvolutionalLayer(3, 1, 4, (1,), stride_height=2))
    )
    size = LanguageModelSize(vocabulary=5, units=3)
    return {
        "convnet": build_convnet(convnet, image_shape=(8, 8, 1), num_classes=3),
        "tree": LanguageModel(cell_of(PUBLISHED["figure_5"].architecture), size),
        "peephole": LanguageModel("peephole_lstm", size),
        "gru": LanguageModel("gru", LanguageModelSize(5, 3, tie_embeddings=True)),
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
        kind = "convnet" if name == "convnet" else "language_model"
        save_model(model, folder / f"{name}.keras", description(kind=kind))
        np.save(folder / f"{name}.npy", inputs)
    return outputs


@pytest.mark.parametrize(
    ("backend", "first"),
    [
        pytest.param(name, first, marks=[pytest.mark.slow] if number else [])
        for name, each in ORDERS.items()
        for number, first in enumerate(each)
    ],
)
def test_they_load_in_a_fresh_process_whatever_is_imported_first(saved, backend, first):
    paths = list(saved) if backend == "tensorflow" else list(saved)[:2]
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # to compile
    done = subprocess.run(
        [sys.executable, "-c", first + LOAD, *paths],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **quick, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = json.loads(done.stdout)
    assert outputs.keys() == {f"{path} {number}" for path in paths for number in range(2)}
    for path, output in outputs.items():
        expected = saved[path.rpartition(" ")[0]]
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5, err_msg=path)


def test_the_import_alone_imports_no_keras():
    program = "import sys, nas_with_rl; sys.exit('keras' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0


def test_every_class_that_is_registered_has_a_stand_in():
    for path in sorted((ROOT / "child_models").rglob("*.py")):
        if not path.stem.startswith("jax_"):  # those define no layers, and need JAX
            name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            importlib.import_module(f"nas_with_rl.{name}")
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


def rewritten(source, path, **members):
    """Copy an archive with other contents of some members, in UTF-8."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, members.get(name.partition(".")[0], archive.read(name)))
    return path


def test_what_is_no_model_of_this_project_is_one_clear_line(tmp_path, saved):
    path = tmp_path / "model.keras"
    whole = Path(next(iter(saved)))

    def refused(message):
        with pytest.raises(InputError, match=message) as caught:
            load_model(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)

    refused("No such file")
    path.write_text("3 3 - 8")
    refused("File is not a zip file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    refused("is no .keras file: it has no config.json")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    refused("is another model.* no nas_with_rl.json")
    told = dataclasses.asdict(description())
    for damaged in ({"kind": "table"}, told | {"kind": []}, told | {"epoch": "2"}, [], "kind"):
        rewritten(whole, path, nas_with_rl=json.dumps(damaged))
        refused("is another model")
    for damaged in ("", "{", "[" * 100_000):
        rewritten(whole, path, config=damaged)
        refused("no .keras file")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused("no .keras file")
    rewritten(whole, path, model=b"")
    refused("is damaged")
    for config in ("{}", "[]", json.dumps(config_of(str(whole).replace("convnet", "tree")))):
        rewritten(whole, path, config=config)
        refused("is damaged: its config.json is not that of a convnet")
    rewritten(whole, path, config=json.dumps({"class_name": " " * 16 * 2**20}))
    refused("its config.json has 16 MiB, more than 16 MiB")
    path = tmp_path / "model.h5"
    path.write_bytes(whole.read_bytes())
    refused("end in .keras")


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def test_every_model_that_is_built_here_names_known_classes(saved, tmp_path):
    layers = (
        *(
            ConvolutionalLayer(3, 3, 4, stride_height=2),
            PoolingLayer("average_pooling", 2, 2, (1,)),
        ),
        PoolingLayer("max_pooling", 2, 1, (2,)),
        BatchNormalizationLayer((1, 3)),  # of two sizes: padded and concatenated
        LocalContrastNormalizationLayer(3, (4,)),
    )
    built = build_convnet(ConvNet(layers, pool_after=(3,)), image_shape=(8, 8, 1), num_classes=3)
    built.save(tmp_path / "built.keras")
    kinds = {type(layer).__name__ for layer in built.layers}
    assert kinds >= {"Concatenate", "ZeroPadding2D", "MaxPooling2D", "AveragePooling2D"}
    for path in (*saved, tmp_path / "built.keras"):
        check_classes(config_of(path))


def functional(layer):
    """The configuration of a model with one of Keras's layers."""
    image = keras.Input((4, 4, 1))
    return keras.saving.serialize_keras_object(keras.Model(image, layer(image)))


def entry(name, module=None, registered_name=None, **more):
    return {"class_name": name, "config": {}, "module": module} | (
        {"registered_name": registered_name} | more
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (lambda: entry("OrderedDict", "collections"), "collections.OrderedDict"),
        (lambda: entry("Flatten", "keras.layers"), "keras.layers.Flatten"),
        (lambda: entry("get_file", "keras.utils"), "keras.utils.get_file"),
        (lambda: entry("Dense"), "Dense"),
        (lambda: entry("Dense", "json"), "json.Dense"),
        (lambda: entry("Dense", "keras.layers", "their>Dense"), "keras.layers.Dense"),
        (lambda: entry("TreeCell", "their", "nas_with_rl>TreeCell"), "their.TreeCell"),
        (lambda: entry("TreeCell", "nas_with_rl", "their>TreeCell"), "nas_with_rl.TreeCell"),
        (lambda: entry("Their", None, "nas_with_rl>Their"), "nas_with_rl>Their.Their"),
        (lambda: entry("function", "builtins", "len"), "builtins.function"),
        (lambda: entry(["Dense"], "keras.layers"), "keras.layers"),
        (lambda: entry("Dense", ["keras.layers"]), "Dense"),
        (lambda: {"module": "collections"}, "collections.None"),
        (lambda: {"registered_name": "their>Layer"}, "their>Layer.None"),
        (lambda: entry("L" * 1000, "their"), "L…"),
        (lambda: functional(keras.layers.Lambda(lambda x: x)), "keras.layers.Lambda"),
        (lambda: functional(keras.layers.Dense(1, kernel_regularizer="l2")), "regularizers.L2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("place", ["compile_config", "config"])
def test_another_class_is_named_before_keras_sees_the_file(saved, tmp_path, config, named, place):
    whole = next(iter(saved))
    inside = {"layers": [{"dtype": config()}]} if place == "config" else config()
    path = rewritten(
        whole, tmp_path / "m.keras", config=json.dumps(config_of(whole) | {place: inside})
    )
    with pytest.raises(InputError, match=re.escape(named)) as caught:
        load_model(path)
    assert f"{path} is not loaded: it names the class" in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(path))
