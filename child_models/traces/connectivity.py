"""Which earlier characters a prediction depends on: gradients through time (TensorFlow).

Madsen, "Visualizing memorization in RNNs" (Distill, 2019). Shapes: T tokens of the text, R steps
of a window, N windows, E embedding width, H units, V vocabulary.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.traces.trace import LayerTrace, Trace
from nas_with_rl.child_models.traces.tracing import check_text, trace
from nas_with_rl.search_spaces.errors import InputError

# Bounds the memory: the widest intermediate values of all layers of a batch of windows.
_MOST_VALUES = 2**22


def connectivity(model: LanguageModel, numbers: np.ndarray, *, reach: int = 50) -> np.ndarray:
    """Return how strongly each prediction depends on the characters before it, float32 [T, reach].

    The value at [t, k] is the norm of the gradient of log p, p the probability of what the model
    holds most probable after token t, with respect to the embedded token t - k; 0 where the text
    has none. It is exact, since nothing earlier than t - k depends on that token: each prediction
    is differentiated over a window of `reach` steps that starts from the recorded state.

    Args:
      model: of any cell and number of layers.
      numbers: the text's tokens, integers [T].
      reach: the steps to look back, that of t included.

    Raises:
      InputError: reach is below 1, or a text as `tracing.trace` refuses it, or Keras runs on
        another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"KERAS_BACKEND is {keras.backend.backend()!r}: this needs tensorflow")
    if reach < 1:
        raise InputError(f"reach is {reach}, below 1")
    numbers = check_text(model, numbers)
    recorded = trace(model, numbers, [""] * model.size.vocabulary)
    num_tokens, num_steps = len(numbers), min(reach, len(numbers))
    batch_size = min(_windows_at_once(model, num_steps), num_tokens)
    differentiate = tf.function(functools.partial(_gradient_norms, model), autograph=False)
    norms = np.zeros((num_tokens, reach), np.float32)
    for first in range(0, num_tokens, batch_size):
        # Of one shape, so that one program does for all: the last batch repeats its last window.
        ends = np.arange(first, first + batch_size).clip(max=num_tokens - 1)  # [N]
        starts = (ends - num_steps + 1).clip(min=0)
        steps = starts + np.arange(num_steps)[:, None]  # [R, N]
        windows = _windows(recorded, numbers[steps], starts, ends)
        by_step = differentiate(windows).numpy()  # [R, N]
        back = ends - steps  # below 0 after the prediction, at the text's beginning
        rows = np.broadcast_to(ends, steps.shape)
        norms[rows[back >= 0], back[back >= 0]] = by_step[back >= 0]
    return norms


class _Windows(NamedTuple):
    """N pieces of the text, and a prediction in each.

    Attributes:
      tokens: [R, N].
      states: by layer, (h, c) before the piece, [N, H] each.
      last_steps: after which step the prediction is made, [N].
      targets: the token whose log-probability is differentiated, [N].
    """

    tokens: tf.Tensor
    states: tuple[tuple[tf.Tensor, tf.Tensor], ...]
    last_steps: tf.Tensor
    targets: tf.Tensor


def _windows(recorded: Trace, tokens: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> _Windows:
    """Return the windows of the tokens [R, N] that start at steps [N] and predict after others."""
    likeliest = recorded.probabilities[ends].argmax(-1)
    return _Windows(
        tokens=tf.constant(tokens),
        states=tuple(_states_before(layer, starts) for layer in recorded.layers),
        last_steps=tf.constant(ends - starts, tf.int32),
        targets=tf.constant(likeliest, tf.int32),
    )


def _gradient_norms(model: LanguageModel, windows: _Windows) -> tf.Tensor:
    """Return the norms of the gradients with respect to each step's embedded token, [R, N]."""
    embedded = tf.gather(tf.convert_to_tensor(model.embedding), windows.tokens)  # [R, N, E]
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        values = embedded
        for layer, state in zip(model.recurrent_layers, windows.states, strict=True):
            values, _ = layer.unroll(values, state)
        columns = tf.range(tf.shape(windows.tokens)[1])
        places = tf.stack([windows.last_steps, columns], axis=1)
        logits = model.logits(tf.gather_nd(values, places))  # [N, V]
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(windows.targets, logits)
    return tf.norm(tape.gradient(nll, embedded), axis=-1)


def _states_before(layer: LayerTrace, steps: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (h, c) as they were before each of N steps, [N, H] each; before step 0: zeros."""
    names = [signal.name for signal in layer.signals]
    found = []
    for name in ("hidden", "cell" if "cell" in names else "hidden"):
        values = layer.signal(name).values
        after = np.vstack([np.zeros((1, layer.units), np.float32), values])  # [T + 1, H]
        found.append(tf.constant(after[steps]))
    return found[0], found[1]


def _windows_at_once(model: LanguageModel, num_steps: int) -> int:
    widths = [layer.cell.recurrent_kernel.shape[1] for layer in model.recurrent_layers]
    return max(1, min(256, _MOST_VALUES // (num_steps * sum(widths))))
