"""The dependencies of setup.py: bounded on both sides, the lower bounds those that are tried."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
WITHOUT_UPPER = {"importlib_resources"}  # counts in years


def requirements():
    """By name: the bounds of everything that setup.py may install, as they are written there."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(SETUP))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    found = (re.fullmatch(r"([\w-]+)(>=[\d.]+(?:,<[\d.]+)?)", text) for text in texts)
    return {match[1]: match[2] for match in found if match}


def constraints():
    lines = (ROOT / "tools" / "oldest-constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_the_oldest_set_is_that_of_the_lower_bounds():
    lower = {name: bounds.split(",")[0] for name, bounds in requirements().items()}
    assert len(lower) > 20
    assert {name: f">={version}" for name, version in constraints().items()} == lower


def test_what_runs_stops_before_the_next_major_version():
    tools = SETUP[SETUP.index("TEST = [") : SETUP.index("NAS_BENCH")]
    running = {name for name in requirements() if f'"{name}>=' not in tools}
    assert {"keras", "tensorflow", "numpy", "jax", "matplotlib"} < running
    unbounded = {name for name in running if ",<" not in requirements()[name]}
    assert unbounded == WITHOUT_UPPER


def test_keras_is_not_older_than_the_mended_loading_of_files():
    lower = tuple(map(int, constraints()["keras"].split(".")))
    assert lower >= (3, 13, 2)
