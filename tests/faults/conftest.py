"""What these tests share: their modules, and a small disk."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
DISK_MEBIBYTES = 16
SCRIPT_SECONDS = 600  # on a busy machine


@pytest.fixture(scope="module", autouse=True)
def modules():
    """Let the modules beside these tests find one another."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(FOLDER)
        yield


@pytest.fixture(scope="session")
def run_script():
    """Run a script beside these tests to its end; return what it has printed."""

    def run(name, *words):
        path = os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", ""), str(ROOT)])
        done = subprocess.run(
            [sys.executable, str(FOLDER / name), *map(str, words)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        assert done.stdout, done.stderr[-4000:]
        return done

    return run


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A disk of a few megabytes; None where this user may not mount one."""
    place = tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "tmpfs", str(place)]
    if shutil.which("mount") and subprocess.run(words, check=False).returncode == 0:
        yield place
        subprocess.run(["umount", "-l", str(place)], check=True)
    else:
        yield None
