"""The flags that the binaries of a search have in common."""

from __future__ import annotations

import os

from absl import flags

from nas_with_rl.launch.clusters.options import START_TIMEOUT_SECONDS, ClusterOptions
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.search_spaces.errors import InputError, shortened, shown_path

_TABLE = "table"  # the experiment of one's own tables


class SearchFlags:
    """Defines what is asked of any search, as flags of the binary that makes one of these."""

    def __init__(self, *, plan: bool = False) -> None:
        """Define the flags.

        Args:
          plan: whether --plan is one of them.
        """
        flags.disclaim_key_flags()  # they are the binary's; --help shows those alone
        self._experiment = flags.DEFINE_string(
            "experiment",
            None,
            "Which experiment to run; 'help' lists them. Not needed with --resume.",
        )
        self._workdir = flags.DEFINE_string(
            "workdir",
            None,
            "Directory that keeps the run. Default: runs/<experiment>-<date and time>.",
        )
        self._data_dir = flags.DEFINE_string(
            "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
        )
        self._num_samples = flags.DEFINE_integer(
            "num_samples",
            None,
            "Architectures to sample; a larger number extends a resumed run.",
            lower_bound=1,
        )
        self._seed = flags.DEFINE_integer(
            "seed",
            None,
            "Equal seeds give equal searches. Default: 0.",
            lower_bound=0,
            upper_bound=2**63 - 1,
        )
        self._override = flags.DEFINE_multi_string(
            "override",
            [],
            "Changes a field of the experiment, as in child.epochs=5 or search.searcher=evolution. "
            "Repeatable.",
        )
        self._evaluate = flags.DEFINE_string(
            "evaluate", None, "Your own evaluation of an architecture, as module:function."
        )
        self._table = flags.DEFINE_string(
            "table",
            None,
            "A table of measured architectures to search: CSV, JSON or SQLite, a column for each "
            "decision and one for the value (--override=space.value=COLUMN).",
        )
        self._resume = flags.DEFINE_bool("resume", False, "Continue the run in --workdir.")
        self._plan = _plan_flag() if plan else None

    def asks_for_help(self) -> bool:
        """Return whether the experiments are to be listed."""
        return self._experiment.value == "help"

    def request(self) -> SearchRequest:
        """Return what the parsed flags say."""
        experiment, overrides = of_table(
            self._experiment.value, tuple(self._override.value), self._table.value
        )
        return SearchRequest(
            experiment=experiment,
            workdir=self._workdir.value,
            data_dir=self._data_dir.value,
            num_samples=self._num_samples.value,
            seed=self._seed.value,
            overrides=overrides,
            evaluate=self._evaluate.value,
            resume=self._resume.value,
            plan=None if self._plan is None else self._plan.value,
        )


def of_table(
    experiment: str | None, overrides: tuple[str, ...], table: str | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return the experiment and the overrides with what --table says in the experiment's place.

    Raises:
      InputError: both are given.
    """
    if table is None:
        return experiment, overrides
    if experiment not in (None, _TABLE):
        raise InputError(
            f"--table={shown_path(table)} is a search of its own: leave "
            f"--experiment={shortened(experiment)} out"
        )
    # Wherever the run is continued from.
    return _TABLE, (f"space.path={os.path.abspath(table)}", *overrides)


def _plan_flag() -> flags.FlagHolder:
    return flags.DEFINE_string(
        "plan",
        None,
        "How children are trained: auto (measured, the default), population:CHILDREN@PROCESSES, "
        "single@PROCESSES (each compiles its own program) or here (in this process).",
    )


class ClusterFlags:
    """Defines what is asked of a cluster besides."""

    def __init__(self) -> None:
        flags.disclaim_key_flags()
        self._synchronous = flags.DEFINE_bool(
            "synchronous",
            None,
            "Update the controller as a single process would. Default: no, or as the resumed run.",
        )
        self._start_timeout = flags.DEFINE_float(
            "start_timeout",
            START_TIMEOUT_SECONDS,
            "Seconds to wait for missing workers and servers at the start, and later, at least 15, "
            "for any worker at all.",
            lower_bound=0.0,
        )

    def options(self) -> ClusterOptions:
        """Return what the parsed flags say."""
        return ClusterOptions(self._synchronous.value, self._start_timeout.value)
