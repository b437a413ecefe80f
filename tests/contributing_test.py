"""CONTRIBUTING: its examples are carried out in a copy of the tree; its links lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = ("search_spaces", "controller", "child_models", "explorer", "launch")
BLOCKS = re.findall(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
RUN_ALL = "import runpy, sys; [runpy.run_path(path) for path in sys.argv[1:]]"


def _apply(diff, tree):
    """Change a tree as a diff says: each hunk's lines are found once, whatever its numbers."""
    for file in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        head, *hunks = re.split(r"^@@.*@@\n", file, flags=re.MULTILINE)
        path = tree / re.search(r"^\+\+\+ b/(\S+)$", head, re.MULTILINE)[1]
        text = path.read_text(encoding="utf-8")
        for hunk in hunks:
            lines = [line or " " for line in hunk.splitlines()]
            before, after = (
                "".join(f"{line[1:]}\n" for line in lines if line[0] in kinds)
                for kinds in (" -", " +")
            )
            assert text.count(before) == 1, f"{path.name} does not have once:\n{before}"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


def test_the_examples_hold_in_a_tree_that_is_changed_as_they_say(tmp_path):
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
        (tmp_path / "nas_with_rl").mkdir(exist_ok=True)
        (tmp_path / "nas_with_rl" / folder).symlink_to(f"../{folder}")
    shutil.copy(ROOT / "nas_with_rl" / "__init__.py", tmp_path / "nas_with_rl")
    scripts = []
    for number, (kind, file, body) in enumerate(BLOCKS):
        if kind == "diff":
            _apply(body, tmp_path)
        elif kind == "python":
            path = tmp_path / (file or f"example_{number}.py")
            assert not path.exists()
            path.write_text(body, encoding="utf-8")
            scripts += [] if file else [path.name]
    assert len(scripts) >= 5
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *scripts],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_files_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    for path in re.findall(
        rf"`((?:{'|'.join(FOLDERS)}|tests|findings|docs|deploy)/[\w/.]*)`", TEXT
    ):
        assert (ROOT / path).exists(), path
