"""Searches to each of which something happens, and what came of them, as JSON:

    python tests/faults/search_faults.py --folder=/tmp/faults --disk=/tmp/small_disk

The folder is any, the disk a small one that may be filled. After what happens to it, each search is
resumed where it has not ended, and compared with one to which nothing happened.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fault_toys import FAULT_VARIABLE, FILLER, SECONDS_VARIABLE, drop_rights
from forked_searches import Forked

from nas_with_rl.launch.host import backend
from tests.harness.kills import differences

SEED = 3
SHORTER = "search.num_samples=120"
# Of the kinds of searches; those that a checkpoint of the controller is of no interest to draw at
# random, which is quick to start.
OVERRIDES = {
    "OWN": (SHORTER,),
    "RANDOM": (SHORTER,),
    "CHILDREN": (SHORTER, "search.searcher=random"),
}
AT = 31  # the evaluation at which a fault happens: within a batch
LATER = 20  # evaluations until the next one
STOP_SECONDS = 4.5
CHILD_SECONDS = 3.0  # shorter: a search that was stopped holds that against no child


@dataclasses.dataclass(frozen=True)
class Facts:
    """What came of a search.

    Attributes:
      status: exit status; output: what it printed.
      resumed: the status of its continuation; None where it ended by itself.
      differences: from one to which nothing happened.
    """

    status: int
    output: str
    resumed: int | None
    differences: tuple[str, ...]


class Faults:
    """Runs searches, each to its end."""

    def __init__(self, folder: Path, disk: Path | None):
        self._folder, self._disk = folder, disk
        self._whole = {kind: folder / f"whole-{kind}" for kind in OVERRIDES}

    def all(self) -> dict[str, Facts]:
        """Let everything happen."""
        for kind, workdir in self._whole.items():
            process = Forked(kind, workdir, SEED, overrides=OVERRIDES[kind])
            assert process.wait() == 0, process.output()
        found = {
            "troubled": self._struck("troubled", ("locked", "set_back"), "RANDOM"),
            "read_only": self._struck("read_only", mend=_make_writable),
            "no_output": self._facts("no_output", "RANDOM", before=_lose_output),
            "stopped": self._struck(
                "stopped",
                ("set_back",),
                "CHILDREN",
                further=(f"search.child_seconds={CHILD_SECONDS}",),
                during=_stop,
            ),
            "child_dies": self._struck("child_dies", ("dies",), "CHILDREN", at=0),
            "child_no_room": self._struck("child_no_room", ("no_room",), "CHILDREN"),
        }
        if self._disk:
            found["full"] = self._struck("full", place=self._disk, mend=_make_room)
        found["reading"] = self._read_only()
        return found

    def _struck(
        self,
        name: str,
        faults: tuple[str, ...] = (),
        kind: str = "OWN",
        *,
        at: int = AT,
        place: Path | None = None,
        mend: Callable[[Path], None] = lambda place: None,
        **options: Any,
    ) -> Facts:
        """Run a search in which faults of `fault_toys` happen, by default the one of its name."""
        workdir = (place or self._folder) / name
        where = place or (self._folder / "dead" if faults == ("dies",) else workdir)

        def before() -> None:
            os.environ[SECONDS_VARIABLE] = "0.03"  # of a child, where it is a process of its own
            os.environ[FAULT_VARIABLE] = ";".join(
                f"{fault} {at + LATER * number} {where}"
                for number, fault in enumerate(faults or (name,))
            )

        return self._facts(
            name, kind, workdir=workdir, before=before, mend=lambda: mend(where), **options
        )

    def _facts(
        self,
        name: str,
        kind: str = "OWN",
        *,
        workdir: Path | None = None,
        further: tuple[str, ...] = (),
        before: Callable[[], None] = lambda: None,
        during: Callable[[Forked], None] = lambda process: None,
        mend: Callable[[], None] = lambda: None,
    ) -> Facts:
        workdir = workdir or self._folder / name
        overrides = (*OVERRIDES[kind], *further)
        output = self._folder / f"{name}.txt"
        process = Forked(kind, workdir, SEED, output=output, overrides=overrides, before=before)
        during(process)
        status = process.wait()
        mend()
        resumed = None if status == 0 else Forked(kind, workdir, SEED, overrides=overrides).wait()
        different = differences(workdir, self._whole[kind]) if resumed in (0, None) else ()
        return Facts(status, output.read_text(), resumed, tuple(different))

    def _read_only(self) -> Facts:
        """Read a finished run in which nothing can be written."""
        from nas_with_rl.launch.records.trial_store import TrialStore

        def read() -> None:
            drop_rights()
            for folder in (workdir, *(path for path in workdir.rglob("*") if path.is_dir())):
                folder.chmod(0o555)
            for path in workdir.glob("*.*"):
                path.chmod(0o444)
            store = TrialStore(workdir / "trials.sqlite")
            print(len(store), len(store.best_evaluations()), flush=True)
            os._exit(0)

        workdir, output = self._whole["OWN"], self._folder / "reading.txt"
        status = Forked("OWN", workdir, SEED, output=output, before=read).wait()
        _make_writable(workdir)
        return Facts(status, output.read_text(), None, ())


def _lose_output() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _make_room(disk: Path) -> None:
    (disk / FILLER).unlink()


def _make_writable(workdir: Path) -> None:
    for path in (workdir, *workdir.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _stop(process: Forked) -> None:
    process.seconds_until_first_trial()
    time.sleep(0.3)
    for child in process.children():
        _check_files(child, process.workdir)
    process.send(signal.SIGSTOP)
    time.sleep(STOP_SECONDS)
    assert process.poll() is None, "it had ended before"
    process.send(signal.SIGCONT)


def _check_files(process: int, workdir: Path) -> None:
    """Raise AssertionError where a process has a file of the run open."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            assert not link.readlink().is_relative_to(workdir), f"{link.readlink()} is open"


def main() -> None:
    """Print the facts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--disk", type=Path, default=None)
    words = parser.parse_args()
    backend.prepare_tensorflow()
    import nas_with_rl.launch.searches.named_run  # noqa: F401  before the forks, once

    found = Faults(words.folder.resolve(), words.disk).all()
    json.dump({name: dataclasses.asdict(facts) for name, facts in found.items()}, sys.stdout)


if __name__ == "__main__":
    main()
