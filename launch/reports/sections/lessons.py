"""What did the controller learn?"""

from __future__ import annotations

import numpy as np

from nas_with_rl.launch.reports import learning
from nas_with_rl.launch.reports.analysis import Analysis
from nas_with_rl.launch.reports.learning import Effect, Preference
from nas_with_rl.launch.reports.markup import Markup, element, escaped, folded, joined, table
from nas_with_rl.launch.reports.numerals import MISSING, count, counted, percent, shown
from nas_with_rl.launch.reports.pictures import bar, matrix, strip

_MOST_OPTIONS = 8  # of a decision, before the rarest are drawn together
_NUM_EFFECTS, _MORE_EFFECTS = 12, 40
_MOST_DRAWN = 36  # decisions
_MOST_NAMED = 3
_LEAST_ERRORS = 3.0  # by which a share has to rise before it is named
_LEARNERS = ("reinforce", "dream")


def lessons_answer(analysis: Analysis) -> Markup:
    """Return what moved and what matters, in sentences."""
    found = [each for each in analysis.preferences if each.ends is not None]
    sentences = [*_of_freedom(analysis, found), *_of_moves(found), *_of_effects(analysis)]
    if not sentences:
        return element("p", "Nothing can be said of so few trials.", class_="answer")
    first, *others = sentences
    return joined([element("p", first, class_="answer"), *(element("p", each) for each in others)])


def _of_freedom(analysis: Analysis, found: list[Preference]) -> list[str]:
    ends = learning.freedom(found)
    if ends is None:
        return []
    searcher = analysis.subject.group("search").get("searcher")
    first, last = ends
    if searcher == "random":
        return ["The searcher is random: nothing learns, and what moves below is chance."]
    who = "controller" if searcher in _LEARNERS else "search"
    if first - last < 0.05:
        return [
            f"The {who} prefers nothing by itself: its samples are {percent(last)} as varied as "
            f"uniform ones, after {percent(first)} at the beginning."
        ]
    how = "has made up its mind" if last < 0.2 else "has narrowed its choice"
    return [
        f"The {who} {how}: its samples are {percent(last)} as varied as uniform ones, after "
        f"{percent(first)} at the beginning (entropy of the options' shares, mean over decisions)."
    ]


def _of_moves(found: list[Preference]) -> list[str]:
    texts = []
    for each in sorted(found, key=lambda one: -one.moved):
        option, errors = each.rise()
        ends = each.ends
        if ends is None or errors < _LEAST_ERRORS:
            continue
        name = each.decided.options[option]
        said = each.decided.title if each.decided.source else f"{each.decided.title} {name}"
        texts.append(f"{said} ({percent(ends[0][option])} → {percent(ends[1][option])})")
    if not texts:
        return ["No option is sampled oftener at the end than at the beginning, beyond chance."]
    more = f", and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return [f"It turned to {', '.join(texts[:_MOST_NAMED])}{more}."]


def _of_effects(analysis: Analysis) -> list[str]:
    found = [each for each in analysis.effects if each.is_beyond_chance][:_MOST_NAMED]
    if not found:
        return ["No decision matters beyond chance by itself, as far as was measured."]
    texts = []
    for each in found:
        option = each.best(analysis.lower_is_better)
        best = "" if option is None else f", best {_option(each, option)}"
        texts.append(f"{each.decided.title} ({percent(each.share)}{best})")
    return [f"What matters most by itself: {'; '.join(texts)}."]


def _option(effect: Effect, option: int) -> str:
    return effect.decided.options[option]


def effects_table(analysis: Analysis) -> Markup:
    """Return the decisions ranked by how much they matter."""
    effects = analysis.effects
    if not effects or not analysis.columns.num_measured:
        return Markup("")
    titles = [
        "decision",
        "explains",
        "",
        "best option",
        f"median {analysis.unit.title}",
        "worst option",
        "median",
    ]
    shown_effects = effects[: _NUM_EFFECTS + _MORE_EFFECTS]
    rows = [_effect_row(analysis, each) for each in shown_effects]
    head = table(
        titles, rows[:_NUM_EFFECTS], numbers=(1, 4, 6), caption="Decisions by their effect"
    )
    more = rows[_NUM_EFFECTS:]
    rest = (
        folded(
            f"The next {len(more)} of {counted(len(effects), 'decision')}",
            table(titles, more, numbers=(1, 4, 6), caption="Further decisions by their effect"),
            key="effects",
        )
        if more
        else ""
    )
    number, read = analysis.columns.num_measured, len(analysis.measured.rows)
    note = (
        "How much a decision matters: the share of the variance of the rewards' ranks that lies "
        "between its options, less what as many options would show by chance (Kelley's epsilon "
        "squared; of a decision that exists in some architectures, among those). Grey: not beyond "
        "chance, by Kruskal and Wallis's test at 5 % over all decisions together. It counts what "
        "goes together with a choice, also through what else was chosen with it. "
        f"{_selection(read, number, 'different architecture')}"
    )
    return joined([element("h3", "Decisions by how much they matter"), head, rest, _note(note)])


def _effect_row(analysis: Analysis, effect: Effect) -> list[object]:
    known = not np.isnan(effect.medians).all()
    best = effect.best(analysis.lower_is_better)
    worst = effect.best(not analysis.lower_is_better)
    unit = analysis.unit
    name = effect.decided.title
    weak = None if effect.is_beyond_chance else "weak"
    ends: list[object] = [MISSING, "", MISSING, ""]
    if known and best is not None and worst is not None:
        ends = [
            element("code", _option(effect, best)),
            shown(unit, float(effect.medians[best])),
            element("code", _option(effect, worst)),
            shown(unit, float(effect.medians[worst])),
        ]
    share = element("span", percent(effect.share), class_=weak)
    return [element("span", name, class_=weak), share, bar(effect.share), *ends]


def preference_maps(analysis: Analysis) -> Markup:
    """Return a heat map per decision: how often each option was sampled, from left to right."""
    found = [each for each in analysis.preferences if not each.decided.source]
    found = [each for each in found if each.ends is not None]
    if not found:
        return Markup("")
    moved = sorted(found, key=lambda each: -each.moved)[:_MOST_DRAWN]
    drawn = [each for each in found if any(each is one for one in moved)]  # in their own order
    left_out = len(found) - len(drawn)
    maps = element("div", *map(_map, drawn), class_="maps")
    number, read = len(analysis.columns.trials), len(analysis.sampled.rows)
    parts = len(learning.windows(read))
    note = (
        "Each line is an option, its time runs from the first trial to the last in "
        f"{counted(parts, 'window')}: the darker, the more of the sampled architectures of that "
        "window took it, counted from the trials themselves. Beside it: its share in the first "
        f"window and in the last. {_selection(read, number, 'trial')}"
    )
    if left_out:
        note += f" The {left_out} that moved least are not drawn."
    return joined([element("h3", "How its preferences moved"), _legend(), maps, _note(note)])


def _legend() -> Markup:
    shades = np.arange(11) / 10
    return element("p", "never ", strip(shades), " always", class_="shades")


def _map(found: Preference) -> Markup:
    options, shares = list(found.decided.options), found.shares
    if len(options) > _MOST_OPTIONS:
        order = np.argsort(-np.nanmax(shares, axis=0), kind="stable")
        kept = np.sort(order[: _MOST_OPTIONS - 1])
        rest = np.delete(shares, kept, axis=1)
        number = len(options) - len(kept)
        options = [options[place] for place in kept] + [f"{number} others"]
        shares = np.column_stack([shares[:, kept], rest.sum(axis=1)])
    there = shares[~np.isnan(shares[:, 0])]
    rows = [
        Markup(
            f'<tr><th scope="row">{escaped(name)}</th><td>{strip(shares[:, place])}</td>'
            f"<td>{percent(there[0, place])} → {percent(there[-1, place])}</td></tr>"
        )
        for place, name in enumerate(options)
    ]
    body = element("tbody", *rows)
    return element("table", element("caption", found.decided.title), body, class_="map")


def skip_matrices(analysis: Analysis) -> Markup:
    """Return which layers take which: in the first quarter of the search and in the last."""
    found = learning.connections(analysis.preferences)
    if found is None:
        return Markup("")
    figures = [
        element(
            "figure",
            element("figcaption", f"In the {which} quarter"),
            matrix(shares, f"share of the skip connections in the {which} quarter"),
        )
        for which, shares in zip(("first", "last"), found, strict=True)
    ]
    moved = [each for each in analysis.preferences if each.decided.source and each.ends is not None]
    moved.sort(key=lambda each: -each.moved)
    rows = []
    for each in moved[:10]:
        ends = each.ends
        assert ends is not None
        rows.append([each.decided.title, percent(ends[0][1]), percent(ends[1][1])])
    return joined(
        [
            element("h3", "Skip connections"),
            element("div", *figures, class_="matrices"),
            _note(
                "Row: a layer; column: the earlier layer that it takes. The darker, the oftener."
            ),
            folded(
                "The connections that moved most",
                table(
                    ["connection", "first window", "last window"],
                    rows,
                    numbers=(1, 2),
                    caption="Skip connections that moved most",
                ),
                key="connections",
            ),
        ]
    )


def _selection(read: int, number: int, noun: str) -> str:
    if read >= number:
        return f"Of all {counted(number, noun)}."
    return f"Of {count(read)} of {counted(number, noun)}, evenly spread."


def _note(text: str) -> Markup:
    return element("p", text, class_="note")
