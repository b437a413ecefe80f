"""Beginning and resuming a run, of every kind: what is asked for, and the claim of its workdir.

One rule: what is given to a run that is resumed has to equal what is stored of it, or be among what
its kind may change; what is not given is as stored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.experiments.overrides import difference
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError, shortened

Description = dict[str, Any]  # what `experiment.json` says of a run


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a binary is asked for, whatever it runs; None or nothing where a flag was not given.

    Attributes:
      workdir: the directory that keeps the run.
      seed: of all its draws.
      overrides: "path.to.field=value", of its experiment.
    """

    workdir: str | None = None
    seed: int | None = None
    overrides: tuple[str, ...] = ()

    def place(self) -> Workdir:
        """Return the workdir; InputError where none is given."""
        if self.workdir is None:
            raise InputError("--workdir is missing: the directory that keeps the run")
        return Workdir(self.workdir)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentRequest(RunRequest):
    """What is asked of a run of a named experiment, which is begun, or resumed with --resume.

    Attributes:
      experiment: a name, or "module:attribute".
      data_dir: where the data lies.
      resume: whether the run in the workdir is continued.
    """

    experiment: str | None = dataclasses.field(default=None, kw_only=False)
    data_dir: str | None = None
    resume: bool = False

    def named(self) -> tuple[str, ...]:
        """Return the flags that name modules, which --resume needs again."""
        return naming_flags(self.experiment, overrides=self.overrides)

    def resume_command(self, binary: str) -> str:
        """Return the command that continues the run."""
        words = ("--resume", f"--workdir={self.workdir}", *self.named())
        return shlex.join((sys.executable, "-m", f"nas_with_rl.launch.{binary}", *words))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchRequest(ExperimentRequest):
    """What is asked of a search.

    Attributes:
      num_samples: architectures to sample.
      evaluate: one's own evaluation, as "module:function".
      plan: how children are trained.
    """

    num_samples: int | None = None
    evaluate: str | None = None
    plan: str | None = None

    def named(self) -> tuple[str, ...]:
        """See `ExperimentRequest`."""
        return naming_flags(self.experiment, evaluate=self.evaluate, overrides=self.overrides)

    def words(self) -> tuple[str, ...]:
        """Return the flags that say the same."""
        names = ("experiment", "workdir", "data_dir", "num_samples", "seed", "evaluate", "plan")
        values = {name: getattr(self, name) for name in names}
        return (
            *(f"--{flag}={value}" for flag, value in values.items() if value is not None),
            *(f"--override={override}" for override in self.overrides),
            *(["--resume"] if self.resume else []),
        )


Asked = TypeVar("Asked", bound=ExperimentRequest)
Begun = TypeVar("Begun", bound=RunRequest)


@dataclasses.dataclass(frozen=True)
class RunKind:
    """A kind of run: what is stored of a request for it, and what a resumed one may change.

    Attributes:
      name: in messages, after "not a".
      kind: what `experiment.json` calls it; of a search it says nothing.
      stored: of fields of its requests, where `experiment.json` has them: the first that is there.
      may_change: what need not be the same, beside `location`, as in "search.num_samples".
      groups: what `experiment.json` has of it beside.
      current: returns a description of before as it is written today.
    """

    name: str
    kind: str | None
    stored: Mapping[str, Sequence[str]]
    may_change: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    current: Callable[[Description], Description] = dict


STORED: Mapping[str, Sequence[str]] = MappingProxyType(  # of every named experiment's run
    {"experiment": ("experiment",), "seed": ("seed",), "data_dir": ("location.data_dir",)}
)


def new_workdir(name: str) -> str:
    """Return the default workdir of a run that is begun now."""
    return f"runs/{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def stored_run(request: ExperimentRequest, kind: RunKind) -> Description:
    """Return the description of the run that is to be resumed; InputError where there is none."""
    if request.workdir is None:
        raise InputError("--resume needs --workdir, the run to continue")
    return read_run(Workdir(request.workdir), kind)


def read_run(place: Workdir, kind: RunKind) -> Description:
    """Return the description of the run that is here; InputError for another kind of run."""
    stored = kind.current(place.read())
    has_groups = all(isinstance(stored.get(group), dict) for group in kind.groups)
    if stored.get("kind") != kind.kind or not has_groups:
        article = "an" if kind.name[0] in "aeiou" else "a"
        raise InputError(
            f"--workdir={place.path} holds another kind of run, not {article} {kind.name}"
        )
    return stored


def complete(request: Asked, stored: Description, kind: RunKind) -> Asked:
    """Return a request to resume with what it leaves open as the run that is there says it.

    Raises:
      InputError: the run names a module of one's own that the request does not, or no experiment.
    """
    where = f"--workdir={request.workdir}"
    known = {name: _first(stored, places) for name, places in kind.stored.items()}
    overrides = _first(stored, ("overrides", "grid.overrides")) or ()
    given = [(_field(each), _value(each)) for each in request.overrides]
    left_out = naming_flags(
        None if request.experiment else known["experiment"],
        evaluate=None if getattr(request, "evaluate", None) else known.get("evaluate"),
        overrides=[each for each in overrides if (_field(each), _value(each)) not in given],
    )
    check_named(left_out, str(request.workdir))
    if known["experiment"] is None or known.get("seed", 0) is None:
        raise InputError(f"{where} is not a run of a named experiment")
    names = (known["experiment"], request.experiment or known["experiment"])
    if overrides and ":" not in "".join(names) and names[0] != names[1]:  # they are not for it
        raise _another_run(str(request.workdir), f"experiment: {names[0]!r} / {names[1]!r}")
    return fill_in(request, known, overrides)


def fill_in(request: Begun, known: Mapping[str, Any], overrides: Sequence[str]) -> Begun:
    """Return a request to resume with what it leaves open as the run that is there has it.

    Args:
      request: of the run.
      known: of its fields, what is stored.
      overrides: that are stored.
    """
    left_open: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in known.items()
        if getattr(request, name) in (None, ()) and value is not None
    }
    together = with_given(overrides, request.overrides)
    return dataclasses.replace(request, **left_open, overrides=together)


def with_given(stored: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides of a resumed run: the stored ones, each given one in its field's place.

    Given ones that say what is stored change nothing, not even the order. Of a field that is set
    several times the last one counts.
    """
    last = {_field(each): _value(each) for each in stored}
    asked = {_field(each): each for each in given}
    changed = {field: each for field, each in asked.items() if last.get(field) != _value(each)}
    kept = dict.fromkeys(changed.get(_field(each), each) for each in stored)
    return (*kept, *(each for field, each in changed.items() if field not in last))


def _field(override: str) -> str:
    return override.partition("=")[0].strip()


def _value(override: str) -> str:
    return override.partition("=")[2].strip()


def _first(stored: Description, places: Sequence[str]) -> Any:
    """Return what stands at the first of some places that has anything, as "search.num_samples"."""
    for place in places:
        group, _, member = place.rpartition(".")
        inside = stored.get(group, {}) if group else stored
        if isinstance(inside, dict) and inside.get(member) is not None:
            return inside[member]
    return None


def check_same(
    stored: Description, wanted: Description, *, kind: RunKind, workdir: str | Path
) -> None:
    """Raise InputError unless a run continues the one that is there.

    Args:
      stored: of the run that is there.
      wanted: of the run: what of it has to be the same, apart from what its kind may change.
      kind: of both.
      workdir: for the message.
    """
    there: Any = {key: stored.get(key) for key in wanted}
    here: Any = wanted
    for path in ("location", *kind.may_change):
        there, here = (_without(each, path.split(".")) for each in (there, here))
    if found := difference(there, here):
        raise _another_run(workdir, found)


def _another_run(workdir: str | Path, found: str) -> InputError:
    return InputError(
        f"--workdir={workdir} holds another run, it cannot be resumed as this one; "
        f"there / here: {shortened(found, 200)}"
    )


def _without(values: Any, path: Sequence[str]) -> Any:
    name, *rest = path
    if not isinstance(values, dict) or name not in values:
        return values
    if rest:
        return values | {name: _without(values[name], rest)}
    return {key: value for key, value in values.items() if key != name}


@contextlib.contextmanager
def claim_workdir(
    workdir: str | Path,
    wanted: Description,
    *,
    kind: RunKind,
    resume: bool,
    take_up: Callable[[Description, Workdir], Description] | None = None,
) -> Iterator[Workdir]:
    """Claim a workdir until the block ends: a new one to begin a run, or the run's own to resume.

    Args:
      workdir: the directory.
      wanted: what `experiment.json` says of the run.
      kind: of run.
      resume: whether to resume.
      take_up: checks that a run can go on, in place of `check_same`; from what is stored to what
        `experiment.json` says from now on.

    Raises:
      InputError: a workdir that is another run's, in use, damaged, or not there to be resumed.
    """
    with contextlib.closing(Workdir(workdir)) as place:
        if resume:
            read_run(place, kind)  # another kind of run is not even locked
            place.lock()
            stored = read_run(place, kind)  # a process that has just ended may have written to it
            if take_up:
                told = take_up(stored, place)
            else:
                check_same(stored, wanted, kind=kind, workdir=place.path)
                told = stored | ({"location": wanted["location"]} if "location" in wanted else {})
            if told != stored:
                place.write(told)
        else:
            place.start(wanted)
        place.sign()
        yield place
