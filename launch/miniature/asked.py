"""What is run for the paper's questions in miniature, as commands.

First searchers are compared (Figure 6); then the best of each is trained beside cells and ConvNets
that people designed, all tuned alike (Tables 1 to 3). No search and no tuning sees a test set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

_PROGRAM = "python -m nas_with_rl.launch"
SAME = "_and_"  # between the names of searchers that have found the same
PAPER_RATE = "0.0005"  # the controller's for cells, section 4.2; for ConvNets 0.0006, section 4.1
TUNED_RATE = "0.006"  # the best of NAS-Bench-201's, see benchmarks/search_quality.py


@dataclasses.dataclass(frozen=True)
class MiniatureContest:
    """A comparison of searchers: Figure 6 in miniature.

    Attributes:
      key: of it, and of its folder.
      experiment: whose children are searched.
      title: in words.
      searchers: by short name, as `compare_searchers` has them; one of them "random".
      num_children: of each search.
      num_seeds: searches of each.
    """

    key: str
    experiment: str
    title: str
    searchers: Mapping[str, str]
    num_children: int
    num_seeds: int = 2

    def command(self, runs: str) -> tuple[str, ...]:
        """Return the program and its flags; `$DATA` is the directory of the data."""
        return (
            f"{_PROGRAM}.compare_searchers",
            f"--experiment={self.experiment}",
            f"--searchers={','.join(self.searchers.values())}",
            f"--seeds={self.num_seeds}",
            f"--num_children={self.num_children}",
            f"--workdir={runs}/{self.key}",
            "--data_dir=$DATA",
        )


@dataclasses.dataclass(frozen=True)
class MiniatureTable:
    """Architectures side by side, all tuned alike and with several seeds.

    Attributes:
      key: of it, and of its folder.
      number: of the paper's table; None for what the paper tells in words.
      experiment: by which all are trained.
      title: in words.
      architectures: by name of the row, as `compare_architectures` takes them.
      found: whose best architecture of each searcher joins.
      joining: the short names of these searchers; none for all.
      axes, num_points, point_overrides: how each is tuned.
      num_seeds: final trainings of each.
      printed: by row, the keys of the paper's rows beside which they stand.
    """

    key: str
    number: int | None
    experiment: str
    title: str
    architectures: Mapping[str, str]
    found: MiniatureContest
    axes: tuple[str, ...]
    point_overrides: tuple[str, ...]
    num_points: int = 8
    num_seeds: int = 3
    joining: tuple[str, ...] = ()
    printed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def command(self, runs: str, found: Mapping[str, str]) -> tuple[str, ...]:
        """Return the program and its flags.

        Args:
          runs: the directory of all.
          found: the best architecture by short name of its searcher.
        """
        names: dict[str, list[str]] = {}  # of the searchers that have found an architecture
        for name, text in found.items():
            if name in (self.joining or found):
                names.setdefault(text, []).append(name)
        joining = {SAME.join(of_text): text for text, of_text in names.items()}
        rows = {**joining, **self.architectures}
        return (
            f"{_PROGRAM}.compare_architectures",
            f"--experiment={self.experiment}",
            *(f"--architecture={name}={text}" for name, text in rows.items()),
            *(f"--grid={axis}" for axis in self.axes),
            f"--points={self.num_points}",
            *(f"--grid_override={override}" for override in self.point_overrides),
            f"--seeds={self.num_seeds}",
            f"--workdir={runs}/{self.key}",
            "--data_dir=$DATA",
        )


CELLS = MiniatureContest(
    "figure_6_cells",
    "miniature_cells",
    "cells of base 8, Penn Treebank characters",
    {
        "random": "random",
        "paper_reinforce": f"reinforce+learning_rate={PAPER_RATE}",
        "reinforce": f"reinforce+learning_rate={TUNED_RATE}",
        "dream": "dream",
    },
    num_children=1000,
)
CONVNETS = MiniatureContest(
    "figure_6_convnets",
    "miniature_convnets",
    "ConvNets of 4 to 6 layers, CIFAR-10",
    {
        "random": "random",
        "paper_reinforce": "reinforce+learning_rate=0.0006",
        "reinforce": f"reinforce+learning_rate={TUNED_RATE}",
        "dream": "dream",
    },
    num_children=400,
)
CONTESTS = (CELLS, CONVNETS)

_DESIGNED = {
    "nas_cell": "nas_cell",
    "lstm": "lstm",
    "gru": "gru",
    "rnn": "rnn",
}
# init_scale 0 is the start that Keras's layers have.
_CELL_AXES = (
    "child.learning_rate=0.0025,0.005,0.01,0.02",
    "child.init_scale=0,0.05,0.1,0.2",
    "child.dropout.output=0,0.1",
    "child.decay_factor=0.6,0.8",
)

CHARACTERS = MiniatureTable(
    "characters",
    3,
    "miniature_characters",
    "Penn Treebank characters, 0.2 million parameters",
    _DESIGNED,
    CELLS,
    _CELL_AXES,
    ("child.epochs=3",),
    printed={"nas_cell": "new_cell", "lstm": "lstm"},
)
SOURCE_CODE = dataclasses.replace(
    CHARACTERS,
    key="source_code",
    number=None,
    experiment="miniature_source_code",
    title="transfer to Python's source code, 0.2 million parameters",
    point_overrides=("child.epochs=2",),
    printed={},
)
DOCUMENTATION = dataclasses.replace(
    SOURCE_CODE,
    key="documentation",
    experiment="miniature_documentation",
    title="transfer to Python's documentation, 0.2 million parameters",
)
WORDS = MiniatureTable(
    "words",
    2,
    "miniature_words",
    "Penn Treebank words, 1 million parameters, shared embeddings",
    {"nas_cell": "nas_cell", "lstm": "lstm"},
    CELLS,
    (
        "child.learning_rate=0.5,1,2,4",
        "child.init_scale=0,0.05,0.1,0.2",
        "child.dropout.output=0,0.2",
        "child.decay_factor=0.4,0.6",
    ),
    ("child.epochs=2", "child.steps_per_epoch=400"),
    joining=("reinforce", "dream"),
    printed={"nas_cell": "base_8_25m"},
)
# Convolutions of 3 x 3 one after the other: within 4 % of Figure 7's parameters at this width.
PLAIN_STACK = " | ".join(f"3 3 {number or '-'} 192" for number in range(14))
IMAGES = MiniatureTable(
    "images",
    1,
    "miniature_images",
    "CIFAR-10, 5,000 images of 16x16 pixels, a quarter of Figure 7's filters",
    {
        "figure_7": "figure_7",
        "figure_7_dense": "figure_7_dense",
        "figure_7_no_skips": "figure_7_no_skips",
        "plain_stack": PLAIN_STACK,
    },
    CONVNETS,
    (
        "child.learning_rate=0.02,0.05,0.1,0.2",
        "child.weight_decay=0.0001,0.001",
        "child.batch_norm_epsilon=0.001,0.00001",
        "child.decay_epochs=0.5,0.75;0.75,0.9",
    ),
    ("child.epochs=3",),
    printed={"figure_7": "v1"},
)
TABLES = (CHARACTERS, SOURCE_CODE, DOCUMENTATION, WORDS, IMAGES)
