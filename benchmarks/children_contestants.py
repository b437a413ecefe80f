"""Who takes part in `children.py`, and their processes."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from children_process import Assignment
from figures import has_module

from nas_with_rl.launch.host import compilation
from nas_with_rl.search_spaces.errors import InputError

HERE = Path(__file__).parent
ENVIRONMENT = {  # one thread, no GPU, no greetings; compilers start from empty caches
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    "XLA_FLAGS": " ".join(compilation.flags()),  # they are faster for every contestant
    "PYTHONPATH": str(HERE.parent),
}


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A way of training children.

    Attributes:
      title: in words.
      make: "module:class", called with a task, cells and the options; see `children_process`.
      options: its keyword arguments.
      group_size: cells of one program.
      any_cell: a program once compiled trains further cells.
      own: this project's, rather than a rival.
      needs: the module without which it does not take part.
      beside: of the checkout beside this one, where one is named.
    """

    title: str
    make: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    group_size: int = 1
    any_cell: bool = False
    own: bool = False
    needs: str = "tensorflow"
    beside: bool = False

    @property
    def is_data(self) -> bool:
        """Whether it is this checkout's program for any cell, which the targets are of."""
        return self.any_cell and not self.beside


_XLA = {"jit_compile": True}
_TREE, _LSTM = "children_rivals:KerasCell", "children_rivals:KerasLstm"
_OWN, _TORCH = "children_rivals:OwnChildren", "children_torch:TorchChild"
CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        "keras_cell": Contestant("Keras cell in keras.layers.RNN, graph", _TREE),
        "keras_cell_xla": Contestant("Keras cell in keras.layers.RNN, XLA", _TREE, _XLA),
        "by_hand_xla": Contestant(
            "by hand, hoisted, XLA while loop", "children_rivals:HandWritten"
        ),
        "jax_by_hand": Contestant(
            "JAX by hand, hoisted, gradient by hand", "children_jax:JaxChild", needs="jax"
        ),
        "torch": Contestant("PyTorch by hand, eager", _TORCH, needs="torch"),
        "torch_compiled": Contestant(
            "PyTorch by hand, compiled cell", _TORCH, {"compile_cell": True}, needs="torch"
        ),
        "keras_lstm": Contestant("Keras LSTM of equal parameters, graph", _LSTM),
        "keras_lstm_xla": Contestant("Keras LSTM of equal parameters, XLA", _LSTM, _XLA),
        "own_graph": Contestant("this project's single child, graph", _OWN, own=True),
        "own_xla": Contestant("this project's single child, XLA", _OWN, _XLA, own=True),
    }
    | {
        f"population_{size}": Contestant(
            f"this project's any cell as data, C = {size}",
            "children_population:Population",
            {"num_children": size},
            group_size=size,
            any_cell=True,
            own=True,
            needs="nas_with_rl.child_models.populations.population",
        )
        for size in (1, 4, 16)
    }
    | {
        "beside_population_1": Contestant(
            "the checkout beside: any cell as data, C = 1",
            "children_population:Population",
            {"num_children": 1},
            any_cell=True,
            own=True,
            beside=True,
        )
    }
)
NOBODY = Contestant("matrix products", "")


@dataclasses.dataclass(frozen=True)
class Start:
    """What a process is started with.

    Attributes:
      units: H.
      base: of the cells.
      text: the file of tokens.
      core: the one to run on.
      torch_python: the interpreter of PyTorch's contestants.
      beside: another checkout of this project.
    """

    units: int
    base: int
    text: Path
    core: int
    torch_python: str
    beside: str | None = None


class ContestantProcess:
    """A contestant at work in a process; a context manager that ends it."""

    def __init__(self, contestant: Contestant, start: Start):
        assignment = Assignment(
            contestant.make,
            dict(contestant.options),
            start.units,
            start.base,
            str(start.text),
            start.core,
        )
        checkout = {"PYTHONPATH": start.beside} if contestant.beside and start.beside else {}
        command = [_python_of(contestant, start.torch_python), str(HERE / "children_process.py")]
        self._title = contestant.title
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  `__exit__` closes it
        self.started = time.time()
        self._process = subprocess.Popen(
            [*command, json.dumps(dataclasses.asdict(assignment))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            env=os.environ | ENVIRONMENT | checkout,
        )

    def __enter__(self) -> ContestantProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    @functools.cached_property
    def ready(self) -> dict:
        """The time "at" which it had imported all, and "cpu_seconds" by then; waits for it."""
        return self._answer()

    def tell(self, command: str, argument: Any = None) -> None:
        """Send a command, whose answers `answers` returns."""
        assert self._process.stdin is not None
        print(json.dumps({command: argument}), file=self._process.stdin)

    def answers(self) -> list[dict]:
        """Wait for all answers to a command.

        Raises:
          InputError: the process has died.
        """
        assert self.ready
        return list(iter(self._answer, {}))

    def ask(self, command: str, argument: Any = None) -> list[dict]:
        """Send a command and wait for all answers."""
        self.tell(command, argument)
        return self.answers()

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-15:]
        raise InputError(f"{self._title}: its process has died:\n" + "\n".join(last))


def present(names: list[str], torch_python: str, beside: str | None) -> Iterator[str]:
    """Yield those of the contestants that can run here; say who cannot.

    Raises:
      InputError: no such contestant.
    """
    for name in names:
        if name not in CONTESTANTS:
            raise InputError(f"contestants has {name!r}, not one of {', '.join(CONTESTANTS)}")
        contestant = CONTESTANTS[name]
        python = _python_of(contestant, torch_python)
        if contestant.beside and not beside:
            print(f"{name}: --beside names no checkout", flush=True)
        elif has_module(contestant.needs, python):
            yield name
        else:
            print(f"{name}: no {contestant.needs} in {python}", flush=True)


def _python_of(contestant: Contestant, torch_python: str) -> str:
    return torch_python if contestant.needs == "torch" else sys.executable
