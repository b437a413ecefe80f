"""A real browser that opens pages from disk, with every host name out of its reach."""

import json
import shutil
import time
from pathlib import Path

import pytest

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # where a test serves a page
    "--window-size=1600,1000",
)
WAIT_SECONDS = 20
NETWORK = ("http:", "https:", "ws:", "wss:", "ftp:")


class Browser:
    """Chromium, driven by what a visitor does: pointer and keys."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, fragment=""):
        """Open a page anew and wait until it says that it is ready; return after how many ms."""
        self.driver.get("about:blank")
        self.driver.get(f"{Path(path).as_uri()}#{fragment}")
        return float(
            self.wait(lambda: self.run("return document.getElementById('page').dataset.ready"))
        )

    def run(self, script, *arguments):
        """Run JavaScript; a value comes back."""
        return self.driver.execute_script(script, *arguments)

    def settle(self):
        """Let the page draw what was changed: it does so once a frame."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()));"
        )

    def wait(self, condition):
        """Return the first value that is true."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"nothing within {WAIT_SECONDS} s")

    def one(self, selector):
        """Return the first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        """Return all elements of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def number(self, selector):
        """Return the number that an element shows, in full; NaN where it is not finite."""
        return float(
            self.run("return document.querySelector(arguments[0]).dataset.value", selector)
        )

    def point(self, selector):
        """Move the pointer onto an element."""
        self._show(selector)
        self._actions().move_to_element(self.one(selector)).perform()
        self.settle()

    def point_within(self, selector, x, y):
        """Move the pointer to a place within an element, in pixels from its upper left corner."""
        element = self._show(selector)
        size = self.run(
            "const box = arguments[0].getBoundingClientRect(); return [box.width, box.height]",
            element,
        )
        offsets = (round(x - size[0] / 2), round(y - size[1] / 2))
        self._actions().move_to_element_with_offset(element, *offsets).perform()
        self.settle()

    def drag(self, start, end):
        """Press on one element and let go on another."""
        self._show(start)
        actions = self._actions().click_and_hold(self.one(start)).move_to_element(self.one(end))
        actions.release().perform()
        self.settle()

    def click(self, selector):
        """Click on an element."""
        self._show(selector)
        self._actions().click(self.one(selector)).perform()
        self.settle()

    def press(self, *keys, shift=False):
        """Press keys, one after the other, on what has the focus."""
        from selenium.webdriver.common.keys import Keys

        actions = self._actions()
        if shift:
            actions.key_down(Keys.SHIFT)
        for key in keys:
            actions.send_keys(getattr(Keys, key, key))
        if shift:
            actions.key_up(Keys.SHIFT)
        actions.perform()
        self.settle()

    def focus(self, selector):
        """Give an element the focus."""
        self.run("arguments[0].focus()", self.one(selector))

    def choose(self, selector, value):
        """Choose an option of a select by its value."""
        from selenium.webdriver.support.select import Select

        Select(self.one(selector)).select_by_value(value)
        self.settle()

    def width(self, pixels):
        """Give the window another width."""
        self.driver.set_window_size(pixels, 1000)
        self.settle()

    def prefer(self, scheme):
        """Emulate a system that prefers "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self):
        """Return the errors of the console and the requests to a network since the last call."""
        errors = [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE"
        ]
        return errors + [url for url in self._requests() if url.startswith(NETWORK)]

    def _requests(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                yield parameters["request"]["url"]
            elif message["method"] == "Network.webSocketCreated":
                yield parameters["url"]

    def _show(self, selector):
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', inline: 'nearest'})", element)
        self.settle()
        return element

    def _actions(self):
        from selenium.webdriver import ActionChains

        return ActionChains(self.driver, duration=20)


def start_browser():
    """Return a browser; skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromium = chromium or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium or no chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = chromium
    service = webdriver.ChromeService(executable_path=driver)
    return Browser(webdriver.Chrome(options=options, service=service))
