"""What a search was asked for, as rows of a table: a title and a text each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nas_with_rl.launch.reports.columns import Columns
from nas_with_rl.launch.reports.numerals import counted, moment
from nas_with_rl.launch.reports.subject import Subject
from nas_with_rl.launch.results.times import duration
from nas_with_rl.search_spaces.counting import shown_count
from nas_with_rl.search_spaces.errors import InputError

Row = tuple[str, str]
_STATES = {
    "running": "running",
    "stopped": "stopped before its end",
    "finished": "finished",
}


def asked_rows(subject: Subject, columns: Columns) -> list[Row]:
    """Return what was asked for, when, and by which versions; what is not known is left out."""
    rows = [
        ("experiment", subject.name),
        ("settings from", subject.source),
        ("space", _space(subject)),
        ("data", _data(subject)),
        ("children", _children(subject)),
        ("searcher", _searcher(subject)),
        ("budget", _budget(subject)),
        ("overrides", _overrides(subject)),
        ("seed", _text(subject.description.get("seed"))),
        *_times(subject, columns),
        ("versions", _versions(subject)),
        ("commit", _text(subject.description.get("commit"))),
        ("workdir", str(subject.place.path)),
    ]
    return [(title, text) for title, text in rows if text]


def state_text(subject: Subject) -> str:
    """Return how far the search is, in words."""
    result = subject.result
    done = result.describe_done(result.config) if result.config else ""
    return f"{_STATES[subject.state]}: {done}" if done else _STATES[subject.state]


def space_size(subject: Subject) -> str:
    """Return how many architectures the space has; empty where they cannot be counted."""
    try:
        return shown_count(subject.result.space.size)
    except (InputError, RecursionError):
        return ""


def _space(subject: Subject) -> str:
    space = subject.result.space
    size = space_size(subject)
    layers = f", in {counted(space.depth, 'layer')}" if space.depth else ""
    number = f": {size} architectures" if size else ""
    return (
        f"{space.name}{number} ({space.noun}), {counted(len(space.steps), 'decision')} each{layers}"
    )


def _data(subject: Subject) -> str:
    data = subject.group("data")
    found = _settings(data)
    where = subject.group("location").get("data_dir")
    return ", ".join(part for part in (found, f"in {where}" if where else "") if part)


def _children(subject: Subject) -> str:
    child = subject.group("child")
    if not child:
        return "your own function" if subject.description else ""
    plan = subject.group("location").get("plan")
    return f"{child.get('kind')}: {_settings(child)}" + (f"; plan {plan}" if plan else "")


def _searcher(subject: Subject) -> str:
    search, controller = subject.group("search"), subject.group("controller")
    name = search.get("searcher")
    if not isinstance(name, str):
        return ""
    if name not in ("reinforce", "dream"):
        return name
    rate, advantage = controller.get("learning_rate"), controller.get("advantage")
    return f"{name}: learning rate {rate}, advantage {advantage}"


def _budget(subject: Subject) -> str:
    config = subject.result.config
    if config is None:
        return ""
    children = counted(config.num_children, "child", "children") if config.num_children else ""
    trials = counted(config.num_samples, "trial")
    most = f"{children}, in at most {trials}" if children else trials
    return f"{most}, {config.update_size} to an update; repeats: {config.duplicates}"


def _overrides(subject: Subject) -> str:
    overrides = subject.description.get("overrides")
    return " ".join(map(str, overrides)) if isinstance(overrides, list) else ""


def _times(subject: Subject, columns: Columns) -> Iterator[Row]:
    if not np.isnan(columns.started).all():
        yield "first child", moment(float(np.nanmin(columns.started)))
    if not np.isnan(columns.ended).all():
        yield "last outcome", moment(float(np.nanmax(columns.ended)))
    ledger = subject.ledger
    if ledger.starts:
        starts = f", in {ledger.starts} starts" if ledger.starts > 1 else ""
        yield "duration", f"{duration(ledger.total)}{starts}"


def _versions(subject: Subject) -> str:
    versions = subject.group("versions").items()
    return ", ".join(f"{name} {number}" for name, number in versions if number != "not installed")


def _settings(values: Mapping[str, Any]) -> str:
    """Return a configuration in a line: what is empty says nothing."""
    shown = {name: value for name, value in values.items() if name != "kind"}
    return ", ".join(
        f"{name.replace('_', ' ')} {_text(value)}"
        for name, value in shown.items()
        if value not in (None, [], {}, "")
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
