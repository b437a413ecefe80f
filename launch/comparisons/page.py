"""`report.html` of a contest: one file with curves, tables and sentences, without a network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.launch.comparisons import text
from nas_with_rl.launch.comparisons.standings import RANDOM, Standing, Standings
from nas_with_rl.launch.results import charts
from nas_with_rl.launch.results.charts import Line, chart, legend
from nas_with_rl.search_spaces.whole_files import write_whole

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_POINTS = 400  # of a curve
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#222, #ddd); --faint: light-dark(#bbb, #555); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 1020px;
  margin: 1.5em auto; padding: 0 1em; background: light-dark(#fff, #16181c); }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; } p, li { overflow-wrap: anywhere; }
.charts { display: grid; gap: 1em 2em; grid-template-columns: repeat(auto-fit,
  minmax(min(100%, 400px), 1fr)); } figure { margin: 0; } figcaption { font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
td, th { text-align: right; padding: .2em .8em .2em 0; border-bottom: 1px solid var(--faint);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; }
.note { opacity: .8; } code { font: 13px/1.4 ui-monospace, monospace; }
"""


def write_page(result: Standings, path: Path) -> None:
    """Write the page: the best so far, the tables, Figure 6, a sentence for each pair."""
    write_whole(page(result), path)


def page(result: Standings) -> str:
    """Return the page as text."""
    contest, title = result.contest, html.escape(f"Searchers compared: {result.contest.name}")
    sections = [
        f"<h1>{title}</h1><p>{html.escape(contest.source)}</p>",
        f"<p>{len(contest.searchers)} searchers, {contest.num_seeds} seeds each, "
        f"{contest.config.num_children:,} children a search; {text.children_trained(result)}.</p>",
        legend(contest.searchers),
        f"<div class='charts'>{_best_chart(result)}{_top_charts(result)}</div>",
        "<h2>The searchers</h2>",
        _table(text.standings_table(result)),
        f"<p class='note'>{html.escape(text.rank_note(result))}.</p>",
        *_top_section(result),
        *_pairs_section(result),
        *_best_section(result),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}{charts.STYLE}</style></head>"
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _best_chart(result: Standings) -> str:
    lines = [_best_line(each, place) for place, each in enumerate(result.standings)]
    # The first children are as bad as chance: what happens later is to be seen.
    start = max(1, result.budgets[-1] // 20)
    label = "best reward so far by children trained"
    drawn = chart(lines, label=label, x_title="children trained", start=start)
    return _figure("Best reward so far, mean ± standard error over the seeds", drawn)


def _best_line(each: Standing, place: int) -> Line:
    number = each.best.shape[1]
    step = max(1, number // _MOST_POINTS)
    counts = sorted({*range(1, number + 1, step), number})
    means = [(count, mean) for count in counts if (mean := each.mean(count)) is not None]
    spreads = [each.standard_error(count) for count, _ in means]
    band = [
        (mean - spread, mean + spread)
        for (_, mean), spread in zip(means, spreads, strict=True)
    ]  # fmt: skip
    return Line(each.searcher, place, tuple(means), tuple(band))


def _top_charts(result: Standings) -> str:
    counts = next((each.top for each in result.standings if each.top), {})
    figures = []
    for k in counts:
        lines = [
            Line(each.searcher, place, tuple(each.top[k]))
            for place, each in enumerate(result.standings)
            if each.top
        ]
        title = f"Mean of the top {k} unique model{'s' if k > 1 else ''}, above random search's"
        figures.append(_figure(title, chart(lines, label=title, x_title="children trained")))
    return "".join(figures)


def _figure(title: str, drawn: str) -> str:
    if not drawn:
        return ""
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{drawn}</figure>"


def _table(rows: Sequence[text.Row]) -> str:
    first, *others = rows
    titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in first)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in others
    )
    return f"<div class='wide'><table><tr>{titles}</tr>{body}</table></div>"


def _top_section(result: Standings) -> list[str]:
    rows = text.top_table(result)
    if not rows:
        missing = "" if RANDOM in result.contest.searchers else f"no searcher is {RANDOM}"
        return [f"<p class='note'>The top models are compared with random search: {missing}.</p>"][
            : bool(missing)
        ]
    note = html.escape(text.top_note(result))
    return [f"<h2>The top models</h2><p class='note'>{note}.</p>", _table(rows)]


def _pairs_section(result: Standings) -> list[str]:
    if not result.pairs:
        return []
    sentences = "".join(
        f"<li>{html.escape(text.sentence(pair))}</li>" for pair in result.final_pairs()
    )
    note = html.escape(text.seeds_note(result))
    return [f"<h2>Pair by pair</h2><ul>{sentences}</ul>", f"<p class='note'>{note}</p>"]


def _best_section(result: Standings) -> list[str]:
    best = result.known.best
    if best is None:
        return []
    title = "The best of all" if result.known.is_all else "The best that was found"
    return [
        f"<h2>{title}</h2><p>reward {best[1]:.5g}</p><div class='wide'><code>"
        f"{html.escape(best[0])}</code></div>"
    ]
