"""A language model as code, and the files that stand beside a saved one.

The class has its weights where `language_models.model` has them, so that its `.keras` file opens
with the code alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Literal

from nas_with_rl.child_models.cells.known_cells import Cell, cell_kind
from nas_with_rl.child_models.data.text import END_OF_LINE, UNKNOWN
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.source_code.cells import cell_code, described
from nas_with_rl.search_spaces.drawing import draw_cell
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

SOURCE_FILE, VOCABULARY_FILE, README_FILE = "model.py", "vocabulary.json", "README.md"

_HEAD = '''"""A language model of {unit}s, in plain Keras 3.

{words}

    model = load()  # the weights in model.keras, the tokens in vocabulary.json, beside this file
    logits = model(encode({prompt})[None])  # [1, steps, vocabulary]: of the token after each

get_weights() returns, and set_weights() takes, embedding, softmax_bias{kernel} and the
weights of each layer's cell, in this order.
"""

import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

HERE = Path(__file__).parent
VOCABULARY = json.loads((HERE / "vocabulary.json").read_text(encoding="utf-8"))
NUMBERS = {{token: number for number, token in enumerate(VOCABULARY)}}
UNITS, EMBEDDING_UNITS, NUM_LAYERS = {size.units}, {size.embedding_width}, {size.num_layers}
'''

_MODEL = '''
class RecurrentLayer(keras.layers.RNN):
    """A layer of the cell; model.keras has its weights under the name of this class."""


class LanguageModel(keras.Model):
    """Logits [batch, steps, vocabulary] of the token after each, of tokens [batch, steps]."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        cells = [{make} for _ in range(NUM_LAYERS)]
        self.recurrent_layers = [RecurrentLayer(cell, return_sequences=True) for cell in cells]
        size = len(VOCABULARY)
        self.embedding = self.add_weight(shape=(size, EMBEDDING_UNITS), name="embedding")
        self.softmax_bias = self.add_weight(shape=(size,), initializer="zeros", name="softmax_bias")
{kernel}        for number, layer in enumerate(self.recurrent_layers):
            layer.build((None, None, UNITS if number else EMBEDDING_UNITS))
        self.built = True

    def call(self, tokens):
        values = ops.take(self.embedding, tokens, axis=0)
        for layer in self.recurrent_layers:
            values = layer(values)
        return ops.matmul(values, {softmax}) + self.softmax_bias

    def compute_output_shape(self, tokens_shape):
        return (*tokens_shape, len(VOCABULARY))

    def export(self, filepath, format="tf_saved_model", *, input_signature=None, **kwargs):
        extents = (1, 35) if format == "litert" else (None, None)  # LiteRT needs fixed ones
        signature = input_signature or [keras.InputSpec(shape=extents, dtype="int32")]
        super().export(filepath, format=format, input_signature=signature, **kwargs)

    @classmethod
    def from_config(cls, config):
        return cls(name=config["name"])  # its cell and sizes are those above


def load(path=HERE / "model.keras"):
    """Return the trained model."""
    names = ("nas_with_rl>LanguageModel", "LanguageModel")  # as it was trained; saved from here
    with keras.saving.custom_object_scope(dict.fromkeys(names, LanguageModel)):
        return keras.models.load_model(path, compile=False)
'''

_KERNEL = """\
        self.softmax_kernel = self.add_weight(shape=(UNITS, size), name="softmax_kernel")
"""

_CODING = {
    "character": '''

def encode(text):
    """Return the number of each character, int32 [steps]; of one that is unknown, <unk>'s."""
    return np.array([NUMBERS.get(each, NUMBERS["<unk>"]) for each in text], "int32")


def decode(numbers):
    """Return the text of token numbers."""
    return "".join(VOCABULARY[number] for number in numbers)
''',
    "word": '''

def encode(text):
    """Return the number of each word, int32 [steps]; the end of a line is one, <eos>."""
    words = text.replace("\\n", " <eos> ").split()
    return np.array([NUMBERS.get(word, NUMBERS["<unk>"]) for word in words], "int32")


def decode(numbers):
    """Return the text of token numbers."""
    text = " ".join(VOCABULARY[number] for number in numbers)
    return text.replace(" <eos> ", "\\n").replace(" <eos>", "\\n")
''',
}

_README = """# A language model

`model.keras` is a trained language model of {unit}s: {title}, {layers} of {units} units, a
vocabulary of {vocabulary:,}. With `model.py` and `vocabulary.json` beside it, it needs Keras 3 on
any backend and nothing else:

```python
import keras
import numpy as np

import model

language_model = model.load()
tokens = model.encode({prompt})
for _ in range(30):
    logits = keras.ops.convert_to_numpy(language_model(tokens[np.newaxis]))
    tokens = np.append(tokens, logits[0, -1].argmax())
print(model.decode(tokens))
```

`model.py` is the whole model as code; the cell in it is one for `keras.layers.RNN` of other models
too. `vocabulary.json` lists the token of each number. The tokens of a text are
{tokens}.

`language_model.export("saved_model")` writes it for TensorFlow alone, `format="onnx"` for ONNX
(Keras needs tf2onnx for it), `format="litert"` for LiteRT: one sequence of 35 tokens there, or
another `input_signature=[keras.InputSpec(shape=(2, 50), dtype="int32")]`.
"""
_TOKENS = {
    "character": "its characters; `<unk>` stands for those that the list lacks",
    "word": "its words between blanks, and `<eos>` at each end of a line; `<unk>` stands for what "
    "the list lacks",
}


@dataclasses.dataclass(frozen=True)
class LanguageModelFiles:
    """What is written down of a language model.

    Attributes:
      cell: a tree, or the name of a known cell.
      size: the widths.
      text: the cell's architecture as one line, or its name.
      unit: what a token is.
      vocabulary: the token of each number.
    """

    cell: Cell
    size: LanguageModelSize
    text: str
    unit: Literal["character", "word"]
    vocabulary: Sequence[str]


def language_model_files(model: LanguageModelFiles) -> Mapping[str, str]:
    """Return the files beside a `model.keras`, by name: code, vocabulary, how to use them.

    Raises:
      InputError: the cell has no code that stands alone.
    """
    first = next(token for token in model.vocabulary if token not in (UNKNOWN, END_OF_LINE))
    facts = {"unit": model.unit, "prompt": json.dumps(first)}
    layers = model.size.num_layers
    readme = _README.format(
        title=cell_kind(model.cell).title,
        layers=f"{layers} layer{'s' * (layers > 1)}",
        units=model.size.units,
        vocabulary=model.size.vocabulary,
        tokens=_TOKENS[model.unit],
        **facts,
    )
    return {
        SOURCE_FILE: _source(model, **facts),
        VOCABULARY_FILE: json.dumps(list(model.vocabulary), ensure_ascii=False) + "\n",
        README_FILE: readme,
    }


def _source(model: LanguageModelFiles, **facts: object) -> str:
    cell, tied = model.cell, model.size.tie_embeddings
    code = cell_code(cell)
    drawing = draw_cell(cell) if isinstance(cell, RecurrentCell) else cell_kind(cell).title
    head = _HEAD.format(
        words=described(model.text, drawing),
        kernel="" if tied else ", softmax_kernel",
        size=model.size,
        **facts,
    )
    body = _MODEL.format(
        make=code.make,
        kernel="" if tied else _KERNEL,
        softmax="ops.transpose(self.embedding)" if tied else "self.softmax_kernel",
    )
    parts = [head, *([code.definitions] if code.definitions else []), body]
    return "\n".join(parts) + _CODING[model.unit]
