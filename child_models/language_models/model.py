"""A recurrent language model (Zoph & Le, 2016, section 4.2: of two layers).

Embedding, recurrent layers, softmax. Inside, everything is time-major, so that a step reads
and writes one contiguous block. Shapes: T steps, B sequences, V vocabulary, E embedding width,
H hidden units, G·H the width of a cell's products (see `known_cells`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from nas_with_rl.child_models.cells.known_cells import Cell, CellKind, CellStep, cell_kind
from nas_with_rl.child_models.cells.tree_cell import product, tree_from_json, tree_to_json
from nas_with_rl.child_models.language_models.dropout import DropoutMasks, masked, no_dropout
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import current_name
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

_AS_BUILT = ("bias", "peepholes")  # of designed cells, with Keras's usual start
State = Sequence[tuple[Tensor, Tensor]]  # by layer, (h, c) of [B, H] each


@keras.saving.register_keras_serializable(package="nas_with_rl")
class LanguageModel(keras.Model):
    """Predicts each next token: embedding, recurrent layers, softmax with a bias.

    A `.keras` file restores it wherever this module has been imported.

    Attributes:
      cell: a tree, or the name of a known cell.
      size: the widths.
      num_parameters: how many numbers are trained.
      multiply_adds: of the products with the weights, per token.
    """

    def __init__(
        self,
        cell: Cell,
        size: LanguageModelSize,
        *,
        init_scale: float = 0.1,
        seed: int = 0,
        **kwargs: Any,
    ):
        """Build the model, its weights drawn by `seed` alone, as `draw_weights` has them."""
        super().__init__(**kwargs)
        self.cell, self.size = cell, size
        self._init_scale, self._seed = init_scale, seed
        kind = cell_kind(cell)
        unroll = _make_unroll(kind.step)  # shared, so that its loops are traced once for all layers
        self.recurrent_layers = [
            RecurrentLayer(kind, unroll, units=size.units, width=width)
            for width in size.input_widths
        ]
        self.embedding = self.add_weight(
            shape=(size.vocabulary, size.embedding_width), initializer="zeros", name="embedding"
        )
        self.softmax_bias = self.add_weight(
            shape=(size.vocabulary,), initializer="zeros", name="softmax_bias"
        )
        self.softmax_kernel = None
        if not size.tie_embeddings:
            self.softmax_kernel = self.add_weight(
                shape=(size.units, size.vocabulary), initializer="zeros", name="softmax_kernel"
            )
        self.built = True
        self._start()

    def _start(self) -> None:
        """Draw the weights by NumPy, in the variables' order, as a population and JAX do."""
        weights = self.trainable_variables
        shapes, names = [each.shape for each in weights], [each.name for each in weights]
        drawn = draw_weights(shapes, self._init_scale, self._seed, names=names)
        for weight, values in zip(weights, drawn, strict=True):
            if self._init_scale or weight.name not in _AS_BUILT:
                weight.assign(values)

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(weight.shape) for weight in self.trainable_variables)

    @property
    def multiply_adds(self) -> int:
        cells = [layer.cell for layer in self.recurrent_layers]
        kernels = [kernel for cell in cells for kernel in (cell.kernel, cell.recurrent_kernel)]
        return sum(math.prod(k.shape) for k in kernels) + self.size.units * self.size.vocabulary

    def initial_state(self, batch_size: int) -> State:
        """Return zeros."""
        zeros = keras.ops.zeros((batch_size, self.size.units))
        return [(zeros, zeros)] * self.size.num_layers

    def call(self, tokens: Tensor) -> Tensor:
        """Return logits [B, T, V] of the token after each, for tokens [B, T] from a zero state."""
        state = self.initial_state(keras.ops.shape(tokens)[0])
        logits, _ = self.predict_next(keras.ops.transpose(tokens), state)
        return keras.ops.transpose(logits, (1, 0, 2))

    def compute_output_shape(self, tokens_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of `call`'s logits."""
        return (*tokens_shape, self.size.vocabulary)

    def predict_next(
        self,
        tokens: Tensor,
        state: State,
        masks: DropoutMasks | None = None,
        *,
        fused: bool = False,
    ) -> tuple[Tensor, State]:
        """Return logits [T, B, V] and the last state: the route of training.

        Args:
          tokens: [T, B].
          state: as `initial_state` or the segment before returned it.
          masks: what is dropped; None: nothing.
          fused: run a layer without recurrent dropout in Keras's fused kernel, if its cell has
            one.
        """
        hidden, last = self.hidden_states(tokens, state, masks, fused=fused)
        return self.logits(hidden), last  # [T, B, V]

    def hidden_states(
        self,
        tokens: Tensor,
        state: State,
        masks: DropoutMasks | None = None,
        *,
        fused: bool = False,
    ) -> tuple[Tensor, State]:
        """Return what the softmax reads, the last layer's h [T, B, H], and the last state.

        The arguments are those of `predict_next`.
        """
        masks = no_dropout(self.size.num_layers) if masks is None else masks
        values = keras.ops.take(self.embedding, tokens, axis=0)  # [T, B, E]
        values = masked(values, _by_token(masks.embedding, tokens))
        last = []
        for layer, layer_state, entering, recurrent in zip(
            self.recurrent_layers, state, masks.input, masks.recurrent, strict=True
        ):
            values, layer_last = layer.unroll(
                masked(values, entering), layer_state, recurrent, fused=fused
            )
            last.append(layer_last)
        return masked(values, masks.output), last

    def logits(self, hidden: Tensor) -> Tensor:
        """Return what the softmax takes, [..., V], for the last layer's h [..., H]."""
        return product(hidden, self.softmax_weights()) + self.softmax_bias

    def softmax_weights(self) -> Tensor:
        """Return the softmax's kernel [H, V], where it is tied the embedding's transpose."""
        kernel = self.softmax_kernel
        return keras.ops.transpose(self.embedding) if kernel is None else kernel

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Write the model as a SavedModel, for ONNX or LiteRT; see `keras.Model.export`.

        Without an `input_signature` it takes tokens [B, T] of any extents, int32; for "litert" one
        sequence of 35, since its interpreter needs extents that are fixed.
        """
        from nas_with_rl.child_models.language_models.exported import default_signature, exported

        exported(self).export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature or default_signature(format),
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs, as plain JSON; a known cell by its name."""
        cell = self.cell
        return super().get_config() | {
            "cell": tree_to_json(cell) if isinstance(cell, RecurrentCell) else cell,
            "size": dataclasses.asdict(self.size),
            "init_scale": self._init_scale,
            "seed": self._seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LanguageModel:
        """Rebuild a model from `get_config`."""
        cell, size = config["cell"], LanguageModelSize(**config["size"])
        cell = current_name(cell) if isinstance(cell, str) else tree_from_json(cell)
        return cls(**(config | {"cell": cell, "size": size}))


class RecurrentLayer(keras.layers.Layer):
    """Unrolls one cell over T steps, with x W computed for all steps at once.

    Equal to `keras.layers.RNN(cell)`, and faster where a step is element-wise once its products
    are known: see `unrolling.make_unroll`.

    Attributes:
      cell: the Keras cell.
    """

    def __init__(
        self, kind: CellKind, unroll: Callable[..., Any] | None, *, units: int, width: int
    ):
        """Build the cell, for inputs as wide as `width`."""
        super().__init__()
        self.cell = kind.make(units)
        self.cell.build((None, width))
        self.built = True
        self._kind, self._unroll = kind, unroll

    def unroll(
        self,
        inputs: Tensor,
        state: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        *,
        fused: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return outputs [T, B, H] and the last (h, c), for inputs [T, B, E].

        Args:
          inputs: of all steps.
          state: (h_0, c_0).
          mask: of h where the recurrent product reads it, [B, H].
          fused: as in `LanguageModel.predict_next`.
        """
        if fused and mask is None and self._kind.fused is not None:
            return self._fused(inputs, state)
        if self._kind.step is None:
            return self._looped(inputs, state, mask)
        bias, weights = self._kind.weights(self.cell)
        projected = product(inputs, self.cell.kernel)  # [T, B, G·H]
        if bias is not None:
            projected = projected + bias
        recurrent_kernel = self.cell.recurrent_kernel.value
        assert self._unroll is not None
        outputs, last_cell_state = self._unroll(projected, recurrent_kernel, *state, mask, *weights)
        return outputs, (outputs[-1], last_cell_state)

    def _looped(
        self, inputs: Tensor, state: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what `unroll` does, by Keras's own loop, which takes no mask."""
        if mask is not None:
            raise InputError(
                f"dropout.recurrent is above 0, not 0 as the cell asks for ({self._kind.title}): "
                "its h goes through a gate before the product"
            )
        layer = keras.layers.RNN(self.cell, return_sequences=True, return_state=True)
        batch_major = keras.ops.transpose(inputs, (1, 0, 2))
        outputs, last = layer(batch_major, initial_state=[state[0]])
        # A GRU has no c of its own.
        return keras.ops.transpose(outputs, (1, 0, 2)), (last, last)

    def _fused(
        self, inputs: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        assert self._kind.fused is not None
        # Not kept: it would be saved, with the cell's weights once more.
        layer = self._kind.fused(self.cell.units, return_sequences=True, return_state=True)
        layer.cell, layer.built = self.cell, True
        batch_major = keras.ops.transpose(inputs, (1, 0, 2))
        outputs, *last = layer(batch_major, initial_state=list(state))
        return keras.ops.transpose(outputs, (1, 0, 2)), tuple(last)


def draw_weights(
    shapes: Sequence[Sequence[int]], init_scale: float, seed: int, *, names: Sequence[str] = ()
) -> list[np.ndarray]:
    """Return the weights that a model starts with, float32, drawn by `seed` alone.

    Args:
      shapes: of the weights.
      init_scale: they are from U[-init_scale, init_scale]; 0 for Keras's usual start: kernels from
        Glorot and Bengio's (2010) uniform distribution, recurrent ones orthogonal (Saxe et al.,
        2014), the embedding from U[-0.05, 0.05], biases 0. (A designed cell's own biases, of which
        an LSTM's forget gate starts with 1, the model keeps as they were built.)
      seed: of the draws.
      names: of the weights, which Keras's start goes by.
    """
    rng = np.random.default_rng(seed)
    if not init_scale:
        drawn = [_usual(*each, rng) for each in zip(names, shapes, strict=True)]
    else:
        drawn = [rng.uniform(-init_scale, init_scale, shape) for shape in shapes]
    return [weight.astype(np.float32) for weight in drawn]


def _usual(name: str, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Draw one weight of Keras's usual start."""
    if name == "embedding":
        return rng.uniform(-0.05, 0.05, shape)
    if name == "recurrent_kernel":
        rows, columns = shape
        drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
        orthogonal, triangular = np.linalg.qr(drawn)
        orthogonal *= np.sign(np.diag(triangular))
        return orthogonal if rows >= columns else orthogonal.T
    if name.endswith("kernel"):
        limit = math.sqrt(6 / sum(shape))
        return rng.uniform(-limit, limit, shape)
    return np.zeros(shape)


def _by_token(mask: Tensor | None, tokens: Tensor) -> Tensor | None:
    """Return a mask of word types [B, V] as one of tokens, [T, B, 1]."""
    if mask is None:
        return None
    batch_size, vocabulary = mask.shape
    # Each sequence's mask is a stretch of the flat one: a single lookup for all.
    places = tokens + vocabulary * keras.ops.arange(batch_size, dtype=tokens.dtype)
    return keras.ops.take(keras.ops.reshape(mask, (-1,)), places)[..., None]


def _make_unroll(step: CellStep | None) -> Callable[..., tuple[Tensor, Tensor]] | None:
    if step is None:
        return None
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from nas_with_rl.child_models.language_models.tf_unrolling import make_unroll
    elif backend == "jax":
        from nas_with_rl.child_models.language_models.jax_unrolling import make_unroll
    else:
        raise InputError(f"KERAS_BACKEND is {backend!r}: language models need tensorflow or jax")
    return make_unroll(step)
