"""What a machine has: read from what nvidia-smi prints, from cgroups, from /proc."""

import os
import subprocess
import sys

import pytest

from nas_with_rl.launch.host import resources
from nas_with_rl.launch.host.resources import Place

LISTED = """\
GPU 0: NVIDIA H200 (UUID: GPU-0a)
GPU 1: NVIDIA H200 (UUID: GPU-1b)
  MIG 1g.18gb     Device  0: (UUID: MIG-c)
  MIG 1g.18gb     Device  1: (UUID: MIG-d)
"""


def test_gpus_are_read_and_partitions_stand_for_theirs():
    assert resources.parse_gpus(LISTED) == ["GPU-0a", "MIG-c", "MIG-d"]
    assert resources.parse_gpus("No devices found.\n") == []


@pytest.mark.parametrize(
    ("named", "gpus"), [("", ()), ("-1", ()), ("2", ("2",)), ("1, MIG-c,-1,0", ("1", "MIG-c"))]
)
def test_the_gpus_are_those_that_cuda_would_see(monkeypatch, named, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert resources.visible_gpus() == gpus


def test_places_go_round(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert resources.places(2) == [Place(gpu="0"), Place(gpu="1")]
    assert resources.places(3)[2] == Place(gpu="0", is_shared=True)
    assert resources.places(3)[2].environment()["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "OMP_NUM_THREADS" not in resources.places(2)[0].environment().keys() - os.environ.keys()


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "max 100000"}, 10**6),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 10**6),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_a_container_has_as_many_processes_as_it_has_cores_time(monkeypatch, tmp_path, files, most):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert resources.default_num_processes() == min(most, len(os.sched_getaffinity(0)))


def test_memory_is_the_containers(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    whole = resources.memory_gib()
    assert 0.1 < whole < 10**6
    (tmp_path / "memory.max").write_text("max\n")
    assert resources.memory_gib() == whole
    (tmp_path / "memory.max").write_text(f"{2**26}\n")
    assert resources.memory_gib() == 2**-4


def test_resident_memory_grows_with_what_a_process_holds():
    before = resources.resident_gib(os.getpid())
    held = b"x" * 2**28
    assert resources.resident_gib(os.getpid()) - before > 0.2
    del held


def test_a_process_that_is_gone_has_no_memory():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resources.resident_gib(process.pid) is None
    assert resources.kernel_oom_kills() >= 0
