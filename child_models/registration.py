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
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

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
    if not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())
    if sys.modules.get("keras") is not None:
        register_now()


def register_now() -> None:
    """Import Keras, if it is not there, and register the stand-ins."""
    # Not `from keras.saving import`: where another thread imports Keras, that would hold the lock
    # of a part of Keras while it waits for the whole.
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
    """Finds Keras where everyone else does, and stays: it may be looked for without an import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return Keras's spec, as the finders behind this one have it; None for other modules."""
        if fullname != "keras":
            return None
        finders = list(sys.meta_path)
        behind = finders[finders.index(self) + 1 :] if self in finders else []
        for finder in behind:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and not isinstance(spec.loader, _RegisteringLoader):
                    spec.loader = _RegisteringLoader(spec.loader)
                return spec
        return None


class _RegisteringLoader(importlib.abc.Loader):
    """Executes a module as its own loader does, then registers."""

    def __init__(self, loader: Any):
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # what importers ask of Keras's own, as its files
        if name == "_loader":
            raise AttributeError(name)  # in a copy that is being made
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, which keeps its own loader, and register."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        register_now()
