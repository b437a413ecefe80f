"""What is cleared away after a process, by real guards of real processes."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.host.remnants import PrivateFolder, check_mark, kill_marked
from nas_with_rl.search_spaces.errors import InputError
from tests.harness.processes import is_running, wait_until

ROOT = Path(__file__).parents[3]
OWNER = """
import subprocess, time
from nas_with_rl.launch.host.remnants import PrivateFolder
folder = PrivateFolder(variable="NAS_WITH_RL_TEST")
(folder.path / "file").touch()
environment = {"NAS_WITH_RL_TEST": str(folder.path / "one"), "PATH": "/usr/bin:/bin"}
sleep = subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True)
print(folder.path, sleep.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Let temporary files be made here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_a_private_folder_is_this_users_alone_and_where_tmpdir_says(tmp_path):
    folder = PrivateFolder()
    try:
        assert folder.path.parent == tmp_path
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        (folder.path / "file").touch()
    finally:
        folder.close()
    assert list(tmp_path.iterdir()) == []
    folder.close()  # again


def test_two_folders_do_not_meet():
    folders = [PrivateFolder() for _ in range(2)]
    try:
        assert folders[0].path != folders[1].path
    finally:
        for folder in folders:
            folder.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_leaves_neither_its_folder_nor_what_it_has_marked(tmp_path, number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        path, pid = owner.stdout.readline().rsplit(maxsplit=1)
        assert (Path(path) / "file").exists() and is_running(int(pid))
    finally:
        owner.send_signal(number)
        owner.communicate(timeout=10)
    wait_until(lambda: not Path(path).exists())
    assert not is_running(int(pid))


def test_a_mark_is_a_whole_value_or_what_lies_within_it():
    values = {"a": True, "a/b": True, "ab": False, "c/a": False}
    processes = {
        value: subprocess.Popen(["sleep", "600"], env={**os.environ, "NAS_WITH_RL_TEST": value})
        for value in values
    }
    try:
        kill_marked("NAS_WITH_RL_TEST=a")
        ended = {value: process.poll() is not None for value, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    assert ended == values


@pytest.mark.parametrize("mark", ["", "=", "A=", "A", "=a", "A=/"])
def test_a_mark_that_others_could_have_is_refused(mark):
    with pytest.raises(ValueError, match="marks a process"):
        check_mark(mark)


def test_without_a_place_for_temporary_files_it_is_one_line(monkeypatch):
    def refused(**options):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    with pytest.raises(InputError, match="TMPDIR has no"):
        PrivateFolder()
