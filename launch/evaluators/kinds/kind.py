"""What a search and a training need to know of a kind of child: the form of a row.

Nothing here imports Keras: neither does a kind whose children need none.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nas_with_rl.launch.evaluators.child_process import Setup
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.plans import Plan, Program
from nas_with_rl.launch.evaluators.process_pool import ProcessPool
from nas_with_rl.launch.experiments.fitting import ANY_SPACE, ChildFit
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.search_spaces.architecture import Architecture

if TYPE_CHECKING:  # which import Keras
    from nas_with_rl.child_models.child_in_training import ChildInTraining
    from nas_with_rl.child_models.saved_models import SavedDescription
    from nas_with_rl.launch.experiments.experiment import Experiment
    from nas_with_rl.launch.records.training_result import Metric

Loaded = TypeVar("Loaded")
EvaluateGroup = Callable[[Sequence[Evaluation]], list[Measurement | Failure]]


@dataclasses.dataclass(frozen=True)
class LocatedExperiment:
    """What is trained, and on what.

    Attributes:
      experiment: its space, child and data.
      data_dir: where the data lies.
      seed: of the split of images.
    """

    experiment: Experiment
    data_dir: str | None
    seed: int


@dataclasses.dataclass(frozen=True)
class ChildProgram:
    """What a child process is to do.

    Attributes:
      data: what is trained, and on what.
      program: the plan's.
      num_children: C of a population.
      memory_gib: what the process may have.
    """

    data: LocatedExperiment
    program: Program
    num_children: int = 1
    memory_gib: float = math.inf


class Trainer(Protocol):
    """Trains children of one kind; `data` says in JSON-ready values what they are trained on.

    One that takes a `RunningTrial` as well, by the name of `trial`, can have its children stopped
    early: where the trial `is_watched`, what they report after each epoch is their reward by then.
    """

    data: Any

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one child. Raises ChildFailure where it fails."""


@dataclasses.dataclass(frozen=True)
class NamedArchitecture:
    """An architecture and what it is called.

    Attributes:
      architecture: None for a designed cell, which no space has.
      text: as one line; a designed cell's is its name.
      name: a published architecture's or a designed cell's, None for any other.
    """

    architecture: Architecture | None
    text: str
    name: str | None


class Trainee(Protocol):
    """What a final training trains.

    Attributes:
      named: the architecture.
      metric: of what is validated and tested.
      data_found: JSON-ready facts of the data.
      epochs: how many.
      units: hidden units of a language model's layers, None for others.
    """

    named: NamedArchitecture
    metric: Metric
    data_found: Any
    epochs: int
    units: int | None

    def new_child(self) -> ChildInTraining:
        """Build an untrained child."""

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 1."""

    def test_data(self) -> Any:
        """Load what `ChildInTraining.test` takes; None for data without a test split."""

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """Return what the saved model says of itself."""

    def files_beside(self) -> Mapping[str, str]:
        """Return, by name, the files with which the saved model is used without this project."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """What a child of an experiment costs by one program, in seconds.

    Attributes:
      once: in each process, before its first child: compilation.
      each: for each group of C children, all of their training and validation.
    """

    once: float
    each: float


@dataclasses.dataclass(frozen=True)
class PopulationKind:
    """How children of a kind are trained many together, by one program.

    Attributes:
      make_evaluate: returns what evaluates groups of children in a child process.
      check_memory: raises PopulationTooLarge where the children do not fit into their process.
      measure: times a program, a population's or that of single children, on a few steps.
    """

    make_evaluate: Callable[[ChildProgram], EvaluateGroup]
    check_memory: Callable[[ChildProgram], None]
    measure: Callable[[ChildProgram], Timing]


@dataclasses.dataclass(frozen=True)
class FinalKind:
    """How an architecture of a kind is trained to its end, tuned and tested.

    Attributes:
      trainee: from (what is trained on what, the architecture, the seed of its training) to a
        trainee whose data is loaded.
      axes: from the child's configuration and the space to the default axes of a grid search: of
        fields, such as "child.learning_rate", the values as text.
      draw: from the experiment and the architecture to lines of text, as it is built.
      names: of architectures that no space has: designed cells.
    """

    trainee: Callable[[LocatedExperiment, NamedArchitecture, int], Trainee]
    axes: Callable[[Any, Any], Mapping[str, tuple[str, ...]]]
    draw: Callable[[Experiment, NamedArchitecture], str]
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChildKind:
    """A kind of child. The configuration of one's own kind has it as the class attribute `kind`.

    Attributes:
      load: loads an experiment's data and returns what trains its children one by one. Raises
        InputError for data that is missing, damaged or too small.
      fit: what an experiment may ask of it.
      metric: the measurement that is printed beside the reward; None for the reward alone.
      default: the program where no plan is asked for: "single", a child process for each core or
        GPU, or "here". With `populations` the fastest is chosen, measured.
      populations: returns how children are trained many together, which may import what their
        training alone does not; None where they are trained one by one alone.
      final: None for children that are only looked up or measured: there is nothing to train.
      setup: what child processes are told to do; None: to load the data, then to train.
      needs_keras: whether the process that leads a search imports Keras for its children.
      check: checks the child's configuration in this process before a search begins; None for
        what `load` checks.
      check_in_process: checks the same in a child process, and returns what `experiment.json` says
        of the data there; None with `check`.
      loads_anew: whether each run of a process loads its data, since files may change meanwhile;
        else an experiment's is loaded once.
    """

    load: Callable[[LocatedExperiment], Trainer]
    fit: ChildFit = ANY_SPACE
    metric: str | None = None
    default: Program = "single"
    populations: Callable[[], PopulationKind] | None = None
    final: FinalKind | None = None
    setup: Callable[[ChildProgram], Setup] | None = None
    needs_keras: bool = True
    check: Callable[[Any], Any] | None = None
    check_in_process: Callable[[ProcessPool, LocatedExperiment], Any] | None = None
    loads_anew: bool = False

    def cluster_plan(self, search: SearchConfig | None) -> Plan:
        """Return the plan of a cluster's worker: one child at a time, in one child process.

        A table's is what one process would do, as it says the same everywhere.

        Args:
          search: which may stop children early, of a population none.
        """
        if self.default == "here":
            return Plan("here")
        is_together = self.populations and (search is None or search.early_stopping == "none")
        return Plan("population" if is_together else "single", 1, 1)


def around(*values: float) -> tuple[str, ...]:
    """Return the values of an axis as text, equal ones once."""
    return tuple(dict.fromkeys(f"{value:.6g}" for value in values))


def loaded_once(load: Callable[[LocatedExperiment], Loaded], data: LocatedExperiment) -> Loaded:
    """Return what `load` returns; in a process the data of an experiment is loaded once."""
    trainer: Loaded = _loaded(load, data)
    return trainer


@functools.cache
def _loaded(load: Callable[[LocatedExperiment], Any], data: LocatedExperiment) -> Any:
    return load(data)
