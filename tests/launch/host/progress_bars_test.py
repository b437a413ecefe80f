"""Progress where somebody looks on: a terminal, the lines of a log, a notebook's cell."""

import io
import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from nas_with_rl.launch.host import progress_bars
from nas_with_rl.launch.host.progress_bars import SHOWN_VARIABLE, make_bar
from tests.notebooks_test import environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by its list's only item."""
    now = [1000.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now[0])
    monkeypatch.delenv(SHOWN_VARIABLE, raising=False)
    return now


def test_a_log_gets_a_line_a_minute_and_one_at_the_end(clock, capsys):
    bar = make_bar(100, unit="child", initial=10, title="mine")
    for second in range(150):
        clock[0] = 1000.0 + second
        bar.describe(f"best reward {second}")
        if second % 3 == 0:
            bar.update()
    assert bar.n == 60
    clock[0] += 31
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line[9:] for line in lines] == [
        "mine: 31 of 100 children in 1.0 minutes, about 3.3 minutes left, best reward 60",
        "mine: 51 of 100 children in 2.0 minutes, about 2.4 minutes left, best reward 120",
        "mine: 60 of 100 children in 3.0 minutes, about 2.4 minutes left, best reward 149",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)


def test_what_ends_within_a_minute_leaves_no_line(clock, capsys):
    bar = make_bar(3, unit="epoch")
    for _ in range(3):
        clock[0] += 15
        bar.update()
    assert not bar.is_shown
    bar.close()
    assert capsys.readouterr() == ("", "")


def test_hours_are_hours_and_an_unknown_total_is_left_out(clock, capsys):
    bar = make_bar(None, unit="epoch")
    clock[0] += 3 * 3600
    bar.update(5)
    assert capsys.readouterr().err[9:] == "5 epochs in 3.0 hours\n"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_where_there_is_no_standard_error_nothing_is_raised(monkeypatch, clock, stream):
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = make_bar(3, unit="epoch")
    clock[0] += 61
    bar.update()
    bar.close()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.delenv(SHOWN_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = make_bar(4, unit="child", initial=1)
    bar.describe("best accuracy 0.5")
    bar.update(3)
    assert bar.n == 4 and bar.is_shown
    bar.close()
    assert "4/4" in sys.stderr.getvalue() and "best accuracy 0.5" in sys.stderr.getvalue()


SEARCH = """
import os, signal, sys
import nas_with_rl as nas

calls = []

def evaluate(architecture):
    calls.append(architecture)
    if len(calls) == stop_at:
        os.kill(os.getpid(), signal.SIGINT)  # as a notebook's stop button does
    if architecture["<b>units"] == 8:
        raise nas.ChildFailure("diverged", "NaN")
    return 1.0, {"<b>accuracy": architecture["<b>units"] / 64}

space = {"<b>units": (8, 16, 32)}
search = nas.SearchConfig(searcher="random", duplicates="evaluate", failure_retries=0)
options = nas.SearchOptions(search=search, metric="<b>accuracy")
result = nas.search(space, evaluate, num_samples=40, options=options)
"""
LOOKED_AT = """
import json
done = sum(trial.status != "running" for trial in result.trials)
print(json.dumps([done, result.interrupted, len(result.top()), "tensorflow" in sys.modules]))
"""


def test_a_notebook_shows_a_bar_and_its_stop_button_leaves_a_result():
    cells = [f"stop_at = 0\n{SEARCH}", "result", LOOKED_AT, f"stop_at = 7\n{SEARCH}", LOOKED_AT]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    kernel = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, km=kernel, timeout=120, resources={"metadata": {"path": folder}}
        )
        client.execute(env=environment(folder))
    whole, shown, found, stopped, left = [cell.outputs for cell in notebook.cells]
    (bar,) = whole
    assert bar.output_type == "display_data" and "40/40" in bar.data["text/plain"]
    page = bar.data["text/html"]
    assert "<progress value='40' max='40'" in page and "40 of 40" in page
    assert "best &lt;b&gt;accuracy 0.5, " in page and " failed" in page and "<b>" not in page
    (result,) = shown
    assert "40 of 40 trials" in result.data["text/plain"]
    assert "<img alt=" in result.data["text/html"] and "<b>accuracy" not in result.data["text/html"]
    assert json.loads(found[0].text) == [40, False, 2, False]
    bar, said = stopped
    assert (
        bar.output_type == "display_data"
        and "<progress value='6' max='40'" in bar.data["text/html"]
    )
    assert said.text == "stopped: 6 of 40 trials are done, which the result has\n"
    assert json.loads(left[0].text)[:2] == [6, True]
