"""XLA's flags for child processes, and the cache of compiled programs on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.host import compilation
from nas_with_rl.launch.host.resources import Place

ROOT = Path(__file__).resolve().parents[3]
CACHE_FLAG = "--tf_xla_persistent_cache_directory="
COMPILE = """
import tensorflow as tf
square = tf.function(lambda x: x @ x, jit_compile=True)
assert float(square(tf.ones((3, 3)))[0, 0]) == 3
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and no flags of the user's."""
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    return tmp_path / "cache"


def contents(folder):
    """Return every file with the moment of its last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_cache_is_where_the_user_says(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for cache, base, expected in (
        ("", "", "/home/someone/.cache/nas_with_rl"),
        ("", "/var/caches", "/var/caches/nas_with_rl"),
        ("/here", "/var/caches", "/here"),
        ("~/here", "", "/home/someone/here"),
    ):
        monkeypatch.setenv(compilation.CACHE_VARIABLE, cache)
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        assert compilation.cache_directory() == Path(expected)


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    for name in (compilation.CACHE_VARIABLE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)  # of whom the system knows nothing
    assert "TF_XLA_FLAGS" not in compilation.environment().keys() - os.environ.keys()


def test_the_users_flags_come_last(cache, monkeypatch):
    assert compilation.environment()["XLA_FLAGS"] == " ".join(compilation.flags())
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    monkeypatch.setenv("TF_XLA_FLAGS", CACHE_FLAG + "/elsewhere")
    variables = compilation.environment()
    assert variables["XLA_FLAGS"].endswith(" --xla_backend_optimization_level=3")
    ours, theirs = variables["TF_XLA_FLAGS"].split()
    assert ours.startswith(f"{CACHE_FLAG}{cache}/xla/") and theirs == CACHE_FLAG + "/elsewhere"


def test_programs_of_other_flags_lie_elsewhere(cache, monkeypatch):
    plain = compilation.environment()["TF_XLA_FLAGS"]
    assert compilation.environment()["TF_XLA_FLAGS"] == plain
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    assert compilation.environment()["TF_XLA_FLAGS"] != plain
    assert len(list((cache / "xla").iterdir())) == 2


def test_a_cache_that_cannot_be_written_to_is_no_cache(cache, monkeypatch):
    cache.write_text("in the way")
    assert "TF_XLA_FLAGS" not in compilation.environment()
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_clustering_debug")
    environment = Place(core=0).environment()
    assert environment["TF_XLA_FLAGS"] == "--tf_xla_clustering_debug"


def test_the_programs_written_longest_ago_make_room(cache, monkeypatch):
    monkeypatch.setattr(compilation, "MAX_CACHE_BYTES", 250)
    for age, name in enumerate(["new", "older", "oldest"]):
        path = cache / "xla" / f"of_{name}" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 100)
        os.utime(path, (10**9 - age, 10**9 - age))
    compilation.environment()
    assert {path.name for path in contents(cache)} == {"new", "older"}


@pytest.mark.slow
def test_a_second_process_finds_what_the_first_has_compiled(cache):
    def compile_in_a_process():
        environment = {**Place().environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-c", COMPILE], check=True, cwd=ROOT, env=environment)
        return contents(cache)

    first = compile_in_a_process()
    assert first and compile_in_a_process() == first
