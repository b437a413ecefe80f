"""Texts for language models: Penn Treebank, Python's source and documentation, tasks, any files.

Penn Treebank is expected as Mikolov's three preprocessed files (929,589 / 73,760 / 82,430 words
with the ends of lines, vocabulary 10,000; Zoph & Le, 2016, section 4.2).
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
import sysconfig
import warnings
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from nas_with_rl.child_models.data.sequences import SOURCES, training_and_validation
from nas_with_rl.child_models.data.text_files import SourceFile, TextFile, full_file, matching_files
from nas_with_rl.search_spaces.errors import LONGEST_PATH, InputError, shown, shown_path
from nas_with_rl.search_spaces.field_checks import check_fields

END_OF_LINE = "<eos>"
UNKNOWN = "<unk>"

# Pure-Python modules that every Python 3 of the last decade has, in the order in which they are
# joined; 0.7 million characters in Python 3.11.
STDLIB_MODULES = (
    "argparse.py",
    "ast.py",
    "configparser.py",
    "dataclasses.py",
    "difflib.py",
    "inspect.py",
    "pickle.py",
    "subprocess.py",
    "tarfile.py",
    "threading.py",
)
STDLIB_VOCABULARY = 100  # rarer characters become UNKNOWN
VALIDATION_SHARE, MAX_TEST_SHARE = 0.1, 0.5

PTB_MD5 = {
    "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "8b80168b89c18661a38ef683c0dc3721",
}


@dataclasses.dataclass(frozen=True)
class TextDataConfig:
    """Which text, in which units.

    Attributes:
      source: "stdlib" (modules of Python's standard library), "pydoc" (what Python's help says of
        the language, in English), "ptb" (Penn Treebank, in the data directory), one of
        `sequences.SOURCES` ("counter": lines drawn at random, always the same), or a path or
        pattern of UTF-8 files ("books/*.txt"), joined in sorted order. What exists under this very
        name is that file, whatever of a pattern the name has. Of what a pattern matches,
        directories and files without a character other than blanks are left out.
      unit: what a token is.
      max_training_tokens, max_validation_tokens: cut each split to its first tokens; 0 for all.
      test_share: of a text without splits of its own, the last share that is its test text, looked
        at by no search; what comes before it is cut into training and validation text. 0: none.
    """

    source: str = "stdlib"
    unit: Literal["character", "word"] = "character"
    max_training_tokens: int = 0
    max_validation_tokens: int = 0
    test_share: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.source:
            raise InputError("source is empty, not stdlib, pydoc, ptb, a task or files")
        if not 0 <= self.test_share <= MAX_TEST_SHARE:
            raise InputError(f"test_share is {self.test_share}, not from 0 to {MAX_TEST_SHARE}")
        if self.test_share and self.source in ("ptb", *SOURCES):
            raise InputError(f"test_share has no effect on {self.source}, which has its own splits")
        for name in ("max_training_tokens", "max_validation_tokens"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}, below 0")

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return self.source == "ptb" or self.test_share > 0


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """A text as token numbers.

    Attributes:
      train, validation: int32, one dimension.
      vocabulary: the token of each number.
      provenance: the files, in the order read.
      left_out: how many of what a pattern matches are none of these, in words; empty for none.
    """

    train: np.ndarray
    validation: np.ndarray
    vocabulary: tuple[str, ...]
    provenance: tuple[SourceFile, ...]
    left_out: str = ""


def load_corpus(config: TextDataConfig, *, data_dir: str | None = None) -> Corpus:
    """Read the training and validation text.

    The vocabulary is the training text's; what else the validation text holds is UNKNOWN.

    Args:
      config: which text.
      data_dir: for "ptb": the directory of ptb.*.txt, or the one above its `ptb`.

    Raises:
      InputError: no such file or directory, one that is empty, cannot be read or is not UTF-8, a
        training text in which there is nothing to predict, or words of a task.
    """
    left_out = ""
    if config.source == "ptb":
        files = [_ptb_file(split, data_dir) for split in ("train", "valid")]
        train, validation = (_ptb_tokens(file, config.unit) for file in files)
    elif config.source in SOURCES:
        files = _task_files(config)
        train, validation = (_tokens(file.text, config.unit) for file in files)
    else:
        files, left_out = _files(config.source)
        tokens, _ = _with_test(files, config)
        first = len(tokens) - round(len(tokens) * VALIDATION_SHARE)
        train, validation = tokens[:first], tokens[first:]
    limit = STDLIB_VOCABULARY if config.source == "stdlib" else 0
    _check_variety(train, config.unit)
    vocabulary = _vocabulary(train, limit if config.unit == "character" else 0)
    return Corpus(
        train=_cut(numbers_of(train, vocabulary), config.max_training_tokens),
        validation=_cut(numbers_of(validation, vocabulary), config.max_validation_tokens),
        vocabulary=vocabulary,
        provenance=tuple(file.source for file in files),
        left_out=left_out,
    )


def load_test_tokens(
    config: TextDataConfig, vocabulary: Sequence[str], *, data_dir: str | None = None
) -> np.ndarray:
    """Read the test text, apart from the rest since it is looked at once.

    Args:
      config: which text.
      vocabulary: the training corpus's.
      data_dir: as in `load_corpus`.

    Raises:
      InputError: as in `load_corpus`, or the source has no test text.
    """
    if config.source == "ptb":
        tokens = _ptb_tokens(_ptb_file("test", data_dir), config.unit)
    elif config.test_share:
        _, tokens = _with_test(_files(config.source)[0], config)
    else:
        raise InputError(
            f"source is {shown(config.source)}, which has no test text; ptb has one, and what has "
            "a test_share"
        )
    return numbers_of(tokens, vocabulary)


def test_source(data_dir: str | None) -> SourceFile:
    """Return where the test text of "ptb" comes from; errors as in `load_corpus`."""
    return _ptb_file("test", data_dir).source


def numbers_of(tokens: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Return tokens as numbers, int32 [T]; what the vocabulary lacks is UNKNOWN, which it has."""
    number_of = {token: number for number, token in enumerate(vocabulary)}
    unknown = number_of[UNKNOWN]
    return np.fromiter((number_of.get(token, unknown) for token in tokens), np.int32, len(tokens))


def contiguous_batches(tokens: np.ndarray, batch_size: int) -> np.ndarray:
    """Cut a stream into `batch_size` parallel ones; fewer than `batch_size` tokens are left over.

    Returns:
      [batch_size, steps]: row b continues where row b - 1 ends, and column t + 1 follows t.
    """
    steps = tokens.size // batch_size
    return tokens[: batch_size * steps].reshape(batch_size, steps)


def _ptb_file(split: str, data_dir: str | None) -> TextFile:
    if not data_dir:
        raise InputError("source 'ptb' needs data_dir, the directory of ptb.train.txt")
    name = f"ptb.{split}.txt"
    places = (data_dir, os.path.join(data_dir, "ptb"))
    paths = [
        path for path in (os.path.join(place, name) for place in places) if os.path.exists(path)
    ]
    if not paths:
        place = shown(data_dir, LONGEST_PATH)
        raise InputError(f"data_dir is {place}: no {name} in it, nor in its directory ptb")
    file = full_file(paths[0])
    md5 = hashlib.md5(file.content, usedforsecurity=False).hexdigest()
    if md5 != PTB_MD5[split]:
        warnings.warn(
            f"{shown_path(file.path)} is not the published file (MD5 {md5}, not {PTB_MD5[split]}): "
            "perplexities do not compare with the literature",
            stacklevel=3,
        )
    return file


def _ptb_tokens(file: TextFile, unit: str) -> list[str]:
    """Words: each line's end is <eos>. Characters: without the blanks at a line's two ends."""
    if unit == "word":
        return _tokens(file.text, unit)
    return list("".join(f"{line.strip()}\n" for line in file.text.splitlines()))


def _stdlib_files() -> list[TextFile]:
    directory = sysconfig.get_path("stdlib")
    return [full_file(os.path.join(directory, name)) for name in STDLIB_MODULES]


def _pydoc_files() -> list[TextFile]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # of a Python that was installed without it
        raise InputError("source pydoc: this Python was installed without pydoc_data") from None
    text = "\n".join(topics[name] for name in sorted(topics))
    return [TextFile("pydoc_data.topics", text.encode())]


def _files(source: str) -> tuple[list[TextFile], str]:
    """Return the files of a text without splits, and in words what was left out of a pattern's."""
    if source == "stdlib":
        return _stdlib_files(), ""
    if source == "pydoc":
        return _pydoc_files(), ""
    return matching_files(source)


def _with_test(files: Iterable[TextFile], config: TextDataConfig) -> tuple[list[str], list[str]]:
    """Return what is trained and validated on, and the test text behind it."""
    tokens = _tokens("".join(file.text for file in files), config.unit)
    first = len(tokens) - round(len(tokens) * config.test_share)
    return tokens[:first], tokens[first:]


def _task_files(config: TextDataConfig) -> list[TextFile]:
    """Return a task's two streams, as if they were files; a digest says which was trained on."""
    if config.unit != "character":
        raise InputError(f"unit is {config.unit!r}: source {config.source!r} is of characters only")
    streams = zip(("training", "validation"), training_and_validation(config.source), strict=True)
    return [TextFile(f"{config.source}.{split}", text.encode()) for split, text in streams]


def _tokens(text: str, unit: str) -> list[str]:
    if unit == "character":
        return list(text)
    lines = text.splitlines()
    return [word for line in lines for word in (*line.split(), END_OF_LINE)]


def _check_variety(tokens: Iterable[str], unit: str) -> None:
    """Raise InputError unless the training text has two tokens to choose from."""
    different = sorted(set(tokens) - {END_OF_LINE, UNKNOWN})
    if len(different) < 2:
        only = f" ({shown(different[0])})" if different else ""
        raise InputError(
            f"the training text has {len(different)} different {unit}s{only}, below the 2 that "
            "there have to be for anything to be predicted"
        )


def _vocabulary(tokens: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return the tokens by falling count, equal counts by name; UNKNOWN is always one of them.

    Args:
      tokens: the training text.
      limit: the most tokens to keep, UNKNOWN included; 0 for all.
    """
    counts = collections.Counter(tokens)
    counts.setdefault(UNKNOWN, 0)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    if limit and len(ranked) > limit:
        known = [token for token in ranked if token != UNKNOWN]
        ranked = [*known[: limit - 1], UNKNOWN]
    return tuple(ranked)


def _cut(tokens: np.ndarray, most: int) -> np.ndarray:
    return tokens[:most] if most else tokens
