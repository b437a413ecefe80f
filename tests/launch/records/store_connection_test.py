"""Stores that others lock, that may only be read, that a kill or a full disk has left."""

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from nas_with_rl.launch.records import store_connection
from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.records.storage_errors import StorageError
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.errors import InputError


def running(number, architecture="a"):
    return Trial(number, f"{architecture} {number}", 0, "running", -1.5, 0, None, seed=7)


def completed(number, reward):
    return Trial(**{**vars(running(number)), "status": "completed", "reward": reward})


@pytest.fixture
def path(tmp_path):
    """A finished run's store, of two trials."""
    path = tmp_path / "run" / "trials.sqlite"
    path.parent.mkdir()
    with contextlib.closing(TrialStore(path)) as store:
        store.add([running(0), running(1)])
        store.finish(completed(0, 0.5))
    return path


def files(path):
    """What lies beside a store, with size and time of change."""
    found = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in path.parent.iterdir()]
    return sorted(found)


def read(path):
    with contextlib.closing(TrialStore(path, read_only=True)) as store:
        return [trial.reward for trial in store.all()], ranked(store.all())[0].trial.number


@contextlib.contextmanager
def locked(path, statement="BEGIN IMMEDIATE"):
    """Another program's connection, as of a viewer with changes that are not saved."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(statement)
    other.execute("SELECT COUNT(*) FROM trials").fetchone()
    try:
        yield other
    finally:
        other.close()


@pytest.fixture
def said(monkeypatch):
    """What is said while waiting, which begins at once here."""
    lines = []
    monkeypatch.setattr(store_connection, "SAID_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(
        store_connection.logging, "warning", lambda text, *values: lines.append(text % values)
    )
    return lines


@pytest.mark.parametrize(
    "use",
    [
        lambda path: TrialStore(path).finish(completed(1, 0.25)),
        lambda path: TrialStore(path).mark_learned([1], 1),
        lambda path: TrialStore(path).add([running(2)]),
        lambda path: TrialStore(path).all(),
    ],
)
def test_another_programs_lock_is_waited_for(path, said, use):
    with locked(path, "PRAGMA locking_mode=EXCLUSIVE") as other:
        other.execute("BEGIN EXCLUSIVE")
        ended = []
        thread = threading.Thread(target=lambda: (use(path), ended.append(True)))
        thread.start()
        time.sleep(1.0)
        assert not ended
        other.close()
        thread.join(30)
    assert ended
    assert "locked by another program" in said[0] and "going on" in said[-1]


def test_a_lock_that_stays_is_one_clear_line_and_nothing_is_lost(path, said, monkeypatch):
    monkeypatch.setattr(store_connection, "LONGEST_WAIT_SECONDS", 0.5)
    store = TrialStore(path)
    with locked(path):
        with pytest.raises(StorageError, match=r"locked by another program.*--resume") as caught:
            store.finish(completed(1, 0.25))
        assert "\n" not in str(caught.value)
    store.finish(completed(1, 0.25))
    assert [trial.reward for trial in store.all()] == [0.5, 0.25]


def test_ctrl_c_ends_the_waiting(path):
    script = (
        "import sys, pathlib; from nas_with_rl.launch.records.trial_store import TrialStore\n"
        "store = TrialStore(pathlib.Path(sys.argv[1])); print('opened', flush=True)\n"
        "sys.stdin.readline(); print('waiting', flush=True)\n"
        "store.mark_learned([0], 1)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "opened\n"
    with locked(path):
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "waiting\n"
        time.sleep(0.7)
        assert child.poll() is None
        child.send_signal(2)
        _, errors = child.communicate(timeout=60)  # it would wait as long as the lock is held
    assert "KeyboardInterrupt" in errors


def test_reading_alone_writes_nothing(path):
    before = files(path)
    assert read(path) == ([0.5, None], 0)
    assert files(path) == before
    store = TrialStore(path, read_only=True)
    with pytest.raises(StorageError), contextlib.closing(store):
        store.add([running(2)])
    assert files(path) == before


def test_a_search_that_goes_on_is_read(path):
    with contextlib.closing(TrialStore(path)) as store:
        store.finish(completed(1, 0.75))
        before = files(path)
        assert read(path) == ([0.5, 0.75], 1)
        assert files(path) == before
        with locked(path):  # a writer keeps nobody from reading
            assert read(path)[1] == 1


@pytest.mark.parametrize("with_index", [True, False])
def test_what_a_killed_search_has_left_in_its_log_is_read(path, tmp_path, with_index):
    with contextlib.closing(TrialStore(path)) as store:
        store.finish(completed(1, 0.75))
        left = tmp_path / "left"
        shutil.copytree(path.parent, left)
    if not with_index:
        (left / "trials.sqlite-shm").unlink()
    assert (left / "trials.sqlite-wal").stat().st_size
    before = files(left / path.name)
    assert read(left / path.name) == ([0.5, 0.75], 1)
    assert [name for name, _, _ in files(left / path.name)] == [name for name, _, _ in before]


def test_an_old_store_is_read_without_a_change(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX by_batch")
        connection.execute("ALTER TABLE trials DROP COLUMN batch")
        connection.execute("UPDATE trials SET sampled_version = 1 WHERE number = 1")
        connection.commit()
    before = files(path)
    with contextlib.closing(TrialStore(path, read_only=True)) as store:
        assert [trial.batch for trial in store.all()] == [0, 1]
        assert (store.num_batches(), len(store.batches([1]))) == (2, 1)
    assert files(path) == before


@contextlib.contextmanager
def mounted(target, *options):
    """A mount that only root may make; the test is skipped where it cannot be made."""
    target.mkdir(exist_ok=True)
    command = ["mount", *options, str(target)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"cannot be mounted here: {' '.join(command)}")
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


@pytest.mark.parametrize("is_live", [False, True])
def test_a_store_on_a_read_only_mount_is_read(path, tmp_path, is_live):
    target = tmp_path / "mounted"
    with contextlib.ExitStack() as stack:
        if is_live:
            store = stack.enter_context(contextlib.closing(TrialStore(path)))
            store.mark_learned([0], 1)
        stack.enter_context(mounted(target, "--bind", str(path.parent)))
        remounted = ["mount", "-o", "remount,ro,bind", str(target)]
        if subprocess.run(remounted, capture_output=True, check=False).returncode:
            pytest.skip("cannot be mounted to be read alone here")
        assert read(target / path.name) == ([0.5, None], 0)
        with contextlib.closing(TrialStore(target / path.name)) as found:
            assert len(found) == 2
            with pytest.raises(StorageError, match=r"denied|only be read"):
                found.add([running(2)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_store_without_write_permission_is_read(path):
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert len(TrialStore(path)) == 2
    finally:
        path.parent.chmod(0o755)


def test_what_is_not_there_is_not_created(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        TrialStore(tmp_path / "trials.sqlite", read_only=True)
    with pytest.raises(InputError, match="Is a directory"):
        TrialStore(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        TrialStore(tmp_path / "missing" / "trials.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_what_was_stored_is_kept(tmp_path):
    with mounted(tmp_path / "full", "-t", "tmpfs", "-o", "size=400k", "tmpfs") as folder:
        store = TrialStore(folder / "trials.sqlite")
        stored = 0
        with pytest.raises(StorageError, match=r"no space.*make room.*--resume") as caught:
            for stored in range(10_000):
                store.add([running(stored, "long " * 100)])
        assert "\n" not in str(caught.value) and stored > 10
        store.close()
        copy = tmp_path / "roomy"
        shutil.copytree(folder, copy)
    with contextlib.closing(TrialStore(copy / "trials.sqlite")) as store:
        assert [trial.number for trial in store.all()] == list(range(stored))
        store.add([running(stored)])


@contextlib.contextmanager
def limited(kind, limit):
    """A limit of this process, which needs no permission."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_a_limit_on_the_size_of_files_is_named(path):
    with contextlib.closing(TrialStore(path)) as store:
        refused = pytest.raises(StorageError, match=r"may not grow.*--resume")
        with limited(resource.RLIMIT_FSIZE, 200_000), refused:
            for number in range(2, 1000):
                store.add([running(number, "long " * 200)])
        count = len(store)
        store.add([running(count)])
    assert len(TrialStore(path)) == count + 1


@pytest.mark.parametrize("read_only", [False, True])
def test_too_many_open_files_are_named(path, read_only):
    with contextlib.ExitStack() as stack:
        stack.enter_context(limited(resource.RLIMIT_NOFILE, 64))
        with contextlib.suppress(OSError):
            while True:
                stack.enter_context(open(os.devnull))
        with pytest.raises(StorageError, match="too many open files"):
            TrialStore(path, read_only=read_only)
    assert read(path)[1] == 0


def test_the_log_is_bounded_while_a_search_runs(path):
    largest = 0
    with contextlib.closing(TrialStore(path)) as store:
        for number in range(2, 600):
            store.add([running(number, "long " * 400)])
            largest = max(largest, path.with_name("trials.sqlite-wal").stat().st_size)
    assert 2**20 < largest < 5 * 2**20
    assert [p.name for p in path.parent.iterdir()] == ["trials.sqlite"]


def test_a_long_reader_does_not_let_the_log_grow_without_bound(path, said, monkeypatch):
    monkeypatch.setattr(store_connection, "WAL_BYTES", 200_000)
    log, ended = path.with_name("trials.sqlite-wal"), []

    def search():
        with contextlib.closing(TrialStore(path)) as store:
            for number in range(2, 150):
                store.add([running(number, "long " * 400)])
        ended.append(True)

    with locked(path, "BEGIN") as reader:
        thread = threading.Thread(target=search)
        thread.start()
        time.sleep(1.5)
        assert thread.is_alive() and 200_000 < log.stat().st_size < 300_000
        assert reader.execute("SELECT COUNT(*) FROM trials").fetchone() == (2,)
        reader.execute("COMMIT")
        thread.join(30)
    assert ended and len(TrialStore(path, read_only=True)) == 150
    assert "it is read by another program" in said[0]
