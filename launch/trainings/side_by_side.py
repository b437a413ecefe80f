"""Final trainings side by side: the table of their figures, and their curves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas_with_rl.launch.records.training_result import FinalResult, Metric
from nas_with_rl.search_spaces.whole_files import written_whole

CURVES = "curves.svg"
Results = Mapping[str, Sequence[FinalResult]]  # by name, of each seed

_AXIS: Mapping[Metric, str] = {
    "accuracy": "validation error, %",
    "perplexity": "validation perplexity",
    "bits_per_character": "validation, bits per character",
}


def table(results: Results) -> str:
    """Return the results side by side, one line each: means over the seeds, with their spread."""
    metric = next(iter(results.values()))[0].metric
    heading = ("", "parameters", "multiply-adds", "s per epoch", _AXIS[metric], "epoch", "test")
    rows: list[tuple[str, ...]] = [heading]
    rows += [(name, *_cells(of_seeds)) for name, of_seeds in results.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    )


def _cells(results: Sequence[FinalResult]) -> tuple[str, ...]:
    first, whole = results[0], [each for each in results if each.status != "failed"]
    seconds = [each.seconds_per_epoch for each in results if each.seconds_per_epoch is not None]
    epochs = [str(each.best_epoch) for each in results if each.best_epoch]
    return (
        f"{first.num_parameters:,}",
        f"{first.multiply_adds:,}",
        f"{statistics.fmean(seconds):.1f}" if seconds else "-",
        _mean([each.best_validation for each in whole], first.metric),
        ", ".join(epochs) or "-",
        _mean([each.test for each in whole], first.metric) if whole else "failed",
    )


def _mean(values: Sequence[float | None], metric: Metric) -> str:
    """Return the mean of figures, with their sample standard deviation where there are several."""
    known = [_plotted(value, metric) for value in values if value is not None]
    if not known:
        return "-"
    digits = 4 if metric == "bits_per_character" else 2
    spread = f" ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{statistics.fmean(known):.{digits}f}{spread}"


def _plotted(value: float, metric: Metric) -> float:
    """Return a figure in the unit of `_AXIS`."""
    return 100 * (1 - value) if metric == "accuracy" else value


def drawn(results: Results, path: Path) -> str:
    """Draw the curves; return a line that says where they are, or why there are none."""
    try:
        draw_curves(results, path)
    except ImportError:
        return f"no {path.name}: it needs matplotlib, pip install 'nas_with_rl[plots]'"
    return f"curves: {path}"


def draw_curves(results: Results, path: Path) -> None:
    """Draw the validation figures by epoch as SVG; perplexities on a logarithmic axis.

    Of several seeds each is a line, in the colour of its architecture.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

    metric = next(iter(results.values()))[0].metric
    with rc_context({"font.size": 12, "svg.hashsalt": "curves"}):
        picture = Figure(figsize=(8, 5), layout="constrained")
        axes = picture.add_subplot(xlabel="epoch", ylabel=_AXIS[metric])
        for index, (name, of_seeds) in enumerate(results.items()):
            style = ("-", "--", ":", "-.")[index // 10 % 4]  # the colours come back after ten
            for number, result in enumerate(of_seeds):
                values = [_plotted(value, metric) for value in result.validation]
                title = "_" if number else name  # a legend leaves out what begins so
                colour = f"C{index % 10}"
                axes.plot(
                    range(1, len(values) + 1),
                    values,
                    f"{style}o",
                    color=colour,
                    markersize=3,
                    label=title,
                )
        if metric == "perplexity":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_locator(LogLocator(subs=()))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
        with written_whole(path) as temporary:
            picture.savefig(temporary, format="svg", metadata={"Date": None})
