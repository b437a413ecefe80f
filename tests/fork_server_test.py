"""A program that the tests' server has forked is, to whoever looks, one that was started."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.harness import forked_popen
from tests.harness.processes import children_of, is_running, wait_until

FACTS = """
import json, os, pathlib, signal, sys
here = pathlib.Path("/proc/self")
print(json.dumps({
    "argv": sys.argv,
    "path": sys.path[0],
    "name": __name__,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "shown": [(here / n).read_text().rstrip("\\0").split("\\0") for n in ("cmdline", "environ")],
    "parent": os.getppid(),
    "leads": [os.getpid() == os.getsid(0), os.getpid() == os.getpgrp()],
    "group": None if os.getpid() == os.getpgrp() else os.getpgrp(),
    "input": sys.stdin.read(),
    "passed": os.read(int(sys.argv[1]), 9).decode(),
    "open": sorted(int(each) for each in os.listdir("/proc/self/fd") if int(each) < 100)[:3],
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "terminate": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
}), flush=True)
print("a complaint", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a function that writes a script, which the server may fork."""

    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text)
        monkeypatch.setattr(forked_popen, "SCRIPTS", [path.resolve()])
        return [sys.executable, str(path)]

    return write


@pytest.fixture
def started_both_ways(monkeypatch, fork_server):
    """Return a function that gives what another returns with programs forked, and started."""

    def both(function):
        found = []
        for is_paused in (False, True):
            monkeypatch.setattr(fork_server, "is_paused", is_paused)
            found.append(function())
        return found

    return both


@pytest.mark.parametrize("new_session", [False, True])
def test_it_has_what_a_start_gives(script, started_both_ways, tmp_path, new_session):
    command = script(FACTS)

    def facts():
        reading, writing = os.pipe()
        os.write(writing, b"passed on")
        process = subprocess.Popen(
            [*command, str(reading)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"OF": "its own", "PATH": "/usr/bin:/bin"},
            pass_fds=(reading,),
            start_new_session=new_session,
        )
        output, errors = process.communicate("given")
        os.close(reading)
        os.close(writing)
        found = json.loads(output)
        found["environment"].pop("LC_CTYPE", None)  # which Python sets where no locale is
        return found, errors, process.returncode

    forked, started = started_both_ways(facts)
    assert forked == started
    assert forked[0]["parent"] == os.getpid() and forked[1:] == ("a complaint\n", 7)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("raise SystemExit('a line')", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import atexit; atexit.register(print, 'the last word')", 0),
        ("print('held back', end='')", 0),
        ("import threading, time; threading.Timer(0.2, print, ['late']).start()", 0),
    ],
)
def test_it_ends_as_one_that_was_started(script, started_both_ways, end, status):
    command = script(end)

    def ended():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr[-18:]

    forked, started = started_both_ways(ended)
    assert forked == started and forked[0] == status


def test_it_is_this_processs_child_and_leaves_none(script, fork_server):
    before = children_of(os.getpid())
    process = subprocess.Popen([*script("import time; print(flush=True); time.sleep(600)")])
    assert process.pid in children_of(os.getpid()) and is_running(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    wait_until(lambda: children_of(os.getpid()) == before)
