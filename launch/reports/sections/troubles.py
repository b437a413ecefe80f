"""What failed, and why? Where did the time go?"""

from __future__ import annotations

import numpy as np

from nas_with_rl.launch.reports import evidence
from nas_with_rl.launch.reports.analysis import Analysis
from nas_with_rl.launch.reports.columns import (
    COMPLETED,
    FAILED,
    NAMES,
    OPEN,
    REUSED,
    STOPPED,
    Columns,
)
from nas_with_rl.launch.reports.evidence import FailureGroup
from nas_with_rl.launch.reports.markup import Markup, element, folded, joined, table
from nas_with_rl.launch.reports.numerals import count, counted, percent
from nas_with_rl.launch.reports.pictures import bar
from nas_with_rl.launch.results.times import duration, time_rows
from nas_with_rl.search_spaces.errors import shortened

_MEANINGS = {
    "diverged": "the loss or the reward was no number",
    "out_of_memory": "it did not fit into memory",
    "timed_out": "it took longer than a child may",
    "crashed": "it raised an error, or its process died",
    "infeasible": "the architecture will never do",
}
_LONGEST_LINE = 160
_LONGEST_MESSAGE = 4_000
_MOST_WORKERS = 100


def failures_answer(analysis: Analysis) -> Markup:
    """Return how much failed and why, in a sentence, a table, and what failures said."""
    columns, groups = analysis.columns, analysis.failures
    lost = _without_outcome(analysis)
    if not groups:
        return joined([element("p", "Nothing failed.", class_="answer"), lost])
    number = columns.number(FAILED)
    reasons = ", ".join(f"{count(each.number)} {_words(each.reason)}" for each in groups)
    share = percent(number / len(columns.trials))
    sentence = (
        f"{count(number)} of {counted(len(columns.trials), 'trial')} failed ({share}): {reasons}."
    )
    parts = [element("p", sentence, *_suspicion(analysis), class_="answer"), lost, _reasons(groups)]
    return joined([*parts, *(_messages(analysis, each) for each in groups)])


def _words(reason: str) -> str:
    return shortened(reason.replace("_", " "))


def _without_outcome(analysis: Analysis) -> Markup:
    number = analysis.columns.number(OPEN)
    if not number:
        return Markup("")
    now = analysis.subject.state == "running"
    what = "being trained now" if now else "without an outcome: the search was stopped before it"
    return element("p", f"{counted(number, 'trial')} {what}.")


def _suspicion(analysis: Analysis) -> list[str]:
    """Return which options go with failing."""
    columns, choices = analysis.columns, analysis.sampled
    trained = np.where(columns.kind == STOPPED, COMPLETED, columns.kind)
    kinds = np.where(columns.taken_over, REUSED, trained)[choices.rows]
    found = evidence.suspects(choices, kinds)
    texts = [
        f"{each.decided.title} {each.option} ({count(each.failed)} of {count(each.number)} failed, "
        f"{count(each.others_failed)} of {count(each.others)} without)"
        for each in found
    ]
    return [f" What goes with failing: {'; '.join(texts)}."] if texts else []


def _reasons(groups: list[FailureGroup]) -> Markup:
    total = sum(each.number for each in groups)
    rows = [
        [
            _words(each.reason),
            count(each.number),
            bar(each.number / total),
            _MEANINGS.get(each.reason, ""),
            count(each.last),
        ]
        for each in groups
    ]
    titles = ["reason", "trials", "", "what it means", "last in trial"]
    return table(titles, rows, numbers=(1, 4), caption="Failures by reason")


def _messages(analysis: Analysis, group: FailureGroup) -> Markup:
    """Return what the failures of a reason said: each different message once, with a trial."""
    items = []
    for line, number, row in group.messages:
        trial = analysis.columns.trials[row]
        where = f"{count(number)} ×, as trial " if number > 1 else "trial "
        message = (trial.message or "").strip()
        said: Markup = element("q", line) if line else element("span", "no message")
        if message != line or len(line) > _LONGEST_LINE:
            title = line if len(line) <= _LONGEST_LINE else shortened(line, _LONGEST_LINE)
            inside = element("pre", _cut(message), tabindex=0)
            said = folded(title, inside, key=f"message-{group.reason}-{row}")
        items.append(element("li", f"{where}{count(trial.number)}: ", said))
    more = group.num_messages - len(group.messages)
    if more:
        items.append(
            element("li", f"{counted(more, 'further message')}; the table below has them.")
        )
    return folded(
        f"What the {count(group.number)} {_words(group.reason)} said",
        element("ul", *items),
        key=f"failed-{group.reason}",
    )


def _cut(message: str) -> str:
    """Return a message, of a long one its beginning and its end, where a traceback says what."""
    half = _LONGEST_MESSAGE // 2
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[:half]}\n...\n{message[-half:]}"


def times(analysis: Analysis) -> Markup:
    """Return where the time went, and what became of the trials."""
    ledger, columns = analysis.subject.ledger, analysis.columns
    parts = []
    if ledger.total:
        rows = time_rows(ledger, columns.trials)
        waited = ledger.waiting / ledger.total
        parts.append(
            element(
                "p",
                f"{percent(waited)} of {duration(ledger.total)} went into the children.",
                class_="answer",
            )
        )
        parts.append(table([], rows, numbers=(1,), caption="Where the time went"))
    parts += [_outcomes(analysis), _workers(analysis)]
    return joined(parts)


def _outcomes(analysis: Analysis) -> Markup:
    columns = analysis.columns
    total = len(columns.trials)
    if not total:
        return Markup("")
    different = len(columns.texts)
    rows = [
        [NAMES[kind], count(columns.number(kind)), bar(columns.number(kind) / total)]
        for kind in (COMPLETED, REUSED, STOPPED, FAILED, OPEN)
        if columns.number(kind)
    ]
    note = f"{counted(total, 'trial')}, {counted(different, 'different architecture')}. "
    if columns.number(REUSED):
        note += "A reused trial sampled an architecture again and took over its outcome for free. "
    if columns.number(STOPPED):
        note += "One that was stopped early counts as its last report, and is never the best."
    return joined(
        [
            table(["outcome", "trials", ""], rows, numbers=(1,), caption="Outcomes of the trials"),
            element("p", note, class_="note"),
        ]
    )


def _workers(analysis: Analysis) -> Markup:
    """Return how long children took, by worker where there are several."""
    columns = analysis.columns
    seconds = columns.seconds[~np.isnan(columns.seconds)]
    if not len(seconds):
        return Markup("")
    low, middle, high = np.quantile(seconds, (0, 0.5, 1))
    text = (
        f"A child took {duration(float(middle))} (median), {duration(float(low))} at least and "
        f"{duration(float(high))} at most."
    )
    rows = _by_worker(columns)
    if len(rows) < 2:
        return element("p", text)
    inside = table(
        ["worker", "children", "busy"], rows, numbers=(1, 2), caption="Children by worker"
    )
    title = counted(len(rows), "worker")
    return joined([element("p", text), folded(title, inside, key="workers")])


def _by_worker(columns: Columns) -> list[list[str]]:
    """Return each worker's name, how many children it had and how long they took together."""
    there = ~np.isnan(columns.seconds)
    names = [trial.worker for trial in columns.trials]
    known = {name: place for place, name in enumerate(dict.fromkeys(names))}
    places = np.array([known[name] for name in names], int)[there]
    counts = np.bincount(places, minlength=len(known))
    busy = np.bincount(places, columns.seconds[there], len(known))
    order = [place for place in np.argsort(-counts, kind="stable") if counts[place]]
    titles = [shortened(name or "unnamed") for name in known]
    return [[titles[place], count(int(counts[place])), duration(busy[place])] for place in order]
