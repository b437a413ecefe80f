"""Searches whose children train on JAX: with a controller on TensorFlow, and without TensorFlow."""

import contextlib
import json
import math
import os

import pytest

from nas_with_rl.launch.evaluators.measurements import last_number
from nas_with_rl.launch.records.trial_store import TrialStore
from tests.harness.jax_processes import ROOT, run_on_jax, run_python

pytestmark = pytest.mark.real_start
TINY = (
    "data.max_training_tokens=4000",
    "data.max_validation_tokens=400",
    "child.units=4",
    "child.batch_size=4",
    "child.num_steps=5",
    "child.steps_per_epoch=6",
    "child.epochs=1",
    "num_compared=0",
)


def search_on_jax(workdir, *words):
    overrides = [f"--override={each}" for each in TINY]
    command = ["-m", "nas_with_rl.launch.search", f"--workdir={workdir}", *overrides, *words]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    return command, environment


def perplexities(workdir):
    with contextlib.closing(TrialStore(workdir / "trials.sqlite", read_only=True)) as store:
        return {
            trial.architecture: last_number(trial.metrics["validation_perplexity"])
            for trial in store.all()
        }


def test_a_random_search_trains_on_jax_where_no_tensorflow_is(tmp_path):
    words = ("--experiment=quickstart", "--num_samples=2", "--plan=population:1@1")
    command, _ = search_on_jax(tmp_path / "run", *words, "--override=search.searcher=random")
    done = run_on_jax(command, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found = perplexities(tmp_path / "run")
    assert found and all(map(math.isfinite, found.values()))
    described = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert described["children_on"] == "jax"


@pytest.mark.slow
def test_a_controller_on_tensorflow_has_children_on_jax(tmp_path):
    words = ("--experiment=quickstart", "--num_samples=4")
    for backend, plan in (("jax", "population:2@2"), ("tensorflow", "population:2@2")):
        command, environment = search_on_jax(tmp_path / backend, *words, f"--plan={plan}")
        done = run_python(command, environment | {"KERAS_BACKEND": backend})
        assert done.returncode == 0, done.stderr[-3000:]
    on_jax, on_tensorflow = (perplexities(tmp_path / name) for name in ("jax", "tensorflow"))
    both = on_jax.keys() & on_tensorflow.keys()
    assert both  # the first batch is the same
    for architecture in both:
        assert on_jax[architecture] == pytest.approx(on_tensorflow[architecture], rel=1e-4)
    more = ["--num_samples=6", f"--workdir={tmp_path / 'jax'}"]
    resume = ["-m", "nas_with_rl.launch.search", "--resume", *more]
    del environment["KERAS_BACKEND"]
    done = run_python(resume, environment)  # on JAX, as it was begun
    assert done.returncode == 0 and "6 trials:" in done.stdout, done.stderr
    refused = run_python(resume, environment | {"KERAS_BACKEND": "tensorflow"})
    assert refused.returncode == 2 and "children_on: 'jax' / None" in refused.stderr
    (tmp_path / "mine.py").write_text("def evaluate(architecture):\n    return 1.0\n")
    environment["PYTHONPATH"] += f":{tmp_path}"
    for own in ((), ("--evaluate=mine:evaluate",)):
        here = ["-m", "nas_with_rl.launch.search", *words, "--plan=here", *own]
        here.append(f"--workdir={tmp_path / 'here'}")
        refused = run_python(here, environment | {"KERAS_BACKEND": "jax"})
        assert refused.returncode == 2 and "they need processes" in refused.stderr
        assert not (tmp_path / "here").exists()
