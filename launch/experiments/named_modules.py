"""Modules of one's own that a run names: which of its flags --resume has to be given again.

A workdir may come from someone else, and to import a module is to run it. So a module is imported
where the command line names it, and not where `experiment.json` alone does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.search_spaces.errors import InputError

_FUNCTION = "child.function"  # the field that an override may set to a "module:function"


def naming_flags(
    experiment: object = None, *, evaluate: object = None, overrides: Sequence[object] = ()
) -> tuple[str, ...]:
    """Return the flags among a run's that name modules: what a command that continues it repeats.

    Args:
      experiment: a name, or "module:attribute".
      evaluate: "module:function" or None.
      overrides: "path.to.field=value"; all of them are repeated, as given ones replace the run's.
    """
    named = any(str(each).partition("=")[0].strip() == _FUNCTION for each in overrides)
    return (
        *([f"--experiment={experiment}"] if ":" in str(experiment) else []),
        *([] if evaluate is None else [f"--evaluate={evaluate}"]),
        *(f"--override={each}" for each in (overrides if named else ())),
    )


def check_named(flags: Sequence[str], workdir: str | Path, *, flag: str = "--workdir") -> None:
    """Refuse to import modules that a workdir names and the command line does not.

    Args:
      flags: which name them, and were not given.
      workdir: that names them.
      flag: that the workdir was given with.

    Raises:
      InputError: there are such flags.
    """
    if flags:
        raise InputError(
            f"{flag}={workdir} names a module of one's own, which is imported only where the "
            f"command line names it too: if it is one that you trust, add {shlex.join(flags)}"
        )
