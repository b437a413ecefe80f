"""What the tests of the page in a real browser share: the browser, and the pages."""

import pytest

from nas_with_rl.explorer.page.page import write_page
from tests.harness import browser, examples

PAGES = {
    "counter": examples.counter,
    "source_code": examples.source_code,
    "side_by_side": examples.side_by_side,
    "hostile": examples.hostile,
    "diverged": examples.diverged,
    "large": examples.large,
    "words": examples.words,
    "constant": examples.constant,
    "doubling": examples.doubling,
    "deep": examples.deep,
    "far_from_zero": examples.far_from_zero,
}


@pytest.fixture(scope="module")  # other tests count this process's children
def chromium():
    started = browser.start_browser()
    yield started
    started.driver.quit()


@pytest.fixture(scope="session")
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
