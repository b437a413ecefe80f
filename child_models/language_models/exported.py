"""A language model as other programs take it: SavedModel, ONNX, LiteRT.

What trains fast, one program for all steps with gradients of its own, is what converters refuse.
Keras's own loop over the same cells they take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from nas_with_rl.child_models.tensors import Tensor

if TYPE_CHECKING:
    from nas_with_rl.child_models.language_models.model import LanguageModel

# Tokens [B, T] of a LiteRT model, whose extents have to be fixed; T as segments of Zaremba et al.
FIXED_EXTENTS = (1, 35)


class ExportedLanguageModel(keras.Model):
    """Logits [B, T, V] of the token after each, for tokens [B, T] from a zero state.

    Its weights are those of the model that it is made of.
    """

    def __init__(self, model: LanguageModel):
        super().__init__(name=model.name)
        self.language_model = model
        self.loops = [
            keras.layers.RNN(layer.cell, return_sequences=True) for layer in model.recurrent_layers
        ]

    def call(self, tokens: Tensor) -> Tensor:
        """Return the logits."""
        model = self.language_model
        values = keras.ops.take(model.embedding, tokens, axis=0)
        for loop in self.loops:
            values = loop(values)
        return keras.ops.matmul(values, model.softmax_weights()) + model.softmax_bias


def default_signature(file_format: str) -> list[Any]:
    """Return the extents of the tokens where none are asked for."""
    extents = FIXED_EXTENTS if file_format == "litert" else (None, None)
    return [keras.InputSpec(shape=extents, dtype="int32", name="tokens")]


def exported(model: LanguageModel) -> keras.Model:
    """Return a model for `export`, which needs one that has been called."""
    made = ExportedLanguageModel(model)
    made(keras.ops.zeros((1, 2), dtype="int32"))
    return made
