"""The page's keys, its cursor and its links in a real browser."""

import pytest

from tests.harness.page_reading import fragment, ranked_rows, strip_colours


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
    chromium.choose("[data-choice='scale']", "neuron")
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


def test_a_link_tells_that_nothing_is_to_be_followed(chromium, shown, written):
    shown("counter")
    chromium.choose("[data-choice='feature']", "")
    chromium.wait(lambda: "feature=" in chromium.run("return location.hash"))
    chromium.open(written("counter")[1], chromium.run("return location.hash.slice(1)"))
    assert chromium.one("[data-choice='feature']").get_attribute("value") == ""
    assert ranked_rows(chromium, "feature") == []


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
    "wrong", ["at=x&model1=9.x.y", "at=99999&span=9-2", "scale=x", "model1=&%E0%A4%A", "[]"]
)
def test_a_wrong_link_shows_the_page_all_the_same(chromium, shown, wrong):
    shown("counter", wrong)
    assert len(chromium.all(".nwr-cursor")) == 1
