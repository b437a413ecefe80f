"""What a child process and its parent send each other: frames of bytes, each with a number.

A child is anybody's program, and may write to the connection too. So what comes from it is read
without waiting, never beyond a bound, and as JSON of plain values and this package's own data:
whatever is in it, the parent goes on.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import select
import socket
import struct
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 2**26  # of a child's answer
SEND_SECONDS = 60.0  # for a process to take a request
_MAGIC = b"nas-with"
_HEADER = struct.Struct(">8sQQ")  # magic, number, length
_CHUNK = 2**18  # bytes
_OWN = "nas_with_rl."  # of the modules whose dataclasses an answer may have


class Unreadable(Exception):
    """What has come from a child process is no answer."""


def write_frame(connection: socket.socket, number: int, payload: bytes) -> None:
    """Send a frame.

    Args:
      connection: as it is set, with or without a time limit.
      number: of the request, in the request and in its answer.
      payload: any bytes.
    """
    connection.sendall(_HEADER.pack(_MAGIC, number, len(payload)) + payload)


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Wait for a frame from the parent; EOFError where none will come."""
    _, number, length = _HEADER.unpack(_read(connection, _HEADER.size))
    return number, _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, _CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


class FrameReader:
    """The parent's end: reads what has come so far, and no more than one frame."""

    def __init__(self, connection: socket.socket):
        self._connection, self._come = connection, bytearray()

    def has_news(self) -> bool:
        """Return whether something can be read, the end included."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(0))

    def read(self) -> tuple[int, bytes] | None:
        """Return a frame; None from one that is not whole yet.

        Raises:
          EOFError: the connection has ended.
          Unreadable: what has come is no frame.
        """
        # `ChildProcess.send` sets a time limit on the same socket.
        self._connection.setblocking(False)
        try:
            come = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            raise EOFError from None
        if not come:
            raise EOFError
        self._come += come
        return self._frame()

    def _frame(self) -> tuple[int, bytes] | None:
        size = _HEADER.size
        # At the first wrong byte: what a child has printed to the connection need not fill a
        # header.
        if not self._come.startswith(_MAGIC[: len(self._come)]):
            raise Unreadable("what is no answer")
        if len(self._come) < size:
            return None
        _, number, length = _HEADER.unpack_from(self._come)
        if length > MOST_BYTES:
            raise Unreadable(f"an answer of {length} bytes, more than {MOST_BYTES}")
        if len(self._come) < size + length:
            return None
        # One request has one answer, and the next is sent only after it: whatever follows is no
        # answer.
        if len(self._come) > size + length:
            raise Unreadable("more than its answer")
        payload = bytes(self._come[size:])
        self._come.clear()
        return number, payload


def as_payload(value: Any) -> bytes:
    """Return an answer as bytes.

    Args:
      value: of plain values, sequences, mappings and this package's dataclasses.

    Raises:
      TypeError: something else is in it.
      ValueError: it is too large.
    """
    payload = json.dumps(_tagged(value)).encode("ascii")
    if len(payload) > MOST_BYTES:
        raise ValueError(f"an answer has at most {MOST_BYTES} bytes, not {len(payload)}")
    return payload


def from_payload(payload: bytes) -> Any:
    """Return what `as_payload` was given; dataclasses are made anew, and so checked.

    Raises:
      Exception: of any kind, where it is no such payload.
    """
    return _untagged(json.loads(payload))


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    if isinstance(value, tuple):
        # JSON has no tuples, and no keys but texts; a Measurement that came back with lists would
        # not equal the one that was sent.
        return {"tuple": [_tagged(item) for item in value]}
    kind = type(value)
    if dataclasses.is_dataclass(kind) and kind.__module__.startswith(_OWN):
        values = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
        return {
            "class": f"{kind.__module__}:{kind.__name__}",
            "fields": {name: _tagged(item) for name, item in values.items()},
        }
    if isinstance(value, Mapping):  # after what is of this package: an architecture is one too
        return {"pairs": [[_tagged(key), _tagged(item)] for key, item in value.items()]}
    raise TypeError(
        "an answer is of plain values and of this package's data, not of "
        f"{kind.__module__}.{kind.__qualname__}"
    )


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(map(_untagged, value["tuple"]))
    if "pairs" in value:
        return {_untagged(key): _untagged(item) for key, item in value["pairs"]}
    # Not unpickled: a pickle calls whatever it names, and a child may have written anything.
    module, _, name = value["class"].partition(":")
    if not module.startswith(_OWN):
        raise TypeError(f"{module} is no module of this package")
    kind = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise TypeError(f"{name} is no dataclass")
    return kind(**{name: _untagged(item) for name, item in value["fields"].items()})
