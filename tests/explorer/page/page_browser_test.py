"""The page in a real browser: what it shows are NumPy's numbers and rankings."""

import base64

import numpy as np
import pytest

from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.explorer.page.page import bundle, embedded_json
from nas_with_rl.explorer.stored_signals import store
from nas_with_rl.explorer.text_features import text_features
from tests.harness import examples, numpy_rankings
from tests.harness.page_reading import fragment, ranked_rows, stored_signal, strip_colours


def test_a_complaint_is_seen(chromium, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<div id='page' data-ready='1'></div>"
        "<script>console.error('broken'); fetch('https://example.org/')</script>"
    )
    chromium.complaints()
    chromium.open(page)
    chromium.settle()
    found = chromium.wait(lambda: (" ".join(chromium.complaints())).strip())
    assert "broken" in found
    assert "https://example.org/" in found


def test_pointing_at_a_character_shows_every_signals_number(chromium, shown):
    exploration = shown("counter", fragment(model1="1.forget_gate.4"))
    layer = exploration.models[0].trace.layers[0]
    for time in (0, 7, 33):
        chromium.point(f"[data-t='{time}']")
        for signal in layer.signals:
            stored = store(signal)
            for place in ("data-signal", "data-equation"):
                number = chromium.number(f"[{place}='{signal.name}']")
                assert number == stored.values()[3, time]
            assert abs(number - signal.values[time, 3]) <= 0.51 * stored.steps[3]
        gate = stored_signal(exploration, "forget_gate").values()[3, time]
        assert chromium.number(".nwr-legend-value") == gate


def test_pointing_at_the_heat_map_shows_that_neurons_number(chromium, shown):
    exploration = shown("counter", fragment(model1="1.candidate.1", whole=1))
    stored = stored_signal(exploration, "candidate")
    width, height = chromium.run(
        "const box = document.querySelector('.nwr-heat').getBoundingClientRect();"
        "return [box.width, box.height]"
    )
    for neuron, time in ((0, 3), (6, 100), (9, 199)):
        x = (time + 0.5) * min(24, width / 200)
        chromium.point_within(".nwr-heat", x, (neuron + 0.5) * height / 10)
        assert chromium.number(".nwr-heat-value") == stored.values()[neuron, time]
        assert f"neuron {neuron + 1}, character {time + 1} " in chromium.one(".nwr-heat-value").text
    chromium.driver.find_element("css selector", ".nwr-heat").click()
    chromium.settle()
    middle = chromium.one("[data-choice='neuron']").get_attribute("value")
    assert middle in ("4", "5")  # a click picks the row


def test_text_is_coloured_by_the_signal_on_a_fixed_scale_or_the_neurons_own(chromium, shown):
    exploration = shown("counter", fragment(model1="1.hidden.2"))
    values = stored_signal(exploration, "hidden").values()[1]
    fixed = [colour for colour, _ in strip_colours(chromium)]
    assert fixed[int(values.argmax())] != fixed[int(values.argmin())]
    red, _, blue = map(int, fixed[int(values.argmin())][4:-1].split(","))
    assert (red > blue) == (values.min() < 0)  # red below zero
    ends = [end.text for end in chromium.all(".nwr-legend-ends span")]
    assert ends == ["−1", "0", "1"]
    chromium.choose("[data-choice='scale']", "neuron")
    own = [colour for colour, _ in strip_colours(chromium)]
    assert own != fixed
    largest = int(np.abs(values).argmax())
    assert own[largest] in ("rgb(103, 0, 31)", "rgb(5, 48, 97)")  # an end of the scale


def best_for(model, feature):
    """Return (layer, neuron, |score|) of the neuron whose cell state follows a feature best."""
    found = []
    for number, layer in enumerate(model.trace.layers):
        codes = store(layer.signal("cell")).codes
        sizes = np.abs(numpy_rankings.feature_scores(codes, feature.values))
        found.append((number, int(np.argmax(sizes)), sizes.max()))
    return max(found, key=lambda each: each[2])


@pytest.mark.parametrize("name", ["counter", "side_by_side", "deep", "source_code"])
def test_a_page_opens_with_the_neuron_of_all_layers_that_follows_the_text(chromium, shown, name):
    exploration = shown(name)
    features = text_features(exploration.tokens)
    strengths = [best_for(exploration.models[0], one)[2] for one in features]
    assert max(strengths) >= 0.3
    best = features[int(np.argmax(strengths))]
    assert chromium.one("[data-choice='feature']").get_attribute("value") == best.name
    for number, model in enumerate(exploration.models, 1):
        layer, neuron, _ = best_for(model, best)
        panel = f".nwr-model:nth-child({number})"
        for choice, expected in (("layer", layer), ("neuron", neuron)):
            found = chromium.one(f"{panel} [data-choice='{choice}']").get_attribute("value")
            assert found == str(expected)
        assert ranked_rows(chromium, "feature", panel)[0][0] == neuron
    if name == "deep":
        assert best_for(exploration.models[0], best)[:2] == (0, 6)


def test_a_page_opens_with_colours_that_show_the_neuron(chromium, shown):
    shown("deep")
    assert chromium.one("[data-choice='scale']").get_attribute("value") == "neuron"
    assert [end.text for end in chromium.all(".nwr-legend-ends span")] == ["−20", "0", "20"]
    assert len({colour for colour, _ in strip_colours(chromium)}) > 8
    chromium.choose("[data-choice='scale']", "fixed")
    assert len({colour for colour, _ in strip_colours(chromium)}) < 8
    shown("counter")
    assert chromium.one("[data-choice='scale']").get_attribute("value") == "fixed"


def test_brushing_ranks_as_numpy_does(chromium, shown):
    exploration = shown("counter", fragment(model1="1.cell.1"))
    chromium.drag("[data-t='6']", "[data-t='15']")
    assert chromium.run("return String(getSelection())") == ""
    assert "10 characters selected" in chromium.one(".nwr-count").text
    chromium.click(".nwr-rankings + button")
    selected = np.zeros(200, bool)
    selected[6:16] = True
    stored = stored_signal(exploration, "cell")
    _assert_ranked(chromium, stored, selected)
    third, _ = ranked_rows(chromium, "correlation")[2]
    chromium.click(f"[data-ranking='correlation'] [data-neuron='{third}'] button")
    assert chromium.one("[data-choice='neuron']").get_attribute("value") == str(third)


@pytest.mark.parametrize("text", ["value", "e", "  ", r":\n", "nowhere", "</"])
def test_searching_ranks_as_numpy_does(chromium, shown, text):
    exploration = shown("source_code", fragment(model1="2.hidden.1"))
    chromium.focus("[data-choice='search']")
    chromium.press(*text)
    count, selected = numpy_rankings.matched(exploration.tokens, text.replace(r"\n", "\n"))
    if not count:
        assert chromium.one(".nwr-count").text == "No match in the text"
        assert ranked_rows(chromium, "on_off") == []
        return
    word = "match" if count == 1 else "matches"
    assert chromium.one(".nwr-count").text.startswith(f"{count} {word}, {selected.sum()} char")
    chromium.click(".nwr-rankings + button")
    stored = stored_signal(exploration, "hidden", layer=1)
    _assert_ranked(chromium, stored, selected)


def _assert_ranked(chromium, stored, selected):
    for ranking, rank in (
        ("on_off", numpy_rankings.on_off_scores),
        ("correlation", numpy_rankings.correlations),
    ):
        found = ranked_rows(chromium, ranking)
        numpy_rankings.assert_ranked(found, rank(stored.codes, selected))


def test_features_rank_as_numpy_does(chromium, shown):
    exploration = shown("source_code", fragment(model1="1.cell.1"))
    features = text_features(exploration.tokens)
    assert {"indentation", "bracket_depth"} <= {feature.name for feature in features}
    chromium.choose("[data-choice='feature']", features[0].name)
    chromium.click(".nwr-rankings + button")
    stored = stored_signal(exploration, "cell")
    for feature in features:
        chromium.choose("[data-choice='feature']", feature.name)
        expected = numpy_rankings.feature_scores(stored.codes, feature.values)
        numpy_rankings.assert_ranked(ranked_rows(chromium, "feature"), expected)


def test_features_rank_by_the_selection_alone(chromium, shown):
    exploration = shown("source_code", fragment(model1="1.cell.1", feature="column", span="11-70"))
    (column,) = (each for each in text_features(exploration.tokens) if each.name == "column")
    chromium.click(".nwr-rankings + button")
    codes = stored_signal(exploration, "cell").codes
    heading = "return document.querySelector('[data-ranking=feature]').parentNode.textContent"
    expected = numpy_rankings.feature_scores(codes[:, 10:70], column.values[10:70])
    numpy_rankings.assert_ranked(ranked_rows(chromium, "feature"), expected)
    assert "column (from the line's start), in the selection" in chromium.run(heading)
    chromium.focus(".nwr-strip")
    chromium.press("ESCAPE")
    expected = numpy_rankings.feature_scores(codes, column.values)
    numpy_rankings.assert_ranked(ranked_rows(chromium, "feature"), expected)
    chromium.run("location.hash = arguments[0]", fragment(span="5-5", feature="column"))
    chromium.wait(lambda: "in the whole text" in chromium.run(heading))


def test_predictions_and_influences_are_those_of_the_trace(chromium, shown):
    exploration = shown("counter", fragment(at=31, held=1, colour="influence"))
    model = exploration.models[0]
    shares = model.trace.probabilities[30]
    shown_shares = chromium.run(
        "return [...document.querySelectorAll(\"[aria-label='Next character'] [data-value]\")]"
        ".map((cell) => Number(cell.dataset.value))"
    )
    expected = np.sort(shares)[::-1][: len(shown_shares)]
    np.testing.assert_allclose(shown_shares, expected, atol=1 / 65535)
    came = shares[model.trace.vocabulary.index(exploration.tokens[31])]
    assert chromium.number(".nwr-came") == pytest.approx(came, abs=1 / 65535)
    norms = model.connectivity[30].astype(float)
    for back in (0, 4, 30):
        chromium.point(f"[data-t='{30 - back}']")
        assert chromium.number(".nwr-legend-value") == pytest.approx(
            norms[back], abs=norms.max() / 250
        )
    strongest = chromium.number("[aria-label='Earlier character'] [data-value]")
    assert strongest == pytest.approx(norms.max(), abs=norms.max() / 250)
    colours = [colour for colour, _ in strip_colours(chromium)]
    assert all(colours[:31])
    assert not any(colours[31:])  # what comes later has no influence


def test_hostile_text_stays_text(chromium, shown):
    exploration = shown("hostile")
    assert "".join(exploration.tokens) == examples.HOSTILE
    assert chromium.all("#page img, #page b > b, #page script") == []
    assert chromium.run("return document.title !== 'broken'")
    assert chromium.run("return document.querySelectorAll('.nwr-strip [data-t]').length") == len(
        exploration.tokens
    )
    cells = chromium.run(
        "return [...document.querySelectorAll('.nwr-strip [data-t]')].map((cell) => "
        "[cell.textContent.toWellFormed(), cell.childElementCount])"
    )
    text = "".join(content for content, _ in cells)
    assert text.startswith("</script><img·src=x·onerror=")
    assert not any(children for _, children in cells)
    heading = chromium.run("return document.querySelector('#page h1').textContent.slice(0, 40)")
    assert heading.startswith("</script><img src=x onerror=")
    chromium.focus("[data-choice='search']")
    chromium.press(*"<b>")
    assert chromium.one(".nwr-count").text.startswith("1 match,")


def test_two_models_share_the_cursor_and_choose_for_themselves(chromium, shown):
    exploration = shown("side_by_side", fragment(model1="1.hidden.3", model2="1.hidden.8"))
    chromium.point(".nwr-model:nth-child(2) [data-t='40']")
    for model, neuron in ((0, 2), (1, 7)):
        expected = stored_signal(exploration, "hidden", model=model).values()[neuron, 40]
        panel = f".nwr-model:nth-child({model + 1})"
        assert chromium.number(f"{panel} .nwr-legend-value") == expected
        assert chromium.one(f"{panel} .nwr-cursor").get_attribute("data-t") == "40"
    chromium.choose(".nwr-model:nth-child(1) [data-choice='neuron']", "0")
    assert (
        chromium.one(".nwr-model:nth-child(2) [data-choice='neuron']").get_attribute("value") == "7"
    )


def test_every_node_of_the_tree_is_a_signal_with_its_number(chromium, shown):
    exploration = shown("side_by_side", fragment(at=30, model2="1.cell.5"))
    panel = ".nwr-model:nth-child(2)"
    nodes = chromium.all(f"{panel} .nwr-node")
    assert len(nodes) == len(examples.TREE.nodes)
    for number in range(len(nodes)):
        expected = stored_signal(exploration, f"node_{number}", model=1).values()[4, 29]
        assert chromium.number(f"{panel} [data-node='node_{number}']") == expected
    cell = stored_signal(exploration, "cell", model=1).values()[4, 29]
    (memory,) = (one for one in chromium.all(f"{panel} .nwr-node text") if "→" in one.text)
    assert float(memory.get_attribute("data-value")) == cell
    before = strip_colours(chromium, 2)
    chromium.click(f"{panel} [data-node='node_1']")
    assert chromium.one(f"{panel} [data-choice='signal']").get_attribute("value") == "node_1"
    assert strip_colours(chromium, 2) != before
    chromium.run("document.querySelectorAll('.nwr-node')[3].focus()")
    chromium.press("ENTER")
    assert chromium.one(f"{panel} [data-choice='signal']").get_attribute("value") == "node_3"


def test_the_trees_nodes_and_their_rows_have_the_same_symbols(chromium, shown):
    exploration = shown("side_by_side")
    signals = [signal.kind for signal in exploration.models[1].trace.layers[0].signals]
    panel = ".nwr-model:nth-child(2)"
    in_tree = [one.text for one in chromium.all(f"{panel} .nwr-node-symbol")]
    assert in_tree == [kind.symbol for kind in signals[: len(examples.TREE.nodes)]]
    assert [one.text for one in chromium.all(f"{panel} .nwr-symbol")] == [
        kind.symbol for kind in signals
    ]
    lines = chromium.one("[aria-label='The tree as text']").get_attribute("textContent")
    assert "a_6 = tanh(a_4 + a_5)" in lines


def test_a_neuron_that_never_moves_has_a_minus_and_no_score(chromium, shown):
    shown("constant", fragment(search="X"))
    for place in (".nwr-legend-value", "[data-signal='cell']", ".nwr-heat-value"):
        assert chromium.one(place).text.endswith("−0.25")
    scores = {one.text for one in chromium.all("[data-ranking='correlation'] [data-value]")}
    assert scores == {"0.000"}


def test_values_that_are_not_finite_are_said_to_be_none(chromium, shown):
    shown("diverged", fragment(at=60, model1="1.cell.1"))
    assert chromium.one("[data-signal='cell']").text == "∞/NaN"
    assert np.isnan(chromium.number("[data-signal='cell']"))
    assert "nwr-broken" in chromium.one("[data-t='59']").get_attribute("class")
    assert chromium.one(".nwr-came").text == "Its probabilities are ∞/NaN."
    chromium.choose("[data-choice='neuron']", "2")  # has no finite value at all
    assert chromium.one("[data-signal='cell']").text == "∞/NaN"


_HOST = """
const host = (values) => {
  const listeners = [];
  return {
    saved: 0,
    get: (name) => values[name],
    set(name, value) { values[name] = value; },
    change(news) {
      Object.assign(values, news);
      for (const name of Object.keys(news)) {
        for (const [event, listener] of listeners) if (event === `change:${name}`) listener();
      }
    },
    save_changes() { this.saved += 1; },
    on: (event, listener) => listeners.push([event, listener]),
  };
};
const bytes = (text) => {
  const array = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new DataView(array.buffer);
};
const el = document.getElementById("page");
globalThis.explorations = JSON.parse(document.getElementById("json").textContent).map(
  ({ exploration, data }) => ({ exploration, data: bytes(data) }),
);
globalThis.model = host({ ...explorations[0], view: "" });
globalThis.close = render({ model, el });
"""


def test_a_notebooks_widget_shares_its_view_and_may_get_another_exploration(chromium, tmp_path):
    contents = [page_data(getattr(examples, name)()) for name in ("counter", "side_by_side")]
    pairs = [
        {"exploration": one.exploration, "data": base64.b64encode(one.data).decode()}
        for one in contents
    ]
    page = tmp_path / "host.html"
    page.write_text(
        f"<!doctype html><meta charset='utf-8'><div id='page'></div>"
        f"<script type='application/json' id='json'>{embedded_json(pairs)}</script>"
        f"<script type='module'>{bundle(default_export=False)}{_HOST}</script>",
        encoding="utf-8",
    )
    chromium.complaints()
    chromium.open(page)
    chromium.run("model.change({ view: 'at=5&model1=1.hidden.3' })")
    chromium.wait(lambda: chromium.one("[data-choice='signal']").get_attribute("value") == "hidden")
    chromium.point("[data-t='9']")
    chromium.wait(lambda: chromium.run("return model.saved > 0"))
    assert chromium.run("return model.get('view')") == "at=10&model1=1.hidden.3"
    chromium.run("model.change(explorations[1])")
    chromium.wait(lambda: len(chromium.all(".nwr-model")) == 2)
    assert len(chromium.all(".nwr")) == 1
    chromium.run("close()")
    assert chromium.run("return document.getElementById('page').childElementCount") == 0
    assert chromium.complaints() == []


def test_a_large_page_opens(chromium, written):
    exploration, path = written("large")
    layer = exploration.models[0].trace.layers[0]
    assert (layer.units, len(exploration.tokens)) == (64, 2000)
    chromium.open(path)
    assert chromium.complaints() == []
