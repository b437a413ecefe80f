"""The page in a real browser: what it shows are NumPy's numbers, and every control works."""

import base64
import itertools
import urllib.parse

import numpy as np
import pytest

from nas_with_rl.explorer import rankings
from nas_with_rl.explorer.page import bundle, embedded_json, write_page
from nas_with_rl.explorer.page_data import page_data
from nas_with_rl.explorer.stored_signals import store
from nas_with_rl.explorer.text_features import text_features
from tests.explorer import browser, examples

READY_MILLISECONDS = 1000
LEAST_CONTRAST = 4.5  # of text on its ground, by the WCAG

PAGES = {
    "counter": examples.counter,
    "source_code": examples.source_code,
    "side_by_side": examples.side_by_side,
    "hostile": examples.hostile,
    "diverged": examples.diverged,
    "large": examples.large,
}


@pytest.fixture(scope="module")
def chromium():
    started = browser.start_browser()
    yield started
    started.driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return an exploration by its name and the path of its page, written once."""
    folder = tmp_path_factory.mktemp("pages")
    kept = {}

    def give(name):
        if name not in kept:
            exploration = PAGES[name]()
            kept[name] = exploration, write_page(exploration, folder / f"{name}.html")
        return kept[name]

    return give


@pytest.fixture
def shown(chromium, written):
    """Return a function that opens a page; afterwards it must have had no cause to complain."""
    chromium.width(1600)
    chromium.prefer("light")
    chromium.complaints()

    def give(name, fragment=""):
        exploration, path = written(name)
        chromium.open(path, fragment)
        return exploration

    yield give
    assert chromium.complaints() == []


def fragment(**values):
    return urllib.parse.urlencode(values)


def stored_signal(exploration, name, *, model=0, layer=0):
    return store(exploration.models[model].trace.layers[layer].signal(name))


def ranked_rows(chromium, ranking, panel=".nwr-model"):
    """Return [(neuron, score), ...] of a table as it stands in the page."""
    return [
        tuple(row)
        for row in chromium.run(
            "const score = (row) => Number(row.querySelector('[data-value]').dataset.value);"
            "return [...document.querySelectorAll(arguments[0])].map("
            "(row) => [Number(row.dataset.neuron), score(row)])",
            f"{panel} [data-ranking='{ranking}'] tbody tr",
        )
    ]


def strip_colours(chromium, panel=1):
    return chromium.run(
        "return [...document.querySelectorAll(arguments[0])].map((cell) => "
        "[cell.style.backgroundColor, cell.style.color])",
        f".nwr-model:nth-child({panel}) [data-t]",
    )


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
    chromium.click("[data-choice='scale']")
    own = [colour for colour, _ in strip_colours(chromium)]
    assert own != fixed
    largest = int(np.abs(values).argmax())
    assert own[largest] in ("rgb(103, 0, 31)", "rgb(5, 48, 97)")  # an end of the scale


def test_brushing_ranks_as_python_does(chromium, shown):
    exploration = shown("counter", fragment(model1="1.cell.1"))
    chromium.drag("[data-t='6']", "[data-t='15']")
    assert chromium.run("return String(getSelection())") == ""
    assert "10 characters selected" in chromium.one(".nwr-count").text
    chromium.click(".nwr-rankings + button")
    selected = np.zeros(200, bool)
    selected[6:16] = True
    stored = stored_signal(exploration, "cell")
    by_on_off = rankings.rank_by_on_off(stored, selected)
    assert ranked_rows(chromium, "on_off") == [(row.neuron, row.on_off) for row in by_on_off]
    by_r = rankings.rank_by_correlation(stored, selected)
    assert ranked_rows(chromium, "correlation") == [(row.neuron, row.correlation) for row in by_r]
    third = by_r[2].neuron
    chromium.click(f"[data-ranking='correlation'] [data-neuron='{third}'] button")
    assert chromium.one("[data-choice='neuron']").get_attribute("value") == str(third)


@pytest.mark.parametrize("text", ["value", "e", "  ", r":\n", "nowhere", "</"])
def test_searching_ranks_as_python_does(chromium, shown, text):
    exploration = shown("source_code", fragment(model1="2.hidden.1"))
    chromium.focus("[data-choice='search']")
    chromium.press(*text)
    count, selected = rankings.matched(exploration.tokens, text.replace(r"\n", "\n"))
    if not count:
        assert chromium.one(".nwr-count").text == "No match in the text"
        assert ranked_rows(chromium, "on_off") == []
        return
    word = "match" if count == 1 else "matches"
    assert chromium.one(".nwr-count").text.startswith(f"{count} {word}, {selected.sum()} char")
    chromium.click(".nwr-rankings + button")
    stored = stored_signal(exploration, "hidden", layer=1)
    expected = [(row.neuron, row.on_off) for row in rankings.rank_by_on_off(stored, selected)]
    assert ranked_rows(chromium, "on_off") == expected
    by_r = rankings.rank_by_correlation(stored, selected)
    assert ranked_rows(chromium, "correlation") == [(row.neuron, row.correlation) for row in by_r]


def test_features_rank_as_python_does(chromium, shown):
    exploration = shown("source_code", fragment(model1="1.cell.1"))
    features = text_features(exploration.tokens)
    assert {"indentation", "bracket_depth"} <= {feature.name for feature in features}
    chromium.choose("[data-choice='feature']", features[0].name)
    chromium.click(".nwr-rankings + button")
    stored = stored_signal(exploration, "cell")
    for feature in features:
        chromium.choose("[data-choice='feature']", feature.name)
        expected = rankings.rank_by_feature(stored, feature.values)
        assert ranked_rows(chromium, "feature") == [
            (one.neuron, one.correlation) for one in expected
        ]


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


def test_tab_reaches_every_control(chromium, shown):
    shown("side_by_side", fragment(search="X", feature="column"))
    controls = (
        "[...document.querySelectorAll('#page button, #page select, #page input, #page summary, "
        "#page [tabindex]')].filter((one) => one.checkVisibility() && !one.disabled)"
    )
    chromium.run(f"{controls}.forEach((one, number) => (one.dataset.number = number))")
    chromium.run(
        "globalThis.reached = []; document.addEventListener('focusin', ({ target }) => {"
        "  const marked = target.querySelector('rect') ?? target;"
        "  const style = getComputedStyle(marked);"
        "  const isSeen = style.outlineStyle !== 'none' || parseFloat(style.strokeWidth) > 3;"
        "  reached.push([Number(target.dataset.number), isSeen]); })"
    )
    count = chromium.run(f"return {controls}.length")
    assert count > 60
    chromium.press(*["TAB"] * count)
    reached = chromium.run("return reached")
    assert reached == [[number, True] for number in range(count)]


def test_arrows_move_brush_and_hold(chromium, shown):
    shown("counter", fragment(at=5))
    chromium.focus(".nwr-strip")
    chromium.press("ARROW_RIGHT", "ARROW_RIGHT", "ARROW_LEFT")
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "5"
    chromium.press("ARROW_RIGHT", "ARROW_RIGHT", shift=True)
    assert "3 characters selected" in chromium.one(".nwr-count").text
    chromium.press("ARROW_LEFT", shift=True)
    assert "2 characters selected" in chromium.one(".nwr-count").text
    chromium.press("ESCAPE")
    assert chromium.one(".nwr-count").text == "Nothing selected"
    chromium.press("END")
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "199"
    chromium.press("HOME", "ENTER")
    assert chromium.one(".nwr-held").get_attribute("data-t") == "0"
    chromium.press("ARROW_DOWN")  # from the first "a" of a line to that of the next
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "8"
    spoken = chromium.one(".nwr-spoken").get_attribute("textContent")
    assert spoken.startswith("Character 9, a; lstm, cell (long-term memory) of neuron ")


def test_arrows_in_the_heat_map_move_the_cursor_and_choose_the_neuron(chromium, shown):
    shown("counter", fragment(at=5, model1="1.cell.4"))
    chromium.focus(".nwr-heat")
    chromium.press("ARROW_DOWN", "ARROW_DOWN", "ARROW_UP", "ARROW_RIGHT")
    assert chromium.one("[data-choice='neuron']").get_attribute("value") == "4"
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "5"


def test_the_cursor_is_scrolled_into_view(chromium, shown):
    shown("large", fragment(at=1))
    chromium.focus(".nwr-strip")
    for key in ("END", "HOME"):
        chromium.press(key)
        assert chromium.run(
            "const inside = (one, box) => one.top >= box.top - 1 && one.bottom <= box.bottom + 1"
            "  && one.left >= box.left - 1 && one.right <= box.right + 1;"
            "const place = (name) => document.querySelector(name).getBoundingClientRect();"
            "return inside(place('.nwr-cursor'), place('.nwr-strip'))"
            "  && inside(place('.nwr-time-line'), place('.nwr-scroll'))"
        )
        assert chromium.run("return document.querySelector('.nwr-strip').scrollTop > 0") == (
            key == "END"
        )


def test_a_held_cursor_stays_where_it_is(chromium, shown):
    shown("counter")
    chromium.click("[data-t='12']")
    chromium.point("[data-t='20']")
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "12"
    chromium.click("[data-t='12']")
    chromium.point("[data-t='20']")
    assert chromium.one(".nwr-cursor").get_attribute("data-t") == "20"


def test_a_link_brings_the_view_back(chromium, shown, written):
    shown("side_by_side")
    chromium.choose("[data-choice='palette']", "safe")
    chromium.choose("[data-choice='theme']", "dark")
    chromium.choose("[data-choice='feature']", "column")
    chromium.choose(".nwr-model:nth-child(2) [data-choice='signal']", "node_3")
    chromium.choose(".nwr-model:nth-child(2) [data-choice='neuron']", "6")
    chromium.choose(".nwr-model:nth-child(1) [data-choice='signal']", "output_gate")
    chromium.click("[data-choice='scale']")
    chromium.drag("[data-t='3']", "[data-t='6']")
    chromium.click("[data-t='9']")
    chromium.wait(lambda: "span=4-7" in chromium.run("return location.hash"))
    chromium.wait(lambda: "held=1" in chromium.run("return location.hash"))
    link = chromium.run("return location.hash.slice(1)")
    before = _state(chromium)
    chromium.open(written("side_by_side")[1], link)
    assert _state(chromium) == before
    assert chromium.one(".nwr-held").get_attribute("data-t") == "9"
    chromium.run("location.hash = 'at=3&search=Xb&model1=1.hidden.2'")
    chromium.wait(lambda: "matches" in chromium.one(".nwr-count").text)
    assert chromium.one("[data-choice='search']").get_attribute("value") == "Xb"
    assert chromium.one("[data-choice='palette']").get_attribute("value") == "classic"


def _state(chromium):
    controls = chromium.run(
        "return [...document.querySelectorAll('#page [data-choice]')].map((one) => "
        "one.type === 'checkbox' ? one.checked : one.value)"
    )
    rows = ranked_rows(chromium, "on_off")
    return controls, rows, strip_colours(chromium, 1), strip_colours(chromium, 2)


def test_the_button_copies_the_link_or_shows_it(chromium, shown):
    shown("counter", fragment(at=7))
    chromium.driver.execute_cdp_cmd(
        "Browser.setPermission", {"permission": {"name": "clipboard-write"}, "setting": "denied"}
    )
    chromium.click("[data-action='copy']")
    link = chromium.wait(lambda: chromium.all(".nwr-told input"))[0].get_attribute("value")
    assert link.startswith("file:")
    assert "#at=7&" in link


@pytest.mark.parametrize(
    "wrong", ["at=x&model1=9.x.y", "at=99999&span=9-2", "model1=&%E0%A4%A", "[]"]
)
def test_a_wrong_link_shows_the_page_all_the_same(chromium, shown, wrong):
    shown("counter", wrong)
    assert len(chromium.all(".nwr-cursor")) == 1


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
    before = strip_colours(chromium, 2)
    chromium.click(f"{panel} [data-node='node_1']")
    assert chromium.one(f"{panel} [data-choice='signal']").get_attribute("value") == "node_1"
    assert strip_colours(chromium, 2) != before
    chromium.run("document.querySelectorAll('.nwr-node')[3].focus()")
    chromium.press("ENTER")
    assert chromium.one(f"{panel} [data-choice='signal']").get_attribute("value") == "node_3"


def test_numbers_stand_beside_their_rows_and_both_texts_at_one_height(chromium, shown):
    shown("side_by_side")
    apart = chromium.run(
        "const top = (one) => one.getBoundingClientRect().top;"
        "return [...document.querySelectorAll('.nwr-time')].map((time) =>"
        "  top(time.querySelector('.nwr-neurons')) - top(time.querySelector('.nwr-heat')))"
    )
    assert apart == pytest.approx([0, 0], abs=1)
    heights = chromium.run(
        "return [...document.querySelectorAll('.nwr-strip')]"
        ".map((one) => one.getBoundingClientRect().top)"
    )
    assert heights[0] == heights[1]


def test_values_that_are_not_finite_are_said_to_be_none(chromium, shown):
    shown("diverged", fragment(at=60, model1="1.cell.1"))
    assert chromium.one("[data-signal='cell']").text == "∞/NaN"
    assert np.isnan(chromium.number("[data-signal='cell']"))
    assert "nwr-broken" in chromium.one("[data-t='59']").get_attribute("class")
    chromium.choose("[data-choice='neuron']", "2")  # has no finite value at all
    assert chromium.one("[data-signal='cell']").text == "∞/NaN"


def test_dark_and_the_second_palette_change_the_colours(chromium, shown):
    shown("counter", fragment(model1="1.hidden.1"))
    ground = "return getComputedStyle(document.querySelector('.nwr')).backgroundColor"
    light, classic = chromium.run(ground), strip_colours(chromium)
    chromium.prefer("dark")
    chromium.wait(lambda: chromium.run(ground) != light)
    dark = chromium.run(ground)
    chromium.choose("[data-choice='theme']", "light")
    assert chromium.run(ground) == light
    chromium.choose("[data-choice='theme']", "dark")
    assert chromium.run(ground) == dark
    chromium.choose("[data-choice='palette']", "safe")
    assert strip_colours(chromium) != classic


@pytest.mark.parametrize("palette", ["classic", "safe"])
def test_characters_can_be_read_on_every_colour(chromium, shown, palette):
    exploration = shown("counter", fragment(palette=palette, scale="neuron"))
    pairs = set()
    for signal, neuron in itertools.product(exploration.models[0].trace.layers[0].signals, (1, 6)):
        view = fragment(palette=palette, scale="neuron", model1=f"1.{signal.name}.{neuron}")
        chromium.run("location.hash = arguments[0]", view)
        chromium.settle()
        pairs |= {tuple(pair) for pair in strip_colours(chromium)}
    assert len(pairs) > 100
    assert min(_contrast(ground, ink) for ground, ink in pairs) >= LEAST_CONTRAST


def _contrast(*colours):
    lights = []
    for colour in colours:
        parts = np.array([int(part) for part in colour[4:-1].split(",")]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        lights.append(linear @ (0.2126, 0.7152, 0.0722))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_in_both_themes(chromium, shown, theme):
    shown("side_by_side", fragment(search="X", theme=theme))
    pairs = chromium.run(
        "const ground = (one) => { for (; one; one = one.parentElement) {"
        "  const colour = getComputedStyle(one).backgroundColor;"
        "  if (colour.startsWith('rgb(')) return colour; } return 'rgb(255, 255, 255)'; };"
        "return [...document.querySelectorAll('#page h1, #page p, #page th, #page td, #page label,"
        "  #page button, #page output, #page .nwr-signal-title, #page .nwr-legend-ends')]"
        "  .filter((one) => one.getClientRects().length)"
        "  .map((one) => [ground(one), getComputedStyle(one).color])"
    )
    assert min(_contrast(*pair) for pair in pairs) >= LEAST_CONTRAST


@pytest.mark.parametrize("name", ["side_by_side", "source_code"])
@pytest.mark.parametrize("width", [800, 1600])
def test_nothing_sticks_out(chromium, shown, name, width):
    chromium.width(width)
    shown(name, fragment(search="e", feature="column"))
    assert chromium.run("return document.documentElement.scrollWidth <= innerWidth")
    wider = chromium.run(
        "return [...document.querySelectorAll('#page select, #page button, #page section')]"
        ".filter((one) => one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => one.className || one.textContent.slice(0, 40))"
    )
    assert wider == []


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
    contents = [page_data(PAGES[name]()) for name in ("counter", "side_by_side")]
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


def test_a_large_page_is_ready_within_a_second(chromium, written):
    exploration, path = written("large")
    layer = exploration.models[0].trace.layers[0]
    assert (layer.units, len(exploration.tokens)) == (64, 2000)
    chromium.open(path)
    # The machine has other things to do, too: one undisturbed opening of a few is enough.
    openings = (chromium.open(path) for _ in range(8))
    assert any(milliseconds < READY_MILLISECONDS for milliseconds in openings)
    assert chromium.complaints() == []
