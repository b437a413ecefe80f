"""The page's rankings and its search, run by node, against NumPy and by counting."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nas_with_rl.explorer.rankings import rank_by_feature
from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal
from tests.harness import numpy_rankings

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node, for JavaScript")

MODULE = Path(__file__).parents[3] / "explorer" / "page" / "module"
RANKINGS = """
import { readFileSync } from "node:fs";
import { rankedByCorrelation, rankedByFeature, rankedByOnOff } from "MODULE/rankings.mjs";
import { StoredSignal } from "MODULE/stored_data.mjs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const rows = (ranked) => ranked.map(({ neuron, score }) => [neuron, score]);
console.log(JSON.stringify(cases.map(({ codes, shape, members, values }) => {
  const bytes = Buffer.from(codes, "base64");
  const buffer = new ArrayBuffer(8 * shape[0] + bytes.length);
  new Uint8Array(buffer, 8 * shape[0]).set(bytes);
  const scales = { type: "float64", shape: [shape[0]], offset: 0 };
  const signal = new StoredSignal(buffer, {
    codes: { type: "uint8", shape, offset: 8 * shape[0] }, origins: scales, steps: scales,
  });
  return {
    onOff: rows(rankedByOnOff(signal, members)),
    membership: rows(rankedByCorrelation(signal, members)),
    feature: rows(rankedByFeature(signal, values)),
  };
})));
"""
MATCHES = """
import { readFileSync } from "node:fs";
import { matches, members } from "MODULE/matches.mjs";
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([tokens, text]) => {
  const spans = matches(tokens, text);
  return [spans.length, [...members(tokens.length, spans)]];
})));
"""


def stored(codes):
    """Return a signal of codes [H, T]."""
    ones = np.ones(len(codes))
    return StoredSignal(None, np.asarray(codes, np.uint8), ones, ones, -1.0, 1.0)


def run(script, cases):
    """Return what a script of the page's modules prints for the cases."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script.replace("MODULE", MODULE.as_uri())],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ranked(codes, members, values):
    """Return the three rankings of codes [H, T] by members [T] and by values [T]."""
    codes = np.asarray(codes, np.uint8)
    (found,) = run(
        RANKINGS,
        [
            {
                "codes": base64.b64encode(codes.tobytes()).decode(),
                "shape": codes.shape,
                "members": np.asarray(members, int).tolist(),
                "values": np.asarray(values, int).tolist(),
            }
        ],
    )
    return found


def test_rankings_are_numpys():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 255, size=(20, 300))
    codes[generator.uniform(size=codes.shape) < 0.1] = NOT_FINITE
    codes[19], codes[18, :299] = NOT_FINITE, NOT_FINITE
    selected = generator.uniform(size=300) < 0.2
    codes[:4, selected] //= np.arange(2, 6)[:, None]
    codes[17] = codes[3]
    values = generator.integers(0, 1000, size=300)
    codes[5] = 254 * (values / 1000) ** 4  # counts, but not in even steps
    codes[6] = 254 - codes[5]
    assert numpy_rankings.feature_scores(codes[5:7], values)[0] > 0.9
    assert numpy_rankings.correlation(codes[5], values) < 0.9
    found = ranked(codes, selected, values)
    for name, expected in (
        ("onOff", numpy_rankings.on_off_scores(codes, selected)),
        ("membership", numpy_rankings.correlations(codes, selected)),
        ("feature", numpy_rankings.feature_scores(codes, values)),
    ):
        numpy_rankings.assert_ranked(found[name], expected)


def test_the_largest_score_of_either_sign_is_first():
    codes = [
        [9, 9, 9, 9, 9, 9],  # never changes
        [0, 0, 9, 9, 9, 0],  # off in the selection
        [9, 9, 0, 0, 0, 0],  # on there, and nowhere else
        [0, 0, 9, 9, 9, 9],  # off there, and nowhere else
    ]
    found = ranked(codes, [1, 1, 0, 0, 0, 0], [0, 0, 5, 5, 5, 5])
    assert found["onOff"] == [[2, 1], [3, -1], [1, -0.75], [0, 0]]
    assert [neuron for neuron, _ in found["membership"]] == [2, 3, 1, 0]
    assert [score for _, score in found["feature"]] == pytest.approx([-1, 1, 0.5**0.5, 0])


def test_a_selection_of_all_or_nothing_has_the_share_of_one_side():
    assert ranked([[0, 9, 9, 9]], [1, 1, 1, 1], [0, 0, 0, 0])["onOff"] == [[0, 0.75]]
    assert ranked([[0, 9, 9, 9]], [0, 0, 0, 0], [0, 0, 0, 0])["onOff"] == [[0, -0.75]]


def test_sums_are_exact_where_floats_would_not_be():
    """The longest text and the largest feature: sums of products beyond float32, below 2^53."""
    codes, values = np.full((1, 90_000), 254), np.full(90_000, 1000)
    codes[0, 0] = values[0] = 0
    assert ranked(codes, values > 0, values)["feature"] == [[0, 1.0]]


def test_python_ranks_as_the_page_does():
    generator = np.random.default_rng(3)
    codes = generator.integers(0, 255, size=(30, 200))
    values = generator.integers(0, 40, size=200)
    for neuron in range(0, 30, 3):
        codes[neuron] = np.minimum(254, np.exp2(values / (3 + neuron / 4))) + neuron % 2
    codes[generator.uniform(size=codes.shape) < 0.05] = NOT_FINITE
    ours = rank_by_feature(stored(codes), values)
    assert ranked(codes, values > 5, values)["feature"] == [[n.neuron, n.score] for n in ours]
    assert {each.is_uneven for each in ours} == {True, False}


def test_matches_may_overlap_and_be_of_tokens_with_several_characters():
    unknown = ["a", "<unk>", "b", "unk"]
    cases = [("aaaXaaa", "aa"), (unknown, "unk"), (unknown[:3], "<unk>b"), ("abc", "x")]
    cases += [("abc", ""), ("a.b", "."), ("\U0001f600a\U0001f600", "\U0001f600")]
    found = run(MATCHES, [(list(tokens), text) for tokens, text in cases])
    assert [count for count, _ in found] == [4, 1, 1, 0, 0, 1, 2]
    assert found[1][1] == [0, 0, 0, 1]  # a part of a token is none
    for (tokens, text), (count, inside) in zip(cases, found, strict=True):
        expected = numpy_rankings.matched(tokens, text)
        assert (count, inside) == (expected[0], expected[1].astype(int).tolist())
