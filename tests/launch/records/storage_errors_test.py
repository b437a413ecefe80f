"""Full disks and the like: one line that says what to do, and nothing is lost."""

import contextlib
import errno
import os
import resource
import subprocess
import sys

import pytest

import nas_with_rl as nas
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.api import SearchOptions
from nas_with_rl.launch.command_line import status_of
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.storage_errors import (
    STORAGE_STATUS,
    StorageError,
    explained,
    storing,
)
from nas_with_rl.launch.records.workdir import Workdir, write_object
from nas_with_rl.search_spaces.errors import InputError

SPACE = nas.SearchSpace([nas.Choice("units", (16, 32, 64)), nas.Choice("text", ("a", "b"))])
CONTROLLER = ReinforceConfig(policy=PolicyConfig(jit_compile=False))


@contextlib.contextmanager
def small_files(limit):
    """No file of this process may grow beyond some bytes: a disk that is full, for anybody."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(main, **streams):
    """Run a binary whose `main` is a line of Python."""
    script = f"from nas_with_rl.launch import command_line\ncommand_line.run_main(lambda: {main})"
    return subprocess.run([sys.executable, "-c", script], check=False, text=True, **streams)


def test_a_full_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = run("print('line ' * 10_000)", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == STORAGE_STATUS
    (line,) = done.stderr.splitlines()
    assert "the standard output: no space" in line and "make room" in line and "--resume" in line


def test_where_no_line_can_be_written_there_is_the_status():
    with open("/dev/full", "w") as full:
        done = run("print('line ' * 10_000)", stdout=full, stderr=full)
    assert done.returncode == STORAGE_STATUS


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "quota"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "input/output"),
        (errno.EROFS, "only be read"),
        (errno.EACCES, "permission"),
    ],
)
def test_errors_of_the_machine_are_told_from_those_of_the_program(capsys, number, words):
    def main():
        raise OSError(number, os.strerror(number), "/mnt/runs/file")

    assert status_of(main) == STORAGE_STATUS
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line and "/mnt/runs/file" in line


def test_errors_of_the_program_keep_their_traceback():
    for error in (FileNotFoundError(errno.ENOENT, "x", "y"), PermissionError(errno.EPERM, "kill")):
        assert explained(error) is None
    with pytest.raises(FileNotFoundError):
        status_of(lambda: os.stat("/nowhere/at/all").st_size)
    with pytest.raises(InputError), storing("folder"):
        raise InputError(f"--out: {os.strerror(errno.EACCES)}")


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    searcher = Reinforce(SPACE, CONTROLLER, max_depth=0, seed=0)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(searcher)
    searcher.tell(searcher.ask(SPACE, range(2)), [0.1, 0.2])
    with small_files(10_000), pytest.raises(StorageError, match=r"may not grow.*--resume"):
        checkpoints.save(searcher)
    again = Reinforce(SPACE, CONTROLLER, max_depth=0, seed=1)
    checkpoints.restore(again)
    assert again.version == 0
    checkpoints.save(searcher)
    checkpoints.restore(again)
    assert again.version == 1


def test_a_json_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "result.json"
    write_object({"epoch": 1}, path)
    with small_files(1000), pytest.raises(StorageError, match=r"result\.json.*--resume"):
        write_object({"epochs": list(range(1000))}, path)
    assert path.read_text() == '{\n "epoch": 1\n}\n'


def test_a_run_that_cannot_begin_is_an_error_of_its_user(tmp_path):
    place = Workdir(tmp_path / "run")
    with small_files(10), pytest.raises(InputError, match=r"--workdir=.*cannot be written"):
        place.start({"experiment": "x" * 100})
    place.close()


def test_a_search_on_a_full_disk_is_continued_to_the_same_trials(tmp_path):
    options = SearchOptions(
        search=SearchConfig(searcher="random", batch_size=2, duplicates="evaluate"), progress=False
    )

    def evaluate(architecture):
        return nas.Measurement(architecture["units"] / 64, {"curve": [0.5] * 200}, 1)

    whole = nas.search(SPACE, evaluate, num_samples=80, options=options)
    place = tmp_path / "run"
    with small_files(150_000), pytest.raises(StorageError, match="--resume"):
        nas.search(SPACE, evaluate, num_samples=80, workdir=place, options=options)
    resumed = SearchOptions(search=options.search, progress=False, resume=True)
    found = nas.search(SPACE, evaluate, num_samples=80, workdir=place, options=resumed)
    assert [(t.architecture, t.reward) for t in found.trials] == [
        (t.architecture, t.reward) for t in whole.trials
    ]
