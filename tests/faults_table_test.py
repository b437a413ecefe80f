"""docs/faults.md: every fault of every role has its row, and every row its tests."""

import ast
import itertools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROLES = ("search", "worker", "child", "server")
FAULTS = ("kill", "stop", "full disk", "read-only", "lock", "clock")
COLUMNS = ["Role", "Fault", "What happens", "What is kept", "How to go on", "Tests"]


def rows():
    lines = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    header, _, *found = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    assert header == COLUMNS
    return found


def named_tests(row):
    return re.findall(r"`(tests/\S+)::(\w+)`", row[-1])


def functions_of(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_fault_of_every_role_has_a_row():
    assert [tuple(row[:2]) for row in rows()] == list(itertools.product(ROLES, FAULTS))
    assert all(cell for row in rows() for cell in row)


def test_every_row_names_tests_that_there_are():
    for row in rows():
        assert named_tests(row), row
        for path, function in named_tests(row):
            assert function in functions_of(path), f"{path}::{function}"
        assert row[-1].count("::") == len(named_tests(row))


def test_every_test_of_a_fault_is_named():
    named = {name for row in rows() for name in named_tests(row)}
    for path in sorted((ROOT / "tests" / "faults").glob("*_test.py")):
        place = str(path.relative_to(ROOT))
        tests = {name for name in functions_of(place) if name.startswith("test_")}
        assert {(place, name) for name in tests} <= named
