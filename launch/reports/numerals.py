"""Numbers as a report prints them: in significant digits, never as a row of zeros."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable

from nas_with_rl.launch.results.units import Unit

DIGITS = 4
MOST_DIGITS = 8
_PLAIN = (1e-4, 1e9)  # between these a number is written without a power of ten
MISSING = "–"
_PERCENT = "\N{NO-BREAK SPACE}%"


def significant(number: float | None, digits: int = DIGITS) -> str:
    """Return a number in that many significant digits, integers below a thousand million whole."""
    if number is None or not math.isfinite(number):
        return MISSING if number is None or math.isnan(number) else f"{number}"
    if number == 0:
        return "0"
    size = abs(number)
    if not _PLAIN[0] <= size < _PLAIN[1]:
        mantissa, _, power = f"{number:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    if size >= 10**digits:
        return f"{number:,.0f}"
    return f"{number:.{max(digits - 1 - math.floor(math.log10(size)), 0)}f}"


def enough_digits(numbers: Iterable[float]) -> int:
    """Return how many significant digits tell different numbers apart, from DIGITS on."""
    known = {number for number in numbers if math.isfinite(number)}
    for digits in range(DIGITS, MOST_DIGITS):
        if len({significant(number, digits) for number in known}) == len(known):
            return digits
    return MOST_DIGITS


def shown(unit: Unit, number: float | None, digits: int = DIGITS) -> str:
    """Return a value as people write it: an accuracy in per cent, of all others the number."""
    if number is None or math.isnan(number):
        return MISSING
    if unit.show(number).endswith("%"):
        return f"{significant(100 * number, digits)}{_PERCENT}"
    return significant(number, digits)


def percent(share: float) -> str:
    """Return a share in per cent; a small one is not nothing, and a large one not all."""
    if 0 < share < 0.01:
        return f"{100 * share:.1g}{_PERCENT}" if share >= 5e-4 else f"< 0.05{_PERCENT}"
    if 0.99 < share < 1:
        return f"{min(100 * share, 99.9):.1f}{_PERCENT}"
    return f"{100 * share:.0f}{_PERCENT}"


def count(number: int) -> str:
    """Return an integer with its thousands apart."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things: "1 trial", "2,000 trials"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(seconds: float | None) -> str:
    """Return seconds since the epoch as a date and a time, in UTC."""
    if seconds is None:
        return MISSING
    try:
        when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # of a store that is another program's
        return MISSING
    return f"{when:%Y-%m-%d %H:%M} UTC"
