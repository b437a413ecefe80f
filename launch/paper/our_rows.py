"""How this project makes the paper's own rows of Tables 1 to 3, and the two-layer LSTM's.

A row whose architecture the paper prints is one final training; the others are a search, then a
grid search over its best, whose winner lies in `final` below the grid search's workdir.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.search_spaces.published import PUBLISHED

# SHA-256 of Mikolov's files: other files under these names make no row of Tables 2 and 3.
PENN_TREEBANK = MappingProxyType(
    {
        "ptb.train.txt": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "ptb.valid.txt": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "ptb.test.txt": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    }
)
_PROGRAM = "python -m nas_with_rl.launch"


@dataclasses.dataclass(frozen=True)
class OurRow:
    """One row.

    Attributes:
      key: of its row in `printed_tables`.
      table: which.
      experiment: whose data, space and training it has.
      architecture: the name of a published architecture or of a designed cell; None for one that
        the experiment's search finds.
      overrides: what the row's final training changes of the experiment.
      note: why the number of parameters is not the paper's, where that takes a word.
    """

    key: str
    table: int
    experiment: str
    architecture: str | None
    overrides: tuple[str, ...] = ()
    note: str = ""

    @property
    def workdir(self) -> str:
        """Where its commands leave the row's run."""
        return f"runs/table_{self.table}/{self.key}"

    @property
    def text(self) -> str | None:
        """The architecture as `experiment.json` keeps it; None for any."""
        if self.architecture is None or self.architecture not in PUBLISHED:
            return self.architecture
        return str(PUBLISHED[self.architecture].architecture)

    def configuration(self) -> Experiment:
        """Return what the row's commands resolve to."""
        return configure(self.experiment, self.overrides)

    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Return what to run in order, each as a program and its flags.

        `$DATA` is the directory above `ptb`; without --data_dir CIFAR-10 is downloaded.
        """
        data_dir = ("--data_dir=$DATA",) if self.table > 1 else ()  # Table 1 has the ConvNets
        experiment = f"--experiment={self.experiment}"
        workdir = f"--workdir={self.workdir}"
        if self.architecture is not None:
            changed = tuple(f"--override={override}" for override in self.overrides)
            named = f"--architecture={self.architecture}"
            program = f"{_PROGRAM}.train_architecture"
            return ((program, experiment, named, *changed, workdir, *data_dir),)
        search = f"runs/{self.experiment}"
        # The grid's points are as short as the search's children; the winner is trained longer.
        changed = tuple(f"--final_override={override}" for override in self.overrides)
        return (
            (f"{_PROGRAM}.search", experiment, f"--workdir={search}", *data_dir),
            (f"{_PROGRAM}.grid_search", f"--search={search}", *changed, workdir, *data_dir),
        )


# Paper: "until convergence"; here: the 300 epochs of the cited DenseNet.
_CONVERGED = "child.epochs=300"

_ROWS = (
    OurRow("v1", 1, "cifar10", "figure_7", (_CONVERGED,)),
    OurRow("v2", 1, "cifar10_strides", None, (_CONVERGED,)),
    OurRow("v3", 1, "cifar10_pooling", None, (_CONVERGED,)),
    OurRow("v3_more_filters", 1, "cifar10_pooling", None, (_CONVERGED, "space.extra_filters=40")),
    OurRow("base_8_32m", 2, "ptb_32m", "nas_cell"),
    OurRow("base_8_25m", 2, "ptb_25m", "nas_cell"),
    OurRow("base_8_54m", 2, "ptb_54m", "nas_cell"),
    OurRow("lstm", 3, "char_ptb", "lstm"),
    OurRow("new_cell", 3, "char_ptb", "nas_cell"),
    OurRow(
        "new_cell_16m",
        3,
        "char_ptb_16m",
        "nas_cell",
        note="The sizes are the paper's, embedding 128 and two layers of 800 units; what its other "
        "53,000 numbers are it does not say (biases of the cells would be 12,800).",
    ),
)
OUR_ROWS: Mapping[str, OurRow] = MappingProxyType({row.key: row for row in _ROWS})
