"""The scales of the colours in a real browser: fixed, each neuron's own, logarithmic."""

import math

import pytest

from tests.harness import examples
from tests.harness.page_reading import fragment, stored_signal, strip_colours

UP = "1.node_2.1"  # the neuron that counts in powers of 2
DOWN = "1.node_2.2"


def times_of(exploration, *levels):
    """When so many a's have been read in the line of most."""
    found = examples.levels_of(exploration.tokens)
    start = found.index(max(found)) - max(found)
    return [start + level for level in levels]


def colours_at(chromium, times):
    colours = strip_colours(chromium)
    return [colours[time][0] for time in times]


def colour_in(chromium, canvas, x, y):
    pixel = chromium.run(
        "const canvas = document.querySelector(arguments[0]);"
        "const ratio = canvas.width / canvas.getBoundingClientRect().width;"
        "const at = [arguments[1], arguments[2]].map((place) => Math.floor(place * ratio));"
        "return [...canvas.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3)",
        canvas,
        x,
        y,
    )
    return f"rgb({', '.join(map(str, pixel))})"


def height_of_bar(chromium, time):
    """How many pixels above or below its zero the bar of node_2 reaches at a time."""
    return chromium.run(
        "const canvas = document.querySelector('.nwr-rows');"
        "const cell = Math.min(24, canvas.getBoundingClientRect().width / 200);"
        "const ratio = canvas.width / canvas.getBoundingClientRect().width;"
        "const x = Math.floor((arguments[0] + 0.4) * cell * ratio);"
        "const row = Math.floor(38 * ratio);"
        "const top = Math.floor((22 + 2 * 38) * ratio);"
        "const { data } = canvas.getContext('2d').getImageData(x, top, 1, row);"
        "let count = 0;"
        "for (let y = 0; y < row; y++) if (data[4 * y + 3]) count += 1;"
        "return count",
        time,
    )


@pytest.mark.parametrize(("choice", "neuron"), [(UP, 0), (DOWN, 1)])
def test_the_numbers_of_a_wide_signal_are_pythons(chromium, shown, choice, neuron):
    exploration = shown("doubling", fragment(model1=choice, whole=1))
    stored = stored_signal(exploration, "node_2")
    for time in (0, *times_of(exploration, 0, 1, 5, 10)):
        chromium.point(f"[data-t='{time}']")
        expected = stored.values()[neuron, time]
        places = ("[data-signal='node_2']", "[data-node='node_2']", ".nwr-legend-value")
        for place in (*places, ".nwr-heat-value"):
            assert chromium.number(place) == expected
        power = (-1) ** neuron * 2 ** examples.levels_of(exploration.tokens)[time]
        assert expected == pytest.approx(power, abs=1e-4)
        shown_number = chromium.one("[data-signal='node_2']").text.replace("−", "-")
        assert shown_number == f"{power:.{max(0, 4 - len(str(abs(power))))}f}"


@pytest.mark.parametrize("choice", [UP, DOWN])
def test_a_wide_signal_is_coloured_logarithmically_from_the_start(chromium, shown, choice):
    exploration = shown("doubling", fragment(model1=choice, whole=1))
    times = times_of(exploration, *range(11))  # 1, 2, 4, ... 1,024
    assert len(set(colours_at(chromium, times))) == 11
    assert chromium.one(".nwr-legend-kind").text == "logarithmic, half-way ±7.24"
    assert [end.text for end in chromium.all(".nwr-legend-ends span")] == ["−1020", "0", "1020"]
    heights = [height_of_bar(chromium, time) for time in times]
    assert heights == sorted(heights) and heights[10] > heights[3] > heights[0]
    chromium.choose("[data-choice='scale']", "neuron")
    assert len(set(colours_at(chromium, times[:3]))) == 1
    assert len({height_of_bar(chromium, time) for time in times[:4]}) == 1
    assert chromium.one(".nwr-legend-kind").text == ""


@pytest.mark.parametrize(("choice", "neuron"), [(UP, 0), (DOWN, 1)])
def test_all_parts_show_a_value_in_one_colour(chromium, shown, choice, neuron):
    exploration = shown("doubling", fragment(model1=choice, whole=1, held=1))
    width, height = chromium.run(
        "const box = document.querySelector('.nwr-heat').getBoundingClientRect();"
        "return [box.width, box.height / 10]"
    )
    for time in times_of(exploration, 0, 3, 10):
        view = fragment(at=time + 1, held=1, model1=choice, whole=1)
        chromium.run("location.hash = arguments[0]", view)
        chromium.wait(
            lambda time=time: chromium.one(".nwr-cursor").get_attribute("data-t") == str(time)
        )
        (colour,) = colours_at(chromium, [time])
        x = (time + 0.5) * min(24, width / 200)
        assert colour_in(chromium, ".nwr-heat", x, (neuron + 0.5) * height) == colour
        box = chromium.run(
            "return document.querySelector(\"[data-node='node_2']\").parentNode"
            ".querySelector('rect').style.fill"
        )
        assert box == colour
        unit, largest = 1024 / 10_000, math.asinh(10_000)
        share = math.asinh(chromium.number(".nwr-legend-value") / unit) / largest
        mark = chromium.run("return document.querySelector('.nwr-legend-mark').style.left")
        assert float(mark[:-1]) == pytest.approx(50 * (1 + share), abs=1e-3)


def test_keys_choose_the_logarithmic_scale_and_a_link_brings_it_back(chromium, shown, written):
    shown("counter", fragment(model1="1.hidden.2"))
    fixed = strip_colours(chromium)
    assert chromium.one(".nwr-legend-kind").text == ""
    chromium.focus("[data-choice='scale']")
    chromium.press("ARROW_DOWN", "ARROW_DOWN")
    assert chromium.one("[data-choice='scale']").get_attribute("value") == "log"
    assert chromium.one(".nwr-legend-kind").text.startswith("logarithmic")
    logarithmic = strip_colours(chromium)
    assert logarithmic != fixed
    chromium.wait(lambda: "scale=log" in chromium.run("return location.hash"))
    link = chromium.run("return location.hash.slice(1)")
    chromium.open(written("counter")[1], link)
    assert chromium.one("[data-choice='scale']").get_attribute("value") == "log"
    assert strip_colours(chromium) == logarithmic
    chromium.open(written("counter")[1], link.replace("scale=log", "scale=cubic"))
    assert chromium.one("[data-choice='scale']").get_attribute("value") == "fixed"
    assert strip_colours(chromium) == fixed


def test_gates_stay_linear(chromium, shown):
    shown("counter", fragment(model1="1.forget_gate.2"))
    before = strip_colours(chromium)
    chromium.choose("[data-choice='scale']", "log")
    assert strip_colours(chromium) == before
    assert chromium.one(".nwr-legend-kind").text == ""
