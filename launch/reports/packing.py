"""The trials as a page keeps them: a header, columns of numbers, texts; a megabyte for 20,000.

What JavaScript reads again, as base64: a header's length (4 bytes, little endian), the header as
JSON, the columns one after the other as it names them, and the architectures' texts, deflated.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nas_with_rl.launch.reports.columns import FAILED, Columns
from nas_with_rl.launch.reports.evidence import first_line
from nas_with_rl.search_spaces.errors import shortened

MOST_TRIALS = 20_000  # that a page has: its sentences and tables are of all
_BEST_KEPT = 5_000  # at least, of more
_CHUNK = 500  # texts that are deflated at a time
_MOST_NOTES = 200  # different first lines of failures
_LONGEST_NOTE = 160
LONGEST_TEXT = 2_000  # of an architecture


def pack(columns: Columns, header: Mapping[str, Any], most_bytes: int) -> str:
    """Return a search's trials as base64.

    Args:
      columns: of its trials.
      header: what the page is to know beside.
      most_bytes: of what is returned, in which texts of architectures are left out beyond it, those
        of the worst first.
    """
    rows = kept_rows(columns)
    notes, note_of = _notes(columns, rows)
    numbers = {
        "number": np.array([columns.trials[row].number for row in rows], np.uint32),
        "kind": columns.kind[rows].astype(np.uint8),
        "place": columns.place[rows].astype(np.uint16 if len(columns.texts) < 2**16 else np.uint32),
        "reward": _floats(columns.reward[rows]),
        "value": _floats(columns.value[rows]),
        "seconds": _floats(columns.seconds[rows]),
        "parameters": _floats(columns.parameters[rows], exact=True),
        "note": note_of,
    }
    if columns.value is columns.reward:
        del numbers["value"]
    if (numbers["number"] == np.arange(len(rows))).all():
        del numbers["number"]
    named = [
        [name, array.dtype.str.lstrip("<|"), len(array)]
        for name, array in numbers.items()
        if not _is_empty(array)
    ]
    kept = [numbers[name].tobytes() for name, _, _ in named]
    written = dict(header) | {"columns": named, "notes": notes, "measured": columns.num_measured}
    room = most_bytes * 3 // 4 - sum(map(len, kept)) - 2_000 - len(json.dumps(written))
    texts, written["texts"] = _deflated(columns.texts, room)
    head = json.dumps(written, allow_nan=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)  # arrays of JavaScript begin at multiples of their size
    body = b"".join(part + b"\0" * (-len(part) % 4) for part in kept)
    return base64.b64encode(len(head).to_bytes(4, "little") + head + body + texts).decode()


def kept_rows(columns: Columns) -> np.ndarray:
    """Return the rows that a page keeps: all, or the best, and of the others some evenly spread."""
    number = len(columns.trials)
    if number <= MOST_TRIALS:
        return np.arange(number)
    order = np.argsort(columns.place, kind="stable")
    rest = order[_BEST_KEPT:]
    spread = np.linspace(0, len(rest) - 1, MOST_TRIALS - _BEST_KEPT).astype(int)
    return np.union1d(order[:_BEST_KEPT], np.sort(rest)[spread])


def _floats(numbers: np.ndarray, *, exact: bool = False) -> np.ndarray:
    """Return numbers in seven digits; in sixteen where these are too few.

    Args:
      numbers: of a column.
      exact: every digit counts.
    """
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32)
    lost = (short != numbers) if exact else (np.isinf(short) | (short == 0) & (numbers != 0))
    return numbers if (lost & ~np.isnan(numbers)).any() else short


def _is_empty(array: np.ndarray) -> bool:
    """Say whether a column of numbers says nothing."""
    return bool(np.isnan(array).all()) if array.dtype.kind == "f" else False


def _notes(columns: Columns, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return what failures said, and of each row which of it; the first, an empty one, for none."""
    known: dict[str, int] = {"": 0}
    found = np.zeros(len(rows), np.uint8)
    for place in np.flatnonzero(columns.kind[rows] == FAILED):
        trial = columns.trials[rows[place]]
        said = first_line(trial.message)
        text = shortened(f"{trial.failure}: {said}" if said else str(trial.failure), _LONGEST_NOTE)
        if text not in known:
            if len(known) >= _MOST_NOTES:
                text = shortened(str(trial.failure), _LONGEST_NOTE)
            known.setdefault(text, len(known))
        found[place] = min(known[text], 255)
    return list(known)[:256], found


def _deflated(texts: list[str], room: int) -> tuple[bytes, int]:
    """Return as many texts as there is room for, an end of line after each, and how many."""
    packer = zlib.compressobj(level=1)
    parts: list[bytes] = []
    size = number = 0
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        if max(map(len, chunk)) > LONGEST_TEXT:
            chunk = [_line(text) for text in chunk]
        lines = ("\n".join(chunk) + "\n").encode("utf-8", "replace")
        longer = packer.copy()  # the one before is what is kept where this is too much
        part = longer.compress(lines) + longer.flush(zlib.Z_SYNC_FLUSH)
        if size + len(part) > room:
            break
        packer = longer
        parts.append(part)
        size += len(part)
        number += len(chunk)
    parts.append(packer.flush())
    return b"".join(parts), number


def _line(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else shortened(text, LONGEST_TEXT)
