"""Which classes a saved model may name: compared with its file before Keras reads that.

Keras looks a class up by the module and the name that the file gives, so that a file from elsewhere
chooses what is called. The models that are saved here need few of Keras's classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nas_with_rl.child_models.registration import CLASSES, PACKAGE
from nas_with_rl.search_spaces.errors import InputError, shown

# By module as Keras writes it, what `convnets` and `language_models` build with.
_OF_KERAS: Mapping[str | None, frozenset[str]] = MappingProxyType(
    {
        None: frozenset({"__keras_tensor__"}),  # a layer's input
        "keras": frozenset({"DTypePolicy"}),
        "keras.initializers": frozenset({"GlorotUniform", "HeNormal", "Ones", "Zeros"}),
        "keras.layers": frozenset(
            {
                "AveragePooling2D",
                "BatchNormalization",
                "Concatenate",
                "Conv2D",
                "Dense",
                "GlobalAveragePooling2D",
                "InputLayer",
                "MaxPooling2D",
                "ReLU",
                "ZeroPadding2D",
            }
        ),
        "keras.src.models.functional": frozenset({"Functional"}),
    }
)
_KEYS = ("module", "class_name", "registered_name")


def check_classes(config: Any) -> None:
    """Compare all classes that a model's configuration names with those that are known.

    Raises:
      InputError: it names another one; or a name is no text.
    """
    for module, name, registered in _named_classes(config):
        if not _is_known(module, name, registered):
            where = module if isinstance(module, str) else registered
            text = f"{where}.{name}" if isinstance(where, str) else str(name)
            raise InputError(f"it names the class {shown(text)}, which no model has here")


def _named_classes(config: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield module, class and registered name of each entry of a configuration that names one."""
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if any(key in value for key in _KEYS):
                module, name, registered = map(value.get, _KEYS)
                yield module, name, registered
            left += value.values()
        elif isinstance(value, list):
            left += value


def _is_known(module: Any, name: Any, registered: Any) -> bool:
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    if name in CLASSES and registered == f"{PACKAGE}>{name}":
        return module is None or module.startswith(f"{PACKAGE}.")
    return name in _OF_KERAS.get(module, ()) and registered in (None, name)
