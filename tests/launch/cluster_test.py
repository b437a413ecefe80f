"""Whole clusters of real processes: the missing, the lost, the stranger, and equality."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from nas_with_rl.launch.host.ports import LOOPBACK, LocalPorts
from nas_with_rl.launch.records.trial_store import TrialStore
from tests.harness import kills

MODULE = "nas_with_rl.launch.cluster"
PATIENCE = 240.0  # seconds, for a machine that does much else
START_TIMEOUT = 12


@pytest.fixture(scope="module", autouse=True)
def toys(request):
    """Let this process and the clusters find the toy modules."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(request.path.parents[1] / "harness")
        yield


def environment(folder):
    from cluster_kills import environment

    return environment(folder)


def until(condition, what):
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError(what())


class PlainCluster:
    """Processes of `cluster` with a TF_CONFIG each, and nobody who looks after them."""

    def __init__(self, folder, ports, *, num_workers):
        chief, ps, *workers = (f"{LOOPBACK}:{port}" for port in ports)
        self.cluster = {"chief": [chief], "ps": [ps], "worker": workers[:num_workers]}
        self._folder, self._processes = folder, []

    def start(self, role, index, *words):
        """Start a role; return its process and the file of its output."""
        task = {"type": role, "index": index}
        output = self._folder / f"{role}-{index}-{len(self._processes)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, *words],
                env={
                    **environment(self._folder),
                    "TF_CONFIG": json.dumps({"cluster": self.cluster, "task": task}),
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process, output

    def started(self, role, index, *words):
        """Start a role and wait until it serves."""
        process, output = self.start(role, index, *words)
        seen(output, " serves at ", process)
        return process

    def close(self):
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def seen(output, text, process):
    """Wait until a process has written a text."""

    def is_there():
        written = output.read_text()
        assert text in written or process.poll() is None, written
        return text in written

    until(is_there, output.read_text)


def errors_of(output):
    return [line for line in output.read_text().splitlines() if line.startswith("error: ")]


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    """A run whose second worker is missing and whose first is killed, continued by fresh ones.

    In the end another search's chief comes to the same workers.
    """
    from cluster_toys import HOLD

    folder = tmp_path_factory.mktemp("plain")
    words = [
        *("--experiment=cluster_experiments:SMALL", "--evaluate=cluster_toys:slow"),
        *(f"--workdir={folder / 'run'}", "--num_samples=24", f"--start_timeout={START_TIMEOUT}"),
    ]
    facts = {"folder": folder}
    (folder / HOLD).touch()  # until the worker is dead
    with LocalPorts(4) as ports:
        cluster = PlainCluster(folder, ports.numbers, num_workers=2)
        facts["cluster"] = cluster.cluster
        with contextlib.closing(cluster):
            cluster.started("ps", 0, *words)
            worker = cluster.started("worker", 0, *words)
            chief, output = cluster.start("chief", 0, *words)
            seen(output, "asynchronous: ", chief)
            until(lambda: any(folder.glob("evaluations.txt")), output.read_text)
            os.killpg(worker.pid, signal.SIGKILL)
            facts["lost"] = (chief.wait(PATIENCE), output)
            (folder / HOLD).unlink()
            for index in range(2):
                cluster.started("worker", index, *words)
            chief, output = cluster.start("chief", 0, *words, "--resume")
            facts["resumed"] = (chief.wait(PATIENCE), output)
            stranger = ["--experiment=cluster_experiments:LAYERED", f"--workdir={folder / 'other'}"]
            chief, output = cluster.start("chief", 0, *stranger, "--num_samples=8")
            facts["stranger"] = (chief.wait(PATIENCE), output)
    return facts


def test_a_missing_worker_is_named_and_the_search_starts_without(plain_run):
    output = plain_run["lost"][1].read_text()
    missing = f"worker-1 ({plain_run['cluster']['worker'][1]})"
    assert output.count(f"waiting for {missing}\n") == 1  # after 10 of the 12 seconds
    assert f"starting without {missing};" in output
    assert "1 parameter server and 1 worker;" in output


def test_without_any_worker_the_chief_ends_and_can_be_continued(plain_run):
    status, output = plain_run["lost"]
    assert status == 75
    (line,) = errors_of(output)
    assert line.startswith("error: none of the workers has answered for")
    assert "--resume continues" in line and "Traceback" not in output.read_text()
    status, output = plain_run["resumed"]
    assert status == 0 and "1 parameter server and 2 workers;" in output.read_text()
    with contextlib.closing(TrialStore(plain_run["folder"] / "run" / "trials.sqlite")) as store:
        trials = store.all()
    assert [trial.number for trial in trials] == list(range(24))
    assert all(trial.status == "completed" and trial.updated_version for trial in trials)


def test_a_worker_of_another_experiment_is_one_line_on_the_chief(plain_run):
    status, output = plain_run["stranger"]
    (line,) = errors_of(output)
    assert status == 2 and "is of another search" in line
    assert "experiment: 'layered' / 'small'" in line and "Traceback" not in output.read_text()


def test_a_port_in_use_is_one_line(tmp_path):
    roles = ("chief", "ps", "worker")
    with LocalPorts(3) as ports, contextlib.ExitStack() as taken:
        for port in ports.numbers:
            taken.enter_context(socket.create_server((LOOPBACK, port)))
        cluster = PlainCluster(tmp_path, ports.numbers, num_workers=1)
        with contextlib.closing(cluster):
            words = ("--experiment=cluster_experiments:SMALL", f"--workdir={tmp_path / 'run'}")
            started = [cluster.start(role, 0, *words) for role in roles]
            for port, role, (process, output) in zip(ports.numbers, roles, started, strict=True):
                assert process.wait(PATIENCE) == 2, output.read_text()
                (line,) = output.read_text().splitlines()
                assert line.startswith(f"error: port {port} of {role}-0 (TF_CONFIG) cannot be")


def test_a_wrong_tf_config_is_one_line():
    for text, message in (("{", "is not JSON"), ("", "is not set")):
        done = subprocess.run(
            [sys.executable, "-m", MODULE, "--experiment=nas_bench_201", "--workdir=/dev/null/x"],
            env={**os.environ, "TF_CONFIG": text},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith(f"error: TF_CONFIG {message}")


SEARCHES = {
    "nas_bench_201": (
        *("--experiment=nas_bench_201", "--num_samples=80", "--seed=3"),
        *("--override=controller.policy.jit_compile=false",),
        *("--override=controller.policy.num_layers=1",),
    ),
    "layered": ("--experiment=cluster_experiments:LAYERED", "--num_samples=48", "--seed=4"),
}
SIZES = {"nas_bench_201": (2, 3), "layered": (2, 2)}


@pytest.fixture(scope="module")
def synchronous_runs(tmp_path_factory):
    """Each search on a cluster, both side by side, and then each in one process."""
    folder = tmp_path_factory.mktemp("equal")
    outputs = {}
    temporary = folder / ("longer-than-the-path-of-a-socket" * 4)
    temporary.mkdir()

    def run(commands):
        started = {}
        for place, command in commands.items():
            outputs[place] = folder / f"{place}.txt"
            with outputs[place].open("wb") as output:
                started[place] = subprocess.Popen(
                    [sys.executable, "-m", *command, f"--workdir={folder / place}"],
                    env={**environment(folder), "TMPDIR": str(temporary)},
                    stdout=output,
                    stderr=output,
                )
        try:
            for place, process in started.items():
                assert process.wait(PATIENCE) == 0, outputs[place].read_text()
        finally:
            for process in started.values():
                process.terminate()
                process.wait()

    run(
        {
            f"{name}-cluster": (
                "nas_with_rl.launch.local_cluster",
                *SEARCHES[name],
                *("--synchronous", f"--num_ps={num_ps}", f"--num_workers={num_workers}"),
            )
            for name, (num_ps, num_workers) in SIZES.items()
        }
    )
    run(
        {
            f"{name}-here": ("nas_with_rl.launch.search", *words, "--plan=here")
            for name, words in SEARCHES.items()
        }
    )
    return folder


def trials_of(workdir):
    """Return the trials without what is the machine's, and their log-probabilities."""
    trials = kills.trials_of(workdir)
    return kills.trials_of(workdir, log_prob=0.0), [trial.log_prob for trial in trials]


def controller_of(workdir):
    """Return the newest checkpoint's variables by name, and the rest of its state."""
    import tensorflow as tf

    newest = max((workdir / "checkpoints").glob("version-*"))
    reader = tf.train.load_checkpoint(str(newest / "controller"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    values = {name: reader.get_tensor(name) for name in names}
    numbers = {name: value for name, value in values.items() if value.dtype.kind in "fi"}
    return numbers, json.loads((newest / "reinforce.json").read_text())


@pytest.mark.parametrize("name", SEARCHES)
def test_a_synchronous_cluster_searches_as_one_process_does(synchronous_runs, name):
    cluster, here = (synchronous_runs / f"{name}-{place}" for place in ("cluster", "here"))
    (found, found_log_probs), (expected, expected_log_probs) = map(trials_of, (cluster, here))
    assert len(expected) in (80, 48) and found == expected
    np.testing.assert_allclose(found_log_probs, expected_log_probs, atol=1e-5)
    (found, found_state), (expected, expected_state) = map(controller_of, (cluster, here))
    assert found.keys() == expected.keys() and len(found) > 10
    for variable, value in expected.items():
        np.testing.assert_allclose(found[variable], value, atol=1e-6, err_msg=variable)
    rewards = [state.pop("rewards") for state in (found_state, expected_state)]
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-6)
    assert found_state == pytest.approx(expected_state, abs=1e-6)


def test_each_of_two_clusters_has_used_its_own_workers(synchronous_runs):
    """Side by side, neither has asked the other's; each has used all of its own."""
    for name, (_, num_workers) in SIZES.items():
        store = TrialStore(synchronous_runs / f"{name}-cluster" / "trials.sqlite")
        with contextlib.closing(store):
            workers = {trial.worker for trial in store.all()}
        expected = {f"{socket.gethostname()}/worker-{index}" for index in range(num_workers)}
        assert workers <= expected and len(workers) > 1


def test_a_cluster_leaves_nothing_among_the_temporary_files(synchronous_runs):
    (temporary,) = synchronous_runs.glob("longer-than-the-path-of-a-socket*")
    assert list(temporary.glob("nas_with_rl*")) == []
