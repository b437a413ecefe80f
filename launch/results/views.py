"""A search's result as a console and a notebook show it: on one screen, whatever it holds."""

from __future__ import annotations

import collections
import contextlib
import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_with_rl.launch.results.charts import Drawing, Line, drawing
from nas_with_rl.launch.results.units import REWARD, Unit, is_a_number
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.errors import InputError, shortened, shown_path
from nas_with_rl.search_spaces.pictures.picture import architecture_scene
from nas_with_rl.search_spaces.pictures.svg import svg

if TYPE_CHECKING:  # which shows itself by this module
    from nas_with_rl.launch.results.search_result import FoundArchitecture, SearchResult

MOST_LINES, LONGEST_LINE = 18, 110  # of an architecture
NUM_LISTED = 5
LARGEST_PICTURE = 150_000  # characters; a notebook keeps all that it shows
_BARS = "▁▂▃▄▅▆▇█"
_NUM_BARS = 40
_MOST_DOTS, _MOST_POINTS = 2_000, 400
_STYLE = (
    ".nas-result td, .nas-result th { text-align: left; padding: .1em .8em .1em 0; } "
    ".nas-result .picture { max-height: 32em; overflow: auto; }"
)


def result_text(result: SearchResult) -> str:
    """Return a result as lines of text: counts, the best, the best so far."""
    lines = [f"SearchResult: {_counts(result)}"]
    found = _best(result)
    if found:
        lines.append(f"best: {found.describe()} (trial {found.trial.number})")
        lines += ["  " + line for line in _drawn(found)]
        unit = Unit(found.metric)
        values = [value for _, value in result.curve() if is_a_number(value)]
        if len(values) > 1:
            ends = f"{unit.show(values[0])} to {unit.show(values[-1])}"
            lines.append(f"best so far: {_bars(values)}  {ends}")
        if again := _again(result):
            lines.append(f"again: {again}")
    if result.workdir:
        lines.append(f"workdir: {shown_path(result.workdir)}")
    return "\n".join(lines)


def result_html(result: SearchResult) -> str:
    """Return a result as HTML: counts, the best few, the best one drawn, the best so far."""
    found = _best(result)
    parts = [f"<p><b>Search result</b>: {html.escape(_counts(result))}</p>"]
    if found:
        parts.append(_table(result.top(NUM_LISTED)))
        parts.append(f"<div class='picture'>{_picture(found)}</div>")
        parts.append(trials_drawing(result, result.unit)._repr_html_())
        if again := _again(result):
            parts.append(f"<p><b>Again</b>: {html.escape(again)}</p>")
    if result.workdir:
        parts.append(f"<p>workdir: <code>{html.escape(shown_path(result.workdir))}</code></p>")
    return f"<div class='nas-result'><style>{_STYLE}</style>{''.join(parts)}</div>"


def trials_drawing(result: SearchResult, unit: Unit) -> Drawing:
    """Return the trials as dots, and the best so far as a line.

    Raises:
      InputError: no trial has such a value.
    """
    points = [point for point in result.curve(metric=unit.metric) if is_a_number(point[1])]
    if not points:
        raise InputError(f"no trial is completed that has a {unit.title}: there is nothing to draw")
    measured = [(trial.number, unit.of(trial)) for trial in result.trials]
    dots = [(float(x), y) for x, y in measured if y is not None and is_a_number(y)]
    last = float(result.trials[-1].number)
    # The best of the first trials may be as bad as chance: what happens later is to be seen.
    return drawing(
        [Line(f"best {unit.title} so far", 0, tuple(_steps(_thinned(points, _MOST_POINTS), last)))],
        title=f"{unit.title} by trial; line: the best so far",
        x_title="trial",
        start=points[0][0] + last // 50,
        dots=_thinned(dots, _MOST_DOTS),
    )


def _best(result: SearchResult) -> FoundArchitecture | None:
    return next(iter(result.top(1)), None)


def _again(result: SearchResult) -> str:
    """Return in a line what fresh seeds say of the best; "" where nothing was trained again."""
    with contextlib.suppress(InputError, OSError):  # it is not what is shown here
        again = result.retrained
        if again and (found := again.top()):
            text = shortened(str(found[0].architecture), LONGEST_LINE // 2)
            verdict = again.verdict()
            return f"{text}: {found[0].describe()}{f'; {verdict}' if verdict else ''}"
    return ""


def _counts(result: SearchResult) -> str:
    """Return how many trials there are, and what became of them, in a line."""
    trials = result.trials
    of_all = result.describe_done(result.config) if result.config else f"{len(trials)} trials"
    statuses = collections.Counter(trial.status for trial in trials)
    reused = sum(trial.reused_from is not None for trial in trials)
    texts = [of_all, f"{len({trial.architecture for trial in trials}):,} different architectures"]
    if reused:
        texts.append(f"{reused:,} that took over an outcome")
    if statuses["stopped"]:
        texts.append(f"{statuses['stopped']:,} stopped early")
    if statuses["failed"]:
        reasons = sorted({str(trial.failure) for trial in trials if trial.status == "failed"})
        texts.append(f"{statuses['failed']:,} failed ({shortened(', '.join(reasons))})")
    if statuses["running"]:
        texts.append(f"{statuses['running']:,} without an outcome yet")
    if result.interrupted:
        texts.append("interrupted")
    return ", ".join(texts)


def _drawn(found: FoundArchitecture) -> list[str]:
    """Return the lines of an architecture that a screen has room for."""
    lines = [
        line if len(line) <= LONGEST_LINE and line.isprintable() else shortened(line, LONGEST_LINE)
        for line in draw(found.architecture).splitlines()
    ]
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"... {more} more lines"]


def _picture(found: FoundArchitecture) -> str:
    """Return an architecture's picture as HTML; as lines of text where it is a large one."""
    title = f"trial {found.trial.number}, {found.describe()}"
    scene = architecture_scene(found.architecture, title=title)
    drawn = svg(scene)
    if len(drawn) > LARGEST_PICTURE:
        return f"<pre>{html.escape(chr(10).join(_drawn(found)))}</pre>"
    return Drawing(title, drawn, math.ceil(scene.width))._repr_html_()


def _bars(values: Sequence[float]) -> str:
    """Return values as bars of text, the lowest and the highest at its ends."""
    values = _thinned(values, _NUM_BARS)
    low, high = min(values), max(values)
    top = len(_BARS) - 1
    # Halves: the difference of two numbers may be more than any.
    shares = [(each / 2 - low / 2) / ((high / 2 - low / 2) or 1.0) for each in values]
    return "".join(_BARS[round(top * share)] for share in shares)


def _thinned(values: Sequence, most: int) -> list:
    """Return at most so many of some values, the last one among them."""
    step = -(-len(values) // most)
    return list(values[::-1][::step][::-1]) if values else []


def _steps(points: Sequence[tuple[int, float]], last: float) -> list[tuple[float, float]]:
    """Return what keeps each value until the next one, and the last to the end."""
    found: list[tuple[float, float]] = []
    for x, y in points:
        if found and found[-1][1] != y:
            found.append((float(x), found[-1][1]))
        found.append((float(x), y))
    return [*found, (max(last, found[-1][0]), found[-1][1])]


def _table(found: Sequence[FoundArchitecture]) -> str:
    with_value = found[0].metric != REWARD
    titles = ["trial", *([Unit(found[0].metric).title] if with_value else []), "reward"]
    titles += ["parameters", "architecture"]
    rows = [
        [
            str(each.trial.number),
            *(
                [_told(Unit(each.metric), each.value, each.value_spread, each)]
                if with_value
                else []
            ),
            _told(Unit(), each.reward, each.spread, each),
            "" if each.trial.num_parameters is None else f"{each.trial.num_parameters:,}",
            shortened(str(each.architecture), LONGEST_LINE),
        ]
        for each in found
    ]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _told(unit: Unit, value: float | None, spread: float, found: FoundArchitecture) -> str:
    if value is None:
        return ""
    return unit.show(value) + (f" ± {spread:.2g}" if found.num_evaluations > 1 else "")
