"""The widget has the page's module and data; without anywidget there is a frame, or one line."""

import html
import subprocess
import sys

import anywidget
import pytest

from nas_with_rl.explorer.page import page, widget
from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.search_spaces.errors import InputError
from tests.harness import examples

WITHOUT_ANYWIDGET = "import sys\nsys.modules['anywidget'] = None\nsys.path.insert(0, sys.argv[1])\n"


def test_the_widget_carries_the_page_and_its_data():
    exploration = examples.side_by_side()
    shown = widget.explorer_widget(exploration)
    assert isinstance(shown, anywidget.AnyWidget)
    wanted = page_data(exploration)
    state = shown.get_state()
    assert state["exploration"] == wanted.exploration
    assert state["data"] == wanted.data
    assert state["view"] == ""
    assert state["_esm"] == page.bundle(default_export=True)
    assert "export default { render };" in state["_esm"]
    shown.view = "cursor=3"
    assert shown.get_state("view") == {"view": "cursor=3"}


def test_two_widgets_have_their_own_data():
    first, second = (widget.explorer_widget(examples.counter(size)) for size in (50, 60))
    assert [len(shown.exploration["text"]) for shown in (first, second)] == [50, 60]


def test_a_text_that_is_too_long_is_cut_as_on_the_page(monkeypatch):
    monkeypatch.setattr(page, "MAX_TOKENS", 100)
    shown = widget.explorer_widget(examples.counter(200))
    assert len(shown.exploration["text"]) == 100
    assert shown.exploration["notes"][0] == "100 of 200 characters are shown."


@pytest.mark.parametrize("name", ["counter", "hostile"])
def test_the_frame_holds_the_page(name):
    exploration = getattr(examples, name)()
    text = widget.frame(exploration)
    before, quoted, after = text.split('"', 2)[0], text.split('"', 2)[1], text.split('"', 2)[2]
    assert before == "<div><iframe srcdoc="
    assert html.unescape(quoted).encode("utf-8") == page.page_html(exploration).encode("utf-8")
    assert after.endswith("></iframe></div>") and "<script" not in after


def run(script):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_ANYWIDGET + script, str(examples.FOLDER)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_anywidget_the_frame_is_shown():
    done = run(
        "import examples\n"
        "from nas_with_rl.explorer.page import widget\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from IPython.utils.capture import capture_output\n"
        "InteractiveShell.instance()\n"
        "with capture_output() as captured:\n"
        "    widget.show(examples.counter())\n"
        "(output,) = captured.outputs\n"
        "assert output.data['text/html'] == widget.frame(examples.counter())\n"
        "print('shown')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "shown\n", "")


def test_without_anywidget_a_widget_is_one_line_of_what_to_install():
    done = run(
        "import examples\n"
        "from nas_with_rl.explorer.page import widget\n"
        "widget.explorer_widget(examples.counter())\n"
    )
    assert done.stderr.splitlines()[-1].endswith(
        "InputError: anywidget is not installed: pip install 'nas_with_rl[widget]', or show the "
        "page with show() or write_page()"
    )


def test_without_ipython_show_says_what_to_do(monkeypatch):
    monkeypatch.setattr(widget.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="outside a notebook"):
        widget.show(examples.counter())
