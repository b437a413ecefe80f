"""What Keras and TensorFlow import as options: kept out, and there for whoever uses it."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys
OPTIONS = ("IPython", "jax", "matplotlib", "scipy", "sklearn")
def there():
    return [name for name in OPTIONS if name in sys.modules]
"""
KEPT_OUT = """
import importlib, importlib.util
import nas_with_rl.child_models.language_models.model
import keras, numpy as np, tensorflow as tf
from nas_with_rl.child_models import optional_imports
assert not there(), there()
assert all(importlib.util.find_spec(name) for name in OPTIONS)
assert set(optional_imports._OPTIONS) <= set(sys.modules)  # none has another name by now

assert keras.wrappers.SKLearnClassifier.__module__ == "keras.src.wrappers.sklearn_wrapper"
import sklearn.base
from keras.wrappers import *
from keras.src.wrappers import SKLearnRegressor as inner
assert SKLearnRegressor is keras.wrappers.SKLearnRegressor is tf.keras.wrappers.SKLearnRegressor
assert inner is SKLearnRegressor and issubclass(SKLearnRegressor, sklearn.base.RegressorMixin)
def linear(X, y):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
fitted = SKLearnRegressor(linear, fit_kwargs={"verbose": 0}).fit(np.eye(4), np.arange(4.0))
assert fitted.predict(np.eye(4)).shape[0] == 4
try:
    keras.wrappers.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError

import matplotlib
matplotlib.use("agg")
keras.visualization.plot_image_gallery(np.zeros((4, 8, 8, 3)), rows=2, cols=2, path=sys.argv[1])
boxes = sys.modules["keras.src.visualization.plot_bounding_box_gallery"]
assert boxes.patches.Patch is matplotlib.patches.Patch
import scipy.sparse
from tensorflow.lite.python import lite
from tensorflow.python.keras.engine import training_v1
assert lite._jit(lambda x: x + 1)(1) == 2
assert training_v1.issparse(scipy.sparse.eye(2)) and not training_v1.issparse(np.eye(2))
importlib.reload(sys.modules["keras.src.visualization.plot_image_gallery"])
assert keras.src.visualization.plot_image_gallery.plt is sys.modules["matplotlib.pyplot"]
import IPython
assert len(there()) == len(OPTIONS)
"""
ON_JAX = """
import nas_with_rl.child_models.registration
import keras
assert there() == ["jax", "scipy"], there()
assert float(keras.ops.sum(keras.ops.ones(3))) == 3
"""
WHOEVER_WAS_FIRST = """
import matplotlib.pyplot, sklearn
import nas_with_rl
import keras
assert keras.src.visualization.plot_image_gallery.plt is matplotlib.pyplot
assert issubclass(keras.wrappers.SKLearnClassifier, sklearn.base.BaseEstimator)
"""
IN_THREADS = """
import importlib, threading
import nas_with_rl
together, failures = threading.Barrier(5), []
def load(name):
    together.wait()
    try:
        importlib.import_module(name)
    except BaseException as error:
        failures.append((name, error))
sys.setswitchinterval(1e-6)
names = ["keras", "matplotlib.pyplot", "keras", "sklearn.base", "scipy.sparse"]
threads = [threading.Thread(target=load, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
import keras, sklearn, matplotlib.pyplot
assert issubclass(keras.wrappers.SKLearnClassifier, sklearn.base.BaseEstimator)
assert keras.src.visualization.plot_image_gallery.plt.subplots is matplotlib.pyplot.subplots
"""
UNINSTALLED = """
class Missing:  # as if they were not installed
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("matplotlib", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
import nas_with_rl
import keras
for use in (
    lambda: keras.wrappers.SKLearnClassifier(keras.Sequential()),
    lambda: keras.visualization.plot_image_gallery(keras.ops.ones((1, 2, 2, 3)), rows=1, cols=1),
):
    try:
        use()
    except ImportError:
        pass
    else:
        raise AssertionError
"""
PANDAS = """
import nas_with_rl.child_models.language_models.model
import keras, numpy as np
assert "pandas" not in sys.modules and "pyarrow" not in sys.modules
import pandas
from keras.src.trainers.data_adapters import array_slicing
frame, series = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}), pandas.Series([1.0, 2.0])
assert isinstance(frame, array_slicing.pandas.DataFrame)
assert isinstance(series, array_slicing.pandas.Series)
assert not isinstance(series, array_slicing.pandas.DataFrame)
model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
model.compile("sgd", "mse")
assert model.predict(frame, verbose=0).ravel().tolist() == [4.0, 7.0]
model.fit(frame, series, verbose=0)
"""


@pytest.mark.parametrize(
    ("backend", "program"),
    [
        pytest.param("tensorflow", KEPT_OUT, id="kept out"),
        pytest.param("jax", ON_JAX, id="on jax"),
        pytest.param("jax", WHOEVER_WAS_FIRST, id="whoever was first"),
        pytest.param("jax", IN_THREADS, id="in threads"),
        pytest.param("jax", UNINSTALLED, id="uninstalled"),
        pytest.param(
            "tensorflow",
            PANDAS,
            id="pandas",
            marks=pytest.mark.skipif(not find_spec("pandas"), reason="needs pandas"),
        ),
    ],
)
def test_options_are_kept_out_of_the_import_alone(tmp_path, backend, program):
    done = subprocess.run(
        [sys.executable, "-c", START + program, str(tmp_path / "picture.png")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr[-2000:]
