"""What happens to the roles of a whole cluster: it goes on, or ends in one line and is continued.

One search meets one fault after the other; in the end its trials have to be those of a search in
one process.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.harness import kills
from tests.harness.processes import children_of

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
HARNESS = ROOT / "tests" / "harness"
PATIENCE_SECONDS = 240.0  # on a machine that does much else
LOCK_SECONDS = 12.0  # longer than SQLite itself waits, and an update takes
NUM_SAMPLES = 72
SEARCH = (
    *("--experiment=fault_toys:OWN", "--seed=3", f"--num_samples={NUM_SAMPLES}"),
    "--override=search.depth.every=24",
)


class FaultyCluster:
    """A synchronous cluster on this machine: a chief, a server and a worker."""

    def __init__(self, folder, workdir):
        self.run, self.output = workdir, folder / "output.txt"
        self.clock = folder / "set_back"
        self._process = None

    def start(self, *words):
        paths = (FOLDER, FOLDER / "clock", os.environ.get("PYTHONPATH", ""), ROOT)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "nas_with_rl.launch.local_cluster", *words),
                    *(f"--workdir={self.run}", "--num_ps=1", "--num_workers=1"),
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(map(str, paths)),
                    "FAULT_CLOCK": str(self.clock),
                    "FAULT_SECONDS": "0.1",  # of an evaluation
                },
                cwd=FOLDER,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def finished(self):
        return kills.num_finished(self.run)

    def wait_for_more(self, count=4):
        """Wait until some trials more have their outcome."""
        wanted = min(self.finished() + count, NUM_SAMPLES)
        self.until(lambda: self.finished() >= wanted)

    def until(self, condition):
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self._process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.05)

    def roles(self):
        """Return the process of each role."""
        from cluster_kills import role_processes

        return role_processes(self._process.pid)

    def said(self):
        return self.output.read_text(errors="replace")

    def wait(self):
        return self._process.wait(PATIENCE_SECONDS)

    def close(self):
        if self._process and self._process.poll() is None:
            self._process.kill()  # its roles leave with it
            self._process.wait()


@pytest.fixture(scope="module")
def facts(small_disk, tmp_path_factory):
    """A search that meets everything, and what was seen of it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(HARNESS)
        folder = tmp_path_factory.mktemp("cluster")
        cluster = FaultyCluster(folder, (small_disk or folder) / "run")
        with contextlib.closing(cluster):
            yield meet_faults(cluster, small_disk)


def meet_faults(cluster, small_disk):
    from fault_toys import FILLER, fill  # now, as it takes seconds

    seen = {"cluster": cluster, "whole": whole_search(cluster.run.parent / "whole")}
    cluster.start(*SEARCH, "--synchronous")
    cluster.wait_for_more()
    seen["files"] = {role: written_files(pid) for role, pid in cluster.roles().items()}
    lock_store(cluster)
    cluster.wait_for_more()
    cluster.clock.touch()
    cluster.wait_for_more(8)
    server = cluster.roles()["ps-0"]
    os.kill(server, signal.SIGSTOP)
    cluster.until(lambda: cluster.roles().get("ps-0", server) != server)
    cluster.wait_for_more()
    if small_disk:
        before = len(cluster.said())
        fill(small_disk)
        seen["full"] = (cluster.wait(), cluster.said()[before:])
        (small_disk / FILLER).unlink()
        cluster.start(SEARCH[0], "--resume")
    seen["status"] = cluster.wait()
    return seen


def whole_search(workdir):
    """Run the same search in one process, which meets nothing."""
    paths = (FOLDER, os.environ.get("PYTHONPATH", ""), ROOT)
    subprocess.run(
        [
            *(sys.executable, "-m", "nas_with_rl.launch.search", *SEARCH),
            *("--plan=here", f"--workdir={workdir}"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd=FOLDER,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return workdir


def written_files(pid):
    """Return the files that a process and those it has started have open for writing."""
    found = set()
    for process in (pid, *children_of(pid)):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                flags = Path(f"/proc/{process}/fdinfo/{link.name}").read_text().split("flags:")[1]
                target = link.readlink()
                if int(flags.split()[0], 8) & os.O_ACCMODE != os.O_RDONLY and target.is_file():
                    found.add(target)
    return found


def lock_store(cluster):
    """Hold the store, as a viewer with unsaved changes does."""
    path = cluster.run / "trials.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as store:
        store.execute("BEGIN IMMEDIATE")
        time.sleep(LOCK_SECONDS)
        store.execute("ROLLBACK")


def trials_of(workdir):
    trials = kills.trials_of(workdir)
    return kills.trials_of(workdir, log_prob=0.0), [trial.log_prob for trial in trials]


def test_a_search_that_has_met_everything_has_the_trials_of_one_that_has_met_nothing(facts):
    assert facts["status"] == 0, facts["cluster"].said()
    found, found_log_probs = trials_of(facts["cluster"].run)
    expected, expected_log_probs = trials_of(facts["whole"])
    assert len(expected) == NUM_SAMPLES and found == expected
    np.testing.assert_allclose(found_log_probs, expected_log_probs, atol=1e-5)


def test_no_fault_is_a_traceback(facts):
    assert "Traceback" not in facts["cluster"].said()
    for log in (facts["cluster"].run / "logs").iterdir():
        assert "Traceback" not in log.read_text(), log


def test_workers_servers_and_children_write_to_their_logs_alone(facts):
    """What is full, read-only or locked is the chief's to meet."""
    assert set(facts["files"]) == {"chief-0", "ps-0", "worker-0"}
    for role in ("ps-0", "worker-0"):
        assert {path.name for path in facts["files"][role]} == {f"{role}.log"}
    assert any(path.name == "trials.sqlite" for path in facts["files"]["chief-0"])


def test_a_full_disk_ends_the_cluster_in_one_line_that_says_how_to_go_on(facts):
    if "full" not in facts:
        pytest.skip("needs the right to mount a small disk")
    status, said = facts["full"]
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, f"status {status}: {said}"
    (line,) = lines
    assert status not in (0, 1) and "--resume" in line and "from a copy" not in line


def test_a_lock_is_said_and_a_stopped_server_is_started_again(facts):
    said = facts["cluster"].said()
    assert any("lock" in line and "trials.sqlite" in line for line in said.splitlines())
    assert "ps-0 gave no sign for" in said


def test_a_clock_that_is_set_back_makes_no_duration_negative(facts):
    lines = [line for line in facts["cluster"].said().splitlines() if " minutes, " in line]
    assert lines and not any("in -" in line for line in lines)
