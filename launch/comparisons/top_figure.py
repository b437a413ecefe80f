"""Figure 6 from a comparison of searchers, in words and drawn, with the paper's own beside it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nas_with_rl.launch.comparisons.top_curves import RANDOM, ContestModels, Point, Sign, curves_of
from nas_with_rl.launch.paper.printed_curves import FIGURE_6, NUM_MODELS
from nas_with_rl.launch.paper.top_models import TOP, ModelMetric
from nas_with_rl.search_spaces.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS: Mapping[ModelMetric, str] = {
    "perplexity": "perplexity",
    "error": "percentage points of error",
}
COLOURS = ("#1f6fb4", "#e0812b", "#3a923a")
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of a run, at which its curve is told

Curves = Mapping[str, Mapping[int, tuple[Point, ...]]]


def all_curves(contest: ContestModels) -> Curves:
    """Return the curves of every searcher but random search, by k."""
    return {name: curves_of(contest, name) for name in contest.models if name != RANDOM}


def describe(contest: ContestModels, curves: Curves) -> str:
    """Return every searcher's curve as some rows, and whether its signs are the paper's."""
    data = contest.description.get("data") or {}
    unit = data.get("unit")
    lines = [
        f"{contest.experiment}: average validation {contest.metric}"
        + (f" of {unit}s" if unit else "")
        + f" of the top k unique models, random search minus each, in {UNITS[contest.metric]};",
        "above 0 it is better than random search; repeated and failed models count as run;",
        "±: the standard deviation over the seeds",
    ]
    with_paper = contest.metric == "perplexity"
    if with_paper:
        lines[-1] += "; (paper): of Penn Treebank words, after the same share of 15,000 models"
    for name, by_k in curves.items():
        lines += ["", f"{name}, {len(contest.models[name])} seeds"]
        lines += [*_rows(by_k, with_paper=with_paper), *_signs(by_k)]
    return "\n".join(lines)


def _rows(by_k: Mapping[int, tuple[Point, ...]], *, with_paper: bool) -> list[str]:
    last = max((points[-1].num_models for points in by_k.values() if points), default=0)
    width, beside = (26, " (paper)") if with_paper else (18, "")
    rows = ["  models" + "".join(f"top {k}{beside}".rjust(width) for k in by_k)]
    for share in SHARES:
        cells = []
        for k, points in by_k.items():
            reached = [point for point in points if point.num_models <= share * last]
            paper = f" ({_printed(k, share):+.2f})" if with_paper else ""
            cells.append((_told(reached[-1]) if reached else "-") + paper)
        rows.append(f"{share * last:8,.0f}" + "".join(cell.rjust(width) for cell in cells))
    return rows


def _told(point: Point) -> str:
    if len(point.differences) < 2:
        return f"{point.mean:+.3f}"
    return f"{point.mean:+.3f} ± {statistics.stdev(point.differences):.3f}"


def _printed(k: int, share: float) -> float:
    """Return the paper's point that is closest to a share of its models."""
    return min(FIGURE_6[k], key=lambda point: abs(point[0] - share * NUM_MODELS))[1]


def _signs(by_k: Mapping[int, tuple[Point, ...]]) -> list[str]:
    """Say of the curves' ends whether they have the paper's sign."""
    found: dict[Sign, list[str]] = {"better": [], "worse": [], "not told": []}
    for k, points in by_k.items():
        if points:
            found[points[-1].sign].append(f"top {k}")
    said: Mapping[Sign, str] = {
        "better": "better than random search with every seed, the paper's sign",
        "worse": "worse than random search with every seed, against the paper",
        "not told": "the seeds do not tell",
    }
    return [f"at the end, {', '.join(ks)}: {said[sign]}" for sign, ks in found.items() if ks]


def new_panels(number: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels side by side, of so many inches, that is the same file every time.

    Raises:
      InputError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise InputError(
            "--out needs matplotlib, which is not installed: pip install 'nas_with_rl[plots]'"
        ) from None
    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "nas_with_rl"  # the same picture from the same numbers
    figure, panels = pyplot.subplots(
        1, number, figsize=size, layout="constrained", squeeze=False, facecolor="white"
    )
    for panel in panels[0]:
        panel.axhline(0, color="black", linewidth=0.8)
        panel.set_xlabel("models run")
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(panels[0])


def save(figure: Figure, out: Path) -> None:
    """Write a figure and close it; InputError where the file cannot be written."""
    from matplotlib import pyplot

    try:
        figure.savefig(out, metadata={"Date": None})
    except OSError as error:
        raise InputError(f"--out={out} cannot be written: {error.strerror}") from None
    finally:
        pyplot.close(figure)


def draw(contest: ContestModels, curves: Curves, out: Path) -> None:
    """Draw a panel for each searcher, every seed a thin line, and one of the paper's own curves.

    Raises:
      InputError: matplotlib is not installed, or the file cannot be written.
    """
    number = len(curves) + 1
    figure, panels = new_panels(number, (3.2 * number, 3.2))
    for panel, (name, by_k) in zip(panels, curves.items(), strict=False):
        panel.set_title(name.replace("+", "\n"), fontsize=9)
        for colour, (k, points) in zip(COLOURS, by_k.items(), strict=True):
            models = [point.num_models for point in points]
            panel.plot(models, [each.mean for each in points], color=colour, label=f"top {k}")
            for of_seed in zip(*(point.differences for point in points), strict=True):
                panel.plot(models, of_seed, color=colour, linewidth=0.5, alpha=0.6)
    panels[0].set_ylabel(f"random search minus it,\n{UNITS[contest.metric]}")
    panels[-1].set_title("the paper's, perplexity of words", fontsize=9)
    for colour, k in zip(COLOURS, TOP, strict=True):
        panels[-1].plot(*zip(*FIGURE_6[k], strict=True), color=colour, label=f"top {k}")
    panels[0].legend(frameon=False, fontsize=8)
    save(figure, out)
