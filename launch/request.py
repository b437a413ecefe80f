"""What is asked of a search: what its flags say, completed from the run that it continues."""

from __future__ import annotations

import dataclasses
import datetime

from nas_with_rl.launch.workdir import Workdir
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
    stored = Workdir(request.workdir).read()
    try:
        return dataclasses.replace(
            request,
            experiment=request.experiment or stored["experiment"],
            data_dir=request.data_dir or stored["location"]["data_dir"],
            num_samples=request.num_samples or stored["search"]["num_samples"],
            seed=stored["seed"] if request.seed is None else request.seed,
            overrides=request.overrides or tuple(stored["overrides"]),
            evaluate=request.evaluate or stored.get("evaluate"),
            plan=request.plan or stored["location"].get("plan", "here"),
        )
    except (KeyError, TypeError):
        raise InputError(
            f"--workdir={request.workdir} is not a run of a named experiment"
        ) from None
