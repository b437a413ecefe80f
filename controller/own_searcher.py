"""A searcher of the user's own: a class of four methods, which is asked, told, saved and restored.

class MySearcher:
    def __init__(self, space, *, max_depth, seed): ...
    def ask(self, space, trials): ...  # an Architecture of the space for each trial number
    def tell(self, proposals, rewards): ...  # proposal.trial, proposal.architecture
    def save(self, directory): ...  # files, into an empty directory
    def restore(self, directory): ...
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.field_checks import checked
from nas_with_rl.search_spaces.space import SearchSpace

VERSION_FILE = "own_searcher.json"  # beside what the class saves
METHODS = ("ask", "tell", "save", "restore")


def check_class(found: object, *, title: str) -> None:
    """Raise InputError unless this can be called as the class of a searcher of one's own."""
    if not callable(found):
        raise InputError(f"{title}: it is of type {type(found).__name__}, no class")
    if isinstance(found, type):
        _check_methods(found, title)
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # of some classes in C
        return
    try:
        signature.bind(None, max_depth=0, seed=0)
    except TypeError:
        raise InputError(
            f"{title}: it is called with (space, max_depth=..., seed=...), and takes "
            f"{shortened(str(signature))}"
        ) from None


def _check_methods(found: object, title: str) -> None:
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if missing:
        raise InputError(f"{title}: it has no {' and no '.join(missing)}")


class OwnSearcher:
    """Counts the updates of an object of one's own, and checks what it proposes."""

    def __init__(self, own: Any, *, name: str):
        """Wrap an object.

        Args:
          own: with the four methods.
          name: of its class, for messages: "module:Class".

        Raises:
          InputError: it lacks one of them.
        """
        _check_methods(own, name)
        self._own, self._name = own, name
        self._version = 0

    @property
    def version(self) -> int:
        """Updates made so far: batches told."""
        return self._version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Let it propose.

        Raises:
          InputError: as many architectures of this space are not what it has returned.
        """
        asked = self._own.ask(space, trials)
        if not isinstance(asked, list | tuple):
            raise self._wrong(f"{shown(asked)}, no list of architectures")
        if len(asked) != len(trials):
            raise self._wrong(f"{len(asked)} architectures for {len(trials)} trials")
        return [
            self._checked(each, trial, space) for each, trial in zip(asked, trials, strict=True)
        ]

    def _checked(self, proposed: object, trial: int, space: SearchSpace) -> Proposal:
        proposal = proposed if isinstance(proposed, Proposal) else None
        architecture = proposal.architecture if proposal else proposed
        if not isinstance(architecture, Architecture):
            raise self._wrong(f"{shown(proposed)} for trial {trial}, no Architecture")
        there = architecture.space
        if there is not space and there != space:
            decisions = [each.decisions + each.layer_decisions for each in (there, space)]
            if there.depth != space.depth and decisions[0] == decisions[1]:
                found = f"of depth {there.depth}, where the space has depth {space.depth}"
            else:
                found = f"of space {shown(there.name)}, not of the {shown(space.name)} it was given"
            raise self._wrong(f"an architecture for trial {trial} {found}")
        if proposal is None:
            return Proposal(trial, architecture, version=self._version)
        if proposal.trial != trial:
            raise self._wrong(f"a proposal for trial {proposal.trial} in the place of {trial}")
        log_prob = checked(proposal.log_prob, float | None, f"{self._name}.ask: log_prob")
        if log_prob is not None and not math.isfinite(log_prob):
            raise self._wrong(f"log_prob {log_prob} for trial {trial}, no finite number")
        return Proposal(trial, architecture, log_prob, self._version)

    def _wrong(self, found: str) -> InputError:
        return InputError(f"{self._name}.ask has returned {found}")

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Let it learn. Where it returns an `Update`, its numbers and notes are shown."""
        told = self._own.tell(proposals, rewards)
        self._version += 1
        if isinstance(told, Update):
            return dataclasses.replace(told, version=self._version)
        return Update(self._version, baseline=0.0, entropies={}, gradient_norm=0.0)

    def save(self, directory: Path) -> None:
        """Let it save, and write the version beside.

        Raises:
          InputError: it has made a folder, or a file of the version's name.
        """
        self._own.save(directory)
        for path in directory.iterdir():
            if path.name == VERSION_FILE or not path.is_file():
                kind = "a file" if path.is_file() else "a folder"
                raise InputError(
                    f"{self._name}.save has made {kind} {shown(path.name)}; it may have files of "
                    f"any other name than {VERSION_FILE}, and no folders"
                )
        (directory / VERSION_FILE).write_text(json.dumps({"version": self._version}))

    def restore(self, directory: Path) -> None:
        """Let it restore, and read the version."""
        version = int(json.loads((directory / VERSION_FILE).read_text())["version"])
        self._own.restore(directory)
        self._version = version
