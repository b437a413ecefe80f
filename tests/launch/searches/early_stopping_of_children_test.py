"""The project's own children stopped early: by epoch, resumed, and what is refused."""

import contextlib
import dataclasses
import math
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.rewards import accuracy_reward, perplexity_reward
from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.local import local_children
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.randomness import trial_generator

IMAGES = (
    *("data.num_train=100", "data.num_validation=50", "child.batch_size=25"),
    *("child.epochs=3", "search.early_stopping=asha", "search.asha.reduction_factor=2"),
)
TEXT = ("child.epochs=3", "child.steps_per_epoch=2", "search.early_stopping=asha")


def rows(trials):
    return [dataclasses.replace(t, worker=None, started=None, ended=None) for t in trials]


def _located(name, overrides):
    return nas.LocatedExperiment(configure(name, overrides), None, 0)


@pytest.mark.parametrize(
    ("name", "overrides", "metric", "reward"),
    [
        ("quickstart_conv", IMAGES, "validation_accuracy", accuracy_reward),
        ("quickstart", TEXT, "validation_perplexity", lambda all_: perplexity_reward(all_[-1])),
    ],
)
def test_children_that_are_trained_here_are_stopped_by_epoch(name, overrides, metric, reward):
    located = _located(name, overrides)
    trainer = InProcess(trainer_of(located))
    architecture = random_architecture(
        located.experiment.search_space(), trial_generator(0, 0, "sampling")
    )

    def measured(rungs):
        return trainer.measured(Evaluation(0, architecture, 1, rungs=rungs))

    whole, watched, stopped = measured(None), measured(()), measured(((2, math.inf),))
    assert "reported" not in whole.metrics
    assert watched.metrics["reported_step"] == [1, 2, 3] and not watched.is_stopped
    assert watched.metrics["reported"][-1] == watched.reward == whole.reward
    assert watched.metrics[metric] == whole.metrics[metric]
    assert stopped.is_stopped and stopped.num_parameters == whole.num_parameters
    assert list(stopped.metrics[metric]) == list(whole.metrics[metric])[:2]
    assert stopped.reward == reward(whole.metrics[metric][:2])


def test_a_named_experiment_stops_its_children_and_is_resumed(tmp_path):
    def ran(workdir, num_samples, **more):
        request = SearchRequest(
            "quickstart_conv",
            workdir=str(tmp_path / workdir),
            num_samples=num_samples,
            plan="single@1",
            overrides=(*IMAGES, "search.searcher=random", "search.batch_size=3"),
            **more,
        )
        assert run_search(request) == 0
        with contextlib.closing(TrialStore(tmp_path / workdir / "trials.sqlite")) as store:
            return rows(store.all())

    whole = ran("whole", 9)
    assert {trial.status for trial in whole} == {"stopped", "completed"}
    assert ran("resumed", 6) == whole[:6]
    assert ran("resumed", 9, resume=True) == whole
    audit = audit_search(tmp_path / "whole")
    assert not any(check.findings for check in audit.checks)
    assert any("follow from what was measured" in check.said for check in audit.checks)


def test_children_that_are_trained_together_or_report_nothing_are_refused(tmp_path):
    located = _located("quickstart", TEXT)
    with (
        pytest.raises(InputError, match=r"none of which can be stopped before.*--plan=single"),
        local_children(located, "population:2@1"),
    ):
        pytest.fail("it began")
    assert kind_of(located.experiment).cluster_plan(located.experiment.search).program == "single"
    request = SearchRequest(
        "nas_bench_201", workdir=str(tmp_path / "run"), overrides=("search.early_stopping=asha",)
    )
    with pytest.raises(InputError, match="children of TableLookup report nothing before"):
        run_search(request)
    assert not Path(tmp_path / "run").exists()


def test_a_function_that_is_named_is_stopped_too(tmp_path, monkeypatch):
    (tmp_path / "reporting.py").write_text(
        "def evaluate(architecture, trial):\n"
        "    (trial.directory / 'there').touch()\n"
        "    for step in range(1, 10):\n"
        "        trial.report(step, trial.seed % 97)\n"
        "    return trial.seed % 97\n"
        "def silent(architecture):\n"
        "    return 1.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = []
    for plan in ("here", "single@2"):
        request = SearchRequest(
            "nas_bench_201",
            workdir=str(tmp_path / plan),
            num_samples=24,
            plan=plan,
            evaluate="reporting:evaluate",
            overrides=("search.early_stopping=asha", "search.searcher=random"),
        )
        assert run_search(request) == 0
        with contextlib.closing(TrialStore(tmp_path / plan / "trials.sqlite")) as store:
            found.append(rows(store.all()))
        assert len(list((tmp_path / plan / "children").glob("*/there"))) == 24
    with pytest.raises(InputError, match="is on, which has no effect: evaluate takes no trial"):
        run_search(
            dataclasses.replace(
                request, workdir=str(tmp_path / "silent"), evaluate="reporting:silent"
            )
        )
    assert found[0] == found[1]
    assert {trial.status for trial in found[0]} == {"stopped", "completed"}
