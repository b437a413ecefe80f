"""Policy gradient beside random search, as the paper's Figure 6:
python -m nas_with_rl.launch.figure_6 --policy_gradient=runs/a --random=runs/b --out=figure_6.svg

The two workdirs hold searches of the same experiment that differ in `search.searcher`, as the
experiments ptb and ptb_random. Prints how far random search's top 1, 5 and 15 unique models lie
above policy gradient's on average, and draws it. ConvNets are compared by their error. In their
place --comparison=runs/c names what compare_searchers has left, with several searchers and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.comparisons import top_figure
from nas_with_rl.launch.comparisons.top_figure import COLOURS, UNITS
from nas_with_rl.launch.paper.printed_curves import FIGURE_6, NUM_MODELS
from nas_with_rl.launch.paper.top_models import (
    INTERVAL,
    MOST_POINTS,
    Curve,
    FinishedSearch,
    check_comparable,
    improvements,
    interval,
    read_search,
)
from nas_with_rl.launch.records.workdir import absolute_path
from nas_with_rl.search_spaces.errors import InputError

_POLICY_GRADIENT = flags.DEFINE_string(
    "policy_gradient", None, "Workdir of the search with search.searcher reinforce."
)
_RANDOM = flags.DEFINE_string("random", None, "Workdir of the search with search.searcher random.")
_COMPARISON = flags.DEFINE_string(
    "comparison", None, "Workdir of compare_searchers, in the place of the two searches."
)
_OUT = flags.DEFINE_string(
    "out", None, "Where to write the drawing, a name that ends in .svg; without it none is drawn."
)


def main() -> None:
    """Compare the two searches that the flags name."""
    if _OUT.value and Path(_OUT.value).suffix != ".svg":
        raise InputError(f"--out={_OUT.value} does not end in .svg")
    out = absolute_path(_OUT.value or ".", "--out")
    if _COMPARISON.value:
        for flag in ("policy_gradient", "random"):
            if flags.FLAGS[flag].present:
                raise InputError(f"--{flag} has no effect with --comparison")
        return _of_comparison(_COMPARISON.value, out)
    if not _POLICY_GRADIENT.value or not _RANDOM.value:
        raise InputError(
            "--policy_gradient and --random are needed, the workdirs of two searches, or "
            "--comparison"
        )
    learned = read_search(_POLICY_GRADIENT.value, "policy gradient")
    drawn = read_search(_RANDOM.value, "random search")
    check_comparable(learned, drawn)
    curves = improvements(learned, drawn)
    shorter = min(len(learned.models), len(drawn.models))
    left_out = _why_left_out(learned, shorter)
    print(_described(learned, drawn, curves))
    if _OUT.value:
        paper = {} if left_out else _cut(FIGURE_6, shorter)
        _draw(curves, paper, UNITS[learned.metric], out)
        print(f"\nwrote {_OUT.value}; {left_out or 'thin lines are the curves of the paper'}")


def _of_comparison(workdir: str, out: Path) -> None:
    from nas_with_rl.launch.comparisons.top_curves import read_contest

    contest = read_contest(workdir)
    curves = top_figure.all_curves(contest)
    print(top_figure.describe(contest, curves))
    if _OUT.value:
        top_figure.draw(contest, curves, out)
        print(f"\nwrote {_OUT.value}; thin lines are the seeds")


def _described(learned: FinishedSearch, drawn: FinishedSearch, curves: Mapping[int, Curve]) -> str:
    shorter = min(len(learned.models), len(drawn.models))
    step = interval(shorter)
    share = "" if step == INTERVAL else f", 1/{MOST_POINTS} of the shorter run"
    lines = [
        f"{name}: {search.workdir}, {len(search.models):,} models, {search.num_failed:,} failed"
        for name, search in (("policy gradient", learned), ("random search", drawn))
    ]
    lines += [
        f"average validation {learned.metric} of the top k unique models, random search minus "
        "policy gradient,",
        f"in {UNITS[learned.metric]}; above 0, policy gradient is better",
        f"a point every {step:,} models{share}; repeated and failed ones count as run",
        "",
        f"{'models':>8}" + "".join(f"{f'top {k}':>9}" for k in curves),
    ]
    by_count = {k: dict(curve) for k, curve in curves.items()}
    for count in sorted({count for curve in by_count.values() for count in curve}):
        cells = (curve.get(count) for curve in by_count.values())
        row = "".join(f"{'-' if value is None else f'{value:.2f}':>9}" for value in cells)
        lines.append(f"{count:>8,}{row}")
    return "\n".join(lines)


def _why_left_out(search: FinishedSearch, num_models: int) -> str | None:
    """Say why the paper's curves do not belong beside a search's; None where they do."""
    data = search.description.get("data")
    on_ptb = isinstance(data, dict) and (data.get("source"), data.get("unit")) == ("ptb", "word")
    if search.metric != "perplexity" or not on_ptb:
        return "the paper's curves are left out: they are perplexities of Penn Treebank words"
    if num_models < NUM_MODELS:
        return (
            f"the paper's curves are left out: the run has {num_models:,} models, the paper's "
            f"{NUM_MODELS:,}"
        )
    return None


def _cut(curves: Mapping[int, Curve], num_models: int) -> dict[int, Curve]:
    return {
        k: tuple(point for point in curve if point[0] <= num_models) for k, curve in curves.items()
    }


def _draw(curves: Mapping[int, Curve], paper: Mapping[int, Curve], unit: str, out: Path) -> None:
    figure, (axes,) = top_figure.new_panels(1, (7.2, 3.6))
    for colour, (k, curve) in zip(COLOURS, curves.items(), strict=True):
        title = f"top {k} unique model{'s' if k > 1 else ''}"
        axes.plot(*_columns(curve), color=colour, linewidth=2, label=title)
        if k in paper:
            axes.plot(*_columns(paper[k]), color=colour, linewidth=0.7, label=f"{title}, paper")
    axes.set_ylabel(f"random search minus policy gradient,\n{unit}")
    figure.legend(loc="outside upper center", ncols=len(curves), frameon=False, fontsize=8)
    top_figure.save(figure, out)


def _columns(curve: Curve) -> tuple[list[int], list[float]]:
    return [count for count, _ in curve], [value for _, value in curve]


if __name__ == "__main__":
    command_line.run_main(main)
