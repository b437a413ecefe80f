"""What import-linter (pyproject.toml, `make lint`) cannot say of the layout.

Flags are defined and read in binaries alone; what has to be light imports nothing heavy; a folder
is imported by its full name; and the BUILD files state the same arrows as pyproject.toml.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "search_spaces": set(),
    "controller": {"search_spaces"},
    "child_models": {"search_spaces"},
    "explorer": {"child_models", "search_spaces"},
    "launch": {"child_models", "controller", "explorer", "search_spaces"},
}
LIGHT = {"search_spaces": {"numpy"}}  # beside the standard library, nothing but these
FLAG_LIBRARIES = ("absl.flags", "argparse")
# One parses every binary's flags, one defines those that several binaries have.
FLAG_PLACES = ("launch/command_line.py", "launch/search_flags.py")


def violations(source: str, path: str) -> list[str]:
    """Return what a module's imports break, one line each.

    Args:
      source: the module's text.
      path: where it lies, from the root, as in "controller/policy.py".
    """
    folder = path.partition("/")[0]
    tree = ast.parse(source)
    found = []
    for line, name in _imported(tree):
        top = name.partition(".")[0]
        if top in MAY_IMPORT:
            found.append(f"{path}:{line}: {name!r} is nas_with_rl.{name}")
        elif name == "nas_with_rl":
            found.append(f"{path}:{line}: the whole package")
        elif folder in LIGHT and top not in {
            "nas_with_rl",
            *sys.stdlib_module_names,
            *LIGHT[folder],
        }:
            found.append(f"{path}:{line}: {folder} may not import {name}")
        is_flags = any(f"{name}.".startswith(f"{library}.") for library in FLAG_LIBRARIES)
        in_binary = folder == "launch" and _is_binary(tree)
        if is_flags and not in_binary and path not in FLAG_PLACES:
            found.append(f"{path}:{line}: {name} outside a binary of launch")
    return found


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _is_binary(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in tree.body
    )


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_flags_and_weight_stay_in_their_places(folder):
    modules = _modules(folder)
    assert ROOT / folder / "__init__.py" in modules
    broken = [
        line
        for module in modules
        for line in violations(
            module.read_text(encoding="utf-8"), module.relative_to(ROOT).as_posix()
        )
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("search_spaces/space.py", "import tensorflow as tf", "may not import tensorflow"),
        ("search_spaces/space.py", "def f():\n  import keras.ops", "may not import keras.ops"),
        ("child_models/memory.py", "import nas_with_rl as nas", "the whole package"),
        ("launch/search.py", "import controller", "is nas_with_rl.controller"),
        ("launch/records/trial_store.py", "from absl import flags", "outside a binary"),
        ("launch/records/trial_store.py", "import argparse", "outside a binary"),
        ("controller/policy.py", "from absl.flags import FLAGS", "outside a binary"),
        (
            "controller/policy.py",
            "from absl import flags\nif __name__ == '__main__':\n  print(flags.FLAGS)",
            "outside a binary",
        ),
    ],
)
def test_a_wrong_import_is_found(path, source, message):
    (found,) = violations(source, path)
    assert message in found
    assert found.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("search_spaces/space.py", "import math\nimport numpy as np"),
        ("search_spaces/space.py", "from nas_with_rl.search_spaces.errors import InputError"),
        ("controller/policy.py", "import keras\nfrom nas_with_rl.search_spaces import space"),
        ("launch/searches/loop.py", "from absl import app, logging"),
        ("launch/search.py", "from absl import flags\nif __name__ == '__main__':\n  pass"),
    ],
)
def test_a_right_import_is_left_alone(path, source):
    assert violations(source, path) == []


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_bazel_knows_the_same_arrows(folder):
    # A BUILD file reads as Python.
    tree = ast.parse((ROOT / folder / "BUILD").read_text(encoding="utf-8"))
    (library,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "py_library"
    )
    arguments = {keyword.arg: keyword.value for keyword in library.keywords}
    deps = ast.literal_eval(arguments["deps"]) if "deps" in arguments else []
    assert ast.literal_eval(arguments["name"]) == folder
    assert set(deps) == {f"//{other}" for other in MAY_IMPORT[folder]}


def test_the_import_name_and_the_search_spaces_are_light():
    paths = [path.relative_to(ROOT).with_suffix("") for path in _modules("search_spaces")]
    names = [".".join(("nas_with_rl", *path.parts)) for path in paths]
    names = ["nas_with_rl", *(name.removesuffix(".__init__") for name in names)]
    program = "import importlib, sys\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in names
    )
    program += "\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert {"nas_with_rl", "numpy"} <= loaded
    assert not loaded & {"absl", "jax", "keras", "matplotlib", "tensorflow", "torch", "tqdm"}
