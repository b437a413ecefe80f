"""Servers of a cluster: found, missed, and kept to their own machine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from concurrent import futures

import grpc
import pytest

from nas_with_rl.launch.clusters import servers
from nas_with_rl.launch.clusters.servers import (
    ServersMissing,
    answering,
    check_port,
    keep_to_this_machine,
    wait_for_servers,
)
from nas_with_rl.launch.clusters.tf_config import Cluster, Task
from nas_with_rl.search_spaces.errors import InputError

SERVER = """
import grpc, sys, time
from concurrent import futures
server = grpc.server(futures.ThreadPoolExecutor(1))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
time.sleep(120)
"""


@contextlib.contextmanager
def server():
    """Yield the port of a gRPC server in this process."""
    running = grpc.server(futures.ThreadPoolExecutor(1))
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield port
    running.stop(None).wait()


@contextlib.contextmanager
def server_process():
    """Yield a process with a gRPC server, and its port."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as process:
        yield process, int(process.stdout.readline())
        process.kill()


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def task(role, index, port):
    return Task(role, index, f"127.0.0.1:{port}")


def test_a_stopped_process_does_not_answer():
    with server() as port, server_process() as (process, other):
        tasks = [
            task("worker", 0, port),
            task("worker", 1, other),
            task("worker", 2, unused_port()),
        ]
        assert answering(tasks, seconds=5) == tasks[:2]
        os.kill(process.pid, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", other), 5):
            pass  # the system answers for it
        assert answering(tasks, seconds=1) == tasks[:1]
        os.kill(process.pid, signal.SIGCONT)
        assert answering(tasks, seconds=5) == tasks[:2]


def test_the_missing_are_named_and_left_out(monkeypatch, capsys):
    monkeypatch.setattr(servers, "NAMING_SECONDS", 0.5)
    with server() as first, server() as second:
        workers = (task("worker", 0, first), task("worker", 1, unused_port()))
        cluster = Cluster(task("chief", 0, 1), (task("ps", 0, second),), workers)
        present = wait_for_servers(cluster, start_timeout=6)
        assert (present.ps, present.workers) == (cluster.ps, workers[:1])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"waiting for worker-1 ({workers[1].address})"
        assert lines.count(lines[0]) >= 2
        assert lines[-2].startswith(f"starting without worker-1 ({workers[1].address})")
        whole = Cluster(cluster.chief, cluster.ps, workers[:1])
        assert wait_for_servers(whole, start_timeout=0.0) == whole
        assert capsys.readouterr().out == ""


@pytest.mark.parametrize("missing", ["ps", "worker"])
def test_without_any_worker_or_server_there_is_no_search(missing):
    with server() as port:
        ports = {"ps": port, "worker": port, missing: unused_port()}
        cluster = Cluster(
            task("chief", 0, 1),
            (task("ps", 0, ports["ps"]),),
            (task("worker", 0, ports["worker"]),),
        )
        address = f"127.0.0.1:{ports[missing]}"
        with pytest.raises(
            ServersMissing, match=rf"none of {missing}-0 \({address}\) .*start_timeout"
        ):
            wait_for_servers(cluster, start_timeout=0.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_one_line(host):
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} of ps-3 \(TF_CONFIG\).*in use"):
            check_port(task("ps", 3, port))
    check_port(task("ps", 3, port))


def other_addresses():
    """Return addresses of this machine that are not its loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # sends nothing
        except OSError:  # no network
            return []
        address = probe.getsockname()[0]
    return [] if address.startswith("127.") else [address]


def is_reached(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 2):
        return True
    return False


@pytest.mark.skipif(not hasattr(socket, "SO_BINDTODEVICE"), reason="a socket option of Linux")
def test_a_loopback_address_is_heard_on_loopback_alone(capsys):
    with socket.create_server(("", 0), family=socket.AF_INET) as listening:
        port = listening.getsockname()[1]
        others = other_addresses()
        assert is_reached("127.0.0.1", port)
        assert all(is_reached(host, port) for host in others)
        keep_to_this_machine(Task("ps", 0, f"10.1.2.3:{port}"))
        assert all(is_reached(host, port) for host in others)
        keep_to_this_machine(Task("ps", 0, f"localhost:{port}"))
        assert not any(is_reached(host, port) for host in others)
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)[:2] == b"lo"
        assert is_reached("127.0.0.1", port)
        assert capsys.readouterr().err == ""


def test_what_cannot_be_kept_to_this_machine_is_said(capsys):
    keep_to_this_machine(Task("worker", 1, f"localhost:{unused_port()}"))  # nothing listens there
    assert "worker-1 listens on all interfaces" in capsys.readouterr().err
