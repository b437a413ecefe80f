"""Ports of this machine's loopback, which no other local cluster is given."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from pathlib import Path

from nas_with_rl.search_spaces.errors import InputError

LOOPBACK = "127.0.0.1"
# Below those that the system gives to outgoing connections: one of those could take a role's port
# while the role is being restarted.
_FIRST, _END = 20_000, 32_768
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class LocalPorts:
    """Free ports, this process's until `close` or its end.

    Ports go in pairs: an odd one is for a role, the even one below is its lock, bound for as long
    as the pair is taken. So a port stays reserved while its role is being restarted, against other
    users too, the lock is the network's own (containers may share one or have two), and it is gone
    with the process that held it.

    Attributes:
      numbers: the ports.
    """

    def __init__(self, count: int):
        """Reserve `count` ports.

        Raises:
          InputError: there are not so many.
        """
        self._locks = contextlib.ExitStack()
        self.numbers: list[int] = []
        candidates = list(range(_FIRST, _end(), 2))
        random.SystemRandom().shuffle(candidates)
        for lock in candidates:
            if len(self.numbers) < count and self._reserve(lock):
                self.numbers.append(lock + 1)
        if len(self.numbers) < count:
            self.close()
            raise InputError(
                f"{count} free ports are needed; of {_FIRST} to {_end() - 1}, which go in pairs, "
                f"{len(self.numbers)} were free"
            )

    def __enter__(self) -> LocalPorts:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the ports free."""
        self._locks.close()

    def _reserve(self, lock: int) -> bool:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_bound(LOOPBACK, lock))
                _bound("", lock + 1).close()  # on every address: a server may listen on any
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                return False
            self._locks.push(stack.pop_all())
        return True


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket that has a port without listening on it."""
    bound = socket.socket()
    try:
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _end() -> int:
    """Return the end of the range, which a machine may have set lower."""
    try:
        first_ephemeral = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _END
    return min(_END, first_ephemeral) if first_ephemeral > _FIRST else _END
