"""How a binary ends: at once, and with everything written that it would have written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINE = """
import atexit, gc, logging, logging.handlers, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

def note(text):
    with open("notes", "a") as notes:
        notes.write(text + "\\n")

left_open = open("left_open", "w")  # nobody closes it
folder = tempfile.TemporaryDirectory(dir=".")
pool = ThreadPoolExecutor(1)
kept = logging.handlers.MemoryHandler(1000, target=logging.FileHandler("log"))
logging.getLogger("mine").addHandler(kept)
logging.getLogger("mine").propagate = False

def slow():
    time.sleep(0.2)
    note("thread")

atexit.register(lambda: note(f"frozen: {gc.get_freeze_count() > 0}"))
atexit.register(note, "handler")

def evaluate(architecture):
    if left_open.tell() == 0:
        left_open.write("every word")
        logging.getLogger("mine").error("kept until the end")
        threading.Thread(target=slow).start()
        pool.submit(slow)
        Path(folder.name, "file").write_text("temporary")
    return 1.0
"""
BINARY = """
import atexit, gc
from nas_with_rl.launch import command_line
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0))
command_line.run_main(lambda: print("the last line") or 3)
"""
IN_PYTHON = """
import atexit, gc
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0))
import nas_with_rl as nas
options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
nas.search({"units": (1, 2)}, lambda a: 1.0, num_samples=2, options=options)
"""
RANDOM = "--override=search.searcher=random"
pytestmark = pytest.mark.real_start


def run(folder, *words):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
    )


def search_with(folder, *words, before=()):
    """Run a search with a function of the module above."""
    (folder / "mine.py").write_text(MINE)
    search = ("-m", "nas_with_rl.launch.search", "--experiment=nas_bench_201", "--plan=here")
    given = ("--evaluate=mine:evaluate", "--num_samples=2", "--workdir=run", *words)
    return run(folder, *before, *search, *given)


@pytest.mark.parametrize("words", [(RANDOM,), ()], ids=["random", "with TensorFlow"])
def test_nothing_is_lost_of_what_modules_of_ones_own_have_begun(tmp_path, words):
    done = search_with(tmp_path, *words)
    assert done.returncode == 0 and done.stdout.endswith(" minutes in all\n"), done.stderr
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes == ["thread", "thread", "handler", f"frozen: {not words}"]
    assert (tmp_path / "left_open").read_text() == "every word"
    assert "kept until the end" in (tmp_path / "log").read_text()
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"mine.py", "notes", "left_open", "log", "run"}


def test_a_binary_without_them_looks_for_no_cycle_at_its_end(tmp_path):
    done = run(tmp_path, "-c", BINARY)
    assert (done.returncode, done.stdout) == (3, "the last line\nfrozen: True\n"), done.stderr


@pytest.mark.parametrize(
    "before", [("-m", "coverage", "run"), ("-m", "cProfile", "-o", "profile")], ids=lambda b: b[1]
)
def test_who_runs_it_within_itself_still_writes(tmp_path, before):
    done = search_with(tmp_path, RANDOM, before=before)
    assert done.returncode == 0 and done.stdout.endswith(" minutes in all\n"), done.stderr
    written = tmp_path / (".coverage" if "coverage" in before else "profile")
    assert written.stat().st_size > 0
    assert "handler" in (tmp_path / "notes").read_text()


def test_a_search_in_ones_own_interpreter_leaves_its_end_alone(tmp_path):
    done = run(tmp_path, "-c", IN_PYTHON)
    assert (done.returncode, done.stdout) == (0, "frozen: False\n"), done.stderr
