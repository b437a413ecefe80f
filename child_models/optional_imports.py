"""Keeps out of a process what Keras and TensorFlow import in case that someone uses it.

Some of their modules import matplotlib.pyplot, scikit-learn, SciPy, IPython, pandas or JAX where
these are installed, for functions that hardly anyone calls: half the time that both take to import,
and a quarter of the memory. Here such a module is told that they are not there, and gets a stand-in
under the same name right afterwards, which imports the real one when it is used: `keras.wrappers`
and `keras.visualization` do what they would have done.

Who else imports one of them, at any time, gets it as ever: the user's own code, Keras on JAX, and
these modules' own functions. So does everyone once it has been imported.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType, MappingProxyType, ModuleType
from typing import Any

from nas_with_rl.child_models.import_hooks import call_after


class _LazyName:
    """A name of a module that is imported when it is first used.

    Attributes are those of the module, or of its attribute; a call calls that.
    """

    def __init__(self, module: str, attribute: str | None = None):
        self._module, self._attribute = module, attribute

    def _real(self) -> Any:
        module = importlib.import_module(self._module)
        return module if self._attribute is None else getattr(module, self._attribute)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_module", "_attribute"):
            raise AttributeError(name)  # no reason to import: asked by whoever looks at everything
        return getattr(self._real(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)


class _OfPandas(type):
    """A class whose instances are those of pandas' class of its name, once that is imported."""

    def __instancecheck__(cls, value: object) -> bool:
        real = getattr(sys.modules.get("pandas"), cls.__name__, None)
        return real is not None and isinstance(value, real)


class _Pandas:
    """What Keras asks of pandas: whether a value is of it."""

    DataFrame, Series = _OfPandas("DataFrame", (), {}), _OfPandas("Series", (), {})


def _is_sparse(value: object) -> bool:
    """Return what `scipy.sparse.issparse` would: nothing is sparse that SciPy has not made."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(value)


# By the module that imports: the packages that it does not get, and what its own names for them
# become. `keras.wrappers` has classes that derive from scikit-learn's, see `_defer_wrappers`.
_OPTIONS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "keras.src.callbacks.orbax_checkpoint": ("jax", {}),  # mends an old JAX, for JAX alone
        "keras.src.saving.file_editor": ("IPython", {"ipython": _LazyName("IPython")}),
        # Its PyArrow starts a thread too, so that this process could not be forked.
        "keras.src.trainers.data_adapters.array_slicing": ("pandas", {"pandas": _Pandas}),
        "keras.src.visualization.plot_bounding_box_gallery": (
            "matplotlib",
            {"patches": _LazyName("matplotlib.patches")},
        ),
        "keras.src.visualization.plot_image_gallery": (
            "matplotlib",
            {"plt": _LazyName("matplotlib.pyplot")},
        ),
        "keras.src.wrappers.fixes": ("sklearn", {}),
        "keras.src.wrappers.sklearn_wrapper": ("sklearn", {}),
        "keras.src.wrappers.utils": ("sklearn", {}),
        "tensorflow.lite.python.util": ("jax", {"_jit": _LazyName("jax", "jit")}),
        "tensorflow.python.keras.engine.training_arrays_v1": ("scipy", {"issparse": _is_sparse}),
        "tensorflow.python.keras.engine.training_v1": ("scipy", {"issparse": _is_sparse}),
    }
)
_PACKAGES = frozenset(package for package, _ in _OPTIONS.values())
_WRAPPERS = ("SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer")
# Where users find them; each has the names that the one before it has.
_WRAPPER_MODULES = ("keras.src.wrappers", "keras.wrappers", "keras._tf_keras.keras.wrappers")
_wrappers_lock = threading.RLock()


def keep_options_out() -> None:
    """Keep the options out of every import of Keras and TensorFlow from here on."""
    if _OptionsFinder not in sys.meta_path:
        sys.meta_path.insert(0, _OptionsFinder)
    for name, (_, stand_ins) in _OPTIONS.items():
        if stand_ins:
            call_after(name, _stand_in)
    for name in _WRAPPER_MODULES:
        call_after(name, _defer_wrappers)


class _OptionsFinder:
    """Says to the modules above, while they are executed, that their options are not there."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Find nothing.

        Raises:
          ModuleNotFoundError: an import that is to find nothing elsewhere either.
        """
        # Whole packages alone: whoever has imported one shares its parts with Keras too.
        if fullname not in _PACKAGES:
            return
        importer = _importer(sys._getframe(1))
        package, _ = _OPTIONS.get(importer, ("", {}))
        if package == fullname:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _importer(frame: FrameType | None) -> str:
    """Return the name of the module whose own body imports something; "" for a function's."""
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    if frame is None or frame.f_code.co_name != "<module>":
        return ""
    name: str = frame.f_globals.get("__name__", "")
    return name


def _stand_in(module: ModuleType) -> None:
    """Give a module its stand-ins for what it has not got."""
    _, stand_ins = _OPTIONS[module.__name__]
    for name, stand_in in stand_ins.items():
        if vars(module).get(name, ...) is None:
            setattr(module, name, stand_in)


def _defer_wrappers(module: ModuleType) -> None:
    """Make a module's wrappers for scikit-learn be defined when they are first asked for."""
    source = sys.modules.get("keras.src.wrappers.sklearn_wrapper")
    if source is None or vars(source).get("sklearn", ...) is not None:
        return
    names = [name for name in _WRAPPERS if vars(module).pop(name, None) is not None]

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        _define_wrappers()
        value = getattr(source, name)
        setattr(module, name, value)
        return value

    vars(module).update(__getattr__=get, __all__=[*names])


def _define_wrappers() -> None:
    """Execute the wrappers' modules again, now with scikit-learn if there is one."""
    with _wrappers_lock:
        wrapper = sys.modules["keras.src.wrappers.sklearn_wrapper"]
        if vars(wrapper).get("sklearn") is not None:
            return
        try:
            importlib.import_module("sklearn.base")
        except ImportError:
            return  # they say so themselves, where one is made
        for part in ("fixes", "utils", "sklearn_wrapper"):
            importlib.reload(sys.modules[f"keras.src.wrappers.{part}"])
