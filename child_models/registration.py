"""Makes this project's classes known to Keras, so that saved models load.

Keras finds the classes of a `.keras` file only where they are registered, and a class registers
itself where its module is imported. So that `import nas_with_rl` is enough and stays light,
stand-ins are registered instead, as soon as Keras is there: each imports its module when a file
names it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from nas_with_rl.child_models.import_hooks import call_after

PACKAGE = "nas_with_rl"
# Every class that a saved model may name, and the module that registers it.
CLASSES = {
    "BasicRNNCell": "cells.designed_cells",
    "GRUCell": "cells.designed_cells",
    "LSTMCell": "cells.designed_cells",
    "LanguageModel": "language_models.model",
    "LocalContrastNormalization": "convnets.contrast_normalization",
    "PeepholeLSTMCell": "cells.designed_cells",
    "TreeCell": "cells.tree_cell",
}


def register_with_keras() -> None:
    """Register the stand-ins whenever Keras is executed from here on, and now if it is there."""
    call_after("keras", _register)
    if sys.modules.get("keras") is not None:
        register_now()


def register_now() -> None:
    """Import Keras, if it is not there, and register the stand-ins."""
    # Not `from keras.saving import`: where another thread imports Keras, that would hold the lock
    # of a part of Keras while it waits for the whole.
    import keras

    _register(keras)


def _register(keras: ModuleType) -> None:
    registered = keras.saving.get_custom_objects()
    for name, module in CLASSES.items():
        registered.setdefault(f"{PACKAGE}>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    def from_config(config: dict[str, Any]) -> Any:
        loaded = importlib.import_module(f"{PACKAGE}.child_models.{module}")
        return getattr(loaded, name).from_config(config)

    return type(name, (), {"from_config": staticmethod(from_config)})
