"""What a search found: the best, the curve, the table; and how a screen shows it."""

import base64
import dataclasses
import re
import sys
import xml.etree.ElementTree as ET

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.records.ranking import best_so_far
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.charts import Drawing
from nas_with_rl.launch.results.search_result import SearchResult

SPACE = nas.SearchSpace(
    [
        nas.Choice("units", (8, 16, 32)),
        nas.Choice("bias", (True, False), only_if=("units", (8, 16))),
        nas.Choice("status", ("a", "b")),  # also the name of a column
    ]
)
HOSTILE = "</pre><script>alert(1)</script>'\"&"


def trial(text, reward, **values):
    given = {"status": "completed", "reward": reward, "started": 100.0, "ended": 101.5, **values}
    return Trial(0, text, given.pop("depth", 0), given.pop("status"), -1.0, 0, 1, seed=0, **given)


def failed(text, failure="diverged", **values):
    return trial(text, None, status="failed", failure=failure, message="NaN", **values)


def result_of(*trials, space=SPACE, **values):
    numbered = tuple(dataclasses.replace(each, number=n) for n, each in enumerate(trials))
    return SearchResult(space, numbered, None, **values)


def measured(text, perplexity, **values):
    return trial(text, 80 / perplexity**2, metrics={"validation_perplexity": perplexity}, **values)


SEVERAL = result_of(
    measured("32 a", 10.0, num_parameters=1234),
    failed("8 True a"),
    measured("16 False b", 8.0),
    measured("32 a", 10.0, reused_from=0),
    measured("16 False b", 9.0),
    measured("8 False a", 8.25),
    trial("8 True a", None, status="running", started=None, ended=None),
    metric="validation_perplexity",
)


def test_the_top_are_unique_best_first_in_the_searchs_own_unit_with_their_spread():
    found = SEVERAL.top(10)
    assert [str(each.architecture) for each in found] == ["8 False a", "16 False b", "32 a"]
    assert [each.trials for each in found] == [(5,), (2, 4), (0,)]
    assert [each.value for each in found] == [8.25, 8.5, 10.0]
    assert [each.metric for each in found] == ["validation_perplexity"] * 3
    assert found[1].value_spread == pytest.approx(0.5**0.5)
    assert found[1].reward == pytest.approx((80 / 64 + 80 / 81) / 2)
    assert found[1].num_evaluations == 2 and found[0].value_spread == found[0].spread == 0.0
    assert SEVERAL.top(1) == [SEVERAL.best]
    assert [each.value for each in SEVERAL.top(2, metric="reward")] == [
        each.reward for each in found[:2]
    ]
    assert repr(found[1]) == (
        "<trial 2: validation perplexity 8.5 ± 0.71 (2 evaluations), "
        "reward 1.1188 ± 0.19 (2 evaluations): 16 False b>"
    )


def test_an_accuracy_is_the_highest_of_the_last_five_epochs_and_in_percent():
    epochs = [0.9, 0.1, 0.2, 0.5, 0.3, float("nan")]
    several = result_of(
        trial("32 a", 0.125, metrics={"validation_accuracy": epochs, "loss": [3.0, 1.0]}),
        metric="validation_accuracy",
    )
    assert several.best.value == 0.5
    assert "validation accuracy 50.00 %, reward 0.1250" in repr(several)
    assert several.top(1, metric="loss")[0].value == 1.0


def test_a_value_that_is_not_there_is_none_and_the_reward_remains():
    without = result_of(trial("32 a", 0.5), trial("8 True a", 0.25), metric="not_measured")
    assert without.best.value == 0.5 and without.best.metric == "reward"
    partly = result_of(trial("32 a", 0.5), trial("16 True a", 0.25, metrics={"loss": 2}))
    assert [each.value for each in partly.top(metric="loss")] == [None, 2.0]
    assert partly.curve(metric="loss") == [] and partly.curve() == [(0, 0.5), (1, 0.5)]
    with pytest.raises(nas.InputError, match="no trial is completed that has a loss"):
        partly.plot(metric="loss")


def test_the_curve_is_the_best_so_far_and_falls_where_a_mean_does():
    assert SEVERAL.curve() == [(0, 10.0), (2, 8.0), (4, 8.5), (5, 8.25)]
    rewards = [(each.number, reward) for each, reward in best_so_far(SEVERAL.trials)]
    assert SEVERAL.curve(metric="reward") == rewards
    assert result_of().curve() == result_of().top() == result_of(failed("32 a")).curve() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SEVERAL.top(0), "k is 0, below 1"),
        (lambda: SEVERAL.top(2.5), "k is 2.5, not an integer"),
        (lambda: SEVERAL.top(metric="acc"), "metric is 'acc', which no trial has: there is reward"),
        (lambda: SEVERAL.curve(metric=3), "metric is 3, which no trial has"),
        (lambda: SEVERAL.plot(metric=HOSTILE), "which no trial has: there is reward, validation"),
        (lambda: result_of().plot(), "nothing to draw"),
        (lambda: SEVERAL.architecture(7), "trial is 7: there are 7, from 0"),
        (lambda: SEVERAL.architecture("x"), "trial is 'x', not an integer"),
    ],
    ids=range(8),
)
def test_what_is_not_there_is_said_in_a_line(call, message):
    with pytest.raises(nas.InputError) as caught:
        call()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_trials_architecture_is_found_by_its_number():
    assert SEVERAL.architecture(2)["bias"] is False
    assert SEVERAL.architecture(2) == SEVERAL.architecture(SEVERAL.trials[4])


def test_the_text_has_counts_the_best_and_the_best_so_far():
    config = nas.SearchConfig(num_samples=20)
    lines = repr(dataclasses.replace(SEVERAL, interrupted=True, config=config)).splitlines()
    assert lines[0] == (
        "SearchResult: 6 of 20 trials, 4 different architectures, 1 that took over an outcome, "
        "1 failed (diverged), 1 without an outcome yet, interrupted"
    )
    assert lines[1] == "best: validation perplexity 8.25, reward 1.1754 (trial 5)"
    assert lines[2:5] == ["  units: 8", "  bias: False", "  status: a"]
    assert lines[5] == "best so far: █▁▃▂  10 to 8.25"
    assert repr(result_of()) == "SearchResult: 0 trials, 0 different architectures"


def test_whatever_it_holds_it_fits_a_screen_and_hostile_text_stays_text():
    layers = [nas.Choice(HOSTILE.replace(" ", ""), ("<b>" * 60, 1)), nas.Choice("n", (1, 2))]
    deep = nas.SearchSpace(layer_decisions=layers, depth=300)
    text = " | ".join([f"{'<b>' * 60} 1"] * 300)
    several = result_of(
        *(
            trial(text, 1.7e308 * (-1) ** n, depth=300, metrics={HOSTILE: n, "x\x00": 1})
            for n in range(2000)
        ),
        failed(text, depth=300, failure=HOSTILE),
        space=deep,
        metric=HOSTILE,
    )
    several = dataclasses.replace(several, workdir=f"/tmp/{HOSTILE}")
    lines = repr(several).splitlines()
    assert len(lines) < 25 and max(map(len, lines)) < 400
    page = several._repr_html_()
    assert len(page) < 400_000 and "<script" not in page and "<b><b>" not in page
    drawn = several.plot(metric="x\x00")
    ET.fromstring(drawn.svg)
    ET.fromstring(several.plot().svg)


def test_a_drawing_stands_alone_and_shows_every_trial(tmp_path):
    drawn = SEVERAL.plot()
    assert isinstance(drawn, Drawing)
    drawn.save(tmp_path / "search.svg")
    svg = (tmp_path / "search.svg").read_text(encoding="utf-8")
    assert svg == drawn.svg and svg.count("<circle") == 5  # the one taken over among them
    ET.fromstring(svg)
    images = re.findall(r"base64,([^']+)'", SEVERAL._repr_html_())
    picture, curve = (base64.b64decode(image).decode() for image in images)
    assert curve == svg
    shown = "".join(ET.fromstring(picture).itertext())
    assert f"trial {SEVERAL.best.trial.number}, {SEVERAL.best.describe()}" in shown
    for name, value in SEVERAL.best.architecture.written().items():
        assert f"{name}" in shown and f"{value}" in shown


def test_without_pandas_a_table_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(nas.InputError, match=r"pip install 'nas_with_rl\[tables\]'$"):
        SEVERAL.table()


def test_a_table_has_a_column_for_each_decision_and_measurement():
    pandas = pytest.importorskip("pandas")
    table = SEVERAL.table()
    assert list(table.index) == list(range(7)) and table.index.name == "trial"
    assert list(table.columns)[:6] == [
        "status", "reward", "units", "bias", "decision: status", "validation_perplexity",
    ]  # fmt: skip
    assert table["units"].tolist() == [32, 8, 16, 32, 16, 8, 8]
    assert table.loc[0, "bias"] is None and table.loc[2, "bias"] is False
    assert table["decision: status"].tolist() == list("aababaa")
    assert table.loc[table["status"] == "completed", "validation_perplexity"].min() == 8.0
    assert table.loc[1, "failure"] == "diverged" and pandas.isna(table.loc[0, "failure"])
    assert table.loc[0, "seconds"] == 1.5 and pandas.isna(table.loc[6, "ended"])
    assert table.loc[0, "started"] == pandas.Timestamp(100, unit="s", tz="UTC")
    assert table.loc[0, "parameters"] == 1234 and table.loc[3, "reused_from"] == 0
    assert table["parameters"].dtype == "Int64"


def test_a_table_of_layers_has_a_column_for_each_layer_and_of_names_that_are_taken():
    pytest.importorskip("pandas")
    layers = nas.SearchSpace(
        layer_decisions=[nas.Choice("type", ("conv", "pool")), nas.Skips(), nas.Choice(
            "filters", (8, 16), only_if=("type", "conv"))], depth=1,
    )  # fmt: skip
    table = result_of(
        trial("conv - 8", 0.1, depth=1, metrics={"reward": 5, "seed": 6}),
        trial("conv - 8 | pool 1", 0.2, depth=2, metrics={"loss": [1, 2]}),
        space=layers,
    ).table()
    assert table["layer 2, type"].isna().tolist() == [True, False]
    assert table["layer 2, type"][1] == "pool" and table["layer 2, inputs"].tolist()[1] == (1,)
    assert table["layer 1, filters"].tolist() == [8, 8]
    assert table["metric: reward"].tolist()[0] == 5 and table["metric: seed"].tolist()[0] == 6
    assert table["reward"].tolist() == [0.1, 0.2] and table["loss"].tolist()[1] == 2
    assert table["depth"].tolist() == [1, 2]
    assert len(result_of().table()) == 0
