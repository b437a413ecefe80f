"""deploy/slurm.sh, run by a stand-in for Slurm: who becomes what, and how the job ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "slurm.sh"

# As Slurm 22.05 does it: numbers tasks through all parts of a het job, starts the command once for
# each, sends what scancel sends to the tasks of one part alone, and ends with the highest status.
# TASKS has one word for each task, NODE/PART/GPUS.
SRUN = f"""#!{sys.executable}
import os, signal, subprocess, sys, time
words = sys.argv[1:]
while words[0].startswith("--"):
    if words[0] not in os.environ["OPTIONS"].split():
        sys.exit("srun: " + words[0])
    del words[0]
step = str(len(os.listdir(os.environ["STEPS"])))
signals = os.path.join(os.environ["STEPS"], step)
os.mkdir(signals)
tasks = []
for number, task in enumerate(os.environ["TASKS"].split()):
    node, part, gpus = task.split("/")
    place = dict(SLURM_PROCID=str(number), SLURMD_NODENAME=node, SLURM_STEP_ID=step)
    place.update(dict(CUDA_VISIBLE_DEVICES=gpus) if gpus else dict())
    started = subprocess.Popen(words, env=os.environ | place, start_new_session=True)
    tasks.append((part, started))
while any(task.poll() is None for _, task in tasks):
    for part in os.listdir(signals):
        os.remove(os.path.join(signals, part))
        for other, task in tasks:
            if other == part and task.poll() is None:
                os.killpg(task.pid, signal.SIGTERM)
    time.sleep(0.01)
statuses = [task.returncode for _, task in tasks]
sys.exit(max(128 - status if status < 0 else status for status in statuses))
"""
SCANCEL = """#!/usr/bin/env bash
[[ $1 == --signal=TERM ]] && touch "$STEPS/${2#*.}/${2%.*}"
"""
OPTIONS = "--export=ALL --cpu-bind=none --kill-on-bad-exit=0 --wait=60"

# What a role does once all are there: end with a status, or wait to be told.
ROLE = """
import signal, time
records = os.environ["RECORDS"]
while len([file for file in os.listdir(records) if file[0] != "."]) < int(os.environ["NUM_ROLES"]):
    time.sleep(0.01)
ending, _, status = os.environ["ENDING"].partition("=")
if name == ending + ".json":
    print("the end of", ending)
    sys.exit(int(status))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
signal.pause()
"""

HET = {"SLURM_HET_SIZE": "2", "SLURM_JOB_ID_HET_GROUP_0": "7", "SLURM_JOB_ID_HET_GROUP_1": "8"}


class Slurm:
    """Submits the script: the tasks' places in, the ended job out."""

    def __init__(self, roles, directory: Path) -> None:
        self._roles = roles
        self.directory = directory
        (directory / "steps").mkdir()
        for name, text in (("srun", SRUN), ("scancel", SCANCEL)):
            program = roles.python.with_name(name)
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)

    def submit(
        self, tasks: str, *words: str, ending: str = "chief-0=0", **variables: str
    ) -> subprocess.CompletedProcess:
        """Run the script for tasks given as NODE/PART/GPUS; end the role as in "chief-0=0"."""
        if "SLURM_HET_SIZE" in variables:
            of_first = sum(task.split("/")[1] == "7" for task in tasks.split())
            variables["SLURM_NTASKS_HET_GROUP_0"] = str(of_first)
        environment = {
            **self._roles.environment,
            "OPTIONS": OPTIONS + " --het-group=0-1" * ("SLURM_HET_SIZE" in variables),
            "STEPS": str(self.directory / "steps"),
            "TASKS": tasks,
            "NUM_ROLES": str(len(tasks.split())),
            "ROLE": ROLE,
            "ENDING": ending,
            "SLURM_JOB_ID": "7",
            "SLURM_PROCID": "0",  # which a batch script has too
            **variables,
        }
        return subprocess.run(
            ["bash", SCRIPT, *words],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def slurm(roles, tmp_path) -> Slurm:
    return Slurm(roles, tmp_path)


# Port 12896 is that of job 7.
LAYOUTS = [
    pytest.param(
        "cpu/7/ cpu/7/ cpu/7/ a/8/0 a/8/1 b/8/0 b/8/1",
        HET,
        {
            "chief": ["cpu:12896"],
            "ps": ["cpu:12897", "cpu:12898"],
            "worker": ["a:12896", "a:12897", "b:12896", "b:12897"],
        },
        ["0", "1", "0", "1"],
        id="two parts, each worker sees its GPU",
    ),
    pytest.param(
        "cpu/7/ cpu/7/ a/8/0,1,2 a/8/0,1,2 a/8/0,1,2",
        HET,
        {"chief": ["cpu:12896"], "ps": ["cpu:12897"], "worker": ["a:12896", "a:12897", "a:12898"]},
        ["0", "1", "2"],
        id="two parts, each worker sees all GPUs",
    ),
    pytest.param(
        "a/7/GPU-1,GPU-2 a/7/GPU-1,GPU-2 a/7/GPU-1,GPU-2 a/7/GPU-1,GPU-2",
        {"NUM_PS": "1", "BASE_PORT": "20000"},
        {"chief": ["a:20000"], "ps": ["a:20001"], "worker": ["a:20002", "a:20003"]},
        ["GPU-1", "GPU-2"],
        id="one node with two GPUs",
    ),
    pytest.param(
        "a/7/ a/7/ b/7/ b/7/ c/7/ c/7/",
        {},
        {
            "chief": ["a:12896"],
            "ps": ["a:12897", "b:12896"],
            "worker": ["b:12897", "c:12896", "c:12897"],
        },
        [None, None, None],
        id="three nodes, no GPU, NUM_PS not named",
    ),
    pytest.param(
        "a/7/4 b/7/5 a/7/4 b/7/5 a/7/4",
        {"NUM_PS": "1"},
        {"chief": ["a:12896"], "ps": ["b:12896"], "worker": ["a:12897", "b:12897", "a:12898"]},
        ["4", "5", "4"],
        id="tasks dealt out in turn, two workers share a GPU",
    ),
]


@pytest.mark.parametrize(("tasks", "variables", "cluster", "gpus"), LAYOUTS)
def test_every_task_finds_its_place_in_the_cluster(slurm, roles, tasks, variables, cluster, gpus):
    words = ["--experiment=ptb", "--override=data.source=two words"]
    done = slurm.submit(tasks, *words, **variables)
    assert done.returncode == 0, done.stderr
    recorded = roles.recorded()
    names = {role: [f"{role}-{i}" for i in range(len(hosts))] for role, hosts in cluster.items()}
    assert set(recorded) == {name for some in names.values() for name in some}
    for name, seen in recorded.items():
        role, _, index = name.partition("-")
        assert seen["config"] == {
            "cluster": cluster,
            "task": {"type": role, "index": int(index)},
        }
        start = ["-m", "nas_with_rl.launch.cluster", "--supervise"]
        assert seen["words"] == start + words + ["--resume"] * (role == "chief")
    assert [recorded[name]["gpus"] for name in names["worker"]] == gpus
    assert all(recorded[name]["gpus"] == "" for name in ["chief-0", *names["ps"]])


@pytest.mark.parametrize("variables", [HET, {}], ids=["two parts", "one part"])
@pytest.mark.parametrize(
    ("ending", "status"),
    [("chief-0=0", 0), ("chief-0=2", 2), ("chief-0=130", 130), ("worker-1=2", 2), ("ps-0=1", 1)],
)
def test_the_role_that_ends_ends_all_with_its_status(slurm, variables, ending, status):
    tasks = "cpu/7/ cpu/7/ cpu/7/ a/8/0 a/8/1" if variables else "a/7/ a/7/ a/7/ a/7/ a/7/"
    done = slurm.submit(tasks, "--experiment=ptb", ending=ending, **variables)
    assert done.returncode == status
    assert "cluster of 2 parameter servers and 2 workers" in done.stdout
    name = ending.partition("=")[0]
    line = f"{name} ended with status {status}: the end of {name}"
    assert (line in done.stderr) == (name != "chief-0")
    assert ("the end of chief-0" in done.stdout) == (name == "chief-0")
    logs = slurm.directory / "nas-7-logs"
    assert sorted(path.stem for path in logs.glob("*.log")) == [
        "ps-0",
        "ps-1",
        "worker-0",
        "worker-1",
    ]


def test_a_requeued_job_forgets_its_first_end(slurm):
    tasks = "a/7/ a/7/ a/7/ a/7/"
    assert slurm.submit(tasks, ending="chief-0=130").returncode == 130
    assert slurm.submit(tasks, ending="chief-0=0").returncode == 0


@pytest.mark.parametrize(
    ("tasks", "variables"),
    [
        ("a/7/ a/7/ a/7/", {}),
        ("a/7/ a/7/ a/7/", {"NUM_PS": "0"}),
        ("a/7/ b/8/ b/8/", HET),
    ],
)
def test_too_few_tasks_are_an_error(slurm, roles, tasks, variables):
    done = slurm.submit(tasks, **variables)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 3 tasks and NUM_PS=")
    assert roles.recorded() == {}


def test_the_documented_line_has_flags_of_the_roles(parse_flags):
    text = SCRIPT.read_text(encoding="utf-8")
    (words,) = re.findall(r"^#   sbatch deploy/slurm\.sh (.*)$", text, re.MULTILINE)
    parsed = parse_flags(["--supervise", *words.split(), "--resume"])
    assert (parsed["experiment"], parsed["workdir"]) == ("cifar10", "/shared/runs/one")
    assert parsed["supervise"] is True


def test_the_parts_ask_for_what_the_roles_need():
    text = SCRIPT.read_text(encoding="utf-8")
    options = re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)
    first, second = options[: options.index("hetjob")], options[options.index("hetjob") + 1 :]
    assert "--ntasks=3" in first and not any("gpu" in option for option in first)
    assert {"--ntasks=4", "--gpus-per-task=1"} <= set(second)
    assert text.index("#SBATCH --gpus-per-task=1") < text.index("\nset -euo")  # Slurm reads no more


def test_shellcheck_has_no_complaint(shellcheck):
    assert os.access(SCRIPT, os.X_OK)
    assert shellcheck(SCRIPT.read_text(encoding="utf-8")) == ""
