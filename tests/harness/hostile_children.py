"""Children that do what no child should, named "hostile_children:Hostile"; no TensorFlow."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.child_frames import as_payload
from nas_with_rl.launch.evaluators.child_process import ChildReply
from nas_with_rl.launch.evaluators.evaluation import InProcess
from nas_with_rl.launch.evaluators.measurements import Measurement


class Hostile:
    """Calls the method that an architecture names, then measures the trial's number."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.number = 1  # of the last request: this work

    def __call__(self, group):
        self.number += 1

        def evaluate(architecture, seed):
            with (self.directory / architecture["deed"]).open("a") as tries:
                tries.write(f"{os.getpid()}\n")
            getattr(self, architecture["deed"])()
            return Measurement(seed)

        evaluator = InProcess(evaluate)
        return [evaluator._result(evaluation) for evaluation in group]

    def nothing(self):
        pass

    # What it writes to the connection, which it has to look for.

    def scribbles(self):
        for descriptor in range(3, 1024):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"\x00\xffan odd place to write to\n" * 3)
        time.sleep(60)

    def scribbles_and_returns(self):
        write(b"text")

    def announces_too_much(self):
        write(header(self.number, 2**40))
        time.sleep(60)

    def announces_more_than_comes(self):
        write(header(self.number, 1000) + b"{")
        time.sleep(60)

    def drips(self):
        write(header(self.number, 2**20))
        while True:
            write(b" ")

    def answers_nonsense(self):
        self.answer(b"\x80\x04no JSON")

    def answers_a_stranger(self):
        self.answer(json.dumps({"class": "fractions:Fraction", "fields": {}}).encode())

    def answers_too_few(self):
        self.answer(as_payload(ChildReply((), 0.0, 1.0)))

    def answers_deeply(self):
        self.answer(b"[" * 100_000)

    def answers_twice(self):
        self.answer(as_payload(ChildReply((Measurement(1),), 0.0, 1.0)), seconds=0)

    def answer(self, payload, *, seconds=60):
        """Answer the evaluation, and go on."""
        write(header(self.number, len(payload)) + payload)
        time.sleep(seconds)

    # What it does to the connection.

    def closes_everything(self):
        os.closerange(3, 2**16)

    def says_no_more(self):
        connection().shutdown(socket.SHUT_WR)
        time.sleep(60)

    # What it does to the process.

    def exits(self):
        os._exit(0)

    def interrupts(self):
        raise KeyboardInterrupt

    def stops(self):
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)

    def ignores_signals(self):
        signal.pthread_sigmask(signal.SIG_SETMASK, range(1, signal.NSIG))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    def forks(self):
        os.fork()

    def loses_its_directory(self):
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir("../gone")

    # What it says.

    def prints_what_is_no_text(self):
        os.write(1, b"\xff\xfe\x00")
        os.write(2, b"\xff\xfe\x00")
        print("\udcff", flush=True)
        print("\udcff", file=sys.stderr, flush=True)

    def closes_its_output(self):
        sys.stdout.close()
        sys.stderr.close()
        os.close(1)
        os.close(2)

    def fails_in_no_language(self):
        raise ChildFailure("crashed", "\udcff \x1b[31m\x00 ünd" + "\n" + "x" * 100_000 + "end")

    # What it starts.

    def starts_another(self):
        started = subprocess.Popen(["sleep", "600"], start_new_session=True)
        with (self.directory / "started").open("a") as pids:
            pids.write(f"{started.pid}\n")
        time.sleep(60)

    def starts_another_and_exits(self):
        time.sleep = lambda seconds: os._exit(3)
        self.starts_another()

    def keeps_the_lock(self):
        ctypes.PyDLL(None).sleep(600)


def connection():
    """Return the connection to the parent: the last socket."""
    for descriptor in range(1023, 2, -1):
        with contextlib.suppress(OSError):
            return socket.socket(fileno=os.dup(descriptor))
    raise RuntimeError("no connection")


def write(data):
    """Write to the parent."""
    connection().sendall(data)


def header(number, length):
    """Return what comes before an answer."""
    return struct.pack(">8sQQ", b"nas-with", number, length)
