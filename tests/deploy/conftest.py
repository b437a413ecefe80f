"""What the tests of the templates share: a python that records, and the flags of the real roles."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.clusters.tf_config import parse_tf_config

ROOT = Path(__file__).resolve().parents[2]

# Stands in for the python that would start a role.
RECORDER = f"""#!{sys.executable}
import json, os, sys
config = json.loads(os.environ["TF_CONFIG"])
seen = dict(config=config, words=sys.argv[1:], gpus=os.environ.get("CUDA_VISIBLE_DEVICES"))
name = "{{type}}-{{index}}.json".format(**config["task"])
with open(os.path.join(os.environ["RECORDS"], "." + name), "w") as file:
    json.dump(seen, file)
os.rename(file.name, os.path.join(os.environ["RECORDS"], name))
exec(os.environ.get("ROLE", ""))
"""

PARSE = """
import json, sys
from absl import flags
from nas_with_rl.launch import cluster
flags.FLAGS(["cluster", *sys.argv[1:]])
print(json.dumps({name: flags.FLAGS[name].value for name in flags.FLAGS}))
"""


class Roles:
    """Records what roles were started as.

    Attributes:
      python: a program that records TF_CONFIG and its words, then runs the Python code in ROLE.
      environment: what the program needs, and a PATH that has it as `python`.
    """

    def __init__(self, directory: Path) -> None:
        self._records = directory / "records"
        self._records.mkdir()
        programs = directory / "programs"
        programs.mkdir()
        self.python = programs / "python"
        self.python.write_text(RECORDER, encoding="utf-8")
        self.python.chmod(0o755)
        self.environment = {
            "RECORDS": str(self._records),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }

    def recorded(self) -> dict[str, dict]:
        """Return what was recorded, by role as in "worker-3"; each reads it as its own place."""
        found = {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(self._records.glob("*.json"))
        }
        for name, seen in found.items():
            _, task = parse_tf_config(json.dumps(seen["config"]))
            assert str(task) == name
        return found


@pytest.fixture
def roles(tmp_path) -> Roles:
    return Roles(tmp_path)


@pytest.fixture
def parse_flags():
    """Return the flags of a role, parsed by its binary from the words of a command line."""

    def parse(words: list[str]) -> dict:
        done = subprocess.run(
            [sys.executable, "-c", PARSE, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return parse


@pytest.fixture
def shellcheck():
    """Return what ShellCheck says of a script's text; nothing if all is well."""

    def check(text: str) -> str:
        program = Path(sys.executable).with_name("shellcheck")
        done = subprocess.run(
            [program, "-"], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    return check
