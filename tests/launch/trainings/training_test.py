"""Final trainings: the same numbers however often killed, one test figure, clear refusals."""

import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import nas_with_rl as nas
from nas_with_rl.child_models.data.images import ImageDataConfig, load_test_images, whiten
from nas_with_rl.child_models.saved_models import describe_model
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.training_result import read_result
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.launch.trainings import training_run
from nas_with_rl.launch.trainings.trainees import FinalTraining
from nas_with_rl.launch.trainings.training import train
from nas_with_rl.launch.trainings.training_run import TrainingRequest
from nas_with_rl.search_spaces.errors import InputError
from tests.harness import kills
from tests.harness.old_names import with_old_names

ROOT = Path(__file__).resolve().parents[3]
SMALL = ("child.epochs=3", "data.num_train=200", "data.num_validation=100")
ARCHITECTURE = "3 3 - 8 | 5 1 1 8"
WORDS = ("a b c d e f g\n" * 60, "b c d e f g a\n" * 30, "a b c z\nd e f g\n" * 10)


def convnet_training(overrides=SMALL, **changes):
    training = FinalTraining(
        configure("quickstart_conv", overrides), ARCHITECTURE, overrides=overrides
    )
    return dataclasses.replace(training, **changes)


def request(place, **changes):
    values = {"experiment": "quickstart_conv", "architecture": ARCHITECTURE, "overrides": SMALL}
    return TrainingRequest(**{"workdir": str(place), **values, **changes})


def resumption(workdir, **changes):
    return TrainingRequest(workdir=str(workdir), resume=True, **changes)


def refused(run, message):
    with pytest.raises(InputError) as caught:
        training_run.run(run)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished training. Tests that change it copy it."""
    workdir = tmp_path_factory.mktemp("trainings") / "finished"
    assert training_run.run(request(workdir)) == 0
    return workdir


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="module")
def penn(tmp_path_factory):
    """A directory that looks like the Penn Treebank's; seven words, one unknown in the test."""
    folder = tmp_path_factory.mktemp("ptb")
    for split, text in zip(("train", "valid", "test"), WORDS, strict=True):
        (folder / f"ptb.{split}.txt").write_text(text)
    return folder


def language_training(experiment, data_dir, **settings):
    overrides = ("child.epochs=2", "child.batch_size=4", "child.num_steps=5", "child.units=6")
    overrides += tuple(f"{name}={value}" for name, value in settings.items())
    return FinalTraining(configure(experiment, overrides), "gru", 0, str(data_dir), overrides)


def test_a_training_leaves_what_the_readme_says(finished):
    result = read_result(finished)
    assert result.status == "finished" and result.metric == "accuracy" and result.epochs == 3
    assert (result.experiment, result.architecture) == ("quickstart_conv", ARCHITECTURE)
    assert len(result.train_loss) == len(result.validation) == 3
    assert result.best_validation == max(result.validation)
    assert result.best_epoch == 1 + result.validation.index(result.best_validation)
    assert result.num_parameters == 9 * 8 + 16 + 5 * 8 * 8 + 16 + 90
    assert result.multiply_adds == 64 * (9 * 8 + 5 * 8 * 8) + 80
    assert result.test_looks == 1 and result.test_looked_at and result.seconds_per_epoch > 0
    stored = json.loads((finished / "experiment.json").read_text())
    assert stored["kind"] == "training" and stored["named"] is None
    assert stored["child"]["epochs"] == 3 and stored["data_found"]["train"]["images"] == 200
    assert [p.name for p in sorted((finished / "checkpoints").iterdir())] == [
        "version-00000002",
        "version-00000003",
    ]
    assert sorted(p.name for p in finished.iterdir()) == [
        ".lock",
        "README.md",
        "checkpoints",
        "experiment.json",
        "model.keras",
        "model.py",
        "result.json",
        "tensorboard",
    ]


def test_the_figures_are_those_of_the_kept_model(finished):
    result, model = read_result(finished), nas.load_model(finished / "model.keras")
    images = load_test_images(ImageDataConfig("digits"), None)
    logits = keras.ops.convert_to_numpy(model(whiten(images.images), training=False))
    assert result.test == pytest.approx(np.mean(np.argmax(logits, axis=-1) == images.labels))
    told = describe_model(finished / "model.keras")
    assert (told.architecture, told.epoch) == (ARCHITECTURE, result.best_epoch)
    assert told.validation == result.best_validation


def test_tensorboard_has_one_point_per_epoch(finished):
    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    result = read_result(finished)
    assert set(events.Tags()["tensors"]) == {
        "loss/training",
        "validation/accuracy",
        "learning_rate",
        "epoch_seconds",
    }
    points = events.Tensors("validation/accuracy")
    assert [point.step for point in points] == [1, 2, 3]
    assert [float_of(point) for point in points] == pytest.approx(result.validation)
    rates = [float_of(point) for point in events.Tensors("learning_rate")]
    assert rates == pytest.approx([0.1, 0.01, 0.001])


def float_of(point):
    return make_ndarray(point.tensor_proto).item()


# Three that differ in kind: the model before its checkpoint, a checkpoint that is half written, and
# a test that was looked at and not noted.
KILLS = (("model", 1), ("checkpoint", 2), ("tested", 1))
ALL_KILLS = (("model", 1), ("checkpoint", 2), ("renamed", 2), ("result", 4), ("tested", 1))


@pytest.mark.parametrize("moments", [KILLS, pytest.param(ALL_KILLS, marks=pytest.mark.slow)])
def test_a_killed_training_ends_as_one_never_killed(tmp_path, moments):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kills.run_through("killed_training.py", killed, moments)
    kills.run_through("killed_training.py", whole, ())
    first, second = (
        dataclasses.replace(read_result(path), seconds_per_epoch=None, test_looked_at=None)
        for path in (killed, whole)
    )
    assert first == second and first.test_looks == 1 and len(first.validation) == 5
    models = [nas.load_model(f"{path}/model.keras") for path in (killed, whole)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(copied, finished):
    result = json.loads((copied / "result.json").read_text())
    (copied / "result.json").write_text(
        json.dumps({**result, "status": "training", "test": None, "test_looks": 0})
    )
    (copied / "checkpoints" / "version-00000003" / "variables.npz").write_bytes(b"damaged")
    (copied / "model.keras").unlink()  # the checkpoint has it too
    again = train(convnet_training(), copied, resume=True)
    before = read_result(finished)
    assert (again.train_loss, again.validation) == (before.train_loss, before.validation)
    assert (again.test, again.test_looks) == (before.test, 1)
    assert not list(copied.glob("restoring-*"))
    for path in (copied / "checkpoints").glob("*/variables.npz"):
        path.write_bytes(b"damaged")
    (copied / "result.json").write_text(json.dumps({**result, "status": "training"}))
    with pytest.raises(InputError, match=r"every checkpoint .* train from"):
        train(convnet_training(), copied, resume=True)


def test_the_test_set_is_looked_at_once(copied, capsys):
    before = (copied / "result.json").read_bytes()
    refused(resumption(copied), "its test set was looked at on 20")
    refused(resumption(copied), "--test=again looks again")
    assert train(convnet_training(), copied, resume=True) == read_result(copied)
    assert training_run.run(resumption(copied, test="never")) == 0
    assert (copied / "result.json").read_bytes() == before
    assert "test error" in capsys.readouterr().out
    assert training_run.run(resumption(copied, test="again")) == 0
    assert "(looked at 2 times)" in capsys.readouterr().out
    again = read_result(copied)
    assert again.test_looks == 2 and again.test == json.loads(before)["test"]


def test_the_look_can_be_left_for_later(tmp_path, finished, capsys):
    workdir = tmp_path / "run"
    assert training_run.run(request(workdir, test="never")) == 0
    assert "--test=once does" in capsys.readouterr().out
    result = read_result(workdir)
    assert result.status == "finished" and result.test is None and result.test_looks == 0
    assert training_run.run(resumption(workdir)) == 0
    looked = read_result(workdir)
    assert (looked.test, looked.test_looks) == (read_result(finished).test, 1)


def test_a_model_of_another_architecture_is_refused(copied, tmp_path):
    other = tmp_path / "other"
    training_run.run(request(other, architecture="1 1 - 4", test="never"))
    shutil.copy(other / "model.keras", copied / "model.keras")
    message = f"{copied}/model.keras is a model of another architecture: 1 1 - 4"
    refused(resumption(copied, test="again"), message)
    train(convnet_training(seed=1), tmp_path / "seed", test="never")
    shutil.copy(tmp_path / "seed" / "model.keras", copied / "model.keras")
    refused(resumption(copied, test="again"), "of this training")
    rate = (*SMALL, "child.learning_rate=0.01")  # another training of the same architecture
    training_run.run(request(tmp_path / "rate", overrides=rate, test="never"))
    shutil.copy(tmp_path / "rate" / "model.keras", copied / "model.keras")
    refused(resumption(copied, test="again"), "of this training")
    (copied / "model.keras").write_text("no model")
    refused(resumption(copied, test="again"), "no .keras file")
    assert read_result(copied).test_looks == 1


def test_a_diverged_training_keeps_what_it_has(tmp_path, capsys):
    overrides = (*SMALL, "child.learning_rate=1e6", "child.epochs=30")
    assert training_run.run(request(tmp_path / "run", overrides=overrides)) == 1
    result = read_result(tmp_path / "run")
    assert result.status == "failed" and result.test is None and result.test_looks == 0
    assert result.failure.startswith("diverged: the loss of epoch")
    assert f"failed after {len(result.validation)} epochs: diverged" in capsys.readouterr().out
    assert (tmp_path / "run" / "model.keras").exists() == bool(result.validation)
    assert training_run.run(resumption(tmp_path / "run")) == 1
    assert read_result(tmp_path / "run") == result


def test_words_are_tested_in_perplexity_of_every_token(penn, tmp_path):
    training = language_training("ptb_small", penn, **{"child.learning_rate": 0.05})
    with pytest.warns(UserWarning, match="the published file"):
        result = train(training, tmp_path / "run")
    assert result.metric == "perplexity" and result.named == "gru" and result.units == 6
    assert result.best_validation == min(result.validation) < 9
    told = describe_model(tmp_path / "run" / "model.keras")
    words = WORDS[2].replace("\n", " <eos> ").split()
    known = {word: number for number, word in enumerate(told.vocabulary)}
    tokens = np.array([[known.get(word, known["<unk>"]) for word in words]], np.int32)
    model = nas.load_model(tmp_path / "run" / "model.keras")
    logits = keras.ops.convert_to_numpy(model(tokens[:, :-1]))[0].astype(np.float64)
    log_probs = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    nll = -np.mean(log_probs[np.arange(len(words) - 1), tokens[0, 1:]])
    assert result.test == pytest.approx(math.exp(nll), rel=1e-4)


def test_characters_are_measured_in_bits_and_may_have_no_test(penn, tmp_path, capsys):
    source = str(penn / "ptb.train.txt")
    training = language_training("quickstart", penn, **{"data.source": source})
    result = train(training, tmp_path / "run")
    assert result.metric == "bits_per_character" and result.status == "finished"
    assert result.test is None and result.test_looks == 0
    assert 0 < result.best_validation < math.log2(10)  # of nine characters
    assert training_run.run(resumption(tmp_path / "run")) == 0
    assert "no test figure" in capsys.readouterr().out


def test_a_language_model_continues_as_if_never_stopped(penn, tmp_path):
    source = str(penn / "ptb.train.txt")
    dropped = {"child.dropout.input": 0.2, "data.source": source}
    training = language_training("quickstart", penn, **dropped)
    whole = train(training, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "version-00000002")
    (tmp_path / "run" / "result.json").unlink()
    continued = train(training, tmp_path / "run", resume=True)
    assert (continued.train_loss, continued.validation) == (whole.train_loss, whole.validation)


def test_a_training_from_before_its_cell_had_this_name_continues(penn, tmp_path, capsys):
    source = str(penn / "ptb.train.txt")
    training = language_training("quickstart", penn, **{"data.source": source})
    place = tmp_path / "run"
    whole = train(training, place)
    shutil.rmtree(place / "checkpoints" / "version-00000002")
    (place / "result.json").unlink()
    with_old_names(place)
    assert json.loads((place / "experiment.json").read_text())["named"] == "baseline_gru"
    for architecture in ("gru", "baseline_gru"):
        given = dataclasses.replace(training, architecture=architecture)
        continued = train(given, place, resume=True)
        assert continued.named == continued.architecture == "gru"
        assert continued.validation == whole.validation
        with_old_names(place)
    for architecture in (None, "baseline_gru"):
        assert training_run.run(resumption(place, architecture=architecture)) == 0
    assert nas.load_model(place / "model.keras").cell == "gru"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": None}, "--experiment is missing"),
        ({"architecture": None}, "--architecture is missing"),
        (
            {"architecture": "figure_8"},
            "architecture 'figure_8': no such published architecture; there are",
        ),
        ({"architecture": "lstm"}, "quickstart_conv trains none"),
        ({"architecture": "nas_cell"}, "a recurrent cell"),
        ({"architecture": "3 4 - 8"}, "unknown token at word 2"),
        ({"overrides": ("child.batch_size=1001",)}, "batch_size is 1001"),
        ({"experiment": "ptb_small", "architecture": "lstm", "data_dir": "/no/such"}, "/no/such"),
        ({"resume": True, "workdir": None}, "--resume needs --workdir"),
        ({"resume": True}, "holds no run"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_clear_line_and_leaves_nothing(changes, message, tmp_path):
    refused(request(tmp_path / "run", **{"overrides": (), **changes}), message)
    assert list(tmp_path.iterdir()) == []


def test_labels_of_the_test_that_are_none_are_found_before_the_first_epoch(tmp_path):
    images, labels = np.zeros((60, 32, 32, 3), np.uint8), np.arange(60) % 10
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels + 1}
    np.savez(tmp_path / "cifar10.npz", **arrays)
    overrides = (*SMALL, "data.dataset=cifar10", "data.num_train=40", "data.num_validation=20")
    overrides += ("child.batch_size=20", "data.resolution=8")
    place, data_dir = tmp_path / "run", str(tmp_path)
    run = request(place, overrides=overrides, data_dir=data_dir)
    refused(run, f"y_test of {tmp_path}/cifar10.npz has labels from 1 to 10, not from 0 to 9")
    assert not place.exists()


def test_a_workdir_belongs_to_one_training(copied, tmp_path):
    before = {path: path.read_bytes() for path in copied.glob("*.*")}
    refused(request(copied), "holds a run of 'quickstart_conv': continue it with --resume")
    for changes, message in (
        ({"seed": 1}, "seed: 0 / 1"),
        ({"architecture": "1 1 - 4"}, f"architecture: '{ARCHITECTURE}' / '1 1 - 4'"),
        ({"overrides": (*SMALL, "child.flip=true")}, "child.flip: False / True"),
    ):
        refused(resumption(copied, test="again", **changes), message)
    assert {path: path.read_bytes() for path in before} == before
    search = tmp_path / "search"
    run_search(SearchRequest(experiment="nas_bench_201", workdir=str(search), num_samples=8))
    refused(resumption(search), "another kind")
    with pytest.raises(InputError, match="not a search"):
        run_search(SearchRequest(workdir=str(copied), resume=True))
    refused(request(search), "holds a run of 'nas_bench_201'")
    (copied / "experiment.json").unlink()
    refused(request(copied), "but no experiment.json")


def test_a_table_is_looked_up(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "nor_conv_3x3 none none none none none"
    assert training_run.run(TrainingRequest("nas_bench_201", text)) == 0
    assert "validation accuracy: 0.097" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_names_the_command_that_continues(tmp_path):
    flags = [
        "--experiment=quickstart_conv",
        f"--architecture={ARCHITECTURE}",
        "--workdir=run",
        "--override=child.epochs=1000000",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "nas_with_rl.launch.train_architecture", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert any(line.startswith("epoch 3 ") or " 3 of" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=180)
    assert process.returncode == 130 and errors == ""
    command = "-m nas_with_rl.launch.train_architecture --resume --workdir=run"
    assert f"stopped; continue with: {sys.executable} {command}" in printed
    assert read_result(tmp_path / "run").status == "training"


def test_a_searchs_workdir_is_its_best_trained_as_its_children_were(tmp_path, capsys):
    before = Path(__file__).parents[2] / "harness/workdirs_before/finished_search_of_convnets"
    shutil.copytree(before, tmp_path / "search")
    best = nas.load(tmp_path / "search").best
    asked = {"architecture": str(tmp_path / "search"), "workdir": str(tmp_path / "training")}
    overrides = ("child.epochs=1",)
    assert training_run.run(TrainingRequest(**asked, overrides=overrides)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        f"the best of {tmp_path / 'search'}: trial {best.trial.number}, reward {best.reward:.4f}\n"
    )
    stored = json.loads((tmp_path / "training" / "experiment.json").read_text())
    assert stored["architecture"] == str(best.architecture)
    assert stored["experiment"] == "quickstart_conv"
    assert stored["overrides"] == [  # of the search those that say how children are trained
        *("data.num_train=100", "data.num_validation=50", "child.batch_size=25", "child.epochs=1")
    ]
    again = TrainingRequest(**asked, overrides=overrides, resume=True, test="never")
    assert training_run.run(again) == 0
    assert "best epoch 1 of 1" in capsys.readouterr().out
    for trial in ("training", "nothing_in_it"):
        (tmp_path / trial).mkdir(exist_ok=True)
        refused(TrainingRequest(architecture=str(tmp_path / trial)), "is no workdir of a search")
