"""How XLA compiles in child processes on CPU: flags that are fast there, and a cache on disk."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import time
from pathlib import Path

CACHE_VARIABLE = "NAS_WITH_RL_CACHE_DIR"
_DIRECTORY_FLAG = "--tf_xla_persistent_cache_directory"
UNTOUCHABLE_SECONDS = 3600  # after which another process has read what it has found
MAX_CACHE_BYTES = 2**29  # of compiled programs, some MB each


def cache_directory() -> Path:
    """Return where compiled programs and measured plans are kept from run to run."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    directory = Path(os.environ.get(CACHE_VARIABLE) or base / "nas_with_rl")
    try:
        return directory.expanduser().absolute()
    except RuntimeError:  # a user without a home, as containers have: nothing can be kept
        return Path(os.devnull) / "nas_with_rl"


def processor() -> str:
    """Return what tells this processor's machine code from another's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    return f"{told.get('model name', platform.machine())} {told.get('flags', '')}"


def flags() -> list[str]:
    """Return XLA's flags for this processor.

    LLVM's first level of optimisation compiles the population's program in two thirds of the time
    of its third, and the program is no slower; vectors of 512 bits make it a tenth faster.
    """
    wide = ["--xla_cpu_prefer_vector_width=512"] if "avx512f" in processor() else []
    return ["--xla_backend_optimization_level=1", *wide]


def environment() -> dict[str, str]:
    """Return the variables for a process that compiles for CPU; the user's own flags come last."""
    variables = {"XLA_FLAGS": _joined(*flags(), os.environ.get("XLA_FLAGS", ""))}
    if directory := _program_directory(variables["XLA_FLAGS"]):
        kept = f"{_DIRECTORY_FLAG}={directory}"
        variables["TF_XLA_FLAGS"] = _joined(kept, os.environ.get("TF_XLA_FLAGS", ""))
        jax = {  # beside TensorFlow's, so that `_trim` finds it
            "JAX_COMPILATION_CACHE_DIR": f"{directory}-jax",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        }
        variables |= {name: os.environ.get(name) or value for name, value in jax.items()}
    return variables


def _tensorflow_version() -> str:
    for name in ("tensorflow", "tensorflow-cpu", "tf-nightly"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "unknown"


def _joined(*flags: str) -> str:
    return " ".join(flag for flag in flags if flag)


def _program_directory(flags: str) -> Path | None:
    """Return where programs compiled here with these flags are kept; None if nowhere."""
    told = [_tensorflow_version(), processor(), flags]
    name = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    directory = cache_directory() / "xla" / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _trim(directory.parent)
        has_room = shutil.disk_usage(directory).free > 2 * MAX_CACHE_BYTES
    except OSError:  # a home that cannot be written to: everything is compiled anew
        return None
    return directory if has_room and os.access(directory, os.W_OK) else None


def forget_programs() -> bool:
    """Delete the programs that this process reads from the disk; return whether there were any.

    For a process that cannot compile: TensorFlow does not survive a damaged file.
    """
    kept = re.search(rf"{_DIRECTORY_FLAG}=(\S+)", os.environ.get("TF_XLA_FLAGS", ""))
    files = list(Path(kept[1]).glob("*")) if kept else []
    for path in files:
        path.unlink(missing_ok=True)
    return bool(files)


def _trim(directory: Path) -> None:
    """Delete the programs that were written longest ago, beyond what the cache may hold."""
    files = sorted(
        (path for path in directory.glob("*/*") if path.is_file()),
        key=lambda path: path.stat().st_mtime,
    )
    excess = sum(path.stat().st_size for path in files) - MAX_CACHE_BYTES
    for path in files:
        if excess <= 0 or path.stat().st_mtime > time.time() - UNTOUCHABLE_SECONDS:
            return
        excess -= path.stat().st_size
        path.unlink(missing_ok=True)
