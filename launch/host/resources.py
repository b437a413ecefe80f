"""What this machine has for child processes: its cores, its GPUs, its memory."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.launch.host import backend, compilation

GIB = 2**30
_CGROUP = Path("/sys/fs/cgroup")  # what a container may use of its machine
# Of TensorFlow, and of the libraries of matrix products that read OpenMP's.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
# So that processes can share a GPU: of TensorFlow and of JAX.
_GROWTH = (("TF_FORCE_GPU_ALLOW_GROWTH", "true"), ("XLA_PYTHON_CLIENT_PREALLOCATE", "false"))


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a child process computes: on a core of its own, on a GPU, or, without both, anywhere.

    Attributes:
      core: its number; None where processes are not pinned.
      gpu: as CUDA_VISIBLE_DEVICES names it.
      is_shared: whether another process has the same GPU.
    """

    core: int | None = None
    gpu: str | None = None
    is_shared: bool = False

    def environment(self) -> dict[str, str]:
        """Return this process's environment with what the place adds."""
        if self.gpu is None:
            return {**os.environ, **dict.fromkeys(_THREADS, "1"), **compilation.environment()}
        growth = dict(_GROWTH) if self.is_shared else {}
        return {**os.environ, "CUDA_VISIBLE_DEVICES": self.gpu, **growth}


def places(num_processes: int) -> list[Place]:
    """Return where each process computes: the GPUs in turn or, without any, the cores.

    With fewer processes than cores none is pinned: another search would choose the same cores.
    """
    if gpus := visible_gpus():
        shared = num_processes > len(gpus)
        return [Place(gpu=gpus[i % len(gpus)], is_shared=shared) for i in range(num_processes)]
    numbers = cores()
    if not numbers or num_processes < len(numbers):  # the system finds those that are idle
        return [Place()] * num_processes
    return [Place(core=numbers[i % len(numbers)]) for i in range(num_processes)]


def default_num_processes() -> int:
    """Return one per GPU or, where there is none, one per core that this process may use."""
    return len(visible_gpus()) or _cores_worth()


def cores() -> list[int]:
    """Return the cores that this process may run on; none where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return []
    return sorted(os.sched_getaffinity(0))


def _cores_worth() -> int:
    """How many cores' time there is: a container may see all and get the time of a few."""
    count = len(cores()) or os.cpu_count() or 1
    quota = _words("cpu.max")
    if not quota:  # version 1 of cgroups
        quota = _words("cpu/cpu.cfs_quota_us") + _words("cpu/cpu.cfs_period_us")
    if len(quota) == 2 and quota[0] not in ("max", "-1"):
        count = min(count, math.ceil(float(quota[0]) / float(quota[1])))
    return max(count, 1)


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs of this process, each as CUDA_VISIBLE_DEVICES would name it."""
    gpus = named_gpus()
    # Without CUDA's libraries it sees none; JAX, on which children may train, has its own.
    if "tensorflow" in sys.modules and backend.of_children() == "tensorflow":
        import tensorflow as tf

        gpus = gpus[: len(tf.config.list_physical_devices("GPU"))]
    return tuple(gpus)


def named_gpus() -> list[str]:
    """Return the GPUs that are there for this process, whether its libraries see them or not."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return _installed_gpus() if named is None else _until_invalid(named.split(","))


def _until_invalid(names: Sequence[str]) -> list[str]:
    """As CUDA reads its list: what follows an invalid entry is not there."""
    valid = []
    for name in map(str.strip, names):
        if name in ("", "-1", "NoDevFiles"):
            break
        valid.append(name)
    return valid


def _installed_gpus() -> list[str]:
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(listed.stdout)


def parse_gpus(listed: str) -> list[str]:
    """Return the identifiers that `nvidia-smi -L` lists; of a partitioned GPU its partitions."""
    gpus: list[str] = []
    whole = ""  # the GPU that the lines below belong to
    for line in listed.splitlines():
        identifier = line.partition("(UUID: ")[2].rstrip(") ")
        if not identifier:
            continue
        if line.startswith("GPU"):
            whole = identifier
        elif whole in gpus:
            gpus.remove(whole)
        gpus.append(identifier)
    return gpus


def memory_gib() -> float:
    """Return the memory that this process and its children may use."""
    if not hasattr(os, "sysconf"):
        return math.inf
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limits += [int(word) for word in _words(name) if word.isdigit()]
    return min(limits) / GIB


def resident_gib(pid: int) -> float | None:
    """Return a process's resident memory; None where the system has no /proc, as macOS."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / GIB


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped, as by SIGSTOP; False where there is no /proc."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2]
    except OSError:
        return False
    return after_name.startswith(b"T")


def kernel_oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since it started."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _words(name: str) -> list[str]:
    try:
        return (_CGROUP / name).read_text(encoding="ascii").split()
    except OSError:
        return []
