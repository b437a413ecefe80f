"""A search's trials as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.units import Unit, measured_names
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Step

if TYPE_CHECKING:
    import pandas

_FIRST: dict[str, Callable[[Trial], Any]] = {
    "status": lambda trial: trial.status,
    "reward": lambda trial: trial.reward,
}
_LAST: dict[str, Callable[[Trial], Any]] = {
    "parameters": lambda trial: trial.num_parameters,
    "failure": lambda trial: trial.failure,
    "message": lambda trial: trial.message,
    "reused_from": lambda trial: trial.reused_from,
    "started": lambda trial: trial.started,
    "ended": lambda trial: trial.ended,
    "seconds": lambda trial: _seconds(trial),
    "depth": lambda trial: trial.depth or None,
    "seed": lambda trial: trial.seed,
    "worker": lambda trial: trial.worker,
    "architecture": lambda trial: trial.architecture,
}
_COUNTS = ("parameters", "reused_from", "depth")
_TIMES = ("started", "ended")
_TAKEN = frozenset((*_FIRST, *_LAST, "trial"))


def trial_table(trials: Sequence[Trial], space: SearchSpace) -> pandas.DataFrame:
    """Return `SearchResult.table`; InputError without pandas."""
    try:
        import pandas
    except ImportError:
        raise InputError(
            "a table needs pandas, which is not installed: pip install 'nas_with_rl[tables]'"
        ) from None
    index = pandas.Index([trial.number for trial in trials], name="trial")
    columns: dict[str, pandas.Series] = {}

    def add(name: str, values: list[Any], kind: str | None = None) -> None:
        columns[name] = pandas.Series(values, index, dtype=kind)

    for name, value_of in _FIRST.items():
        add(name, list(map(value_of, trials)), "float64" if name == "reward" else None)
    for name, values in _decided(trials, space).items():
        # NumPy's integers know of no missing one.
        add(name, values, "Int64" if _are_integers(values) and None in values else None)
    for name in measured_names(trials):
        title = f"metric: {name}" if name in columns or name in _TAKEN else name
        unit = Unit(name)
        add(title, [_measured(unit, trial) for trial in trials], "float64")
    for name, value_of in _LAST.items():
        values = list(map(value_of, trials))
        add(name, values, "Int64" if name in _COUNTS else None)
        if name in _TIMES:
            seconds = columns[name].astype("float64")
            columns[name] = pandas.to_datetime(seconds, unit="s", utc=True)
    return pandas.DataFrame(columns, index=index)


def _seconds(trial: Trial) -> float | None:
    if trial.started is None or trial.ended is None:
        return None
    return max(trial.ended - trial.started, 0.0)


def _measured(unit: Unit, trial: Trial) -> float | None:
    # Not the reward: a measurement may have that name.
    return unit.measured(trial) if trial.status in ("completed", "stopped") else None


def _are_integers(values: Sequence[Any]) -> bool:
    return all(value is None or type(value) is int for value in values)


def _decided(trials: Sequence[Trial], space: SearchSpace) -> dict[str, list[Any]]:
    """Return by decision what each trial has chosen; None where the decision does not exist."""
    depths = {trial.depth for trial in trials}
    spaces = {depth: space.at_depth(depth) if depth else space for depth in depths}
    deepest = spaces[max(depths)] if depths else space
    titles = [_title(step) for step in deepest.steps]
    found: dict[str, list[Any]] = {title: [None] * len(trials) for title in titles}
    known: dict[tuple[str, int], Architecture] = {}
    for row, trial in enumerate(trials):
        key = trial.architecture, trial.depth
        if key not in known:
            known[key] = parse_architecture(trial.architecture, spaces[trial.depth])
        architecture = known[key]
        for step, token in zip(architecture.space.steps, architecture.tokens, strict=True):
            found[_title(step)][row] = _chosen(step, token)
    return found


def _title(step: Step) -> str:
    return f"decision: {step.title}" if step.title in _TAKEN else step.title


def _chosen(step: Step, token: Any) -> Any:
    """Return what stands in a cell: a plain option itself, of any other its text."""
    if not isinstance(step.decision, Choice) or not isinstance(token, int):
        return token
    # None is for what does not exist.
    option = step.decision.written(token)
    return step.decision.texts[token] if option is None else option
