"""One HTML file that opens from disk: what a report says, its trials, one script, no network.

A part (`data-part`) is what a page that is served replaces when it has changed; everything else
stays where the reader has it.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import importlib.resources
import itertools
import json
from typing import Any

import numpy as np

from nas_with_rl.launch.reports import packing
from nas_with_rl.launch.reports.analysis import Analysis, analysis_of
from nas_with_rl.launch.reports.markup import Markup, element, escaped, folded, joined, table
from nas_with_rl.launch.reports.numerals import counted, moment
from nas_with_rl.launch.reports.sections import best, lessons, luck, troubles
from nas_with_rl.launch.reports.sections.asked import asked_rows, state_text
from nas_with_rl.launch.reports.sections.commands import Command, next_commands
from nas_with_rl.launch.reports.subject import Subject
from nas_with_rl.launch.results import charts
from nas_with_rl.launch.results.units import REWARD

MOST_BYTES = 1_000_000
_NUM_COMMANDS = 5  # that are seen at once
_MOST_POINTS = 400  # of a line
_BEGINNING = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{live}<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#page">To the answers</a>
{body}
<script type="text/plain" id="data">"""
_LIVE = '<meta name="live" data-version="{}" content="{:g}">\n'
_END = """</script>
<script type="module">{script}</script>
</body>
</html>
"""


@dataclasses.dataclass(frozen=True)
class Live:
    """How a page renews itself that is served.

    Attributes:
      seconds: between two looks.
      version: of the page.
    """

    seconds: float
    version: str = ""


def report_html(subject: Subject, *, live: Live | None = None) -> str:
    """Return a search's report as a page.

    Args:
      subject: the search.
      live: of a page that is served; None for a file.
    """
    analysis = analysis_of(subject)
    style, script = _assets()
    title = f"{subject.name}: search"
    body = _body(analysis)
    beginning = _BEGINNING.format(
        policy=_policy(style, script, connect=live is not None),
        live="" if live is None else _LIVE.format(escaped(live.version), live.seconds),
        title=escaped(title),
        style=style,
        body=body,
    )
    end = _END.format(script=script)
    room = MOST_BYTES - len(beginning.encode()) - len(end.encode())
    return beginning + packing.pack(analysis.columns, _header(analysis), max(room, 0)) + end


@functools.cache
def _assets() -> tuple[str, str]:
    """Return the page's style and its script."""
    folder = importlib.resources.files("nas_with_rl.launch.reports") / "module"
    style = folder.joinpath("report.css").read_text(encoding="utf-8") + charts.STYLE
    script = "".join(
        _without_imports(folder.joinpath(name).read_text(encoding="utf-8"))
        for name in ("data.mjs", "chart.mjs", "trials.mjs", "report.mjs")
    )
    return "\n" + style, "\n" + script


def _without_imports(source: str) -> str:
    """Return a module's text for a script that has all of them."""
    lines = [line for line in source.splitlines() if not line.startswith("import ")]
    return "\n".join(line.removeprefix("export ") for line in lines) + "\n"


def _policy(style: str, script: str, *, connect: bool) -> str:
    """Return the Content-Security-Policy: this style and this script, and nothing from outside."""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    reach = "; connect-src 'self'" if connect else ""
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        f"img-src data:; base-uri 'none'; form-action 'none'{reach}"
    )


def _body(analysis: Analysis) -> Markup:
    sections = [
        _section("best", "Which is best, and by how much?", *_best(analysis)),
        _section("luck", "Is it luck?", _part("luck-answer", luck.luck_answer(analysis))),
        _section("lessons", "What did the controller learn?", *_lessons(analysis)),
        _section(
            "failures",
            "What failed, and why?",
            _part("failures-answer", troubles.failures_answer(analysis)),
        ),
        _section("next", "What do I run next?", _part("commands", _commands(analysis))),
        _section("time", "Where the time went", _part("times", troubles.times(analysis))),
        _section("trials", "All trials", _trials(analysis)),
        _section("asked", "What was asked", _part("asked-rows", _asked(analysis))),
    ]
    return joined(
        [
            element("header", _part("heading", _heading(analysis)), _contents()),
            element(
                "main",
                element(
                    "noscript",
                    "Drawings over all trials and their table need JavaScript, which is off.",
                ),
                *sections,
                id="page",
                tabindex=-1,
            ),
        ]
    )


def _section(name: str, title: str, *content: object) -> Markup:
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def _part(name: str, content: Markup) -> Markup:
    return element("div", content, data_part=name)


def _heading(analysis: Analysis) -> Markup:
    subject = analysis.subject
    state = state_text(subject)
    return joined(
        [
            element("h1", subject.name),
            element(
                "p", element("span", state, class_=f"state {subject.state}"), " ", subject.source
            ),
            element("p", f"{subject.place.path}, as of {moment(subject.moment)}", class_="note"),
        ]
    )


def _contents() -> Markup:
    links = {
        "best": "Best",
        "luck": "Luck",
        "lessons": "Learned",
        "failures": "Failures",
        "next": "Next",
        "time": "Time",
        "trials": "Trials",
        "asked": "Asked",
    }
    anchors = [element("a", title, href=f"#{name}") for name, title in links.items()]
    return element("nav", *anchors, aria_label="On this page")


def _best(analysis: Analysis) -> list[Markup]:
    return [
        _part("best-answer", best.best_answer(analysis)),
        _figure("by-trial", "By trial"),
        _part("best-table", joined([best.top_table(analysis), best.gallery(analysis)])),
        _part("epochs", best.epochs(analysis)),
        element(
            "div",
            _figure("by-parameters", "By parameters"),
            _figure("by-seconds", "By seconds of training"),
            class_="pair",
        ),
        _part("front", best.front(analysis)),
    ]


def _figure(name: str, title: str) -> Markup:
    """Return the place of a drawing that the script makes."""
    return element(
        "figure",
        element("figcaption", title),
        element("div", class_="keys"),
        element("div", class_="plot"),
        element("p", class_="readout", aria_live="off"),
        id=name,
        class_="chart",
        hidden="",
    )


def _lessons(analysis: Analysis) -> list[Markup]:
    if not analysis.columns.trials:
        return [_part("lessons-answer", element("p", "Nothing yet.", class_="answer"))]
    return [
        _part("lessons-answer", lessons.lessons_answer(analysis)),
        _part("maps", lessons.preference_maps(analysis)),
        _part("skips", lessons.skip_matrices(analysis)),
        _part("effects", lessons.effects_table(analysis)),
    ]


def _commands(analysis: Analysis) -> Markup:
    tops = analysis.columns.top(3)
    first, *others = next_commands(analysis.subject, tops)
    shown, more = others[: _NUM_COMMANDS - 1], others[_NUM_COMMANDS - 1 :]
    rest = element("ol", *map(_command, more), class_="commands", start=_NUM_COMMANDS + 1)
    return joined(
        [
            element("p", first.why, class_="answer"),
            element("pre", first.text, class_="first", tabindex=0),
            element("ol", *map(_command, shown), class_="commands", start=2),
            folded(f"{len(more)} more", rest, key="commands") if more else "",
        ]
    )


def _command(command: Command) -> Markup:
    return element("li", element("p", command.why), element("pre", command.text, tabindex=0))


def _trials(analysis: Analysis) -> Markup:
    number, kept = len(analysis.columns.trials), len(packing.kept_rows(analysis.columns))
    note = ""
    if kept < number:
        note = (
            f"The drawings and this table have {counted(kept, 'trial')} of {number:,}: the best, "
            "and the others evenly spread."
        )
    return joined(
        [
            _part("trials-note", element("p", note, class_="note") if note else Markup("")),
            element("div", id="trial-table"),
        ]
    )


def _asked(analysis: Analysis) -> Markup:
    subject = analysis.subject
    rows = asked_rows(subject, analysis.columns)
    written = json.dumps(dict(subject.description), indent=1, ensure_ascii=False, default=str)
    whole = element("pre", written, tabindex=0)
    return joined(
        [
            table([], rows, caption="Settings, times and versions"),
            folded("experiment.json, whole", whole, key="experiment"),
        ]
    )


def _header(analysis: Analysis) -> dict[str, Any]:
    """Return what the script is to know beside the trials."""
    columns, unit = analysis.columns, analysis.unit
    rows, values, rewards = (_thinned(each) for each in analysis.leaders)
    every, smooth = _baseline(analysis)
    in_percent = unit.show(0.5).endswith("%")
    return {
        "unit": unit.title,
        "isReward": unit.metric == REWARD,
        "inPercent": in_percent,
        "lowerIsBetter": analysis.lower_is_better,
        "decay": _decay(analysis),
        "best": {
            "number": [columns.trials[row].number for row in rows],
            "value": _listed(values),
            "reward": _listed(rewards),
        },
        "baseline": {"number": every, **{name: _listed(each) for name, each in smooth.items()}},
        "last": columns.trials[-1].number if columns.trials else 0,
        "fronts": {
            by: [columns.trials[row].number for row in _thinned(analysis.front(by))]
            for by in _costs(analysis)
        },
        "decisions": [each.title for each in _plain_steps(analysis)],
    }


def _costs(analysis: Analysis) -> tuple[str, ...]:
    return ("parameters",) if analysis.subject.is_looked_up else ("parameters", "seconds")


def _plain_steps(analysis: Analysis) -> list[Any]:
    """Return the decisions by whose titles a text's words can be told; none where not."""
    space = analysis.subject.result.space
    is_plain = not space.depth and not any(step.conditions for step in space.steps)
    return list(space.steps) if is_plain else []


def _decay(analysis: Analysis) -> float:
    decay = analysis.subject.group("controller").get("baseline_decay")
    return decay if isinstance(decay, float) and 0 <= decay < 1 else 0.95


def _baseline(analysis: Analysis) -> tuple[list[int], dict[str, np.ndarray]]:
    """Return trials' numbers and the moving average there, as the controller's baseline decays.

    It is one of rewards. As a value it is the one that has this reward, where the one follows the
    other, as perplexity and accuracy do; else the moving average of the values.
    """
    columns, decay = analysis.columns, _decay(analysis)
    rows = np.flatnonzero(~np.isnan(columns.reward) & ~np.isnan(columns.value))
    kept = _thinned(np.arange(len(rows)))
    rewards, values = columns.reward[rows], columns.value[rows]
    averages = moving_averages(rewards, decay)[kept]
    order = np.argsort(rewards, kind="stable")
    steps = np.diff(values[order])
    if (steps >= 0).all() or (steps <= 0).all():
        smooth = np.interp(averages, rewards[order], values[order]) if len(order) else averages
    else:
        smooth = moving_averages(values, decay)[kept]
    numbers = [columns.trials[row].number for row in rows[kept]]
    return numbers, {"value": smooth, "reward": averages}


def _thinned(rows: np.ndarray) -> np.ndarray:
    """Return at most _MOST_POINTS of some rows, evenly spread."""
    if len(rows) <= _MOST_POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(int)]


def moving_averages(values: np.ndarray, decay: float) -> np.ndarray:
    """Return [m] the exponential moving average after each value; the first is its own."""
    kept = 1 - decay
    found = itertools.accumulate(
        values.tolist(), lambda average, value: decay * average + kept * value
    )
    return np.fromiter(found, np.float64, len(values))


def _listed(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]
