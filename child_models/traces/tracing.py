"""Runs a language model over a text step by step and records every signal of every layer.

Shapes: T tokens, E embedding width, H units, V vocabulary, S signals of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from nas_with_rl.child_models.cells.known_cells import cell_kind
from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.child_models.traces.trace import LayerTrace, Signal, Trace
from nas_with_rl.search_spaces.errors import InputError


def trace(model: LanguageModel, numbers: np.ndarray, vocabulary: Sequence[str]) -> Trace:
    """Return all that a model computes on a text, from the zero state and without dropout.

    The gates are those that made the state of the same step, c_t = f_t ⊙ c_(t-1) + i_t ⊙ g_t.

    Args:
      model: of any cell and number of layers.
      numbers: the text's tokens, integers [T].
      vocabulary: the token of each number.

    Raises:
      InputError: an empty text, one that is no row of integers, or numbers or a vocabulary that
        are not the model's.
    """
    numbers = check_text(model, numbers)
    check_vocabulary(model, vocabulary)
    kinds = cell_kind(model.cell).signals

    def run(tokens: Tensor) -> tuple[list[Sequence[Tensor]], Tensor]:
        values = keras.ops.take(model.embedding, tokens, axis=0)  # [T, E]
        layers = []
        for layer in model.recurrent_layers:
            layers.append(_signals_of_all_steps(layer.cell, kinds, values))
            values = _named(kinds, layers[-1], "hidden")[:, 0]
        return layers, keras.ops.softmax(model.logits(values))

    layers, probabilities = compiled(run)(keras.ops.convert_to_tensor(numbers))
    return Trace(
        tokens=tuple(vocabulary[number] for number in numbers),
        vocabulary=tuple(vocabulary),
        layers=tuple(LayerTrace(_to_signals(kinds, values)) for values in layers),
        probabilities=keras.ops.convert_to_numpy(probabilities),
    )


def check_text(model: LanguageModel, numbers: np.ndarray) -> np.ndarray:
    """Return a text's numbers as int32 [T].

    Raises:
      InputError: no numbers, no row of integers, or one that is outside the model's vocabulary.
    """
    numbers = np.asarray(numbers)
    if not numbers.size:
        raise InputError("the text is empty")
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise InputError(f"the text is {numbers.dtype} {list(numbers.shape)}, not integers [T]")
    outside = numbers[(numbers < 0) | (numbers >= model.size.vocabulary)]
    if outside.size:
        raise InputError(
            f"the text has the token number {outside[0]}, not one of the model's, "
            f"0 to {model.size.vocabulary - 1}"
        )
    return numbers.astype(np.int32)


def check_vocabulary(model: LanguageModel, vocabulary: Sequence[str]) -> None:
    """Raise InputError unless a vocabulary has as many tokens as the model knows."""
    if len(vocabulary) != model.size.vocabulary:
        raise InputError(
            f"the vocabulary has {len(vocabulary)} tokens, the model {model.size.vocabulary}"
        )


def _signals_of_all_steps(
    cell: Any, kinds: Sequence[SignalKind], inputs: Tensor
) -> Sequence[Tensor]:
    """Return a cell's signals from the zero state, [T, 1, H] each, for inputs [T, E]."""

    def step(before: Sequence[Tensor], entering: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        hidden = _named(kinds, before, "hidden")
        states = (hidden, _named(kinds, before, "cell", otherwise=hidden))
        signals = tuple(cell.signals(entering, states))
        return signals, signals

    zeros = keras.ops.zeros((1, cell.units))
    return keras.ops.scan(step, (zeros,) * len(kinds), inputs[:, None])[1]


def _named(
    kinds: Sequence[SignalKind], signals: Sequence[Tensor], name: str, otherwise: Tensor = None
) -> Tensor:
    names = [kind.name for kind in kinds]
    return signals[names.index(name)] if name in names else otherwise


def _to_signals(kinds: Sequence[SignalKind], values: Sequence[Tensor]) -> tuple[Signal, ...]:
    """Return the signals of a layer, for values [T, 1, H]."""
    return tuple(
        Signal(kind, keras.ops.convert_to_numpy(each)[:, 0])
        for kind, each in zip(kinds, values, strict=True)
    )


def compiled(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors as one program, on TensorFlow and on JAX."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(run)
    import tensorflow as tf

    program = tf.function(run, autograph=False)
    # Traced by name: TensorFlow warns of functions that calls trace again and again.
    return lambda *inputs: program.get_concrete_function(*inputs)(*inputs)
