"""What comes from Python: search spaces and settings with values of any kind."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from mutations import NUMBERS, SCALARS, TEXTS

import nas_with_rl as nas
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

_ANYTHING = st.one_of(
    SCALARS,
    NUMBERS,
    st.integers(-2, 4),
    st.binary(max_size=3),
    st.integers(0, 9).map(np.int64),
    st.floats(width=32).map(np.float32),
    st.lists(SCALARS, max_size=2),
    st.frozensets(st.integers(), max_size=2),
    st.dictionaries(TEXTS, SCALARS, max_size=2),
    st.sampled_from([(), object, np.zeros(2), 3j]),
)


class Spaces:
    """Search spaces: options, names and conditions."""

    name = "space"

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        self.inputs = _described_spaces()

    def use(self, example: tuple[Any, Any, Any]) -> None:
        """Build the space, and read an architecture of it from its text."""
        decisions, layer_decisions, depth = example
        space = nas.SearchSpace(_decisions(decisions), _decisions(layer_decisions), depth=depth)
        assert space.size > 0
        found = random_architecture(space, np.random.default_rng(0))
        assert parse_architecture(str(found), space).tokens == found.tokens
        sent = pickle.loads(pickle.dumps(found))
        assert sent == found and hash(sent) == hash(found) and sent in {found}
        assert list(dict(found)) == list(found)
        assert [step.conditions for step in space.plain().steps] == [
            step.conditions for step in space.steps
        ]


@st.composite
def _described_spaces(draw: Any) -> tuple[list[list[Any]], list[list[Any]], Any]:
    """Draw a space that can be built, and change at most two of its parts into anything."""
    options = st.sampled_from([(8, 16, 32), ("relu", "tanh"), (0.1, 1), (True, False), ("x",)])
    decisions: list[list[Any]] = []
    for name in ("a", "group/b", "group/c")[: draw(st.integers(0, 3))]:
        parents = [each for each in decisions if draw(st.booleans())]
        condition = {each[1]: each[2][:1] for each in parents} or None
        decisions.append(["choice", name, draw(options), condition])
    depth = draw(st.integers(0 if decisions else 1, 3))
    layers: list[list[Any]] = []
    if depth:
        layers = [["choice", "d", draw(options), None], ["skips", "inputs"]]
        layers = layers[: draw(st.integers(1, 2))]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from([*decisions, *layers, None]))
        if place is None:
            depth = draw(_ANYTHING)
        else:
            index = draw(st.integers(1, len(place) - 1))
            lists = st.lists(_ANYTHING, max_size=3)
            place[index] = draw(st.one_of(_ANYTHING, TEXTS, lists, st.tuples(TEXTS, lists)))
    return decisions, layers, depth


def _decisions(described: Any) -> list[Any]:
    made = {"choice": nas.Choice, "skips": nas.Skips}
    return [made[kind](*arguments) for kind, *arguments in described]


class Settings:
    """Fields of configurations."""

    name = "settings"
    _CLASSES = (
        nas.SearchConfig,
        nas.DepthSchedule,
        nas.ReinforceConfig,
        nas.PolicyConfig,
        nas.OwnEvaluation,
        ConvolutionalSpace,
        ImageDataConfig,
        ImageTraining,
        LanguageModelTraining,
        RecurrentCellSpace,
        TextDataConfig,
    )

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        self.inputs = st.one_of(*(self._of(kind) for kind in self._CLASSES))

    def _of(self, kind: type) -> Any:
        fields = [field.name for field in dataclasses.fields(kind)]
        values = st.dictionaries(st.sampled_from(fields), _ANYTHING, min_size=1, max_size=2)
        return st.tuples(st.just(kind), values)

    def use(self, example: tuple[type, dict[str, Any]]) -> None:
        """Make the configuration."""
        kind, values = example
        defaults = {"function": "module:name"} if kind is nas.OwnEvaluation else {}
        kind(**{**defaults, **values})


SUBJECTS = (Spaces, Settings)
