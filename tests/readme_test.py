"""The README: short, its example runs as it stands, it says how to cite; CITATION.cff agrees.

Its commands and links are looked at with those of all pages, in documentation_test.py.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import nas_with_rl as nas

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 1_500


def test_it_is_short():
    assert len(TEXT.split()) <= MOST_WORDS


def test_the_python_example_runs_pasted_into_an_empty_file(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert sum(bool(line.strip()) for line in example.splitlines()) == 8
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
    printed = done.stdout.splitlines()
    assert printed[0] == re.search(r"  # (tanh.*)$", example, re.MULTILINE)[1]
    assert "tanh 64" in "\n".join(printed[1:])


def test_nothing_is_left_to_be_filled_in():
    assert not re.findall(r"@[A-Z]+@", TEXT)


def test_what_one_looks_for_first_is_there():
    """How to install, to search a space of one's own, to see a cell, to cite."""
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    for words in ("Install", "Search your own space", "See what was found", "cite"):
        assert any(words in heading for heading in headings), words


def test_pictures_say_what_they_show():
    pictures = re.findall(r"!\[([^\]]*)\]\((\S+)\)", TEXT)
    assert len(pictures) >= 3
    assert all(len(words) > 20 for words, _ in pictures)


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'version="{citation["version"]}"' in setup
    assert f'license_expression="{citation["license"]}"' in setup
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    (paper,) = citation["references"]
    (cited,) = re.findall(r"```bibtex\n(.*?)```", TEXT, re.DOTALL)
    assert paper["title"] in cited and str(paper["year"]) in cited
    assert all(author["family-names"] in cited for author in paper["authors"])


def test_examples_of_the_notebooks_use_public_names_only():
    """Nobody needs to know where a name lives; those of the pages are looked at beside these."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:from|import) (nas_with_rl\.[\w.]+)", text) == [], path.name
        for name in re.findall(r"\bnas\.(\w+)", text):
            assert name in nas.__all__, f"{path.name}: nas.{name}"
