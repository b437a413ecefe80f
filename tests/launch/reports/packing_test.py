"""The trials as a page keeps them: what comes out is what went in, and not more than fits."""

import base64
import json
import zlib

import numpy as np
import pytest

from nas_with_rl.launch.reports import packing
from nas_with_rl.launch.reports.columns import columns_of
from nas_with_rl.launch.reports.packing import kept_rows, pack
from nas_with_rl.launch.results.units import THE_REWARD, Unit
from tests.launch.reports.columns_test import some_trials, trial


def unpacked(text):
    """Return header, columns and texts, as JavaScript reads them."""
    content = base64.b64decode(text, validate=True)
    size = int.from_bytes(content[:4], "little")
    header, at, columns = json.loads(content[4 : 4 + size]), 4 + size, {}
    for name, kind, length in header["columns"]:
        width = int(kind[1:])
        assert at % 4 == 0
        columns[name] = np.frombuffer(content, f"<{kind}", length, at)
        at += -(-length * width // 4) * 4
    texts = zlib.decompress(content[at:]).decode().split("\n")
    return header, columns, texts[: header["texts"]]


def test_what_comes_out_is_what_went_in():
    trials = some_trials(1)
    columns = columns_of(trials, Unit("loss"))
    header, found, texts = unpacked(pack(columns, {"unit": "loss"}, 100_000))
    assert header["unit"] == "loss" and header["measured"] == columns.num_measured
    assert texts == columns.texts and found["kind"].tolist() == columns.kind.tolist()
    assert [texts[place] for place in found["place"]] == [each.architecture for each in trials]
    for name in ("reward", "value", "seconds", "parameters"):
        assert found[name] == pytest.approx(getattr(columns, name), nan_ok=True)
    notes = [header["notes"][each] for each in found["note"]]
    assert {note for note, t in zip(notes, trials, strict=True) if t.failure} == {"diverged"}
    assert {note for note, t in zip(notes, trials, strict=True) if not t.failure} == {""}


def test_what_says_nothing_is_left_out():
    columns = columns_of([trial(0, "a", reward=1.0)], THE_REWARD)
    _, found, _ = unpacked(pack(columns, {}, 10_000))
    assert set(found) == {"kind", "place", "reward", "note"}
    _, found, texts = unpacked(pack(columns_of([], THE_REWARD), {}, 10_000))
    assert len(found["kind"]) == 0 and texts == []
    later = columns_of([trial(7, "a", reward=1.0)], THE_REWARD)
    assert unpacked(pack(later, {}, 10_000))[1]["number"].tolist() == [7]


@pytest.mark.parametrize("reward", [1e300, -1e-300, 16_777_217.0])
def test_numbers_beyond_short_ones_are_kept(reward):
    columns = columns_of([trial(0, "a", reward=reward, num_parameters=2**40 + 1)], THE_REWARD)
    _, found, _ = unpacked(pack(columns, {}, 10_000))
    assert found["reward"][0] == pytest.approx(reward, rel=1e-6)
    assert found["parameters"][0] == 2**40 + 1


def test_texts_of_the_worst_are_left_out_where_there_is_no_room(monkeypatch):
    monkeypatch.setattr(packing, "_CHUNK", 10)
    digits = np.random.default_rng(0).integers(0, 10, (200, 60))
    trials = [
        trial(row, "".join(map(str, text)), reward=float(row)) for row, text in enumerate(digits)
    ]
    columns = columns_of(trials, THE_REWARD)
    packed = pack(columns, {}, 12_000)
    header, found, texts = unpacked(packed)
    assert len(packed) <= 12_000 and 0 < len(texts) < 200 and len(found["reward"]) == 200
    assert texts == columns.texts[: header["texts"]]
    assert unpacked(pack(columns, {}, 0))[0]["texts"] == 0
    assert unpacked(pack(columns, {}, 100_000))[0]["texts"] == 200


def test_of_more_trials_than_fit_the_best_and_some_others_are_kept(monkeypatch):
    monkeypatch.setattr(packing, "MOST_TRIALS", 20)
    monkeypatch.setattr(packing, "_BEST_KEPT", 5)
    trials = [trial(row, str(row), reward=float(row % 50)) for row in range(100)]
    rows = kept_rows(columns_of(trials, THE_REWARD))
    assert len(rows) == 20 and sorted(set(rows)) == rows.tolist()
    assert {49, 99, 48, 98, 47} <= set(rows.tolist())


def test_what_failures_said_is_told_apart_as_far_as_a_byte_goes():
    trials = [trial(row, "a", "failed", failure="crashed", message=f"{row}") for row in range(300)]
    header, found, _ = unpacked(pack(columns_of(trials, THE_REWARD), {}, 100_000))
    notes = [header["notes"][each] for each in found["note"]]
    assert notes[:5] == [f"crashed: {row}" for row in range(5)] and notes[-1] == "crashed"
