"""The README: its example runs as it stands, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import nas_with_rl as nas

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_pasted_into_an_empty_file(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "tanh 64 2.0"


def test_nothing_is_left_to_be_filled_in_and_files_exist():
    assert not re.findall(r"@[A-Z]+@", TEXT)
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    for module in re.findall(r"python (benchmarks/\w+\.py)", TEXT):
        assert (ROOT / module).exists(), module


def test_examples_use_public_names_only():
    """Of the README and of the notebooks: nobody needs to know where a name lives."""
    for path in (ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:from|import) (nas_with_rl\.[\w.]+)", text) == [], path.name
        for name in re.findall(r"\bnas\.(\w+)", text):
            assert name in nas.__all__, f"{path.name}: nas.{name}"
