"""Files are there whole or not at all."""

import os
import signal

import pytest

from nas_with_rl.search_spaces.whole_files import WRITING, write_whole, written_whole


def test_a_file_replaces_another_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "model.keras"
    for content in ("the first", b"the second"):
        write_whole(content, path)
    assert path.read_bytes() == b"the second"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_what_fails_in_the_middle_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "page.html"
    write_whole("whole", path)
    with pytest.raises(ValueError, match="no more"), written_whole(path) as temporary:
        assert temporary.suffix == ".html" and temporary.parent == tmp_path
        temporary.write_text("ha")
        raise ValueError("no more")
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_directory_is_there_whole(tmp_path):
    path = tmp_path / "version-00000001"
    with pytest.raises(ValueError, match="no more"), written_whole(path) as temporary:
        temporary.mkdir()
        (temporary / "half").touch()
        raise ValueError("no more")
    assert os.listdir(tmp_path) == []
    with written_whole(path) as temporary:
        temporary.mkdir()
        (temporary / "values").write_text("1")
    assert (path / "values").read_text() == "1"
    assert os.listdir(tmp_path) == [path.name]


def test_two_names_of_one_file_end_as_one(tmp_path):
    path, other = tmp_path / "model.keras", tmp_path / "kept.keras"
    write_whole("the same", path)
    os.link(path, other)
    with written_whole(path) as temporary:
        os.link(other, temporary)
    assert sorted(os.listdir(tmp_path)) == ["kept.keras", "model.keras"]


def test_a_killed_writer_leaves_the_file_and_what_is_known_as_its_leftover(tmp_path):
    path = tmp_path / "experiment.json"
    write_whole("{}", path)
    child = os.fork()
    if not child:
        with written_whole(path) as temporary:
            temporary.write_text("{")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.read_text() == "{}"
    (leftover,) = set(os.listdir(tmp_path)) - {path.name}
    assert leftover.startswith(WRITING) and leftover.endswith(path.name)
    write_whole("[]", path)
    assert path.read_text() == "[]"
