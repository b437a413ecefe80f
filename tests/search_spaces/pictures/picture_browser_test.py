"""Pictures in a real browser: what texts measure, and which colours they have where."""

import pytest

from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.pictures.picture import architecture_scene
from nas_with_rl.search_spaces.pictures.scene import Heading
from nas_with_rl.search_spaces.pictures.svg import svg
from nas_with_rl.search_spaces.pictures.tables import Table, tables_scene
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.space import SearchSpace
from tests.harness import browser
from tests.harness.picture_cases import architectures

# In a page with a heading before and after, whose style it must not touch.
PAGE = "<!doctype html><meta charset='utf-8'><style>{style}</style><h1>before</h1>{svg}<p>after</p>"
# By how much the text that reaches furthest lies outside what it belongs to; below 0: inside.
FURTHEST = """
return [...document.querySelectorAll('svg.nas-picture')].map(svg =>
  Math.max(...[...svg.querySelectorAll('text')].map(text => {
    const box = text.getBBox(), owner = text.parentNode;
    const around = owner === svg ? svg.viewBox.baseVal : owner.querySelector('rect').getBBox();
    return Math.max(around.x - box.x, box.x + box.width - around.x - around.width);
  })));
"""
PAPER = "return getComputedStyle(document.querySelector('.nas-picture .paper')).fill"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(22, 25, 31)"


@pytest.fixture(scope="module")
def chromium():
    started = browser.start_browser()
    yield started
    started.driver.quit()


@pytest.fixture
def shown(chromium, tmp_path):
    """Return a function that opens a picture, alone or in a page; nothing must complain."""
    chromium.prefer("light")
    chromium.complaints()

    def give(*pictures, style=None):
        path = tmp_path / ("alone.svg" if style is None else "page.html")
        text = "".join(pictures)
        path.write_text(text if style is None else PAGE.format(style=style, svg=text))
        chromium.driver.get("about:blank")
        chromium.driver.get(path.as_uri())
        return chromium

    yield give
    assert chromium.complaints() == []


def test_every_text_lies_in_its_box(shown):
    named = architectures()
    pictures = [
        svg(architecture_scene(found, simplified=simplified))
        for name, found in named.items()
        if "-" not in name or name.endswith("-0")
        for simplified in (False, True)
    ]
    wide = "猫の名前は 𒐫 ﷽ ⊙σ"  # characters that no monospaced font has
    table = Table((("name", wide), (wide, "x" * 70)))
    pictures.append(svg(tables_scene([table], Heading(wide))))
    found = shown(*pictures, style="").run(FURTHEST)
    assert len(found) == len(pictures) > 40 and max(found) < -0.5


def test_alone_it_follows_the_system(shown):
    page = shown(PUBLISHED["figure_7"].architecture.svg())
    assert page.run(PAPER) == LIGHT
    page.prefer("dark")
    assert page.run(PAPER) == DARK


@pytest.mark.parametrize(
    ("style", "in_dark"),
    [
        ("", LIGHT),
        (":root { color-scheme: light dark }", DARK),
        (":root { color-scheme: dark }", DARK),
        (":root { color-scheme: light }", LIGHT),
    ],
    ids=["a page that knows no dark", "of both", "dark by a switch", "light by a switch"],
)
def test_in_a_page_it_follows_the_page(shown, style, in_dark):
    page = shown(PUBLISHED["nas_cell"].architecture.svg(), style=style)
    page.prefer("dark")
    assert page.run(PAPER) == in_dark


def test_it_fits_a_phone_and_leaves_the_page_alone(shown):
    first, second = (PUBLISHED[name].architecture.svg() for name in ("nas_cell", "figure_5"))
    narrow = "body { width: 358px; color: rgb(1, 2, 3); font: 20px serif }"
    page = shown(first, second, style=narrow)
    widths = page.run(
        "return [...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().width)"
    )
    assert max(widths) <= 358.01 and min(widths) >= 250
    look = "const s = getComputedStyle(document.querySelector('p')); return [s.color, s.fontSize]"
    assert page.run(look) == ["rgb(1, 2, 3)", "20px"]


def test_hostile_names_do_nothing(shown):
    hostile = "</text></svg><script>document.title='caught'</script><img/src=x/onerror=alert(1)>"
    space = SearchSpace({hostile: {hostile: str, "other": int}}, name=hostile)
    picture = parse_architecture(hostile, space).svg(title=hostile)
    page = shown(picture, style="")
    assert page.driver.title != "caught"
    assert page.run("return document.querySelectorAll('script, img').length") == 0
    assert page.run("return document.querySelectorAll('svg text').length") >= 3
