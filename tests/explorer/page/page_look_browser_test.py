"""The page's look in a real browser: nothing is cut off, and everything can be read."""

import itertools

import numpy as np
import pytest

from tests.harness.page_reading import fragment, stored_signal, strip_colours

LEAST_CONTRAST = 4.5  # of text on its ground, by the WCAG


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


def test_the_cards_of_two_models_stand_side_by_side(chromium, shown):
    shown("side_by_side", fragment(search="X"))
    tops = chromium.run(
        "return [...document.querySelectorAll('.nwr-model')].map((model) =>"
        "  [...model.querySelectorAll('.nwr-columns .nwr-card')]"
        "    .map((card) => Math.round(card.getBoundingClientRect().top)))"
    )
    assert len(tops[0]) == 4
    assert tops[0] == tops[1]


@pytest.mark.parametrize("width", [1400, 1920])
def test_no_title_of_a_row_is_cut_off(chromium, shown, width):
    chromium.width(width)
    shown("side_by_side")
    cut = chromium.run(
        "return [...document.querySelectorAll('.nwr-signal-title')]"
        ".filter((one) => one.scrollHeight > one.clientHeight + 1"
        "  || one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
    )
    assert cut == []
    titles = [one.text for one in chromium.all(".nwr-model:nth-child(2) .nwr-signal-title")]
    assert titles[4:] == [
        "tanh(+), relu(+ c)",
        "relu(⊙), → c(t)",
        "tanh(+)",
        "cell state (long-term memory)",
        "hidden state (working memory)",
    ]


def test_the_frame_of_the_chosen_neuron_covers_none_of_its_row(chromium, shown):
    pictures = []
    for neuron in (30, 50):
        shown("large", fragment(model1=f"1.hidden.{neuron}", whole=1))
        pictures.append(_pixels(chromium, ".nwr-heat"))
    height = pictures[0].shape[0] // 64
    row = slice(29 * height, 30 * height)
    np.testing.assert_array_equal(pictures[0][row, 1:-1], pictures[1][row, 1:-1])
    assert (pictures[0][row.stop, 1:-1] == 0).all()  # black, and below it white
    assert (pictures[0][row.stop + 1, 1:-1] == 255).all()


def test_bars_of_one_height_have_no_stripes(chromium, shown):
    shown("constant", fragment(whole=1))
    picture = _pixels(chromium, ".nwr-rows")
    first_row = picture[22 + 30, :-1]
    assert len({tuple(pixel) for pixel in first_row.tolist()}) == 1


def _pixels(chromium, selector):
    """The red, green and blue of a canvas [height, width, 3]."""
    width, height, content = chromium.run(
        "const canvas = document.querySelector(arguments[0]);"
        "const { width, height } = canvas;"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);"
        "return [width, height, [...data]]",
        selector,
    )
    return np.array(content).reshape(height, width, 4)[..., :3]


def test_no_word_is_broken_into_lines(chromium, shown):
    shown("words")
    rows = chromium.run(
        "return [...document.querySelectorAll('.nwr-strip [data-t]')]"
        ".map((one) => one.getClientRects().length)"
    )
    assert set(rows) == {1}


def test_a_table_of_many_columns_has_the_whole_width(chromium, shown):
    shown("counter")
    widths = chromium.run(
        "return ['.nwr-report', '.nwr-wide'].map((name) =>"
        "  document.querySelector(name).getBoundingClientRect().width)"
    )
    assert widths[0] == pytest.approx(widths[1])


@pytest.mark.parametrize("name", ["side_by_side", "far_from_zero"])
def test_the_numbers_of_the_tree_lie_in_their_boxes(chromium, shown, name):
    shown(name, fragment(at=20))
    found = chromium.run(
        "return [...document.querySelectorAll('.nwr-node')].map((node) => {"
        "  const box = node.querySelector('rect').getBBox();"
        "  return [...node.querySelectorAll('text')].map((text) => {"
        "    const { x, width } = text.getBBox();"
        "    return [text.textContent, Math.max(box.x - x, x + width - box.x - box.width)];"
        "  });"
        "})"
    )
    assert len(found) == 7
    for text, beyond in (line for node in found for line in node):
        assert beyond < 0, text
    if name == "far_from_zero":
        assert max(len(text) for node in found for text, _ in node) > 15


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("palette", ["classic", "safe"])
def test_characters_can_be_read_on_every_colour(chromium, shown, palette, theme):
    exploration = shown("counter", fragment(palette=palette, scale="neuron", theme=theme))
    pairs = set()
    for signal, neuron in itertools.product(exploration.models[0].trace.layers[0].signals, (1, 6)):
        view = fragment(
            palette=palette, scale="neuron", theme=theme, model1=f"1.{signal.name}.{neuron}"
        )
        chromium.run("location.hash = arguments[0]", view)
        chromium.settle()
        pairs |= {tuple(pair) for pair in strip_colours(chromium)}
    assert len(pairs) > 100
    assert min(_contrast(ground, ink) for ground, ink in pairs) >= LEAST_CONTRAST


@pytest.mark.parametrize("palette", ["classic", "safe"])
def test_what_is_near_zero_is_dark_in_the_dark(chromium, shown, palette):
    view = fragment(model1="1.hidden.1", palette=palette, scale="neuron")
    exploration = shown("counter", view)
    values = np.abs(stored_signal(exploration, "hidden").values()[0])
    near, far = int(values.argmin()), int(values.argmax())
    contrasts = []
    for theme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 27)")):
        chromium.choose("[data-choice='theme']", theme)
        colours = [colour for colour, _ in strip_colours(chromium)]
        contrasts.append([_contrast(colours[time], ground) for time in (near, far)])
    for of_near, of_far in contrasts:  # in either theme it lies near the page's ground
        assert of_near < 1.5 < of_far


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


def test_on_a_phone_the_text_is_first_and_the_controls_are_behind_a_button(chromium, shown):
    chromium.width(500)  # the narrowest window that Chromium opens
    shown("source_code")
    top = "return document.querySelector(arguments[0]).getBoundingClientRect().top + window.scrollY"
    places = [chromium.run(top, f".nwr-{name}") for name in ("legend", "strip", "written", "time")]
    assert places == sorted(places) and places[1] < 330
    assert places[-1] < chromium.run(top, ".nwr-lead")
    search, drawer = "[data-choice='search']", ".nwr-drawer"
    assert not chromium.one(search).is_displayed()
    assert chromium.one(drawer).get_attribute("aria-expanded") == "false"
    chromium.click(drawer)
    assert chromium.one(search).is_displayed()
    assert chromium.one(drawer).get_attribute("aria-expanded") == "true"
    chromium.click(drawer)
    assert not chromium.one(search).is_displayed()


def test_what_the_model_wrote_is_near_the_top_and_can_be_folded_away(chromium, shown):
    shown("source_code")
    assert not chromium.one(".nwr-drawer").is_displayed()
    bottom, top = chromium.run(
        "return ['.nwr-strip', '.nwr-sample'].map((name, n) =>"
        "  document.querySelector(name).getBoundingClientRect()[n ? 'top' : 'bottom'])"
    )
    assert 0 < top - bottom < 60 and chromium.one(".nwr-sample").text == "aaaXbbb\naaXbb"
    chromium.click(".nwr-written summary")
    assert not chromium.one(".nwr-sample").is_displayed()


@pytest.mark.parametrize("name", ["side_by_side", "source_code"])
@pytest.mark.parametrize("width", [500, 800, 1600])
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
