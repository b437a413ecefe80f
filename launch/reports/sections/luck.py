"""Is it luck?"""

from __future__ import annotations

from nas_with_rl.launch.reports.analysis import Analysis
from nas_with_rl.launch.reports.markup import Markup, element, joined, table
from nas_with_rl.launch.reports.numerals import count, counted, percent, shown, significant
from nas_with_rl.launch.results.candidates import Candidate, Comparison, verdicts


def luck_answer(analysis: Analysis) -> Markup:
    """Return what tells luck from merit: fresh seeds, repeats, and what is sampled late."""
    comparison = analysis.subject.comparison
    parts: list[Markup] = []
    if comparison:
        parts += _fresh_seeds(analysis, comparison)
    parts += _repeats(analysis, is_told=bool(comparison))
    parts += _progress(analysis)
    if not parts:
        return element("p", "Too little has been measured to tell.", class_="answer")
    return joined(parts)


def _fresh_seeds(analysis: Analysis, comparison: Comparison) -> list[Markup]:
    sentences = [_sentence(each) for each in verdicts(comparison.candidates)]
    said = " ".join(sentences) or "Fewer than two could be compared."
    rows = [_row(each) for each in comparison.candidates]
    now = len(analysis.columns.trials)
    stale = ""
    if comparison.num_trials != now:
        stale = f" It was measured when the search had {counted(comparison.num_trials, 'trial')}."
    note = (
        "Each trained again with seeds that no trial had: a search picks the best of many numbers, "
        f"which is partly luck, and fresh seeds are not picked.{stale}"
    )
    titles = ["trained again", "parameters", "perplexity", "of each seed"]
    return [
        element("p", f"On {counted(comparison.num_seeds, 'fresh seed')}: {said}", class_="answer"),
        table(titles, rows, numbers=(1, 2), caption="Trained again with fresh seeds"),
        element("p", note, class_="note"),
    ]


def _sentence(verdict: str) -> str:
    return verdict[:1].upper() + verdict[1:]


def _row(candidate: Candidate) -> list[object]:
    if not candidate.perplexities:
        return [candidate.title, count(candidate.num_parameters), "failed with every seed", ""]
    spread = "" if candidate.spread is None else f" ± {significant(candidate.spread, 2)}"
    each = ", ".join(significant(perplexity) for perplexity in candidate.perplexities)
    mean = f"{significant(candidate.mean)}{spread}"
    return [candidate.title, count(candidate.num_parameters), mean, each]


def _repeats(analysis: Analysis, *, is_told: bool) -> list[Markup]:
    """Return what evaluations of the same architecture say; `is_told`: fresh seeds have told."""
    found, unit = analysis.repeats, analysis.unit
    answer = "answer" if not is_told else None
    if found is None:
        if is_told or not analysis.top:
            return []
        text = (
            "Every value is looked up in a table, the same each time: the order of the "
            "architectures is no luck of this search."
            if analysis.subject.is_looked_up
            else "Every architecture was measured once, so how far a second measurement would "
            "differ is not known here. A command below measures the best few again."
        )
        return [element("p", text, class_=answer)]
    text = (
        f"{counted(found.num_architectures, 'architecture')} measured several times, "
        f"{count(found.num_evaluations)} evaluations in all, differ from one evaluation to the "
        f"next by ± {shown(unit, found.deviation, 2)} (standard deviation). "
    )
    if found.lead is not None:
        clear = "beyond" if found.lead >= 2 else "within"
        text += (
            f"The best leads the second by {significant(found.lead, 2)} standard errors, {clear} "
            "what luck explains"
        )
        others = counted(found.num_alike, "architecture")
        are = "is" if found.num_alike == 1 else "are"
        text += (
            f"; {others} {are} less than two standard errors behind it and cannot be told from it."
            if found.num_alike
            else ", and no other architecture is less than two behind."
        )
    return [element("p", text, class_=answer)]


def _progress(analysis: Analysis) -> list[Markup]:
    found = analysis.trend
    if found is None:
        return []
    word = "above" if found.last > found.first else "below"
    sure = abs(found.wins - 0.5) > 2 * found.error
    text = (
        f"What is sampled: the mean reward of the last {count(found.number)} trials is "
        f"{significant(found.last)}, {word} the {significant(found.first)} of the first "
        f"{count(found.number)}. A late trial beats an early one in {percent(found.wins)} of all "
        "pairs"
    )
    if sure and found.wins > 0.5:
        text += ": the search samples better than it began, beyond chance."
    elif sure:
        text += ": the search samples worse than it began, beyond chance."
    else:
        text += f", which chance alone does, too (50 % ± {significant(200 * found.error, 2)})."
    return [element("p", text)]
