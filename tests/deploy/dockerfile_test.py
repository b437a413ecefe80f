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
from packaging.requirements import Requirement

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
    copied = [(source, to) for source, to in copied if not source.startswith("deploy/")]
    assert sorted(source for source, _ in copied) == sorted(expected)
    for source, to in copied:  # a folder's name says what is in it; files go to the top
        assert to == (source if (ROOT / source).is_dir() else "./")


def test_the_entry_is_the_role(image):
    (entry,) = image.values("ENTRYPOINT")
    *before, module = json.loads(entry)
    assert before == ["tini", "--", "python", "-m"]
    assert any("tini" in value for value in image.values("RUN"))
    assert importlib.util.find_spec(module) is not None, module


def locked(name: str) -> dict[str, str]:
    """Return the version of each release that a lock has, each with the digest of its file."""
    lines = (ROOT / "deploy" / name).read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if not line.startswith("#"):
            (release,) = re.findall(r"^([a-z0-9.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$", line)
            assert release[0] not in found, line
            found[release[0]] = release[1]
    return found


def required() -> list[Requirement]:
    """Return what setup.py asks for, with the extras that tools/lock_image.py names."""
    values = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(ast.parse(SETUP))
        if isinstance(node, ast.Assign)
    }
    (call,) = (
        node
        for node in ast.walk(ast.parse(SETUP))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"
    )
    (install,) = (word.value for word in call.keywords if word.arg == "install_requires")
    lists = [install, values["NAS_BENCH"], values["DIGITS"]]
    tool = (ROOT / "tools" / "lock_image.py").read_text(encoding="utf-8")
    assert 'EXTRAS = "digits,nas-bench"' in tool
    return [Requirement(text) for part in lists for text in ast.literal_eval(part)]


def test_the_locks_have_what_the_package_asks_for():
    locks = locked("requirements.lock")
    for requirement in required():
        version = locks[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), requirement
    cuda = locked("requirements-cuda.lock")
    assert all(name.startswith("nvidia-") for name in cuda) and len(cuda) > 5
    assert not cuda.keys() & locks.keys()


def test_nothing_is_installed_that_could_be_another_the_next_time(image):
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", image.base)
    steps = image.values("RUN")
    for words in re.findall(r"apt-get install ([^&]*)", "\n".join(steps)):
        packages = [word for word in words.split() if not word.startswith("-")]
        assert packages and all("=" in package for package in packages)
    installs = [words for step in steps for words in re.findall(r"pip install ([^&]*)", step)]
    assert len(installs) == 2
    for words in installs:
        assert "--no-build-isolation" in words  # else setuptools is whatever is newest
        assert "--require-hashes" in words or "--no-deps" in words
    (locks,) = (value for value in image.values("ARG") if value.startswith("LOCKS="))
    files = {source for sources, _ in image.copies() for source in sources}
    assert {f"deploy/{name}" for name in locks.removeprefix("LOCKS=").strip('"').split()} <= files


def test_the_python_is_the_packages(image):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    major, minor, *_ = image.base.partition(":")[2].split(".")
    assert f"py{major}{minor}" == project["tool"]["ruff"]["target-version"]


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
