"""What a server forks is, to whoever looks, what a start makes; where it cannot, it says so."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from nas_with_rl.launch.host import forking
from nas_with_rl.launch.host.fork_server import NAME
from nas_with_rl.launch.host.forking import ForkServer
from nas_with_rl.launch.host.remnants import module_path
from tests.harness.processes import children_of, is_running, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
# A program that forks: this one may have threads, of other tests.
BEGINNING = """
import ctypes, json, os, signal, socket, subprocess, sys, threading, time
from nas_with_rl.launch.host import fork_server, forking
from nas_with_rl.launch.host.fork_server import Program
from nas_with_rl.launch.host.remnants import CHILD_VARIABLE

def program(function, *words):
    return Program((sys.executable, "-P", "-m", "forked", *words), f"forked:{function}", len(words))

def forked(function, *words, environment=None, descriptors=None):
    given = {**os.environ, **(environment or {})}
    return server.start(program(function, *words), given, descriptors or {0: 0, 1: 1, 2: 2})

server = forking.forked_server()
"""
# What the forked run.
FORKED = """
import json, os, signal, sys, time
from pathlib import Path

def facts(words):
    here = Path("/proc/self")
    print(json.dumps({
        "words": list(words),
        "argv": sys.argv[1:],
        "path": sys.path,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "shown": [(here / n).read_text().split("\\0") for n in ("cmdline", "environ")],
        "parent": os.getppid(),
        "leads": [os.getpid() == os.getsid(0), os.getpid() == os.getpgrp()],
        "passed": os.read(7, 9).decode(),
        "open": sorted(int(each) for each in os.listdir("/proc/self/fd"))[:5],
        "threads": len(os.listdir("/proc/self/task")),
        "signals": [signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)
                    for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
    }))
    print("a complaint", file=sys.stderr)
    sys.exit(7)

def end(words):
    exec(words[0])

def sleep(words):
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a program that has begun a server; it gives what was printed."""
    (tmp_path / "forked.py").write_text(FORKED)

    def run(text, *, environment=None):
        done = subprocess.run(
            [sys.executable, "-c", BEGINNING + textwrap.dedent(text)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env={
                **(os.environ if environment is None else environment),
                "PYTHONPATH": os.pathsep.join((str(tmp_path), module_path())),
            },
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr

    return run


def test_it_has_what_a_start_gives(run, tmp_path):
    printed, errors = run(
        """
        signal.signal(signal.SIGTERM, lambda *_: None)  # after the fork of the server
        reading, writing = os.pipe()
        os.write(writing, b"passed on")
        environment = {"OF": "its own", "OMP_NUM_THREADS": "1", CHILD_VARIABLE: "family/1"}
        process = forked("facts", "one", "two", environment=environment,
                         descriptors={0: 0, 1: 1, 2: 2, 7: reading})
        print(os.getpid(), process.pid, process.wait(), process.poll())
        """
    )
    found = json.loads(printed[0])
    parent, _, status, again = printed[1].split()
    assert (status, again, errors) == ("7", "7", "a complaint\n")
    assert found["words"] == found["argv"] == ["one", "two"]
    assert found["folder"] == str(tmp_path) and str(tmp_path) in found["path"]
    assert found["environment"]["OF"] == "its own" and found["parent"] == int(parent)
    assert found["passed"] == "passed on" and found["open"] == [0, 1, 2, 3, 7]  # 3: the list
    assert found["leads"] == [True, True] and found["signals"] == [True] * 3
    assert found["threads"] == 1
    command, variables = found["shown"]
    assert command[:2] == [sys.executable, "-P"]
    assert variables[0] == "NAS_WITH_RL_CHILD=family/1"  # first: there may be little room


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("raise SystemExit('a line')", 1),
        ("sys.exit(259)", 3),
        ("1 / 0", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os._exit(5)", 5),
        ("print('held back', end='')", 0),
        ("import threading; threading.Timer(0.2, print, ['held back']).start()", 0),
    ],
)
def test_it_ends_as_one_that_was_started(run, end, status):
    printed, errors = run(f"print(forked('end', {end!r}).wait(), flush=True)")
    assert printed[-1].removeprefix("held back") == str(status)
    assert ("held back" in "".join(printed)) == ("held back" in end)
    assert ("ZeroDivisionError" in errors) == (end == "1 / 0")
    assert ("a line" in errors) == ("a line" in end)


@pytest.mark.parametrize(("at_once", "seen"), [("", ""), ("1", "no end of a line")])
def test_its_output_is_held_back_as_that_of_one_that_was_started(run, at_once, seen):
    printed, _ = run(
        f"""
        end = "print('no end of a line', end=''); os._exit(0)"
        forked("end", end, environment={{"PYTHONUNBUFFERED": {at_once!r}}}).wait()
        """
    )
    assert "".join(printed) == seen


def test_draws_differ_from_process_to_process(run):
    printed, _ = run(
        """
        server.close()
        import numpy, random
        numpy.random.seed(0)
        server = forking.forked_server()
        end = "import numpy, random; print(numpy.random.rand(), random.random(), flush=True)"
        for _ in range(2):
            forked("end", end).wait()
        """
    )
    one, other = (line.split() for line in printed)
    assert one[0] != other[0] and one[1] != other[1]


def test_products_of_numpy_have_the_threads_that_are_asked_for(run):
    text = """
        server.close()
        import numpy as np
        before = np.ones((600, 600)) @ np.ones((600, 600))
        server = forking.forked_server()
        assert server is not None and (before == np.ones((600, 600)) @ np.ones((600, 600))).all()
        end = ("import numpy; from nas_with_rl.launch.host import fork_server;"
               "blas = fork_server._openblas();"
               "get = fork_server._blas_setter(blas).replace('set', 'get');"
               "print(getattr(blas, get)(), flush=True)")
        for count in ("1", "2"):
            environment = {"OMP_NUM_THREADS": count}
            forked("end", end, environment=environment).wait()
            subprocess.run([sys.executable, "-c", end], env={**os.environ, **environment})
        """
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    one, expected, two, as_well = run(text, environment=environment)[0]
    assert (one, two) == (expected, as_well) and one == "1"


def test_what_has_threads_is_not_forked(run):
    printed, _ = run(
        """
        done = threading.Event()
        threading.Thread(target=done.wait).start()
        print(forking.forked_server())
        done.set()
        """
    )
    assert printed == ["None"]


def test_without_room_to_be_found_by_it_nothing_is_forked(run):
    text = """
        try:
            forked("end", "print('forked')", environment={CHILD_VARIABLE: "x" * 10_000})
        except OSError as error:
            print(error, server.is_open)
        """
    printed, _ = run(text)
    assert printed == ["the fork server has refused, or has ended False"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_is_killed_leaves_no_server(tmp_path, number):
    text = BEGINNING + "print(server._server.pid, flush=True)\ntime.sleep(600)"
    program = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    with program:
        server = int(program.stdout.readline())
        assert is_running(server)
        program.send_signal(number)
        assert program.stdout.read() == ""  # the server does not hold it
    wait_until(lambda: not is_running(server))


def test_without_its_server_a_program_is_told_so(run):
    printed, _ = run(
        """
        server._server.kill()
        server._server.wait()
        for _ in range(2):
            try:
                forked("end", "print('forked')")
            except OSError:
                print("not forked", server.is_open)
        """
    )
    assert printed == ["not forked False"] * 2


def test_a_program_that_adopts_others_goes_on_doing_so(run):
    text = """
        libc = ctypes.CDLL(None)
        def adopts():
            found = ctypes.c_int()
            libc.prctl(37, ctypes.byref(found))
            return found.value
        for before in (0, 1):
            libc.prctl(36, before)
            forked("end", "pass").wait()
            print(adopts())
        """
    assert run(text)[0] == ["0", "1"]


def test_a_process_that_runs_on_has_no_status(run):
    printed, _ = run(
        """
        process = forked("sleep")
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            print(process.poll(), flush=True)
        process.kill()
        print(process.wait(), flush=True)
        process.kill()  # again
        """
    )
    assert printed[-2:] == ["None", "-9"]


def test_a_server_is_not_taken_for_a_child_process(tmp_path):
    text = BEGINNING + "print(flush=True)\ntime.sleep(600)"
    program = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    with program:
        program.stdout.readline()
        # It has its name a moment after the fork.
        wait_until(lambda: children_of(program.pid) == [])
        program.kill()


@pytest.mark.real_start
def test_a_server_that_is_started_has_imported_for_all(run):
    printed, errors = run(
        """
        server.close()
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        server = forking.started_server(("nas_with_rl.launch.clusters.roles",))
        end = ("print(all(name in sys.modules for name in ('keras', 'tensorflow')),"
               "len(os.listdir('/proc/self/task')), 'NAS_WITH_RL_ROOM' in os.environ, flush=True)")
        for _ in range(2):
            forked("end", end, environment={"LARGE": "x" * 9_000, CHILD_VARIABLE: "a"}).wait()
        server.close()
        print(server._server.returncode, any(name in sys.modules for name in ("keras", "numpy")))
        """
    )
    assert printed == [*["True 1 False"] * 2, "-9 False"] and not errors


def test_what_cannot_be_forked_starts_no_server(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert forking.started_server(()) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert forking.started_server(()) is None


def test_a_server_that_cannot_import_is_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    before = children_of(os.getpid())
    assert forking.started_server(("no_such_module",)) is None
    assert children_of(os.getpid()) == before


def test_a_server_that_does_not_answer_is_given_up():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.05)
    silent = subprocess.Popen(["sleep", "600"])
    server = ForkServer(ours, forking.ForkedProcess(silent.pid))
    with theirs:
        with pytest.raises(OSError, match="has refused, or has ended"):
            server.start(forking.Program(("a",), "a:b", 0), {}, {0: 0})
        with pytest.raises(BrokenPipeError):  # so that what it has forked meanwhile ends
            theirs.send(b"17")
    assert not server.is_open and not is_running(silent.pid)
    silent.wait()
    assert NAME  # what children_of knows servers by
