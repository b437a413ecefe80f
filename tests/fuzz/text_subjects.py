"""What comes as text: architectures, cells, overrides, TF_CONFIG, plans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from mutations import SCALARS, TEXTS, mutated_json, mutated_texts

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.launch.clusters import tf_config
from nas_with_rl.launch.evaluators.plans import parse_plan
from nas_with_rl.launch.experiments.catalogue import EXPERIMENTS, configure
from nas_with_rl.launch.explorations.cells import PUBLISHED_NAMES, read_cells
from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.published import PUBLISHED, read_architecture
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
)
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

CONDITIONAL = SearchSpace(
    decisions=[Choice("kind", ("a", "b")), Choice("size", (2, 2.5, True), ("kind", ("b",)))],
    layer_decisions=[Choice("units", (8, 16)), Skips("inputs")],
    depth=3,
)


def _architectures(space: SearchSpace, count: int = 5) -> list[str]:
    return [str(random_architecture(space, np.random.default_rng(i))) for i in range(count)]


class Architectures:
    """Texts of architectures, in each space."""

    name = "architecture"

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        cells = {f"cell {base}": RecurrentCellSpace(base).search_space() for base in BASES}
        self._spaces = {
            **cells,
            "conditional": CONDITIONAL,
            "convolutional": ConvolutionalSpace(strides=(1, 2)).search_space(4),
            "nas_bench_201": NasBench201Space().search_space(),
        }
        valid = {name: _architectures(space) for name, space in self._spaces.items()}
        words = sorted(
            {word for texts in valid.values() for text in texts for word in text.split()}
        )
        everywhere = [text for texts in valid.values() for text in texts]
        self.inputs = st.one_of(
            *(self._of(name, mutated_texts(texts, words)) for name, texts in valid.items()),
            self._of(None, mutated_texts(everywhere, words)),
            self._of(None, TEXTS),
        )

    def _of(self, name: str | None, texts: st.SearchStrategy[str]) -> Any:
        names = st.just(name) if name else st.sampled_from(sorted(self._spaces))
        return st.tuples(names, texts, st.booleans())

    def use(self, example: tuple[str, str, bool]) -> None:
        """Read an architecture, print it, and read what was printed."""
        name, text, any_depth = example
        found = parse_architecture(text, self._spaces[name], any_depth=any_depth)
        again = parse_architecture(str(found), found.space)
        assert again.tokens == found.tokens, f"{found} is read as {again}"


class NamedArchitectures:
    """What `--architecture` takes besides: names of published ones."""

    name = "published"

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        self._spaces = (RecurrentCellSpace(8), ConvolutionalSpace(), NasBench201Space())
        valid = [*PUBLISHED, "-", *_architectures(self._spaces[0].search_space(), 2)]
        texts = mutated_texts(valid, [*PUBLISHED])
        self.inputs = st.tuples(st.integers(0, 2), texts)

    def use(self, example: tuple[int, str]) -> None:
        """Read it."""
        index, text = example
        read_architecture(text, self._spaces[index])


class Cells:
    """What `--cell` takes."""

    name = "cell"

    def __init__(self, folder: Path):
        """Leave something in the folder that names can lead to."""
        (folder / "empty").mkdir()
        (folder / "text.keras").write_text("no model")
        (folder / "database").mkdir()
        (folder / "database" / "trials.sqlite").write_text("no database")
        spaces = [RecurrentCellSpace(base, COMBINATIONS, ACTIVATIONS) for base in BASES]
        places = [str(folder / name) for name in ("empty", "text.keras", "database", "missing")]
        texts = [text for space in spaces for text in _architectures(space.search_space(), 3)]
        names = [*KNOWN_CELLS, *PUBLISHED_NAMES]
        words = [*COMBINATIONS, *ACTIVATIONS, "|", "/", "~", "~nobody/x", "..", ".keras", "\0"]
        single = st.one_of(
            mutated_texts(texts, words),
            mutated_texts(names, words),
            mutated_texts(places, words),
            TEXTS,
        )
        self.inputs = st.lists(single, min_size=1, max_size=3)

    def use(self, example: list[str]) -> None:
        """Read what was given."""
        read_cells(example)


class Overrides:
    """What `--override` takes, for each experiment."""

    name = "override"

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        self.inputs = st.one_of(*(self._of(experiment) for experiment in EXPERIMENTS))

    def _of(self, experiment: Any) -> Any:
        fields = sorted(_fields(experiment, ""))
        assignments = [f"{path}={value}" for path, value in fields]
        paths = [path for path, _ in fields]
        words = [*paths, *(value for _, value in fields), "inf", "nan", "1e400", "None", "-1", "0"]
        values = st.one_of(SCALARS.map(str), st.sampled_from(words), TEXTS)
        single = st.one_of(
            st.builds("{}={}".format, st.sampled_from(paths), values),
            mutated_texts(assignments, words),
        )
        return st.tuples(st.just(experiment.name), st.lists(single, min_size=1, max_size=3))

    def use(self, example: tuple[str, Sequence[str]]) -> None:
        """Configure the experiment, and what is derived from its settings at once."""
        name, overrides = example
        configure(name, tuple(overrides))


def _fields(config: Any, prefix: str) -> list[tuple[str, str]]:
    """Return every field that has a text, and some that have none."""
    found = []
    for field in getattr(config, "__dataclass_fields__", ()):
        value = getattr(config, field)
        if hasattr(value, "__dataclass_fields__"):
            found += [(prefix + field, ""), *_fields(value, f"{prefix}{field}.")]
        elif isinstance(value, tuple):
            found.append((prefix + field, ",".join(map(str, value))))
        else:
            found.append((prefix + field, str(value)))
    return found


class TfConfigs:
    """TF_CONFIG."""

    name = "TF_CONFIG"
    _VALID = (
        {
            "cluster": {
                "chief": ["host0:2222"],
                "ps": ["host1:2222", "[::1]:2223"],
                "worker": ["host2:2222", "host3:2222"],
            },
            "task": {"type": "worker", "index": 1},
            "environment": "cloud",
        },
    )

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        mutated = st.one_of(*map(mutated_json, self._VALID))
        schemes = mutated_texts(["grpc://host0:1", "h:0", "h:65536", ":1", "h:²", "h: 1", "h"])
        addressed = st.builds(self._with_address, schemes)
        self.inputs = st.one_of(mutated, mutated, addressed, TEXTS)

    def _with_address(self, address: str) -> str:
        cluster = {**self._VALID[0]["cluster"], "chief": [address]}
        return json.dumps({**self._VALID[0], "cluster": cluster})

    def use(self, example: str) -> None:
        """Read it, write it, and read what was written."""
        cluster, task = tf_config.parse_tf_config(example)
        assert tf_config.parse_tf_config(tf_config.as_tf_config(cluster, task)) == (cluster, task)
        assert task.host and 0 < task.port < 2**16


class Plans:
    """What `--plan` takes."""

    name = "plan"

    def __init__(self, folder: Path):
        """Take the folder that every subject gets; nothing is written."""
        valid = ["population:4@2", "single@2", "here", "auto", "population:1@1"]
        self.inputs = st.one_of(
            mutated_texts(valid, ["@", ":", "0", "-1", "²", "9" * 5000, "1.5"]), TEXTS
        )

    def use(self, example: str) -> None:
        """Read it, print it, and read what was printed."""
        plan = parse_plan(example)
        assert parse_plan(str(plan)) == plan
        plan.describe()


SUBJECTS = (Architectures, NamedArchitectures, Cells, Overrides, TfConfigs, Plans)
