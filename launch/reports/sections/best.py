"""Which is best, and by how much?"""

from __future__ import annotations

import math
import shlex

import numpy as np

from nas_with_rl.launch.reports.analysis import NUM_PICTURES, Analysis
from nas_with_rl.launch.reports.markup import Markup, element, escaped, folded, joined, table
from nas_with_rl.launch.reports.numerals import (
    MISSING,
    count,
    counted,
    enough_digits,
    shown,
    significant,
)
from nas_with_rl.launch.reports.pictures import curves, picture
from nas_with_rl.launch.results.search_result import FoundArchitecture
from nas_with_rl.launch.results.times import duration
from nas_with_rl.launch.results.units import THE_REWARD, Unit

FIRST_SAMPLES = 24  # a controller draws them nearly uniformly: it has hardly learned
_MOST_ON_FRONT = 12
_MOST_CURVES = 6
_LEAST_SECONDS = 0.05  # that are worth a line
_MOST_DRAWN = 50_000  # characters of pictures, beyond which none is begun


def best_answer(analysis: Analysis) -> Markup:
    """Return the sentence about the best, its facts and its picture."""
    if not analysis.top:
        number = len(analysis.columns.trials)
        none = f"None of {counted(number, 'trial')} was completed." if number else "No trial yet."
        return element("p", none, class_="answer")
    best = analysis.top[0]
    return joined(
        [
            element("p", *_sentence(analysis, best), class_="answer"),
            element(
                "div",
                element("figure", picture(best.architecture), class_="hero-picture"),
                element("div", _facts(analysis, best), _margins(analysis), class_="hero-facts"),
                class_="hero",
            ),
            element("pre", _as_text(analysis, best), class_="chosen", tabindex=0),
        ]
    )


def _as_text(analysis: Analysis, best: FoundArchitecture) -> str:
    """Return the text that stands for the best; as a flag, where a training takes it."""
    text = str(best.architecture)
    is_own = analysis.subject.group("child").get("kind") in (None, "OwnEvaluation")
    return (
        text if is_own or analysis.subject.is_looked_up else f"--architecture={shlex.quote(text)}"
    )


def _sentence(analysis: Analysis, best: FoundArchitecture) -> list[object]:
    unit = analysis.unit
    what = f"{unit.title} " if analysis.has_value else "reward "
    parts: list[object] = [f"Trial {count(best.trial.number)} is best: {what}"]
    parts.append(element("strong", _told(unit, best.value, best.value_spread, best)))
    if analysis.has_value:
        parts.append(f" (reward {significant(best.reward)})")
    if len(analysis.top) > 1:
        second = analysis.top[1]
        by = _difference(analysis, best.value, second.value)
        parts.append(f", {by} the second" if by else ", as good as the second")
    return [*parts, "."]


def _told(unit: Unit, value: float | None, spread: float, found: FoundArchitecture) -> str:
    text = shown(unit, value)
    if found.num_evaluations < 2 or value is None:
        return text
    told = shown(unit, spread, 2) if math.isfinite(spread) else MISSING
    return f"{text} ± {told} ({found.num_evaluations} evaluations)"


def _difference(analysis: Analysis, value: float | None, other: float | None) -> str:
    """Return how far a value is from another one, in words; empty where they are equal."""
    if value is None or other is None or math.isnan(other) or value == other:
        return ""
    word = "above" if value > other else "below"
    size = abs(value - other)
    unit = analysis.unit
    if unit.show(value).endswith("%"):
        return f"{significant(100 * size, 2)} points {word}"
    share = f" ({significant(100 * size / abs(other), 2)} %)" if other else ""
    return f"{significant(size, 2)}{share} {word}"


def _facts(analysis: Analysis, best: FoundArchitecture) -> Markup:
    columns, unit = analysis.columns, analysis.unit
    row = int(columns.first[0])
    facts: list[tuple[str, str]] = []
    if analysis.has_value:
        facts.append((unit.title, _told(unit, best.value, best.value_spread, best)))
        if unit.show(best.value or 0.0).endswith("%") and best.value is not None:
            facts.append(("error", shown(unit, 1 - best.value)))
    facts.append(("reward", _told(THE_REWARD, best.reward, best.spread, best)))
    if best.trial.num_parameters is not None:
        facts.append(("parameters", count(best.trial.num_parameters)))
    if columns.seconds[row] >= _LEAST_SECONDS:
        facts.append(("time to train it", duration(float(columns.seconds[row]))))
    sampled = int((columns.place == 0).sum())
    facts.append(("sampled", "once" if sampled == 1 else f"{count(sampled)} times"))
    facts += _other_measurements(best, unit)
    cells = (
        element(tag, text) for fact in facts for tag, text in zip(("dt", "dd"), fact, strict=True)
    )
    return element("dl", *cells, class_="facts")


def _other_measurements(best: FoundArchitecture, unit: Unit) -> list[tuple[str, str]]:
    found = []
    for name in list(best.trial.metrics)[:8]:
        other = Unit(name)
        value = other.measured(best.trial)
        if name != unit.metric and value is not None:
            found.append((other.title, shown(other, value)))
    return found


def _margins(analysis: Analysis) -> Markup:
    """Return the best beside others, as a table."""
    columns, unit = analysis.columns, analysis.unit
    values = columns.mean_value[: columns.num_measured]
    best = float(values[0])
    rows = []
    if len(values) > 1:
        rows.append(("the second", float(values[1])))
    early = columns.measured()
    early = early[early < FIRST_SAMPLES]
    if len(early) and len(columns.trials) > FIRST_SAMPLES:
        first = int(early[np.argmax(columns.reward[early])])
        rows.append((f"the best of the first {FIRST_SAMPLES} samples", float(columns.value[first])))
    known = values[~np.isnan(values)]
    if len(known) > 2:
        rows.append((f"the median of {count(len(known))} measured", float(np.median(known))))
    if not rows:
        return Markup("")
    return table(
        ["the best beside", unit.title, "the best is"],
        [
            (title, shown(unit, value), _difference(analysis, best, value) or "equal")
            for title, value in rows
        ],
        numbers=(1,),
        caption="The best architecture beside others",
    )


def top_table(analysis: Analysis) -> Markup:
    """Return the best few, one a row, with their spread over repeats."""
    top, unit, columns = analysis.top, analysis.unit, analysis.columns
    if not top:
        return Markup("")
    digits = enough_digits([each.value for each in top if each.value is not None])
    rewards = enough_digits([each.reward for each in top])
    titles = ["rank", "trial", *([unit.title] if analysis.has_value else []), "reward", "spread"]
    titles += ["behind the best", "parameters", "sampled", "architecture"]
    rows = []
    for rank, each in enumerate(top):
        spread = each.value_spread if analysis.has_value else each.spread
        several = each.num_evaluations > 1
        told = f"± {shown(unit, spread, 2)} of {each.num_evaluations}" if several else MISSING
        row: list[object] = [rank + 1, count(each.trial.number)]
        if analysis.has_value:
            row.append(shown(unit, each.value, digits))
        row += [significant(each.reward, rewards), told]
        row.append(_difference(analysis, each.value, top[0].value) if rank else "")
        row.append(MISSING if (n := each.trial.num_parameters) is None else count(n))
        row.append(count(int((columns.place == rank).sum())))
        row.append(architecture_text(str(each.architecture)))
        rows.append(row)
    numbers = range(len(titles) - 1)
    caption = f"The best {len(top)} architectures"
    return table(titles, rows, numbers=numbers, caption=caption)


def architecture_text(text: str) -> Markup:
    """Return an architecture's text as a table has it."""
    return element("code", text, class_="whole")


def gallery(analysis: Analysis) -> Markup:
    """Return the pictures of the next best, as many as a page has room for."""
    figures: list[Markup] = []
    for rank, each in enumerate(analysis.top[1:NUM_PICTURES], 2):
        if sum(map(len, figures)) > _MOST_DRAWN:
            break
        caption = f"{rank}. trial {count(each.trial.number)}: {analysis.unit.title} "
        value = element("strong", shown(analysis.unit, each.value))
        drawn = picture(each.architecture, with_notes=False)
        figures.append(element("figure", drawn, element("figcaption", caption, value)))
    if not figures:
        return Markup("")
    title = f"Pictures of the next {len(figures)}" if len(figures) > 1 else "Picture of the next"
    inside = element("div", *figures, class_="gallery")
    return folded(title, inside, key="gallery", is_open=True)


def epochs(analysis: Analysis) -> Markup:
    """Return the curves of the best few over their epochs, where there are any."""
    name, lines = analysis.unit.metric, []
    scale = 100 if analysis.unit.show(0.5).endswith("%") else 1
    for each in analysis.top[:_MOST_CURVES]:
        measured = each.trial.metrics.get(name)
        if isinstance(measured, list | tuple):
            values = [value for value in measured if isinstance(value, int | float)]
            if len(values) == len(measured) and all(map(math.isfinite, values)):
                shown_values = [scale * value for value in values]
                lines.append((f"trial {each.trial.number}", shown_values))
    sign = " (%)" if scale > 1 else ""
    title = f"{analysis.unit.title.capitalize()}{sign} by epoch, of the best {len(lines)}"
    drawn = curves(lines, title)
    if not drawn:
        return Markup("")
    return element("figure", element("figcaption", title), drawn, class_="curves")


def front(analysis: Analysis) -> Markup:
    """Return the architectures that no other one surpasses in size, or else in time, as a table."""
    columns, unit = analysis.columns, analysis.unit
    by = "parameters" if not np.isnan(columns.parameters).all() else "seconds"
    rows = analysis.front(by)
    if len(rows) < 2:
        return Markup("")
    cost = columns.parameters if by == "parameters" else columns.seconds
    shown_rows = rows[-_MOST_ON_FRONT:]
    left_out = len(rows) - len(shown_rows)
    titles = [by, unit.title, "trial", "architecture"]
    body = [
        [
            count(int(cost[row])) if by == "parameters" else significant(float(cost[row]), 3),
            shown(unit, float(columns.value[row])),
            count(columns.trials[row].number),
            architecture_text(columns.trials[row].architecture),
        ]
        for row in shown_rows
    ]
    note = f"; the {left_out} smallest are left out" if left_out else ""
    title = f"The front in numbers: nothing measured is better with as few {by}{note}"
    inside = table(titles, body, numbers=(0, 1, 2), caption=f"The Pareto front by {by}")
    return folded(escaped(title), inside, key="front")
