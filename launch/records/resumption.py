"""What is asked of a search: what its flags say, completed from the run that it continues."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.records.continuation import is_of_python, stored_search
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags say; None where a flag was not given."""

    experiment: str | None = None
    workdir: str | None = None
    data_dir: str | None = None
    num_samples: int | None = None
    seed: int | None = None
    overrides: tuple[str, ...] = ()
    evaluate: str | None = None
    resume: bool = False
    plan: str | None = None

    def words(self) -> tuple[str, ...]:
        """Return the flags that say the same."""
        values = {
            "experiment": self.experiment,
            "workdir": self.workdir,
            "data_dir": self.data_dir,
            "num_samples": self.num_samples,
            "seed": self.seed,
            "evaluate": self.evaluate,
            "plan": self.plan,
        }
        return (
            *(f"--{flag}={value}" for flag, value in values.items() if value is not None),
            *(f"--override={override}" for override in self.overrides),
            *(["--resume"] if self.resume else []),
        )


def completed(request: Request) -> Request:
    """Fill in what a resumed run's own `experiment.json` says, or the default workdir.

    Raises:
      InputError: --resume without --workdir, or a workdir without a run of a named experiment.
    """
    if not request.resume:
        if not request.workdir and request.experiment is not None:
            name = request.experiment.rpartition(":")[2]  # of module:attribute
            now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            return dataclasses.replace(request, workdir=f"runs/{name}-{now}")
        return request
    if not request.workdir:
        raise InputError("--resume needs --workdir, the run to continue")
    stored = stored_search(Workdir(request.workdir))
    if is_of_python(stored) and request.experiment is None:
        raise InputError(
            f"--workdir={request.workdir} holds a run that was begun in Python: continue it there, "
            "with nas.search(..., options=nas.SearchOptions(resume=True)), or here with "
            "--experiment=MODULE:ATTRIBUTE, an nas.Experiment of the same space and settings that "
            "has your function"
        )
    check_named(_left_out(request, stored), request.workdir)
    location = stored.get("location", {})
    try:
        return dataclasses.replace(
            request,
            experiment=request.experiment or stored["experiment"],
            data_dir=request.data_dir or location.get("data_dir"),
            num_samples=request.num_samples or stored["search"]["num_samples"],
            seed=stored["seed"] if request.seed is None else request.seed,
            overrides=request.overrides or tuple(stored.get("overrides", ())),
            evaluate=request.evaluate or stored.get("evaluate"),
            plan=request.plan or _plan(stored, location),
        )
    except KeyError:
        raise InputError(
            f"--workdir={request.workdir} is not a run of a named experiment"
        ) from None


def _left_out(request: Request, stored: dict[str, Any]) -> tuple[str, ...]:
    """Return the flags that the run has, name modules, and are not given."""
    return naming_flags(
        None if request.experiment else stored.get("experiment"),
        evaluate=None if request.evaluate else stored.get("evaluate"),
        overrides=() if request.overrides else stored.get("overrides", ()),
    )


def _plan(stored: dict[str, Any], location: dict[str, Any]) -> str | None:
    """Return the plan that the run has, which runs did not always say; in Python there is none."""
    return None if is_of_python(stored) else location.get("plan", "here")
