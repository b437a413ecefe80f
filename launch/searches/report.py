"""`report.html`: one file that shows how a search went, without a server or a network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.launch.records.ledger import read_ledger
from nas_with_rl.launch.records.ranking import Ranked, best_so_far, ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.records.workdir import LEDGER_FILE
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.searches.time_spent import time_rows
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.whole_files import write_whole

WIDTH, HEIGHT, MARGIN = 860, 300, 48
NUM_LISTED = 20

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#222, #ddd); --faint: light-dark(#bbb, #555);
  --dot: light-dark(#7aa6d8, #4f78a8); --best: light-dark(#b3261e, #ff8a80); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 900px;
  margin: 2em auto; padding: 0 1em; background: light-dark(#fff, #16181c); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2em .6em;
  border-bottom: 1px solid var(--faint); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 13px/1.4 ui-monospace, monospace; } pre { overflow-x: auto; }
svg text { fill: var(--ink); font-size: 12px; } .axis { stroke: var(--faint); }
.trial { fill: var(--dot); } .best { stroke: var(--best); fill: none; stroke-width: 2; }
"""


def write_report(
    result: SearchResult, *, title: str, source: str, path: Path, comparison: str = ""
) -> None:
    """Write the page: rewards by trial, the best architectures, the comparison, the failures."""
    completed = [trial for trial in result.trials if trial.status == "completed"]
    failed = [trial for trial in result.trials if trial.status == "failed"]
    stopped = sum(trial.status == "stopped" for trial in result.trials)
    best = ranked(result.trials)
    num_different = len({trial.architecture for trial in result.trials})
    sections = [
        f"<h1>{html.escape(title)}</h1><p>{html.escape(source)}</p>",
        f"<p>{len(result.trials)} trials, {num_different} different "
        f"architectures, {_stopped_early(stopped)}{len(failed)} failed.</p>",
    ]
    if best:
        drawing = html.escape(draw(result.architecture(best[0].trial)))
        sections += [
            "<h2>Reward by trial</h2>",
            _chart(completed),
            f"<h2>Best architecture</h2><p>reward {best[0].describe()}</p><pre>{drawing}</pre>",
            f"<h2>The best {min(NUM_LISTED, len(best))}</h2>",
            _table(best[:NUM_LISTED]),
        ]
    if comparison:
        sections.append(f"<h2>Comparison</h2><pre>{html.escape(comparison)}</pre>")
    if (ledger := read_ledger(path.parent / LEDGER_FILE)).starts:
        sections += ["<h2>Where the time went</h2>", _times(time_rows(ledger, result.trials))]
    if failed:
        sections += ["<h2>Failures</h2>", _failures(failed)]
    write_whole(
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<body>{''.join(sections)}</body></html>\n",
        path,
    )


def _stopped_early(number: int) -> str:
    return f"{number} stopped early, " if number else ""


def _chart(trials: Sequence[Trial]) -> str:
    """A dot per trial, a line for the best so far: the mean of an architecture's evaluations."""
    rewards = [trial.reward or 0.0 for trial in trials]
    low, high, last = min(rewards), max(rewards), max(trials[-1].number, 1)
    span = (high - low) or 1.0

    def point(trial: Trial, reward: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * trial.number / last
        return round(x, 1), round(
            HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (reward - low) / span, 1
        )

    dots = []
    for trial, reward in zip(trials, rewards, strict=True):
        x, y = point(trial, reward)
        dots.append(
            f"<circle class='trial' cx='{x}' cy='{y}' r='2.5'>"
            f"<title>trial {trial.number}: {reward:.4f}</title></circle>"
        )
    best = list(best_so_far(trials))
    best.append((trials[-1], best[-1][1]))
    steps = ["{},{}".format(*point(*each)) for each in best]
    floor = HEIGHT - MARGIN
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='reward by trial'>"
        f"<line class='axis' x1='{MARGIN}' y1='{floor}' x2='{WIDTH - MARGIN}' y2='{floor}'/>"
        f"<text x='4' y='{MARGIN}'>{high:.3g}</text><text x='4' y='{floor}'>{low:.3g}</text>"
        f"<text x='{MARGIN}' y='{HEIGHT - 24}'>trial 0</text>"
        f"<text x='{WIDTH - MARGIN}' y='{HEIGHT - 24}' text-anchor='end'>{last}</text>"
        f"{''.join(dots)}<polyline class='best' points='{' '.join(steps)}'/></svg>"
        "<p>Dots: trials. Line: the best so far.</p>"
    )


def _table(best: Sequence[Ranked]) -> str:
    rows = "".join(
        f"<tr><td class='number'>{each.trial.number}</td><td class='number'>{each.describe()}</td>"
        f"<td class='number'>{_count(each.trial.num_parameters)}</td>"
        f"<td><code>{html.escape(each.trial.architecture)}</code></td></tr>"
        for each in best
    )
    return (
        "<table><tr><th class='number'>trial</th><th class='number'>reward</th>"
        f"<th class='number'>parameters</th><th>architecture</th></tr>{rows}</table>"
    )


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _times(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(title)}</td><td class='number'>{html.escape(time)}</td></tr>"
        for title, time in rows
    )
    return f"<table>{cells}</table>"


def _failures(trials: Sequence[Trial]) -> str:
    rows = "".join(
        f"<tr><td class='number'>{trial.number}</td><td>{html.escape(str(trial.failure))}</td>"
        f"<td>{_message(str(trial.message))}</td></tr>"
        for trial in trials
    )
    return f"<table><tr><th class='number'>trial</th><th>reason</th><th></th></tr>{rows}</table>"


def _message(text: str) -> str:
    """A failure's message; what follows its first line, a traceback, is to be opened."""
    first, _, rest = html.escape(text.strip()).partition("\n")
    return f"<details><summary>{first}</summary><pre>{rest}</pre></details>" if rest else first
