"""deploy/Dockerfile: it parses, and what it copies is there and is the whole package.

No image is built here: that takes a Docker daemon and some gigabytes.
"""

import ast
import fnmatch
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")


class Image:
    """What the Dockerfile says, read by a parser of Dockerfiles."""

    def __init__(self, text: str, directory: Path) -> None:
        parser = DockerfileParser(str(directory / "Dockerfile"))
        parser.content = text
        self.base = parser.baseimage
        self.steps = [
            (step["instruction"], step["value"])
            for step in parser.structure
            if step["instruction"] != "COMMENT"
        ]

    def values(self, instruction: str) -> list[str]:
        """Return what follows each occurrence of an instruction."""
        return [value for name, value in self.steps if name == instruction]

    def copies(self) -> list[tuple[list[str], str]]:
        """Return each COPY's sources and its destination."""
        words = [value.split() for value in self.values("COPY")]
        return [(sources, destination) for *sources, destination in words]


def dockerignore_rules() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_sent(path: str) -> bool:
    """Return whether the builder gets a file at the root: the last rule that fits it decides."""
    sent = True
    for rule in dockerignore_rules():
        if fnmatch.fnmatch(path, rule.removeprefix("!")):
            sent = rule.startswith("!")
    return sent


@pytest.fixture
def image(tmp_path) -> Image:
    return Image((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"), tmp_path)


def test_what_is_copied_exists_and_is_sent_to_the_builder(image):
    sources = [source for sources, _ in image.copies() for source in sources]
    assert "setup.py" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_sent(source), f"{source} is kept out by .dockerignore"
    for name in (".git", ".venv", "runs", "tests"):
        assert not is_sent(name)


def test_what_is_copied_is_what_the_wheel_is_built_from(image):
    # `make wheel-check` proves that this is enough: it builds the wheel from a copy of these alone.
    tree = ast.parse((ROOT / "tools" / "check_wheel.py").read_text(encoding="utf-8"))
    values = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
    }
    names = ast.unparse(values["names"]).replace("FOLDERS", ast.unparse(values["FOLDERS"]))
    expected = ast.literal_eval(names.replace("*(", "").replace("))", ")"))
    copied = [(source, to) for sources, to in image.copies() for source in sources]
    assert sorted(source for source, _ in copied) == sorted(expected)
    for source, to in copied:  # a folder's name says what is in it; files go to the top
        assert to == (source if (ROOT / source).is_dir() else "./")


def test_the_entry_is_the_role(image):
    (entry,) = image.values("ENTRYPOINT")
    *before, module = json.loads(entry)
    assert before == ["tini", "--", "python", "-m"]
    assert any("tini" in value for value in image.values("RUN"))
    assert importlib.util.find_spec(module) is not None, module


def test_the_versions_are_the_packages(image):
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (
        f"py{image.base.partition(':')[2].partition('-')[0].replace('.', '')}"
        == (required["tool"]["ruff"]["target-version"])
    )
    (bound,) = re.findall(r'"tensorflow(>=[\d.]+)[,"]', SETUP)
    assert any(f"$TENSORFLOW{bound}" in value for value in image.values("RUN"))
    names = re.findall(r'"(\w+)": [A-Z_]+(?: \+ [A-Z_]+)*,', SETUP)
    (extras,) = (value for value in image.values("ARG") if value.startswith("EXTRAS="))
    assert set(extras.removeprefix("EXTRAS=").split(",")) <= set(names)


def test_it_agrees_with_the_kubernetes_template(image):
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
    pods = [
        document["spec"]["template"]["spec"]
        for document in yaml.safe_load_all(text)
        if document["kind"] in ("StatefulSet", "Job")
    ]
    (version,) = re.findall(r'version="([\d.]+)"', SETUP)
    assert len(pods) == 3
    for pod in pods:
        (container,) = pod["containers"]
        assert container["image"] == f"nas-with-rl:{version}"
        assert [str(port["containerPort"]) for port in container["ports"]] == image.values("EXPOSE")
        assert [str(pod["securityContext"]["runAsUser"])] == image.values("USER")
        assert container["command"][:2] == ["tini", "--"]


def test_no_step_after_the_last_user_is_roots(image):
    steps = [name for name, _ in image.steps]
    assert "RUN" not in steps[steps.index("USER") :]
    assert image.values("USER") == ["1000"]  # a number: runAsNonRoot cannot judge a name
    assert any("useradd" in value and "--uid=1000" in value for value in image.values("RUN"))
