"""Searches in processes that are forked from one that has imported TensorFlow: quick to start."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from fault_toys import KINDS

from nas_with_rl.launch import command_line
from tests.harness import fork_server, forked_popen
from tests.harness.processes import children_of

PATIENCE_SECONDS = 120.0


class Forked:
    """A search, started or resumed where it has begun, in a process forked from this one."""

    def __init__(
        self,
        kind: str,
        workdir: Path,
        seed: int,
        *,
        output: Path | None = None,
        overrides: tuple[str, ...] = (),
        before: Callable[[], None] = lambda: None,
    ):
        """Fork.

        Args:
          kind: of search, one of KINDS.
          workdir: of the run.
          seed: of the search.
          output: where what it prints is appended; None for a file beside the workdir.
          overrides: of the experiment's settings.
          before: called first in the process.
        """
        self.kind, self.workdir, self.seed = kind, workdir, seed
        self._overrides, self._before = overrides, before
        self._output = output or Path(f"{workdir}.txt")
        self._status: int | None = None
        self._started = time.time()
        self._pid = os.fork()
        if not self._pid:
            os._exit(self._run_with_server() if fork_server.is_forked() else self._run())

    def _run_with_server(self) -> int:
        """Run, with child processes that are forked too."""
        found = fork_server.serve_children()
        if isinstance(found, fork_server.Request):
            fork_server.run(found)  # a child process, which leaves by itself
            return 1
        with forked_popen.programs_forked_by(forked_popen.ForkServer(found)):
            return self._run()

    def _run(self) -> int:
        output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        from nas_with_rl.launch.records.resumption import SearchRequest
        from nas_with_rl.launch.search import run

        experiment = f"fault_toys:{self.kind}"
        request = SearchRequest(experiment, workdir=str(self.workdir), resume=True)
        if not (self.workdir / "experiment.json").exists():
            request = SearchRequest(
                experiment,
                workdir=str(self.workdir),
                seed=self.seed,
                overrides=self._overrides,
                plan=KINDS[self.kind],
            )
        try:
            self._before()
            return command_line.status_of(lambda: run(request))
        except BaseException:
            traceback.print_exc()
            return 1

    def poll(self) -> int | None:
        """Return the exit status, minus the signal's number if any; None from one that runs."""
        if self._status is None:
            found, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if found else None
        return self._status

    def wait(self) -> int:
        """Wait for the exit status."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"{self.workdir} has not ended: {self.output()}")
            time.sleep(0.005)
        return status

    def kill(self) -> None:
        """End the process, if it has not ended."""
        self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        """Send the process a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self._pid, number)

    def children(self) -> list[int]:
        """Return the processes that this one has started."""
        return children_of(self._pid) if self.poll() is None else []

    def kill_a_child(self, chosen: random.Random) -> bool:
        """End a process that this one has started, if it searches; return whether there was one."""
        children = self.children() if self.is_searching() else []
        with contextlib.suppress(ProcessLookupError):
            if children:
                os.kill(chosen.choice(children), signal.SIGKILL)
                return True
        return False

    def seconds_until_first_trial(self) -> float:
        """Return how long the search takes to begin."""
        began = time.monotonic()
        while self.poll() is None and not self.is_searching():
            time.sleep(0.01)
        return time.monotonic() - began

    def is_searching(self) -> bool:
        """Return whether this process has written to its store of trials."""
        with contextlib.suppress(FileNotFoundError):
            return (self.workdir / "trials.sqlite-wal").stat().st_mtime >= self._started
        return False

    def output(self) -> str:
        """Return the end of what was printed."""
        return self._output.read_text()[-2000:]
