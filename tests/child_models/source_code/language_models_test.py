"""Language models as code: every cell that people designed, sizes, vocabularies that need care."""

import ast
import importlib.util

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.saved_models import SavedDescription, save_model
from nas_with_rl.child_models.source_code.language_models import (
    LanguageModelFiles,
    language_model_files,
)

VOCABULARY = ('"', "\\", "{", "<unk>", "\u2028", "é")
SIZES = {
    "two layers": LanguageModelSize(6, 4, 3),
    "one, tied": LanguageModelSize(6, 4, tie_embeddings=True, num_layers=1),
}
TOKENS = np.random.default_rng(0).integers(0, 6, (2, 5)).astype("int32")


def written(folder, cell, size, unit="character"):
    """Write the files of a model; return its code as a module."""
    files = language_model_files(LanguageModelFiles(cell, size, cell, unit, VOCABULARY))
    assert sorted(files) == ["README.md", "model.py", "vocabulary.json"]
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("model_beside", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("cell", KNOWN_CELLS)
def test_a_designed_cells_model_opens_by_its_code(tmp_path, cell, size):
    model = LanguageModel(cell, size, init_scale=0.5)
    description = SavedDescription("language_model", cell, "own", 1, 0.5, VOCABULARY)
    save_model(model, tmp_path / "model.keras", description)
    module = written(tmp_path, cell, size)
    loaded = module.load()
    assert type(loaded) is module.LanguageModel
    wanted = keras.ops.convert_to_numpy(model(TOKENS))
    found = keras.ops.convert_to_numpy(loaded(TOKENS))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    for theirs, ours in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)  # in the same order


@pytest.mark.parametrize("unit", ["character", "word"])
def test_tokens_that_mean_something_to_python_are_tokens(tmp_path, unit):
    module = written(tmp_path, "rnn", SIZES["one, tied"], unit)
    assert list(VOCABULARY) == module.VOCABULARY
    blank = "" if unit == "character" else " "
    text = blank.join(['"', "\\", "{", "é"])
    np.testing.assert_array_equal(module.encode(text), [0, 1, 2, 5])
    assert module.decode([0, 1, 2, 5]) == text
    source = (tmp_path / "model.py").read_text(encoding="utf-8")
    assert 'encode("\\"")[None]' in source
    assert "model = load()" in ast.get_docstring(ast.parse(source))
