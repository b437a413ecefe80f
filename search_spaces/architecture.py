"""Architectures, and the one line of text that stands for each.

The text is the chosen options in the controller's order, "|" between layers or nodes, a skip
decision as the layers it takes ("1,3", or "-" for none):

    3 3 - 36 | 3 3 1 48 | 5 7 1,2 36
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nas_with_rl.search_spaces.decisions import Option
from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips, Step, Token

Answer = Option  # of a skip decision a tuple of layers; None where a decision does not exist


@dataclasses.dataclass(frozen=True, repr=False)
class Architecture(Mapping[str, Any]):
    """A complete token sequence of a space: a mapping of its decisions to what was chosen.

    `architecture["units"]` is an option, and for a layer's decision a tuple with one for each
    layer. A decision that does not exist here is None, and no key: `dict(architecture)` and
    `build(**architecture)` have those that do. Architectures of equal spaces and tokens are equal.

    Attributes:
      space: at the architecture's depth.
      tokens: one per step of the space; see `space.Token`.
    """

    space: SearchSpace
    tokens: tuple[Token, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(self.tokens))
        steps = self.space.steps
        if len(self.tokens) != len(steps):
            raise InputError(
                f"an architecture of {self.space.name!r} has {len(steps)} tokens, "
                f"not {len(self.tokens)}"
            )
        for step, token in zip(steps, self.tokens, strict=True):
            if not self.space.exists(step, self.tokens):
                fits = token is None
            elif isinstance(step.decision, Skips):
                fits = isinstance(token, tuple) and all(0 < j < step.layer for j in token)
                fits = fits and list(token or ()) == sorted(set(token or ()))  # type: ignore[arg-type]
            else:
                fits = isinstance(token, int) and 0 <= token < len(step.decision.options)
            if not fits:
                raise InputError(f"{step.title}: no such token: {shown(token)}")

    def __getitem__(self, name: str) -> Answer:
        """What was chosen: one value, or one per layer for a layer's decision.

        A decision that does not exist in this architecture is None.

        Raises:
          KeyError: the space has no decision of that name.
        """
        if name not in self._chosen:
            near = difflib.get_close_matches(str(name), self._chosen, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise KeyError(f"space {shown(self.space.name)} has no decision named {name!r}{meant}")
        return self._chosen[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the decisions that exist here, in the controller's order."""
        return iter(self._existing)

    def __len__(self) -> int:
        return len(self._existing)

    def __contains__(self, name: object) -> bool:
        return name in self._existing

    def get(self, name: str, default: Any = None) -> Any:
        """What was chosen; the default where the decision does not exist here."""
        return self._chosen[name] if name in self else default

    @functools.cached_property
    def _chosen(self) -> dict[str, Answer]:
        """What was chosen, by the name of every decision of the space."""
        return self._by_decision(lambda choice, token: choice.options[token])

    def written(self) -> dict[str, Answer]:
        """Return the same as it is shown: an option that is no plain value as its text."""
        return self._by_decision(Choice.written)

    def _by_decision(self, answer: Callable[[Choice, int], Answer]) -> dict[str, Answer]:
        found: dict[str, Any] = {each.name: None for each in self.space.decisions}
        found |= {each.name: () for each in self.space.layer_decisions}
        for step, token in zip(self.space.steps, self.tokens, strict=True):
            value: Any = token
            if isinstance(token, int):
                assert isinstance(step.decision, Choice)
                value = answer(step.decision, token)
            name = step.decision.name
            found[name] = (*found[name], value) if step.layer else value
        return found

    @functools.cached_property
    def _existing(self) -> dict[str, None]:
        """The names of the decisions that exist here; a layer's where it does in any layer."""
        found = dict.fromkeys(self._chosen, False)
        for step, token in zip(self.space.steps, self.tokens, strict=True):
            found[step.decision.name] |= token is not None
        return dict.fromkeys(name for name, exists in found.items() if exists)

    def __getstate__(self) -> dict[str, Any]:
        return {"space": self.space, "tokens": self.tokens}

    def __repr__(self) -> str:
        return f"Architecture({str(self)!r})"

    def __str__(self) -> str:
        return self._text

    def source(self) -> str:
        """Return a file of plain Keras 3 that builds what this stands for, without this project.

        Of a recurrent cell it has a class `FoundCell` for `keras.layers.RNN`, of a ConvNet a
        function `build`. Both take the weights of what is built here.

        Raises:
          InputError: of a space of one's own, or of NAS-Bench-201: nothing is built of it here.
        """
        # By name, since what is built imports this folder and not the reverse.
        name = "nas_with_rl.child_models.source_code.architectures"
        text: str = importlib.import_module(name).architecture_source(self)
        return text

    def svg(self, *, simplified: bool = False, title: str | None = None, notes: bool = True) -> str:
        """Return a picture as SVG, to stand in a page, as an image or alone.

        A recurrent cell is drawn as its tree, a ConvNet as its layers with their skip
        connections, as its space builds it, anything else as a table of its decisions.

        Args:
          simplified: draw a cell folded, which is the same function without identities and what
            has no effect; a ConvNet of blocks with a box for each block.
          title: above the picture; empty for none, None for what it is.
          notes: whether lines below the title say how to read it.
        """
        # By then, since what draws imports this module.
        from nas_with_rl.search_spaces.pictures.picture import architecture_svg

        return architecture_svg(self, simplified=simplified, title=title, notes=notes)

    def _repr_svg_(self) -> str:
        return self.svg()

    @functools.cached_property  # a search asks several times for each
    def _text(self) -> str:
        words: list[str] = []
        group = None
        for step, token in zip(self.space.steps, self.tokens, strict=True):
            if group is not None and step.group != group:
                words.append("|")
            group = step.group
            if token is not None:
                words.append(_word(step, token))
        return " ".join(words)


def _word(step: Step, token: Token) -> str:
    if isinstance(token, int):
        assert isinstance(step.decision, Choice)
        return step.decision.texts[token]
    return ",".join(map(str, token or ())) or "-"


def parse_architecture(text: str, space: SearchSpace, *, any_depth: bool = False) -> Architecture:
    """Read an architecture from its text.

    The "|" may be left out, all of them or none.

    Args:
      text: as `str(architecture)` writes it.
      space: where it belongs.
      any_depth: take the depth from the text instead of the space.

    Raises:
      InputError: an unknown, missing or surplus token, by name and position.
    """
    if not any_depth or not space.depth:
        return _Reader(text, space).finish(space)
    deepest = space.at_depth(min(len(text.split()) + 1, space.max_depth))
    reader = _Reader(text, deepest, any_depth=True)
    return reader.finish(space.at_depth(reader.depth))


class _Reader:
    """Reads the words of a text as the tokens of a space's steps, in order.

    Attributes:
      depth: the layers that were read; with `any_depth`, as many as the words are enough for, and
        at least one.
    """

    def __init__(self, text: str, space: SearchSpace, *, any_depth: bool = False):
        self._words = text.split()
        self._bars = "|" in self._words
        self._position = 0
        self._tokens: list[Token] = []
        self.depth = 0
        group = None
        for step in space.steps:
            if any_depth and step.layer > self.depth >= 1 and not self.words_left():
                break
            self.depth = step.layer
            if group is not None and step.group != group and self._bars:
                self._read_bar(group)
            group = step.group
            self._tokens.append(self._read(step) if space.exists(step, self._tokens) else None)

    def words_left(self) -> bool:
        return self._position < len(self._words)

    def finish(self, space: SearchSpace) -> Architecture:
        if self.words_left():
            surplus = " ".join(self._words[self._position :])
            raise InputError(
                f"architecture: surplus token {self._here()}: {shortened(surplus)!r} after the "
                f"last decision, {space.steps[-1].title}"
            )
        return Architecture(space, tuple(self._tokens))

    def _here(self) -> str:
        return f"at word {self._position + 1} of {len(self._words)}"

    def _read_bar(self, group: str) -> None:
        if self.words_left() and self._words[self._position] != "|":
            raise InputError(
                f"architecture: surplus token {self._here()}: "
                f"{shortened(self._words[self._position])!r} where {group} ends and '|' is due"
            )
        if self.words_left():
            self._position += 1

    def _read(self, step: Step) -> Token:
        word = self._words[self._position] if self.words_left() else "|"
        if word == "|":
            raise InputError(
                f"architecture: missing token for {step.title}, one of {_expected(step)} "
                f"({'before word' if self.words_left() else 'after word'} "
                f"{self._position + self.words_left()} of {len(self._words)})"
            )
        token = _token(step, word)
        if token is None:
            raise InputError(
                f"architecture: unknown token {self._here()}: {step.title} is "
                f"{shortened(word)!r}, not one of {_expected(step)}"
            )
        self._position += 1
        return token


def _token(step: Step, word: str) -> Token:
    """The token that a word stands for, None if it stands for nothing."""
    if isinstance(step.decision, Choice):
        return step.decision.texts.index(word) if word in step.decision.texts else None
    parts = [] if word == "-" else word.split(",")
    known = [str(layer) for layer in range(1, step.layer)]
    if any(part not in known for part in parts) or len(set(parts)) < len(parts):
        return None
    return tuple(sorted(int(part) for part in parts))


def _expected(step: Step) -> str:
    if isinstance(step.decision, Choice):
        return ", ".join(step.decision.texts)
    if not step.num_candidates:
        return "'-' (the first layer has no earlier ones)"
    return f"'-' or layers from 1 to {step.num_candidates}, as in '1' or '1,2'"


def random_architecture(space: SearchSpace, generator: np.random.Generator) -> Architecture:
    """Draw every decision uniformly: each option alike, each skip connection with 1/2."""
    tokens: list[Token] = []
    for step in space.steps:
        if not space.exists(step, tokens):
            tokens.append(None)
        elif isinstance(step.decision, Choice):
            tokens.append(int(generator.integers(len(step.decision.options))))
        else:
            drawn = generator.random(step.num_candidates) < 0.5
            tokens.append(tuple(int(j) + 1 for j in np.flatnonzero(drawn)))
    return Architecture(space, tuple(tokens))
