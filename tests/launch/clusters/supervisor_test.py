"""Supervision in earnest: toy roles in real processes, killed, stopped and told what to do."""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE
from tests.harness.processes import is_running, wait_until

FOLDER = Path(__file__).parents[2] / "harness"
PATH = os.pathsep.join(map(str, (FOLDER.parents[1], FOLDER)))
SUPERVISOR = FOLDER / "supervised_toys.py"
CLUSTER = ("chief-0", "ps-0", "worker-0", "worker-1")
KILLED = "died of SIGKILL, started again"


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")


class Toys:
    """A supervisor of toy roles that has just been started, and what can be seen of them."""

    def __init__(self, directory, names, *, wrapper=(), program=None, **patience):
        self.directory, self.names = directory, names
        words = [SUPERVISOR, directory, json.dumps(patience), *names]
        if program:
            words = [*program, directory, *names, "--supervise"]
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, *words],
            env={**os.environ, "TMPDIR": str(directory), "PYTHONPATH": PATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: all(len(self.starts(name)) == 1 for name in names))

    def starts(self, name):
        """Return the words of each start: the process's number, then its flags."""
        return [line.split() for line in self._lines(name, "starts")]

    def pid(self, name):
        return int(self.starts(name)[-1][0])

    def pids(self):
        """Return all that ever were, those that the roles have started included."""
        started = [int(words[0]) for name in self.names for words in self.starts(name)]
        return started + [int(pid) for name in self.names for pid in self._lines(name, "spawned")]

    def spawned(self, name):
        """Let a role start a process of its own, and return its number."""
        before = len(self._lines(name, "spawned"))
        self.order(name, "spawn")
        wait_until(lambda: len(self._lines(name, "spawned")) > before)
        return int(self._lines(name, "spawned")[-1])

    def order(self, name, text, suffix="order"):
        writing = self.directory / f"{name}.writing"
        writing.write_text(text)
        writing.rename(self.directory / f"{name}.{suffix}")

    def wait_for_start(self, name, number):
        wait_until(lambda: len(self.starts(name)) == number)

    def interrupted(self):
        """Return the roles that heard Ctrl-C."""
        return [name for name in self.names if self._lines(name, "interrupted")]

    def log(self, name):
        return (self.directory / f"{name}.log").read_bytes().decode()

    def end(self):
        """Wait for the supervisor; return its status, its output and its lines of errors."""
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors.decode().splitlines()

    def _lines(self, name, suffix):
        path = self.directory / f"{name}.{suffix}"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(params=["started", pytest.param("forked", marks=needs_linux)])
def supervised(tmp_path, request, monkeypatch):
    """Start supervisors, and see to it that a failed test leaves nobody behind."""
    if request.param == "forked":
        monkeypatch.setenv("FORKED_TOYS", "1")
    started = []

    def start(names=CLUSTER, **options):
        started.append(Toys(tmp_path, names, **options))
        return started[-1]

    yield start
    for toys in started:
        toys.process.kill()
        for pid in filter(is_running, toys.pids()):
            os.kill(pid, signal.SIGKILL)


def assert_nobody_is_left(toys):
    """The supervisor has waited for all of them: there is nothing to wait for."""
    assert [pid for pid in toys.pids() if is_running(pid)] == []


def test_killed_roles_are_started_again_and_the_chiefs_end_is_everybodys(supervised):
    toys = supervised()
    spawned = toys.spawned("worker-1")
    os.kill(toys.pid("worker-1"), signal.SIGKILL)
    toys.wait_for_start("worker-1", 2)
    assert not is_running(spawned)  # it would have kept the worker's GPU
    os.kill(toys.pid("chief-0"), signal.SIGKILL)
    toys.wait_for_start("chief-0", 2)
    last = toys.spawned("ps-0")
    toys.order("chief-0", "exit 0 found")
    status, output, errors = toys.end()
    assert status == 0 and not is_running(last)
    assert_nobody_is_left(toys)
    assert [words[1:] for words in toys.starts("chief-0")] == [[], ["--resume"]]
    assert [words[1:] for words in toys.starts("worker-1")] == [[], []]
    assert [len(toys.starts(name)) for name in ("ps-0", "worker-0")] == [1, 1]
    assert output == b"found\n"
    assert errors == [f"worker-1 {KILLED}", f"chief-0 {KILLED}"]


def test_an_end_that_is_no_death_for_the_chief_is_one_for_the_others(supervised):
    toys = supervised(("chief-0", "ps-0", "worker-0"))
    toys.order("worker-0", "exit 0")
    toys.order("ps-0", "exit 130")
    toys.wait_for_start("worker-0", 2)
    toys.wait_for_start("ps-0", 2)
    toys.order("chief-0", "exit 75")
    toys.wait_for_start("chief-0", 2)
    toys.order("chief-0", "exit 130")
    status, _, errors = toys.end()
    assert status == 130
    assert_nobody_is_left(toys)
    assert sorted(errors) == [
        "chief-0 ended with status 75, started again",
        "ps-0 ended with status 130, started again",
        "worker-0 ended with status 0, started again",
    ]


@pytest.mark.parametrize("code", [1, 74])  # of the program, of its machine
def test_an_error_of_the_chief_ends_everything(supervised, code):
    toys = supervised()
    toys.order("chief-0", f"exit {code} Traceback")
    status, output, errors = toys.end()
    assert (status, output, errors) == (code, b"Traceback\n", [])
    assert len(toys.starts("chief-0")) == 1
    assert_nobody_is_left(toys)


def test_a_users_error_of_a_worker_ends_everything_with_its_line(supervised):
    toys = supervised()
    toys.order("worker-1", "exit 2 error: --data_dir=/nowhere: no such directory")
    status, _, errors = toys.end()
    assert status == 2
    assert errors == ["error: worker-1: --data_dir=/nowhere: no such directory"]
    assert_nobody_is_left(toys)


def test_a_users_error_of_the_chief_is_shown_once(supervised):
    toys = supervised()
    toys.order("chief-0", "exit 2 error: the workdir is in use")
    status, _, errors = toys.end()
    assert (status, errors) == (2, ["error: the workdir is in use"])
    assert "error: the workdir is in use\n" in toys.log("chief-0")


def test_what_the_chief_has_said_itself_is_not_said_again(supervised):
    toys = supervised(("chief-0", "worker-0"))
    toys.order("chief-0", "say error: --experiment=x: no such experiment")
    wait_until(lambda: "no such" in toys.log("chief-0"))
    toys.order("worker-0", "exit 2 error: --experiment=x: no such experiment")
    assert toys.end() == (2, b"error: --experiment=x: no such experiment\r", [])


def test_a_status_2_without_a_line_names_the_log(supervised):
    toys = supervised(("chief-0", "worker-0"))
    toys.order("worker-0", "exit 2 what?")
    status, _, errors = toys.end()
    log = toys.directory / "worker-0.log"
    assert (status, errors) == (2, [f"error: worker-0 ended with status 2, see {log}"])


def test_an_old_error_is_not_taken_for_a_new_one(supervised):
    toys = supervised(("chief-0", "worker-0"))
    toys.order("worker-0", "exit 1 error: an old one")
    toys.wait_for_start("worker-0", 2)
    toys.order("worker-0", "exit 2")
    assert "an old one" not in "\n".join(toys.end()[2])


def test_a_stopped_role_is_found_by_its_missing_beat(supervised):
    toys = supervised(beat_seconds=3.0)
    spawned = toys.spawned("worker-0")
    stopped = toys.pid("worker-0")
    os.kill(stopped, signal.SIGSTOP)
    toys.wait_for_start("worker-0", 2)
    assert not is_running(stopped) and not is_running(spawned)
    toys.order("chief-0", "exit 0")
    _, _, errors = toys.end()
    assert errors == ["worker-0 gave no sign for 3 s, killed and started again"]
    assert [len(toys.starts(name)) for name in CLUSTER] == [1, 1, 2, 1]  # the others beat on


def test_a_role_that_never_beats_is_found(supervised):
    toys = supervised(("chief-0", "mute-0"), first_beat_seconds=2.0)
    beats = Path(variable_of(toys.pid("chief-0"), HEARTBEAT_VARIABLE))
    assert beats.parent.stat().st_mode & 0o077 == 0
    toys.wait_for_start("mute-0", 2)
    toys.order("chief-0", "exit 0")
    _, _, errors = toys.end()
    assert errors == ["mute-0 gave no sign for 2 s, killed and started again"]
    assert len(toys.starts("chief-0")) == 1  # was heard
    assert not beats.parent.exists()


def variable_of(pid, name):
    words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(word.partition("=")[::2] for word in words)[name]


def test_a_role_that_dies_over_and_over_is_given_up(supervised):
    toys = supervised(pause_seconds=0.01)
    toys.order("worker-0", "exit 3 no such library", "fate")
    status, _, errors = toys.end()
    log = toys.directory / "worker-0.log"
    assert status == 1
    assert errors[:7] == ["worker-0 ended with status 3, started again"] * 7
    assert errors[7] == (
        "error: worker-0 died 8 times in a row, each within 30 s of its start, at last it ended "
        f"with status 3; its log is {log} and ends so:"
    )
    assert errors[-1] == "  no such library"
    assert len(toys.starts("worker-0")) == 8
    assert_nobody_is_left(toys)


def test_deaths_far_apart_are_not_counted_together(supervised):
    toys = supervised(("chief-0", "worker-0"), quick_seconds=0.0, pause_seconds=60.0)
    for number in range(6):
        os.kill(toys.pid("worker-0"), signal.SIGKILL)
        toys.wait_for_start("worker-0", number + 2)
    toys.order("chief-0", "exit 0")
    assert toys.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_lets_the_chief_end_by_itself(supervised, number):
    toys = supervised()
    toys.process.send_signal(number)
    status, output, errors = toys.end()
    assert (status, output) == (130, b"stored\n")
    assert errors == ["chief-0 has 20 s to store everything; Ctrl-C again ends it now"]
    assert toys.interrupted() == ["chief-0"]
    assert_nobody_is_left(toys)


def test_the_chief_hears_of_sigterm_where_ctrl_c_is_ignored(supervised):
    """As in the background of a script: `local_cluster &`."""
    toys = supervised(wrapper=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    toys.process.send_signal(signal.SIGINT)
    os.kill(toys.pid("worker-0"), signal.SIGKILL)
    toys.wait_for_start("worker-0", 2)  # the first did nothing
    toys.process.send_signal(signal.SIGTERM)
    assert toys.end()[:2] == (130, b"stored\n")
    assert toys.interrupted() == ["chief-0"]


def test_a_second_interrupt_does_not_wait_for_a_chief_that_does_not_end(supervised):
    toys = supervised(("chief-0", "worker-0"), end_seconds=0.2)
    toys.order("chief-0", "refuse")
    wait_until(lambda: not (toys.directory / "chief-0.order").exists())
    toys.process.send_signal(signal.SIGINT)
    assert toys.process.stderr.readline().startswith(b"chief-0 has 20 s")
    assert is_running(toys.pid("worker-0"))  # the chief may need it
    toys.process.send_signal(signal.SIGINT)
    assert toys.end()[0] == 130
    assert_nobody_is_left(toys)


def test_a_chief_that_does_not_end_is_killed_after_a_while(supervised):
    toys = supervised(("chief-0",), interrupted_seconds=0.3, end_seconds=0.2)
    os.kill(toys.pid("chief-0"), signal.SIGSTOP)
    toys.process.send_signal(signal.SIGTERM)
    assert toys.end()[0] == 130
    assert_nobody_is_left(toys)


def test_a_killed_supervisor_leaves_nobody_not_even_a_stopped_role(supervised):
    toys = supervised()
    toys.spawned("worker-1")
    os.kill(toys.pid("worker-0"), signal.SIGSTOP)
    assert folders_of(toys)
    toys.process.kill()
    wait_until(lambda: not any(map(is_running, toys.pids())))
    wait_until(lambda: not folders_of(toys))


def folders_of(toys):
    """Return the directories that a supervisor has made for itself."""
    return list(toys.directory.glob("nas_with_rl-*"))


def test_the_chiefs_output_is_shown_as_it_comes_and_logged(supervised):
    toys = supervised(("chief-0", "worker-0"))
    toys.order("chief-0", "say 3/8")
    assert os.read(toys.process.stdout.fileno(), 100) == b"3/8\r"  # no end of a line yet
    toys.order("worker-0", "say nothing to be shown")
    wait_until(lambda: "nothing to be shown" in toys.log("worker-0"))
    toys.order("chief-0", "exit 0 8/8")
    assert toys.end()[1] == b"8/8\n"
    assert toys.log("chief-0").endswith("3/8\r8/8\n")


def has_said(toys, text):
    return text in toys.log("chief-0")


def test_a_chief_whose_reader_has_left_goes_on(supervised):
    toys = supervised(("chief-0",))
    toys.process.stdout.close()
    for text in ("one", "two"):
        toys.order("chief-0", f"say {text}")
        wait_until(functools.partial(has_said, toys, text))
    toys.order("chief-0", "exit 0")
    toys.process.wait(timeout=10)
    assert toys.process.returncode == 0


def test_logs_of_all_starts_are_kept(supervised):
    toys = supervised(("chief-0", "worker-0"))
    toys.order("worker-0", "exit 1 first")
    toys.wait_for_start("worker-0", 2)
    toys.order("chief-0", "exit 75 second")
    toys.wait_for_start("chief-0", 2)
    toys.order("chief-0", "exit 0 third")
    toys.end()
    assert "\nfirst\n" in toys.log("worker-0")
    lines = toys.log("chief-0").splitlines()
    assert [line for line in lines if not line.startswith("[")] == ["second", "third"]
    assert [line.endswith("--resume") for line in lines if line.startswith("[")] == [False, True]


def test_a_single_role_without_a_log(supervised):
    """As --supervise has it: a worker's 0 is no end, SIGTERM is."""
    toys = supervised(("worker-0-bare",))
    toys.order("worker-0-bare", "exit 0 away")
    toys.wait_for_start("worker-0-bare", 2)
    toys.process.send_signal(signal.SIGTERM)
    status, output, errors = toys.end()
    assert (status, output) == (130, b"away\n")
    assert errors == ["worker-0-bare ended with status 0, started again"]
    assert_nobody_is_left(toys)


def test_a_single_role_shows_its_error_itself(supervised):
    toys = supervised(("worker-0-bare",))
    toys.order("worker-0-bare", "exit 2 error: no TF_CONFIG")
    assert toys.end() == (2, b"", ["error: no TF_CONFIG"])


def test_a_binary_supervises_itself(supervised):
    """Its own command line is the role's, less the --supervise, and a chief's end is the end."""
    program = (
        "import sys; from nas_with_rl.launch.clusters.supervisor import supervise_self; "
        "sys.exit(supervise_self('chief-0', module='toy_role', is_chief=True))"
    )
    toys = supervised(("chief-0",), program=("-c", program))
    os.kill(toys.pid("chief-0"), signal.SIGKILL)
    toys.wait_for_start("chief-0", 2)
    toys.order("chief-0", "exit 0 found")
    assert toys.end() == (0, b"found\n", [f"chief-0 {KILLED}"])
    flags = ["--supervise", "--nosupervise"]  # of two the last counts
    assert [words[1:] for words in toys.starts("chief-0")] == [flags, [*flags, "--resume"]]
