"""The commands that an installation puts on the path: each its binary, and help that says so."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.command_line import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
BINARIES = {
    path.stem
    for path in (ROOT / "launch").glob("*.py")
    if "command_line.run_main(" in path.read_text(encoding="utf-8")
}
SCRIPT = """
import sys
from nas_with_rl.launch.command_line import run_command
sys.exit(run_command())
"""  # as pip writes it
pytestmark = pytest.mark.real_start


def run(folder, *words):
    """Return the status, the output and the errors of Python with some words."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def command(tmp_path):
    """Return what calls a command as an installation has it, with some words."""

    def call(name, *words):
        (tmp_path / name).write_text(SCRIPT)
        return run(tmp_path, tmp_path / name, *words)

    return call


def test_every_binary_has_a_command_and_every_command_is_installed():
    assert sorted(COMMANDS.values()) == sorted(BINARIES)
    setup = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (names,) = (
        node.value
        for node in setup.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMANDS"
    )
    assert eval(ast.unparse(names)) == tuple(COMMANDS)
    assert "{name}=nas_with_rl.launch.command_line:run_command" in ast.unparse(setup)


def test_the_package_lists_them_with_a_line_each(tmp_path):
    status, printed, errors = run(tmp_path, "-m", "nas_with_rl")
    lines = [line for line in printed.splitlines() if line.startswith("nas-")]
    assert status == 0 and not errors and len(lines) == len(COMMANDS)
    for line, name in zip(lines, COMMANDS, strict=True):
        said = re.fullmatch(rf"{name} +([A-Z][^.:]{{15,85}})", line)
        assert said and "python" not in said[1], line
    assert run(tmp_path, "-m", "nas_with_rl", "--help") == (0, printed, "")
    version = f"nas_with_rl {nas.__version__}\n"
    assert run(tmp_path, "-m", "nas_with_rl", "--version") == (0, version, "")
    assert run(tmp_path, "-m", "nas_with_rl", "search") == (
        *(2, ""),
        "error: 'search' is not taken here: call a command, as in nas-search --help\n",
    )


def test_a_command_is_its_binary_and_its_help_says_how_it_is_called(command, tmp_path):
    _, by_module, _ = run(tmp_path, "-m", "nas_with_rl.launch.tables", "--help")
    status, by_command, errors = command("nas-tables", "--help")
    assert status == 0 and not errors
    assert "python -m nas_with_rl.launch.tables --table=2" in by_module
    assert by_command == by_module.replace("python -m nas_with_rl.launch.tables", "nas-tables")
    assert "--[no]version: print the version" in by_command
    printed = command("nas-tables", "--table=2")
    assert printed == run(tmp_path, "-m", "nas_with_rl.launch.tables", "--table=2")
    assert printed[0] == 0 and "Table 2" in printed[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_version_and_how_it_is_called(command, name, tmp_path):
    version = (0, f"nas_with_rl {nas.__version__}\n", "")
    assert command(name, "--version") == version
    assert run(tmp_path, "-m", f"nas_with_rl.launch.{COMMANDS[name]}", "--version") == version
    _, printed, _ = command(name, "--help")
    assert f"{name} --" in printed and "python -m" not in printed


def test_errors_of_a_command_are_one_line_and_status_2(command):
    status, printed, errors = command("nas-search", "--experiment=quikstart")
    assert (status, printed) == (2, "")
    assert errors.startswith("error: --experiment=quikstart: no such experiment")
    status, printed, errors = command("nas-nothing")
    assert (status, printed) == (2, "") and errors.count("\n") == 1
    assert errors.startswith("error: 'nas-nothing' is no command of nas_with_rl: there are nas-sea")
