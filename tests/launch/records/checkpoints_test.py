"""Checkpoints: damage falls back to the one before; all damaged is one clear line."""

import hashlib
import json

import pytest

from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.launch.records.checkpoints import KEPT, Checkpoints, copy_kept
from nas_with_rl.search_spaces.errors import InputError


@pytest.fixture
def saved(tmp_path):
    """Five versions saved, the last KEPT kept."""
    checkpoints, searcher = Checkpoints(tmp_path), RandomSearch(seed=0)
    for _ in range(5):
        searcher.tell([], [])
        checkpoints.save(searcher)
    return checkpoints


def restored_version(checkpoints):
    searcher = RandomSearch(seed=0)
    checkpoints.restore(searcher)
    return searcher.version


def test_the_newest_is_restored_and_few_are_kept(saved, tmp_path):
    assert restored_version(saved) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"version-{v:08d}" for v in range(6 - KEPT, 6)
    ]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest"])
def test_a_damaged_newest_falls_back_to_the_one_before(saved, tmp_path, damage):
    newest = tmp_path / "version-00000005"
    file = newest / "random_search.json"
    if damage == "truncate":
        file.write_bytes(b"")
    elif damage == "flip":
        file.write_text('{"version": 9}')
    elif damage == "remove":
        file.unlink()
    else:
        (newest / "manifest.json").write_text("{")
    assert restored_version(saved) == 4


def test_they_are_copied_and_damage_is_said(saved, tmp_path):
    (tmp_path / "version-00000005" / "random_search.json").write_text('{"version": 9}')
    (tmp_path / "writing-00000006").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found = copy_kept(tmp_path, tmp_path.parent / f"{tmp_path.name}-copies")
    assert list(found) == [5, 4, 3]
    assert "it is damaged: ValueError: random_search.json is not what" in found[5]
    assert (found[4] / "random_search.json").read_text() == '{"version": 4}'
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unfinished_one_is_not_looked_at(saved, tmp_path):
    (tmp_path / "version-00000005").rename(tmp_path / "writing-00000005")
    assert restored_version(saved) == 4


def test_every_one_damaged_is_one_clear_line(saved, tmp_path):
    for path in tmp_path.glob("version-*/random_search.json"):
        path.write_text("")
    with pytest.raises(InputError, match="every checkpoint"):
        restored_version(saved)


def test_none_leaves_the_searcher_at_its_start(tmp_path):
    assert restored_version(Checkpoints(tmp_path)) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("random_search.json", "[]"),
        ("random_search.json", "{}"),
        ("random_search.json", '{"version": null}'),
        ("random_search.json", '{"version": "x"}'),
        ("random_search.json", '{"version": 7}'),
        ("random_search.json", '{"version": Infinity}'),
        ("random_search.json", "[" * 100_000),
        ("manifest.json", "[]"),
        ("manifest.json", '{"random_search.json": 5}'),
        ("manifest.json", '{"": "x"}'),
        ("manifest.json", "3"),
    ],
)
def test_what_agrees_with_its_manifest_and_cannot_be_read_falls_back(
    saved, tmp_path, name, content
):
    newest = tmp_path / "version-00000005"
    (newest / name).write_text(content)
    if name != "manifest.json":
        digest = hashlib.sha256(content.encode()).hexdigest()
        (newest / "manifest.json").write_text(json.dumps({name: digest}))
    assert restored_version(saved) == 4
