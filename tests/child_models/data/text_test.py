"""Texts: splits, vocabularies, digests, and one clear line for every bad input."""

import hashlib
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.data import text
from nas_with_rl.child_models.data.sequences import SOURCES, TASKS
from nas_with_rl.child_models.data.text import TextDataConfig, load_corpus, load_test_tokens
from nas_with_rl.search_spaces.errors import InputError

DATA_DIR = os.environ.get("NAS_WITH_RL_DATA_DIR")


def words_of(tokens, vocabulary):
    return [vocabulary[token] for token in tokens]


def write_ptb(directory):
    directory.mkdir(exist_ok=True)
    (directory / "ptb.train.txt").write_text(" the cat <unk> \n the dog \n")
    (directory / "ptb.valid.txt").write_text(" the bird \n")
    (directory / "ptb.test.txt").write_text(" a dog \n")


def test_stdlib_is_small_named_and_split_at_its_end():
    corpus = load_corpus(TextDataConfig())
    total = corpus.train.size + corpus.validation.size
    assert 60 < len(corpus.vocabulary) <= text.STDLIB_VOCABULARY
    assert total > 500_000 and corpus.validation.size == round(total / 10)
    assert [source.name for source in corpus.provenance] == list(text.STDLIB_MODULES)
    assert all(len(source.sha256) == 64 for source in corpus.provenance)
    assert corpus.train.dtype == np.int32
    assert corpus.train.min() >= 0 and corpus.train.max() < len(corpus.vocabulary)
    assert "".join(words_of(corpus.train[:60], corpus.vocabulary)).startswith("# Author: Steven")


@pytest.mark.parametrize("source", ["stdlib", "pydoc"])
def test_a_share_at_the_end_is_the_test_text(source):
    whole, config = load_corpus(TextDataConfig(source)), TextDataConfig(source, test_share=0.2)
    rest, total = load_corpus(config), whole.train.size + whole.validation.size
    test = load_test_tokens(config, whole.vocabulary)
    assert test.size == round(0.2 * total) and config.has_test
    assert rest.train.size + rest.validation.size + test.size == total
    read = words_of(np.concatenate([whole.train, whole.validation]), whole.vocabulary)
    assert words_of(test, whole.vocabulary)[-200:] == read[-200:]
    first = words_of(np.concatenate([rest.train, rest.validation]), rest.vocabulary)
    assert first == read[: len(first)]
    assert not TextDataConfig(source).has_test


def test_python_s_documentation_is_english(tmp_path):
    corpus = load_corpus(TextDataConfig("pydoc"))
    assert corpus.train.size > 300_000
    words = "".join(words_of(corpus.train, corpus.vocabulary)).lower().split()
    assert words.count("the") > 1_000 and words.count("of") > 500


def test_cuts_take_the_first_tokens_of_each_split():
    whole = load_corpus(TextDataConfig())
    cut = load_corpus(TextDataConfig(max_training_tokens=50, max_validation_tokens=20))
    np.testing.assert_array_equal(cut.train, whole.train[:50])
    np.testing.assert_array_equal(cut.validation, whole.validation[:20])
    assert cut.vocabulary == whole.vocabulary


def test_rare_characters_become_one_unknown_symbol():
    assert text._vocabulary("aaabbc", limit=3) == ("a", "b", text.UNKNOWN)
    np.testing.assert_array_equal(
        text.numbers_of("abcd", ("a", "b", text.UNKNOWN)), np.array([0, 1, 2, 2])
    )


def test_files_by_pattern_are_joined_in_sorted_order(tmp_path):
    (tmp_path / "b.txt").write_text("56789é")
    (tmp_path / "a.txt").write_text("01234")
    corpus = load_corpus(TextDataConfig(str(tmp_path / "*.txt")))
    assert "".join(words_of(corpus.train, corpus.vocabulary)) == "0123456789"
    assert words_of(corpus.validation, corpus.vocabulary) == [text.UNKNOWN]
    digest = hashlib.sha256(b"01234").hexdigest()
    assert corpus.provenance[0] == text.SourceFile("a.txt", digest)


def test_words_end_every_line_with_eos(tmp_path):
    (tmp_path / "a.txt").write_text("one two\n" * 10)
    corpus = load_corpus(TextDataConfig(str(tmp_path / "a.txt"), unit="word"))
    assert words_of(corpus.train[:4], corpus.vocabulary) == ["one", "two", "<eos>", "one"]
    assert corpus.validation.size == 3


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_a_text_of_its_own_lines(name):
    corpus = load_corpus(TextDataConfig(name))
    task = TASKS[name]
    assert "".join(words_of(corpus.train, corpus.vocabulary)) == task.training_text()
    assert "".join(words_of(corpus.validation, corpus.vocabulary)) == task.validation_text()
    samples = (*task.training, *task.held_out, *task.beyond)
    characters = {character for sample in samples for character in sample.line}
    assert set(corpus.vocabulary) == characters | {text.UNKNOWN}
    digest = hashlib.sha256(task.training_text().encode()).hexdigest()
    assert corpus.provenance[0] == text.SourceFile(f"{name}.training", digest)


def test_the_counters_text_is_the_same_everywhere():
    # Figures are those of nets that were trained on it.
    digest = load_corpus(TextDataConfig("counter")).provenance[0].sha256
    assert digest.startswith("303478483687")


@pytest.mark.parametrize("below", ["", "ptb"])
def test_ptb_is_found_in_the_directory_or_below_it_and_other_files_warn(tmp_path, below):
    write_ptb(tmp_path / below)
    config = TextDataConfig("ptb", unit="word")
    with pytest.warns(UserWarning, match="ptb.train.txt is not the published file"):
        corpus = load_corpus(config, data_dir=str(tmp_path))
    assert words_of(corpus.train, corpus.vocabulary) == [
        *("the", "cat", "<unk>", "<eos>"),
        *("the", "dog", "<eos>"),
    ]
    assert words_of(corpus.validation, corpus.vocabulary) == ["the", "<unk>", "<eos>"]
    with pytest.warns(UserWarning, match="ptb.test.txt is not the published file"):
        test = load_test_tokens(config, corpus.vocabulary, data_dir=str(tmp_path))
    assert words_of(test, corpus.vocabulary) == ["<unk>", "dog", "<eos>"]


def test_ptb_characters_have_no_blanks_at_the_ends_of_lines(tmp_path):
    write_ptb(tmp_path)
    with pytest.warns(UserWarning):
        corpus = load_corpus(TextDataConfig("ptb"), data_dir=str(tmp_path))
    assert "".join(words_of(corpus.train, corpus.vocabulary)) == "the cat <unk>\nthe dog\n"


@pytest.mark.filterwarnings("ignore:.*the published file")
@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n \n", "is empty"),
        (b"the \xff\xfe", "is not UTF-8 text (at byte 4)"),
        ("directory", "cannot be read: Is a directory"),
        ("pipe", "is no file"),
    ],
)
def test_a_damaged_file_of_ptb_is_one_clear_line(tmp_path, split, content, message):
    write_ptb(tmp_path)
    path = tmp_path / f"ptb.{split}.txt"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        (os.mkfifo if content == "pipe" else os.mkdir)(path)
    config = TextDataConfig("ptb", unit="word")
    with pytest.raises(InputError) as error:
        load_corpus(config, data_dir=str(tmp_path))
        load_test_tokens(config, ("<unk>",), data_dir=str(tmp_path))
    assert str(error.value).startswith(f"{path} {message}")


@pytest.mark.skipif(not DATA_DIR, reason="NAS_WITH_RL_DATA_DIR is not set: no Penn Treebank")
def test_real_ptb():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = TextDataConfig("ptb", unit="word")
        corpus = load_corpus(config, data_dir=DATA_DIR)
        test = load_test_tokens(config, corpus.vocabulary, data_dir=DATA_DIR)
    assert (corpus.train.size, corpus.validation.size, test.size) == (929_589, 73_760, 82_430)
    assert len(corpus.vocabulary) == 10_000
    assert words_of(corpus.train[:3], corpus.vocabulary) == ["aer", "banknote", "berlitz"]


@pytest.mark.skipif(not DATA_DIR, reason="NAS_WITH_RL_DATA_DIR is not set: no Penn Treebank")
def test_real_ptb_by_characters():
    # The bytes of the files, less the blanks at both ends of every line.
    corpus = load_corpus(TextDataConfig("ptb"), data_dir=DATA_DIR)
    assert (corpus.train.size, corpus.validation.size) == (5_017_482, 393_042)
    assert len(corpus.vocabulary) == 51  # the text's 50 and the unknown one


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing/*.txt", "missing/*.txt': no such file"),
        ("a\0b/*.txt", r"a\x00b/*.txt': no such file"),
        ("~a\0b/c", "no such file"),
        ("~nosuchuser/c", "no such file"),
        ("\ud800", "no such file"),
        ("x" * 5000, "xxx…: no such file"),
        ("*/" * 3000, "*/…: no such file"),
        ("[z-a]*[", "no such file"),
        ("empty*", "source is 'empty*': nothing there but 2 empty files"),
        ("f*lder*", "nothing there but 2 directories"),
        ("pipe", "pipe is no file but a device, a pipe or a socket"),
        ("p*", "pipe is no file but"),
        ("/dev/zero", "/dev/zero is no file but"),
        ("to_zero", "to_zero is no file but"),
        ("to_nothing", "to_nothing cannot be read: No such file or directory"),
        ("to_itself", "to_itself cannot be read: Too many levels of symbolic links"),
        ("*.txt", "latin.txt is not UTF-8 text (at byte 3)"),
        ("", "source is empty"),
        ("folder", "is a directory"),
        ("empty.txt", "empty.txt is empty"),
        ("latin.txt", "latin.txt is not UTF-8 text (at byte 3)"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "folder_2"):
        (tmp_path / name).mkdir()
    for name in ("empty.txt", "empty_2.txt"):
        (tmp_path / name).write_text(" \n")
    (tmp_path / "full.txt").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    for name, target in (("zero", "/dev/zero"), ("nothing", "missing"), ("itself", "to_itself")):
        (tmp_path / f"to_{name}").symlink_to(target)
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(InputError) as error:
        load_corpus(TextDataConfig(source))
    assert message in str(error.value) and str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_empty_files_and_directories_of_a_pattern_are_counted_and_left_out(tmp_path):
    (tmp_path / "pkg" / "inner.py").mkdir(parents=True)
    for name, content in (("__init__", ""), ("blank", " \n\n"), ("one", "ab"), ("two", "cd")):
        (tmp_path / "pkg" / f"{name}.py").write_text(content)
    for pattern in ("pkg/*.py", "pkg/*", "**/*.py", "**/" * 30 + "*.py"):
        corpus = load_corpus(TextDataConfig(str(tmp_path / pattern)))
        assert [source.name for source in corpus.provenance] == ["one.py", "two.py"]
        assert corpus.train.size + corpus.validation.size == 4
        assert corpus.left_out == "1 directory and 2 empty files"
    assert not load_corpus(TextDataConfig(str(tmp_path / "pkg" / "one.py"))).left_out


@pytest.mark.parametrize("name", ["my[1].txt", "*", "a?b", "**", " x "])
def test_a_file_is_meant_whose_name_could_be_a_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("this")
    for other in ("my1.txt", "acb", "x"):
        (tmp_path / other).write_text("other")
    corpus = load_corpus(TextDataConfig(name))
    assert [source.name for source in corpus.provenance] == [name]


def test_a_file_of_the_system_is_read_though_it_has_no_size():
    assert load_corpus(TextDataConfig("/proc/self/status")).train.size > 0


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1) | st.text("*?[]!-ab./~\0", min_size=1, max_size=8))
def test_any_text_is_a_text_or_one_line(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    if (
        source in SOURCES or source.startswith(("/", "~/")) or ".." in source
    ):  # the system's own files
        return
    with pytest.raises(InputError) as error:
        load_corpus(TextDataConfig(source))
    assert str(error.value).isprintable() and len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("text_of_file", "unit", "message"),
    [
        ("the <unk> the\nthe\n", "word", "has 1 different words ('the'), below the 2"),
        ("x" * 1000, "word", f"has 1 different words ('{'x' * 58}…), below the 2"),
        ("<unk> <unk>\n", "word", "has 0 different words, below the 2"),
        ("aaaaaaaaaaaaaaa", "character", "has 1 different characters ('a'), below the 2"),
    ],
)
def test_a_text_with_nothing_to_predict_is_one_clear_line(tmp_path, text_of_file, unit, message):
    path = tmp_path / "text.txt"
    path.write_text(text_of_file * 5)
    with pytest.raises(InputError) as error:
        load_corpus(TextDataConfig(str(path), unit=unit))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda d: load_corpus(TextDataConfig("ptb")), "needs data_dir"),
        (lambda d: load_corpus(TextDataConfig("ptb"), data_dir=d), "no ptb.train.txt in it"),
        (lambda d: load_corpus(TextDataConfig("ptb"), data_dir=d + "/no"), "/no': no ptb.train"),
        (lambda d: load_test_tokens(TextDataConfig(), ("<unk>",)), "'stdlib', which has no test"),
        (
            lambda d: load_corpus(TextDataConfig("counter", unit="word")),
            "unit is 'word': source 'counter' is of characters only",
        ),
        (lambda d: load_test_tokens(TextDataConfig("counter"), ("a",)), "no test text"),
        (lambda d: TextDataConfig(unit="byte"), "unit is 'byte', not one of character, word"),
        (lambda d: TextDataConfig(test_share=0.6), "test_share is 0.6, not from 0 to 0.5"),
        (lambda d: TextDataConfig("ptb", test_share=0.1), "test_share has no effect on ptb"),
        (lambda d: TextDataConfig(max_training_tokens=-1), "max_training_tokens is -1, below 0"),
    ],
)
def test_bad_configurations_are_one_clear_line(tmp_path, load, message):
    with pytest.raises(InputError) as error:
        load(str(tmp_path))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_contiguous_batches_against_the_stream():
    batches = text.contiguous_batches(np.arange(11), 3)
    np.testing.assert_array_equal(batches, [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
