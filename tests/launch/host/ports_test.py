"""Ports of the loopback: free, below the ephemeral ones, and nobody else's."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.host import ports as module
from nas_with_rl.launch.host.ports import LOOPBACK, LocalPorts
from nas_with_rl.search_spaces.errors import InputError

HOLDER = """
import sys
from nas_with_rl.launch.host.ports import LocalPorts
ports = LocalPorts(int(sys.argv[1]))
print(*ports.numbers, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def few_ports(monkeypatch):
    """Leave ten pairs of ports to choose from, where other tests have none."""
    first = 61_100  # above what this system gives to connections
    monkeypatch.setattr(module, "_FIRST", first)
    monkeypatch.setattr(module, "_end", lambda: first + 20)
    return range(first + 1, first + 20, 2)


def test_ports_are_free_distinct_and_below_those_of_connections():
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with LocalPorts(40) as ports:
        assert len(set(ports.numbers)) == 40
        for number in ports.numbers:
            assert 20_000 <= number < first_ephemeral
            with socket.create_server((LOOPBACK, number)):
                pass


def test_ports_are_reserved_until_they_are_given_free(few_ports):
    with LocalPorts(6) as ours:
        with LocalPorts(4) as others:
            assert {*ours.numbers, *others.numbers} == set(few_ports)
            with pytest.raises(InputError, match=r"1 free ports are needed.* 0 were free"):
                LocalPorts(1)
        assert not {*ours.numbers} & {*LocalPorts(4).numbers}
    with LocalPorts(10) as ports:
        assert set(ports.numbers) == set(few_ports)


@pytest.mark.parametrize("address", [LOOPBACK, "", "127.0.0.2"])
def test_a_port_that_a_server_listens_on_is_not_given(few_ports, address):
    with socket.create_server((address, few_ports[3])), LocalPorts(9) as ports:
        assert set(ports.numbers) == set(few_ports) - {few_ports[3]}


def test_too_few_are_refused_and_none_kept(few_ports):
    with pytest.raises(InputError, match=r"11 free ports are needed; of 61100 to 61119.* 10 were"):
        LocalPorts(11)
    with LocalPorts(10):
        pass


def test_a_killed_process_keeps_none():
    command = [sys.executable, "-c", HOLDER, "3"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        lock = int(holder.stdout.readline().split()[0]) - 1
        with pytest.raises(OSError, match="in use"), socket.socket() as taken:
            taken.bind((LOOPBACK, lock))
    finally:
        holder.kill()
        holder.communicate()
    with socket.socket() as free:
        free.bind((LOOPBACK, lock))


@pytest.mark.parametrize(
    ("range_of_connections", "end"),
    [("32768\t60999\n", 32_768), ("25000 60999", 25_000), ("1024 65535", 32_768), ("", 32_768)],
)
def test_the_range_ends_below_that_of_connections(monkeypatch, tmp_path, range_of_connections, end):
    file = tmp_path / "range"
    file.write_text(range_of_connections)
    monkeypatch.setattr(module, "_EPHEMERAL", file)
    assert module._end() == end
