"""The report as a file: it answers, is whole and small, asks no network, and texts stay texts."""

import base64
import dataclasses
import hashlib
import html.parser
import itertools
import json
import math
import re

import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.launch.records.ledger import Ledger
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.reports.page import MOST_BYTES, Live, moving_averages, report_html
from nas_with_rl.launch.reports.subject import Subject, subject_of
from nas_with_rl.launch.results.candidates import Candidate, Comparison
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from tests.launch.reports.columns_test import trial
from tests.launch.reports.packing_test import unpacked

QUESTIONS = (
    "Which is best, and by how much?",
    "Is it luck?",
    "What did the controller learn?",
    "What failed, and why?",
    "What do I run next?",
)
_DRAWN = "data:image/svg+xml;base64,"
SPACE = nas.SearchSpace({"units": (16, 32), "activation": ("relu", "tanh")})
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&amp;</style>\x00\x1b[2J‮"


class Reading(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.raw, self._inside = [], [], {}, ""
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = f"{tag}#{dict(attrs).get('id', '')}" if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.words.append(data)

    def titles(self, tag):
        return [name for name, _ in self.tags].count(tag)


def subject(trials, tmp_path, space=SPACE, **others):
    result = SearchResult(space, tuple(trials), tmp_path, config=nas.SearchConfig(num_samples=8))
    metric = others.pop("metric", None)
    result = dataclasses.replace(result, metric=metric)
    return Subject(result, Workdir(tmp_path), others.pop("state", "finished"), **others)


def few(tmp_path, **others):
    texts = ["16 relu", "32 tanh", "16 tanh", "32 relu"]
    trials = [
        trial(row, texts[row % 4], reward=0.001 + 1e-6 * (row % 4) + 1e-8 * row, num_parameters=row)
        for row in range(8)
    ]
    return subject(trials, tmp_path, **others)


def test_the_five_questions_stand_first_and_in_order(tmp_path):
    page = report_html(few(tmp_path))
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert tuple(headings[:5]) == QUESTIONS and len(headings) == 8
    reading = Reading(page)
    assert "Trial 7 is best" not in reading.text  # the mean of both evaluations counts
    assert "Trial 3 is best: reward 0.00100" in reading.text
    assert "0.10 %) above the second" in reading.text


def test_small_rewards_are_told_apart(tmp_path):
    text = Reading(report_html(few(tmp_path))).text
    assert "0.001003" in text and "0.001002" in text and " 0.0000 " not in text


def test_values_are_in_the_units_that_people_think_in(tmp_path):
    def trials(metric, values):
        return [
            trial(row, "16 relu" if row else "32 tanh", reward=1 / value, metrics={metric: value})
            for row, value in enumerate(values)
        ]

    found = subject(trials("perplexity", [80.0, 100.0]), tmp_path, metric="perplexity")
    text = Reading(report_html(found)).text
    assert "Trial 0 is best: perplexity 80.00 (reward 0.01250), 20 (20 %) below" in text
    accuracies = [
        trial(row, each, reward=a**3, metrics={"validation_accuracy": [0.1, a]})
        for row, (each, a) in enumerate([("16 relu", 0.9), ("32 tanh", 0.915)])
    ]
    text = Reading(report_html(subject(accuracies, tmp_path, metric="validation_accuracy"))).text
    assert "Trial 1 is best: validation accuracy 91.50\xa0% (reward 0.7661)" in text.replace(
        " %", "\xa0%"
    )
    assert "1.5 points above the second" in text and "error 8.500" in text


@pytest.mark.parametrize("state", ["running", "stopped", "finished"])
def test_what_to_run_next_follows_from_the_state(state, tmp_path):
    description = {
        "experiment": "quickstart",
        "seed": 3,
        "overrides": ["child.epochs=2", "search.batch_size=2"],
        "search": {"searcher": "dream"},
        "child": {"kind": "LanguageModelTraining"},
        "location": {"data_dir": "/a b"},
    }
    page = Reading(report_html(few(tmp_path, state=state, description=description))).text
    place = str(tmp_path)
    train = (
        "python -m nas_with_rl.launch.train_architecture --experiment=quickstart "
        "--override=child.epochs=2 --data_dir='/a b' --architecture='32 relu' "
        f"--workdir={place}-best"
    )
    assert train in page and "--override=search.batch_size=2 --architecture" not in page
    resume = f"search --workdir={place} --resume"
    assert (f"{resume} --num_samples=16" in page) == (state == "finished")
    assert resume in page and f"report --workdir={place} --serve" in page
    assert page.index(train) < page.index(resume) if state == "finished" else True
    assert page.index(resume) < page.index(train) if state != "finished" else True
    assert {"running": "running: 8", "stopped": "stopped before its end: 8"}.get(
        state, "finished: 8"
    ) in page


def test_a_search_in_python_is_continued_in_python(tmp_path):
    page = Reading(report_html(few(tmp_path, description={"experiment": "own", "search": {}}))).text
    assert f"nas.search(space, evaluate, num_samples=16, workdir={str(tmp_path)!r}," in page
    assert "--resume" not in page and "[evaluate(found.architecture)" in page


def test_fresh_seeds_and_repeats_tell_luck(tmp_path):
    candidates = (
        Candidate("best cell of the search", 14_497, (7.8, 7.5, 8.5), 0.02),
        Candidate("LSTM, 24 units", 14_161, (10.9, 11.6, 13.2), 0.08),
    )
    comparison = Comparison(candidates, num_trials=6, num_seeds=3)
    text = Reading(report_html(few(tmp_path, comparison=comparison))).text
    assert "On 3 fresh seeds: Best cell of the search: 33.3% lower than LSTM, 24 units" in text
    assert "measured when the search had 6 trials" in text and "11.90 ± 1.2" in text
    assert "4 architectures measured several times, 8 evaluations" in text
    once = [trial(0, "16 relu", reward=1.0), trial(1, "32 relu", reward=2.0)]
    text = Reading(report_html(subject(once, tmp_path))).text
    assert "Every architecture was measured once" in text


def test_the_time_and_the_failures_are_told(tmp_path):
    trials = [
        trial(0, "16 relu", reward=1.0, started=0.0, ended=2.0, worker="a"),
        trial(1, "32 relu", "failed", failure="crashed", message="ValueError: no\n  in file"),
        trial(2, "32 tanh", "failed", failure="crashed", message="ValueError: no\n  in other"),
        trial(3, "16 tanh", "failed", failure="diverged", message="nan"),
        trial(4, "16 tanh", "running"),
    ]
    found = subject(trials, tmp_path, state="stopped", ledger=Ledger(waiting=9.0, rest=1.0))
    page = report_html(found)
    text = Reading(page).text
    assert "3 of 5 trials failed (60 %): 2 crashed, 1 diverged." in text.replace("\xa0", " ")
    assert "1 trial without an outcome" in text and "2 ×, as trial 2:" in text
    assert "<summary>ValueError: no</summary>" in page and "  in other" in page
    assert "90 % of 10.0 s went into the children" in text.replace("\xa0", " ")
    assert "Nothing failed." in Reading(report_html(few(tmp_path))).text


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_however_few_trials_there_are_it_is_a_page(number, tmp_path):
    texts = ["16 relu", "32 tanh"]
    for status in ("completed", "running", "failed"):
        reward = 1.0 if status == "completed" else None
        trials = [trial(row, texts[row % 2], status, reward=reward) for row in range(number)]
        reading = Reading(report_html(subject(trials, tmp_path)))
        assert reading.titles("h2") == 8
        header, _, kept = unpacked(reading.raw["script#data"])
        assert len(kept) == min(number, 2) and header["last"] == max(number - 1, 0)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, -1e308, 5e-324])
def test_whatever_numbers_there_are_it_is_a_page(value, tmp_path):
    trials = [
        trial(row, text, reward=0.5 * row, metrics={"loss": value * row, "odd": [value, 1.0]})
        for row, text in enumerate(["16 relu", "32 tanh", "16 tanh"] * 4)
    ]
    for metric in ("loss", "odd"):
        assert Reading(report_html(subject(trials, tmp_path, metric=metric))).titles("h2") == 8


def test_hostile_texts_stay_texts(tmp_path):
    name = "<b>&'\"</script>"
    space = nas.SearchSpace({name: ("<i>a</i>", "b"), "units": (1, 2)}, name=HOSTILE)
    trials = [
        trial(
            row,
            text,
            reward=float(row),
            metrics={HOSTILE: [1.0 * row, 2.0]},
            worker=HOSTILE + str(row),
            started=0.0,
            ended=1.0,
        )
        for row, text in enumerate(["<i>a</i> 1", "b 2", "<i>a</i> 2"])
    ]
    trials.append(trial(3, "b 1", "failed", failure=HOSTILE, message=HOSTILE + "\n" + HOSTILE))
    trials.append(trial(4, "\ud800", "failed", failure="crashed", message="\ud800"))
    description = {
        "experiment": HOSTILE,
        "overrides": [HOSTILE],
        "search": {"searcher": HOSTILE},
        "child": {"kind": HOSTILE, HOSTILE: HOSTILE},
        "data": {HOSTILE: HOSTILE},
        "versions": {HOSTILE: HOSTILE},
        "location": {"data_dir": HOSTILE, "plan": HOSTILE},
        "seed": HOSTILE,
        "commit": HOSTILE,
    }
    comparison = Comparison(
        (Candidate(HOSTILE, 1, (1.0,), 0.1), Candidate(HOSTILE, 1, (), 0.1)), 1, 1
    )
    found = subject(
        trials,
        tmp_path,
        space,
        metric=HOSTILE,
        description=description,
        comparison=comparison,
        source=HOSTILE,
    )
    page = report_html(found)
    reading = Reading(page)
    page.encode("utf-8")
    assert reading.titles("script") == 2 and reading.titles("style") == 1
    assert not {"i", "b", "iframe"} & {tag for tag, _ in reading.tags}
    images = [attributes["src"] for tag, attributes in reading.tags if tag == "img"]
    assert images and all(source.startswith(_DRAWN) for source in images)
    assert not any(key.startswith("on") for _, attrs in reading.tags for key in attrs)
    assert "\x00" not in page and "\x1b" not in page
    assert "<script>alert(1)</script>" in reading.text


def test_it_asks_for_nothing_from_outside(tmp_path):
    page = report_html(few(tmp_path))
    reading = Reading(page)
    for tag, attributes in reading.tags:
        assert not attributes.keys() & {"srcset", "action", "style", "formaction"}, tag
        assert attributes.get("href", "#").startswith("#")
        assert attributes.get("src", _DRAWN).startswith(_DRAWN)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)
    for word in ("XMLHttpRequest", "WebSocket", "import(", "@import", "url(http", "innerHTML ="):
        assert word not in page


def test_the_policy_allows_this_script_and_this_style_alone(tmp_path):
    reading = Reading(report_html(few(tmp_path)))
    policies = [a["content"] for _, a in reading.tags if "http-equiv" in a]
    allowed = dict(each.strip().partition(" ")[::2] for each in policies[0].split(";"))
    assert allowed["default-src"] == "'none'" and "connect-src" not in allowed
    for name, tag in (("script-src", "script#"), ("style-src", "style#")):
        digest = hashlib.sha256(reading.raw[tag].encode()).digest()
        assert allowed[name] == f"'sha256-{base64.b64encode(digest).decode()}'"
    served = Reading(report_html(few(tmp_path), live=Live(5.0)))
    policy = next(a["content"] for _, a in served.tags if "http-equiv" in a)
    assert policy.endswith("connect-src 'self'")
    assert [a["content"] for _, a in served.tags if a.get("name") == "live"] == ["5"]


def test_20_000_trials_are_less_than_a_megabyte(tmp_path):
    space = ConvolutionalSpace().search_space(15)
    generator = np.random.default_rng(0)
    texts = [str(random_architecture(space, generator)) for _ in range(500)]
    parts = [text.split(" | ") for text in texts]
    trials = []
    for row in range(20_000):
        # As different as can be, at a fraction of the cost of drawing each.
        drawn = enumerate(generator.integers(500, size=15))
        text = " | ".join(parts[int(i)][layer] for layer, i in drawn)
        accuracy = float(generator.random())
        fields = {"metrics": {"validation_accuracy": [accuracy]}, "started": float(row)}
        more = fields | {"ended": row + accuracy, "num_parameters": int(accuracy * 1e7)}
        trials.append(trial(row, text, depth=15, reward=accuracy**3, **more))
    page = report_html(subject(trials, tmp_path, space, metric="validation_accuracy"))
    assert len(page.encode()) <= MOST_BYTES
    header, columns, kept = unpacked(Reading(page).raw["script#data"])
    assert len(columns["reward"]) == 20_000 and header["texts"] == len(kept) >= 1_000
    assert "720 of 20,000 trials, evenly spread" in Reading(page).text


def test_the_baseline_decays_as_the_controllers():
    values = np.array([1.0, 3.0, -2.0])
    found = moving_averages(values, 0.9)
    assert found == pytest.approx([1.0, 1.2, 0.88]) and len(moving_averages(values[:0], 0.9)) == 0


def test_a_search_with_skips_shows_them(tmp_path):
    space = ConvolutionalSpace().search_space(3)
    trials = [
        trial(row, f"1 1 - 24 | 3 3 1 36 | 5 5 {('-', '1,2')[row > 20]} 48", depth=3, reward=1.0)
        for row in range(40)
    ]
    reading = Reading(report_html(subject(trials, tmp_path, space)))
    assert "layer 3 takes layer 1" in reading.text and "Skip connections" in reading.text
    matrices = [a for tag, a in reading.tags if tag == "svg" and a.get("class") == "matrix"]
    assert len(matrices) == 2


def test_the_best_so_far_is_that_of_the_mean_of_repeats(tmp_path):
    rewards = {"16 relu": [1.0, 0.0], "32 tanh": [0.8, 0.9]}
    order = ["16 relu", "32 tanh", "16 relu", "32 tanh"]
    taken = {text: iter(values) for text, values in rewards.items()}
    trials = [trial(row, text, reward=next(taken[text])) for row, text in enumerate(order)]
    reading = Reading(report_html(subject(trials, tmp_path)))
    best = unpacked(reading.raw["script#data"])[0]["best"]
    steps = list(zip(best["number"], best["reward"], strict=True))
    assert steps == [(0, 1.0), (2, 0.8), (3, 0.85)]
    assert all(b > a for a, b in itertools.pairwise(best["number"]))


def test_a_report_is_read_from_what_a_workdir_keeps(tmp_path):
    options = nas.SearchOptions(
        search=nas.SearchConfig(searcher="random", batch_size=4), progress=False
    )
    result = nas.search(
        SPACE, lambda a: a["units"], num_samples=8, workdir=tmp_path / "run", options=options
    )
    place = Workdir(tmp_path / "run")
    written = report_html(subject_of(result, place, state="finished", source=""))
    page = Reading(written)
    stored = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert stored["versions"]["numpy"] in page.text and "units: 32" in written
    assert isinstance(result.trials[0], Trial)
