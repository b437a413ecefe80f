"""The report in a real browser: drawn, sorted, filtered, by keys, on a phone, and renewed."""

import contextlib
import threading

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.reports.page import report_html
from nas_with_rl.launch.reports.serving import Pages, ReportServer
from tests.harness import browser
from tests.launch.reports.columns_test import trial
from tests.launch.reports.page_test import HOSTILE, SPACE, subject
from tests.launch.reports.serving_test import add_a_trial, run

__all__ = ["run"]  # a fixture
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def chromium():
    started = browser.start_browser()
    yield started
    started.driver.quit()


def some_trials(number=120):
    texts = ["16 relu", "32 tanh", "16 tanh", "32 relu"]
    found = []
    for row in range(number):
        reward = 0.1 + 0.001 * row * (row % 3)
        more = {"num_parameters": 100 * (row % 4 + 1), "started": 0.0, "ended": 1.0 + row}
        if row % 10 == 9:
            failed = {"failure": "diverged", "message": f"the loss is nan {row}\nin full"}
            found.append(trial(row, texts[row % 4], "failed", **failed))
        else:
            metrics = {"loss": [9.0, 1 / reward]}
            found.append(trial(row, texts[row % 4], reward=reward, metrics=metrics, **more))
    return found


@pytest.fixture
def opened(chromium, tmp_path):
    """Return a function that opens a report; afterwards there must be no complaint."""
    chromium.width(1280)
    chromium.prefer("light")
    chromium.complaints()

    def give(trials, **others):
        path = tmp_path / "report.html"
        path.write_text(report_html(subject(trials, tmp_path, **others)), encoding="utf-8")
        chromium.open(path)
        return chromium

    yield give
    assert chromium.complaints() == []


def cells(chromium, column):
    return [one.text for one in chromium.all(f".trials tbody tr > :nth-child({column})")]


def ink(chromium, figure):
    """How many of a drawing's pixels are not transparent."""
    return chromium.run(
        "const canvas = document.querySelector(arguments[0] + ' canvas');"
        "const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "return pixels.data.filter((value, at) => at % 4 === 3 && value > 0).length",
        figure,
    )


def test_drawings_and_table_are_there(opened):
    chromium = opened(some_trials(), metric="loss")
    for figure in ("#by-trial", "#by-parameters", "#by-seconds"):
        assert ink(chromium, figure) > 500
    assert cells(chromium, 1)[:3] == ["0", "1", "2"] and len(cells(chromium, 1)) == 50
    assert chromium.one(".count").text == "1 to 50 of 120 trials"
    assert cells(chromium, 8)[1].startswith("32 tanh")


def test_the_table_is_sorted_and_filtered(opened):
    chromium = opened(some_trials(), metric="loss")
    chromium.click(".trials th[data-name='reward'] button")
    rewards = [float(text) for text in cells(chromium, 4)]
    assert rewards == sorted(rewards, reverse=True) and rewards[0] == pytest.approx(0.332)
    head = ".trials th[data-name='reward']"
    assert chromium.one(head).get_attribute("aria-sort") == "descending"
    chromium.press("ENTER")  # the button has kept the focus
    assert chromium.one(head).get_attribute("aria-sort") == "ascending"
    assert cells(chromium, 4)[0] == "0.10000"
    chromium.focus("#filter")
    chromium.press(*"tanh reward>0.2")
    texts, rewards = cells(chromium, 8), [float(text) for text in cells(chromium, 4)]
    assert texts and all("tanh" in text for text in texts) and min(rewards) > 0.2
    chromium.run("const words = document.getElementById('filter'); words.value = '';"
                 "words.dispatchEvent(new Event('input'))")  # fmt: skip
    chromium.choose("#outcome", "2")
    assert set(cells(chromium, 2)) == {"failed"} and len(cells(chromium, 2)) == 12
    assert "diverged: the loss is nan 119" in chromium.one(".trials tbody").text
    chromium.click(".trials tbody tr:first-child")
    assert chromium.one(".details").text.split("\n") == ["units: 32", "activation: tanh"]


def test_pages_are_turned(opened):
    chromium = opened(some_trials())
    chromium.click(".pager button:nth-child(3)")
    assert chromium.one(".count").text == "51 to 100 of 120 trials"
    chromium.click(".pager button:nth-child(4)")
    assert cells(chromium, 1)[-1] == "119"
    assert chromium.one(".pager button:nth-child(3)").get_attribute("disabled")


def test_dots_are_told_by_keys_and_by_the_pointer(opened):
    chromium = opened(some_trials(), metric="loss")
    chromium.focus("#by-trial .plot")
    chromium.press("HOME", "ARROW_RIGHT", "ARROW_RIGHT")
    said = chromium.one("#by-trial .readout").text
    assert said.startswith("trial 2, loss 9.6154, reward 0.10400") and said.endswith("16 tanh")
    assert chromium.one("#by-trial .plot").get_attribute("aria-valuetext") == said
    chromium.press("END", "ENTER")
    assert chromium.one("#filter").get_property("value") == "trial=119"
    assert cells(chromium, 1)[0] == "119"
    chromium.point("#by-trial .plot")
    assert chromium.one("#by-trial .readout").text.startswith(("trial", "loss"))


def test_reward_and_value_are_switched(opened):
    chromium = opened(some_trials(), metric="loss")
    assert chromium.one("#by-trial figcaption").text.lower() == "loss by trial"
    chromium.click("#by-trial .switch button:nth-child(2)")
    assert chromium.one("#by-trial figcaption").text.lower() == "reward by trial"
    assert "higher is better" in chromium.one("#by-trial .readout").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_page_and_texts_can_be_read(opened, scheme):
    chromium = opened(some_trials(), metric="loss")
    chromium.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        chromium.prefer(scheme)
        chromium.settle()
        wide = chromium.run("return document.documentElement.scrollWidth")
        assert wide <= 390
        assert ink(chromium, "#by-trial") > 300
        worst = chromium.run(_CONTRASTS)
        assert worst[0] >= LEAST_CONTRAST, worst
    finally:
        chromium.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# The least contrast of a text with the ground behind it, by the WCAG, and that text.
_CONTRASTS = """
const canvas = document.createElement("canvas").getContext("2d");
const rgb = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = (colour) => rgb(colour).slice(0, 3).map((value) => value / 255)
  .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (rgb(colour)[3] === 255) return colour;
  }
  return "white";
};
let worst = [99, ""];
for (const one of document.querySelectorAll("p, h1, h2, h3, td, th, dd, dt, a, summary, button, code, figcaption, pre, span")) {
  if (!one.textContent.trim() || !one.getClientRects().length || one.disabled) continue;
  const pair = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < worst[0]) worst = [contrast, one.outerHTML.slice(0, 200)];
}
return worst;
"""  # noqa: E501


def test_hostile_texts_do_nothing(opened):
    trials = [trial(row, "16 relu", reward=1.0, metrics={HOSTILE: [1.0, 2.0]}) for row in range(3)]
    trials.append(
        trial(3, HOSTILE.replace("\x00", ""), "failed", failure="crashed", message=HOSTILE)
    )
    chromium = opened(trials, metric=HOSTILE, source=HOSTILE, description={"experiment": HOSTILE})
    assert chromium.run("return document.querySelectorAll('script').length") == 2
    assert chromium.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert "<script>alert(1)</script>" in chromium.one(".trials tbody").text


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_search_that_has_hardly_begun_is_a_page(opened, number):
    chromium = opened(some_trials()[:number])
    assert len(chromium.all("h2")) == 8 and len(chromium.all(".trials tbody tr")) == number


@contextlib.contextmanager
def served(run):
    with ReportServer(Pages(run, seconds=0.1, clock=lambda: 0.0), "127.0.0.1", 0, None) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_served_page_renews_itself_and_leaves_the_reader_where_he_is(chromium, run):
    chromium.width(1280)
    chromium.complaints()
    page = "return document.getElementById('page').dataset."
    with served(run) as server:
        chromium.driver.get(server.address)
        chromium.wait(lambda: chromium.run(page + "ready"))
        details = "[data-part='asked-rows'] details"
        chromium.click(f"{details} summary")
        chromium.choose("#outcome", "0")
        chromium.focus(f"{details} summary")
        top = "return document.querySelector(arguments[0]).getBoundingClientRect().top"
        before = chromium.run(top, details)
        add_a_trial(run, 1234.0)
        chromium.wait(lambda: "9 of 8 trials" in chromium.one("header").text)
        assert chromium.run(page + "renewed")
        assert chromium.one(".count").text == "1 to 9 of 9 trials"
        assert "9 trials" in chromium.one("#time").text
        assert chromium.run("return document.querySelector(arguments[0]).open", details)
        assert chromium.run(top, details) == pytest.approx(before, abs=2)
        assert chromium.one("#outcome").get_property("value") == "0"
        focused = "return document.activeElement === document.querySelector(arguments[0])"
        assert chromium.run(focused, f"{details} summary")
    chromium.wait(lambda: "not served any more" in chromium.one(".lost").text)
    complaints = [each for each in chromium.complaints() if not each.startswith("http:")]
    assert all("ERR_CONNECTION_REFUSED" in each for each in complaints)


def test_the_search_is_what_the_readme_says(run):
    assert len(nas.load(run).trials) == 8 and nas.load(run).space == SPACE
