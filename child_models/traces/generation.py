"""Text that a language model writes: each character drawn from its prediction, and read next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from nas_with_rl.child_models.data.text import UNKNOWN
from nas_with_rl.child_models.language_models.model import LanguageModel, State
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.child_models.traces.tracing import check_vocabulary, compiled
from nas_with_rl.search_spaces.errors import InputError


def generate(
    model: LanguageModel,
    vocabulary: Sequence[str],
    prompt: str,
    *,
    length: int,
    temperature: float,
    seed: int,
) -> str:
    """Return what a model writes after a prompt, without the prompt.

    Args:
      model: of any cell and number of layers.
      vocabulary: the character of each number; UNKNOWN, if it is one, is never written.
      prompt: read from the zero state, at least one character; one that the vocabulary lacks is
        read as UNKNOWN.
      length: characters to write.
      temperature: divides the logits; 1 draws from the model's distribution, 0 takes the most
        probable character each time.
      seed: of the draws.

    Raises:
      InputError: an empty prompt, one with a character that cannot be read, a negative length or
        temperature, a vocabulary that is not the model's, or a model that has diverged.
    """
    check_vocabulary(model, vocabulary)
    if length < 0:
        raise InputError(f"length is {length}, below 0")
    if not 0 <= temperature < np.inf:
        raise InputError(f"temperature is {temperature}, not a number of at least 0")
    step, state = _step(model), model.initial_state(1)
    for token in _read(prompt, vocabulary):
        logits, state = step(token, state)
    rng = np.random.default_rng(seed)
    written: list[str] = []
    while len(written) < length:
        number = _draw(_writable(logits, vocabulary), temperature, rng)
        written.append(vocabulary[number])
        logits, state = step(number, state)
    return "".join(written)


def _read(prompt: str, vocabulary: Sequence[str]) -> list[int]:
    if not prompt:
        raise InputError("the prompt is empty: it needs at least one character to go on from")
    number_of = {token: number for number, token in enumerate(vocabulary)}
    unreadable = [each for each in prompt if each not in number_of]
    if unreadable and UNKNOWN not in number_of:
        raise InputError(f"the prompt has {unreadable[0]!r}, which the model's text never had")
    return [number_of.get(each, number_of.get(UNKNOWN, 0)) for each in prompt]


def _step(model: LanguageModel) -> Callable[[int, State], tuple[np.ndarray, State]]:
    """Return a compiled step: from a token and the state to the next one's logits [V] and state."""

    def predict(token: Tensor, state: Any) -> tuple[Tensor, State]:
        logits, last = model.predict_next(token[None, None], state)
        return logits[0, 0], last

    run = compiled(predict)

    def step(token: int, state: State) -> tuple[np.ndarray, State]:
        logits, last = run(keras.ops.convert_to_tensor(token, "int32"), state)
        return keras.ops.convert_to_numpy(logits), last

    return step


def _writable(logits: np.ndarray, vocabulary: Sequence[str]) -> np.ndarray:
    """Return logits [V], those of what cannot be written at minus infinity."""
    if not np.isfinite(logits).all():
        raise InputError("the model predicts what is no number: its training has diverged")
    unwritable = np.array([token == UNKNOWN for token in vocabulary])
    if unwritable.all():
        raise InputError(f"the vocabulary has nothing but {UNKNOWN}")
    return np.where(unwritable, -np.inf, logits.astype(np.float64))


def _draw(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    # Below the greatest first: a small temperature then divides nothing but negative numbers.
    with np.errstate(over="ignore"):
        weights = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(weights), p=weights / weights.sum()))
