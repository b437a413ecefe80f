"""Makes this project's classes known to Keras, so that saved models load.

Keras finds the classes of a `.keras` file only where they are registered, and a class registers
itself where its module is imported. So that `import nas_with_rl` is enough and stays light,
stand-ins are registered instead, as soon as Keras is there: each imports its module when a file
names it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

PACKAGE = "nas_with_rl"
# Every class that a saved model may name, and the module that registers it.
CLASSES = {
    "BasicRNNCell": "designed_cells",
    "GRUCell": "designed_cells",
    "LSTMCell": "designed_cells",
    "LanguageModel": "language_model",
    "LocalContrastNormalization": "contrast_normalization",
    "PeepholeLSTMCell": "designed_cells",
    "TreeCell": "recurrent_cell",
}


def register_with_keras() -> None:
    """Register the stand-ins now, or as soon as Keras has been imported."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _register() -> None:
    import keras

    registered = keras.saving.get_custom_objects()
    for name, module in CLASSES.items():
        registered.setdefault(f"{PACKAGE}>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    def from_config(config: dict[str, Any]) -> Any:
        loaded = importlib.import_module(f"{PACKAGE}.child_models.{module}")
        return getattr(loaded, name).from_config(config)

    return type(name, (), {"from_config": staticmethod(from_config)})


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds Keras as everyone else does, and registers right after it has been imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return Keras's spec; None for every other module."""
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            _register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
