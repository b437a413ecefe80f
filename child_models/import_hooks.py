"""Lets functions run right after a module of another program is executed, whoever imports it.

A finder in `sys.meta_path` finds the modules that were asked for where everyone else does, with
their own loaders in a wrapper that calls the functions. It has no state besides, so that threads,
`importlib.reload` and looking for a module without an import find what they would without it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

After = Callable[[ModuleType], None]


def call_after(name: str, function: After) -> None:
    """Call a function with a module whenever that is executed from here on.

    Args:
      name: the module's full name.
      function: asking for the same one again changes nothing.
    """
    finder = next((f for f in sys.meta_path if isinstance(f, _AfterFinder)), None)
    if finder is None:
        finder = _AfterFinder()
        sys.meta_path.insert(0, finder)
    functions = finder.functions.get(name, ())
    if function not in functions:
        finder.functions[name] = (*functions, function)


class _AfterFinder(importlib.abc.MetaPathFinder):
    """Finds modules where everyone else does, and stays: one may be looked for without an import.

    Attributes:
      functions: by the module's name, what is called after it.
    """

    def __init__(self) -> None:
        self.functions: dict[str, tuple[After, ...]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a module's spec, as the finders behind this one have it; None for most modules."""
        functions = self.functions.get(fullname)
        if functions is None:
            return None
        finders = list(sys.meta_path)
        behind = finders[finders.index(self) + 1 :] if self in finders else []
        for finder in behind:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and not isinstance(spec.loader, _CallingLoader):
                    spec.loader = _CallingLoader(spec.loader, functions)
                return spec
        return None


class _CallingLoader(importlib.abc.Loader):
    """Executes a module as its own loader does, then calls the functions."""

    def __init__(self, loader: Any, functions: Sequence[After]):
        self._loader, self._functions = loader, functions

    def __getattr__(self, name: str) -> Any:  # what importers ask of the module's own, as its files
        if name == "_loader":
            raise AttributeError(name)  # in a copy that is being made
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, which keeps its own loader, and call the functions."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for function in self._functions:
            function(module)
