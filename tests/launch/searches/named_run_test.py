"""Runs of named experiments: what they leave on disk, how they continue, what they refuse."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nas_with_rl.child_models.failures import FAILURE_REASONS
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
FAST = (
    "controller.policy.jit_compile=false",
    "controller.policy.num_layers=1",
    "search.checkpoint_every=2",
)


def request(workdir, **changes):
    settings = {"experiment": "nas_bench_201", "num_samples": 24, "overrides": FAST, **changes}
    return SearchRequest(workdir=str(workdir), **settings)


def resumption(workdir, **changes):
    return SearchRequest(workdir=str(workdir), resume=True, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of 24 samples. Tests that change it copy it."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    assert run_search(request(workdir)) == 0
    return workdir


@pytest.fixture
def copied(finished, tmp_path):
    subprocess.run(["cp", "-r", finished, tmp_path / "run"], check=True)
    return tmp_path / "run"


def digests(folder):
    """What lies in a folder, the lock apart."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def refused(run, message):
    """Check that a request is refused in one line that says so."""
    with pytest.raises(InputError) as caught:
        run_search(run)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_leaves_what_the_readme_says(finished):
    stored = json.loads((finished / "experiment.json").read_text())
    assert stored["experiment"] == "nas_bench_201" and stored["seed"] == 0
    assert stored["search"]["num_samples"] == 24
    assert stored["controller"]["policy"]["jit_compile"] is False
    assert stored["versions"]["tensorflow"] and "commit" in stored
    trials = TrialStore(finished / "trials.sqlite").all()
    assert len(trials) == 24 and all(trial.status == "completed" for trial in trials)
    assert "<svg" in (finished / "report.html").read_text()
    newest = sorted((finished / "checkpoints").iterdir())[-1]
    assert newest.name == "version-00000003"


def test_tensorboard_has_the_curves(finished):
    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    edges = {f"entropy/edge_{i}_{j}" for j in (1, 2, 3) for i in range(j)}
    assert tags == edges | {
        "reward/mean",
        "reward/best",
        "reward/baseline",
        "controller/gradient_norm",
        "trials/unique",
        "trials/failed",
        "child/seconds",
        "measured/validation_accuracy",
        "custom_scalars__config__",
        "children/in_flight",
        "children/per_hour",
        "staleness/mean",
        "staleness/max",
        *(f"failed/{reason}" for reason in FAILURE_REASONS),
        "workers/active",
        *(f"workers/idle_share{which}" for which in ("", "s", "_min", "_max")),
        f"idle_share/{socket.gethostname()}",
    }
    trials = TrialStore(finished / "trials.sqlite").all()
    means = events.Tensors("reward/mean")
    assert [point.step for point in means] == [8, 16, 24]
    expected = [sum(t.reward for t in trials[start : start + 8]) / 8 for start in (0, 8, 16)]
    values = [float(tf.make_ndarray(point.tensor_proto)) for point in means]
    assert values == pytest.approx(expected)


def test_resume_extends_and_equals_a_longer_run(copied, tmp_path, capsys):
    run_search(resumption(copied, num_samples=40))
    run_search(request(tmp_path / "whole", num_samples=40))
    extended, whole = (
        [(t.number, t.architecture, t.reward, t.log_prob) for t in TrialStore(path).all()]
        for path in (copied / "trials.sqlite", tmp_path / "whole" / "trials.sqlite")
    )
    assert extended == whole
    assert json.loads((copied / "experiment.json").read_text())["search"]["num_samples"] == 40
    printed = capsys.readouterr().out
    assert "best architecture (trial" in printed and "40 trials:" in printed


def test_what_was_changed_follows_what_the_source_says(copied, capsys):
    run_search(resumption(copied))
    said = "a table; changed: controller.policy.jit_compile=false, controller.policy"
    assert said in capsys.readouterr().out
    assert said in (copied / "report.html").read_text()


@pytest.mark.parametrize(
    "damages",
    [
        [],
        pytest.param(["no object", '{"num_trials": 2}', "fewer"], marks=pytest.mark.slow),
    ],
    ids=len,
)
def test_the_comparison_is_measured_once_and_kept(tmp_path, capsys, damages):
    small = ("child.steps_per_epoch=2", "child.units=4", "data.max_validation_tokens=2000")
    run = request(
        tmp_path / "run",
        experiment="quickstart",
        num_samples=2,
        overrides=(*small, "search.batch_size=2", "search.searcher=random", "num_compared=1"),
        plan="here",
    )
    run_search(run)
    first = capsys.readouterr().out
    kept = tmp_path / "run" / "comparison.json"
    measured = json.loads(kept.read_text())
    assert [len(each["perplexities"]) for each in measured["candidates"]] == [1, 1, 1]
    measured["candidates"][1]["title"] = "as it is kept"  # measured again, it would be another
    kept.write_text(json.dumps(measured))
    run_search(resumption(tmp_path / "run"))
    again = capsys.readouterr().out
    assert "as it is kept" in again and "as it is kept" not in first
    assert "as it is kept" in (tmp_path / "run" / "report.html").read_text()
    for damaged in damages:
        fewer = json.dumps({**measured, "num_trials": 1})
        kept.write_text(fewer if damaged == "fewer" else damaged)
        run_search(resumption(tmp_path / "run"))
        assert json.loads(kept.read_text())["candidates"][1]["title"].startswith("LSTM, ")


def test_an_exception_says_how_far_the_run_came_and_how_it_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "with_a_bug.py"
    source.write_text(
        "def train(architecture):\n    return 1 / (architecture['edge_0_1'] != 'none')\n"
    )
    run = request(tmp_path / "run", evaluate="with_a_bug:train", plan="here")
    with pytest.raises(ZeroDivisionError) as caught:
        run_search(run)
    so_far = vars(caught.value)["search_result"].trials
    failing = next(trial for trial in so_far if trial.status == "running")
    assert f"architecture '{failing.architecture}'" in "\n".join(caught.value.__notes__)
    printed = capsys.readouterr().out
    assert f"stopped after {failing.number} of 24 trials" in printed
    assert f"--resume --workdir={tmp_path / 'run'}" in printed


def test_a_finished_run_is_resumed_without_change(copied):
    before = TrialStore(copied / "trials.sqlite").all()
    run_search(resumption(copied))
    assert TrialStore(copied / "trials.sqlite").all() == before


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (SearchRequest(), "--experiment is missing"),
        (SearchRequest("nas_bench_2001"), "no such experiment; there are quickstart"),
        (SearchRequest("quickstart", overrides=("child.epoch=2",)), "has no field 'epoch'"),
        (SearchRequest("quickstart", overrides=("data.source=/no/such/*.txt",)), "/no/such/*.txt"),
        (SearchRequest("ptb_small", data_dir="/no/such/place"), "/no/such/place"),
        (SearchRequest("ptb_small"), "needs data_dir"),
        (SearchRequest("cifar10_small", data_dir="/no/such/place"), "/no/such/place"),
        (
            SearchRequest("quickstart_conv", overrides=("child.batch_size=1001",)),
            "batch_size is 1001",
        ),
        (SearchRequest("quickstart_conv", overrides=("data.num_train=9999",)), "above the 1500"),
        (SearchRequest("quickstart", overrides=("child.num_steps=900000",)), "num_steps 900000"),
        (SearchRequest("nas_bench_201", overrides=("num_compared=2",)), "recurrent cells are"),
        (SearchRequest("quickstart", overrides=("search.num_replicas=4",)), "no effect"),
        (SearchRequest("nas_bench_201", overrides=("search.child_seconds=9",)), "no effect"),
        (
            SearchRequest("quickstart", overrides=("search.child_memory_gib=2",), plan="here"),
            "child_memory_gib is 2.0, which",
        ),
        (SearchRequest("ptb", overrides=("child.units=9",)), "child.units=9 has no effect"),
        (SearchRequest("own_experiments:LAYERLESS"), "search.depth is DepthSchedule("),
        (
            SearchRequest("quickstart", overrides=("search.batch_size=100000000000",)),
            "above 100,000",
        ),
        (SearchRequest(resume=True), "--resume needs --workdir"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_clear_line_and_leaves_nothing(run, message, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "harness")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "harness")
    refused(run, message)
    assert list(tmp_path.iterdir()) == []


def test_a_workdir_belongs_to_one_experiment(copied):
    before = digests(copied)
    refused(request(copied), "holds a run of 'nas_bench_201': continue it with --resume")
    refused(request(copied, resume=True, seed=1), "seed: 0 / 1")
    refused(resumption(copied, num_samples=8), "--num_samples=8 is below the 24 trials")
    other = (*FAST, "child.dataset=cifar100")
    refused(request(copied, resume=True, overrides=other), "'cifar10' / 'cifar100'")
    refused(resumption(copied, experiment="quickstart"), "'nas_bench_201' / 'quickstart'")
    assert digests(copied) == before


def test_a_resumed_run_may_change_what_happens_to_a_child_that_crashes(copied):
    told = json.loads((copied / "experiment.json").read_text())
    run_search(resumption(copied, overrides=("search.on_error=fail",)))
    tells = json.loads((copied / "experiment.json").read_text())
    assert tells["search"] == told["search"] | {"on_error": "fail"}
    assert tells["overrides"] == [*told["overrides"], "search.on_error=fail"]
    refused(resumption(copied, overrides=("search.batch_size=3",)), "search.batch_size: ")


def test_a_workdir_without_a_run_cannot_be_resumed(tmp_path):
    refused(resumption(tmp_path), "holds no run")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(request(tmp_path / "file" / "run"), "cannot be written")
    refused(request("/proc/run"), "--workdir=/proc/run cannot be written")


def test_every_checkpoint_damaged(copied):
    for path in copied.glob("checkpoints/*/controller.index"):
        path.write_bytes(b"")
    before = digests(copied)
    refused(resumption(copied, num_samples=40), "every checkpoint")
    after = digests(copied)
    kept = before.keys() - {"experiment.json", "report.html"}  # which say what is asked for now
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_the_newest_checkpoint_damaged_changes_nothing(copied, tmp_path):
    (copied / "checkpoints" / "version-00000003" / "controller.index").write_bytes(b"")
    run_search(resumption(copied, num_samples=40))
    run_search(request(tmp_path / "whole", num_samples=40))
    first, second = (TrialStore(p / "trials.sqlite").all() for p in (copied, tmp_path / "whole"))
    assert [(t.architecture, t.log_prob) for t in first] == [
        (t.architecture, t.log_prob) for t in second
    ]


@pytest.mark.parametrize("name", ["trials.sqlite", "experiment.json"])
def test_damaged_files_are_named_and_kept(copied, name):
    (copied / name).write_bytes(b"\x00damaged" * 2000)
    for extra in copied.glob("trials.sqlite-*"):
        extra.unlink()
    before = digests(copied)
    refused(resumption(copied), name)
    assert digests(copied)[name] == before[name]


def test_a_store_that_lacks_what_was_learned_is_refused(copied):
    (copied / "trials.sqlite").write_bytes(b"")
    refused(resumption(copied), "restore trials.sqlite")
    (copied / "trials.sqlite").unlink()
    (copied / "experiment.json").unlink()
    refused(request(copied), "holds checkpoints but no experiment.json")


def test_a_workdir_in_use_is_refused(copied):
    code = (
        "import sys, time; from nas_with_rl.launch.records.workdir import Workdir\n"
        "w = Workdir(sys.argv[1]); w.lock(); print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, copied], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert holder.stdout.readline().strip() == "locked"
        refused(resumption(copied), "by another process")
    finally:
        holder.kill()
        holder.wait()


def test_binaries_leave_with_status_2_and_one_line(tmp_path):
    for module, arguments, message in (
        ("search", ["--experiment=unknown"], "no such experiment"),
        ("search", ["--experimnt=quickstart"], "experimnt"),
        ("train_architecture", ["--experiment=quickstart"], "--architecture is missing"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", f"nas_with_rl.launch.{module}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 2
        assert done.stdout == "" and done.stderr.count("\n") == 1
        assert done.stderr.startswith("error: ") and message in done.stderr
    assert list(tmp_path.iterdir()) == []
