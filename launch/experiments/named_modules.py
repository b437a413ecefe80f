"""Modules of one's own that a run names: which of its flags --resume has to be given again.

A workdir may come from someone else, and to import a module is to run it. So a module is imported
where the command line names it, and not where `experiment.json` alone does.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import shlex
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.search_spaces.errors import InputError, line_of

_imported: set[str] = set()  # names whose modules are in this process, or were tried
# Fields that an override may set to a "module:name".
_FUNCTION, _SEARCHER = "child.function", "search.searcher"


def naming_flags(
    experiment: object = None, *, evaluate: object = None, overrides: Sequence[object] = ()
) -> tuple[str, ...]:
    """Return the flags among a run's that name modules: what a command that continues it repeats.

    Args:
      experiment: a name, or "module:attribute".
      evaluate: "module:function" or None.
      overrides: "path.to.field=value"; all of them are repeated, as given ones replace the run's.
    """
    named = any(map(_names_module, overrides))
    return (
        *([f"--experiment={experiment}"] if ":" in str(experiment) else []),
        *([] if evaluate is None else [f"--evaluate={evaluate}"]),
        *(f"--override={each}" for each in (overrides if named else ())),
    )


def _names_module(override: object) -> bool:
    field, _, value = str(override).partition("=")
    return field.strip() == _FUNCTION or (field.strip() == _SEARCHER and ":" in value)


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


def any_is_imported() -> bool:
    """Return whether this process has run code of a module of one's own."""
    return bool(_imported)


def check_name(text: str, *, flag: str) -> None:
    """Raise InputError where the text is not of the form "package.module:name"."""
    module, _, name = str(text).partition(":")
    if not all(word.isidentifier() for word in (*module.split("."), name)):
        raise InputError(f"{flag}={text}: expected MODULE:NAME, as in my_package.my_module:name")


def imported(text: str, *, flag: str) -> Any:
    """Import what "module:name" stands for.

    Args:
      text: the name.
      flag: that it was given with.

    Raises:
      InputError: another form, no such module or name, a module that lacks what it imports, raises
        anything else or calls `sys.exit`.
    """
    check_name(text, flag=flag)
    module_name, _, name = text.partition(":")
    with importing(text, flag):
        module = importlib.import_module(module_name)
        with contextlib.suppress(AttributeError):
            return getattr(module, name)
    raise InputError(f"{flag}={text}: the module {module_name} has no {name!r}")


@contextlib.contextmanager
def importing(text: str, flag: str) -> Iterator[None]:
    """Turn what the module of a name raises as it is imported into an InputError."""
    _imported.add(text)
    try:
        yield
    except ImportError as error:
        raise not_imported(error, text, flag) from error
    except InputError as error:
        raise InputError(f"{flag}={text}: {error}") from error
    except (Exception, SystemExit) as error:
        raised = line_of(error)
        if not isinstance(error, SyntaxError):  # which says where
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raised += f" ({frame.filename}, line {frame.lineno})"
        module = text.partition(":")[0]
        raise InputError(f"{flag}={text}: importing {module} has raised {raised}") from error


def not_imported(error: ImportError, text: str, flag: str) -> InputError:
    """Return the error that a name's module, or one that it imports, is not there."""
    module = text.partition(":")[0]
    is_itself = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
    where = "; it must lie in the current directory, on PYTHONPATH or be installed"
    return InputError(
        f"{flag}={text}: the module {module} cannot be imported: {error}"
        + (where if is_itself else "")
    )
