"""Which finished trainings count for a row, and what of them is shown."""

import dataclasses
import json
import shutil

import pytest

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.paper.our_results import TUNED, RowResult, Wanted, our_result_of, read_runs
from nas_with_rl.launch.paper.our_rows import PENN_TREEBANK
from nas_with_rl.launch.trainings.trainees import FinalTraining
from nas_with_rl.launch.trainings.training import train

DIGITS = ("child.epochs=2", "data.num_train=100", "data.num_validation=50")
TWO_LAYERS = "3 3 - 4 | 3 3 1 8"


def training(*overrides, seed=0, architecture=TWO_LAYERS):
    """A ConvNet of two layers on a hundred digits."""
    overrides = (*DIGITS, *overrides)
    experiment = configure("quickstart_conv", overrides)
    return FinalTraining(experiment, architecture, seed=seed, overrides=overrides)


WANTED = Wanted(training().experiment, TWO_LAYERS, "error")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished training. Tests that change it copy it."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    assert train(training(), workdir).status == "finished"
    return workdir


@pytest.fixture
def runs(trained, tmp_path):
    """A directory with one finished training in `a`."""
    folder = tmp_path / "runs"
    shutil.copytree(trained, folder / "deep" / "a")
    return folder


def changed(workdir, name="result.json", **values):
    """Change values in one of a workdir's two files."""
    path = workdir / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return workdir


def another(runs, name, **values):
    """A second training that differs in its result, as by another seed."""
    workdir = shutil.copytree(runs / "deep" / "a", runs / name)
    changed(workdir, "experiment.json", seed=1)
    return changed(workdir, **values)


def described(folder, wanted=WANTED):
    """Return (what is shown, why each run that does not count does not)."""
    found, warnings = read_runs(folder)
    assert not warnings
    result = our_result_of(wanted, found)
    return result.shown(2), [why for _, why in result.rejected]


def test_a_finished_training_counts_with_its_own_figure(runs):
    stored = json.loads((runs / "deep" / "a" / "result.json").read_text())
    assert stored["status"] == "finished" and stored["test_looks"] == 1
    shown = f"{100 * (1 - stored['test']):.2f}"
    assert described(runs) == (shown, [])
    changed(runs / "deep" / "a", test=0.875)
    assert described(runs) == ("12.50", [])


def test_without_a_run_there_is_no_figure(tmp_path):
    assert described(tmp_path / "none") == ("not run", [])
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "experiment.json").write_text('{"experiment": "quickstart_conv"}')
    assert described(tmp_path) == ("not run", [])


def test_several_runs_have_mean_and_sample_standard_deviation(runs):
    changed(runs / "deep" / "a", test=0.90)
    another(runs, "b", test=0.94)
    assert described(runs) == ("8.00 ± 2.83 (2)", [])
    another(runs, "c", test=0.98)
    assert described(runs) == ("6.00 ± 4.00 (3)", [])


def test_a_copy_is_no_second_run(runs):
    changed(runs / "deep" / "a", test=0.90)
    shutil.copytree(runs / "deep" / "a", runs / "copy")
    assert described(runs) == ("10.00", [])


def test_a_second_look_at_the_test_set_is_marked(runs):
    changed(runs / "deep" / "a", test=0.90, test_looks=2)
    assert described(runs) == ("10.00†", [])
    another(runs, "b", test=0.94, test_looks=1)
    assert described(runs) == ("8.00 ± 2.83 (2)†", [])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"status": "training", "test": None, "test_looks": 0}, "status training"),
        ({"status": "failed", "failure": "diverged: at 2"}, "status failed"),
        ({"test": None, "test_looks": 0}, "test set was not"),
    ],
)
def test_an_unfinished_training_does_not_count(runs, values, reason):
    changed(runs / "deep" / "a", **values)
    _rejects(runs, WANTED, reason)


def _rejects(folder, wanted, reason):
    """Check that the one run does not count, for a reason with these words."""
    shown, (why,) = described(folder, wanted)
    assert shown == "not run" and reason in why


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("child.epochs=1", "child.epochs 1, not 2"),
        ("data.num_train=150", "data.num_train 150, not 100"),
        ("space.width_multiplier=0.5", "space.width_multiplier 0.5, not 1"),
        ("space.extra_filters=1", "space.extra_filters 1, not 0"),
        ("child.batch_size=25", "child.batch_size 25, not 50"),
    ],
)
def test_another_configuration_does_not_count(runs, override, reason):
    described_as = {
        name: as_json(getattr(training(override).experiment, name))
        for name in ("space", "child", "data")
    }
    changed(runs / "deep" / "a", "experiment.json", **described_as)
    assert described(runs) == ("not run", [reason])


def test_a_training_of_fewer_epochs_does_not_count(tmp_path):
    assert train(training("child.epochs=1"), tmp_path / "shorter").status == "finished"
    assert described(tmp_path) == ("not run", ["child.epochs 1, not 2"])


def test_another_architecture_or_experiment_is_not_meant(runs):
    for wanted in (
        dataclasses.replace(WANTED, architecture="3 3 - 4"),
        dataclasses.replace(WANTED, experiment=configure("cifar10", ())),
    ):
        assert described(runs, wanted) == ("not run", [])


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"kind": "grid_search", "search": {"finished_trials": 80}}, None),
        ({"kind": "grid_search", "search": {"finished_trials": 79}}, "its search had 79 of 80"),
        ({"kind": "grid_search"}, "its search had 0 of 80"),
        ({"kind": "comparison"}, "grid search's winner"),
        (None, "grid search's winner"),
    ],
)
def test_a_row_without_an_architecture_takes_the_winner_of_its_whole_search(
    trained, tmp_path, grid, reason
):
    shutil.copytree(trained, tmp_path / "grid" / "final")
    if grid:
        (tmp_path / "grid" / "experiment.json").write_text(json.dumps(grid))
    shown, rejected = described(tmp_path, dataclasses.replace(WANTED, architecture=None))
    assert (shown == "not run") == bool(reason)
    assert [reason in why for why in rejected] == [True] * bool(reason)


def test_a_tuned_setting_counts_and_is_named(tmp_path):
    train(training("child.learning_rate=0.05"), tmp_path / "tuned")
    (run,), _ = read_runs(tmp_path)
    assert WANTED.why_not(run) is None
    assert WANTED.departures(run) == ("child.learning_rate 0.05 (0.1)",)
    (plain,) = [dataclasses.replace(run, description={**run.description, "seed": 3})]
    assert len(our_result_of(WANTED, (run, plain)).figures) == 2


def test_a_run_of_another_metric_or_other_files_does_not_count(runs):
    files = [{"name": "ptb.train.txt", "sha256": "0" * 64}]
    changed(runs / "deep" / "a", "experiment.json", data_found=files)
    published = dataclasses.replace(WANTED, files={"ptb.train.txt": "f" * 64})
    _rejects(runs, published, "its ptb.train.txt is not")
    assert described(runs)[1] == []
    changed(runs / "deep" / "a", metric="perplexity")
    assert described(runs)[1] == ["metric perplexity, not accuracy"]


def test_a_baseline_is_meant_by_its_name(runs):
    baseline = dataclasses.replace(WANTED, architecture="gru")
    changed(runs / "deep" / "a", "experiment.json", named="gru")
    assert described(runs, baseline)[0] != "not run"


def test_a_language_model_counts_by_its_name_and_its_files(tmp_path):
    text = "the cat sat on the mat and the dog sat on the log\n" * 8
    for split in ("train", "valid", "test"):
        (tmp_path / f"ptb.{split}.txt").write_text(text)
    overrides = (
        "child.num_parameters=0", "child.units=4", "child.embedding_units=3", "child.epochs=1",
        "child.batch_size=2", "child.num_steps=10",
    )  # fmt: skip
    experiment = configure("char_ptb", overrides)
    with pytest.warns(UserWarning, match="the published file"):
        result = train(
            FinalTraining(experiment, "lstm", data_dir=str(tmp_path), overrides=overrides),
            tmp_path / "runs" / "lstm",
        )
    wanted = Wanted(experiment, "lstm", "bits_per_character")
    assert described(tmp_path / "runs", wanted) == (f"{result.test:.2f}", [])
    published = dataclasses.replace(wanted, files=PENN_TREEBANK)
    _rejects(tmp_path / "runs", published, "its ptb.train.txt is not")


def test_the_tuned_settings_are_settings():
    children = [as_json(configure(name, ()).child) for name in ("cifar10", "ptb")]
    groups = [child | child.get("dropout", {}) for child in children]
    for path in TUNED:
        assert any(path.rpartition(".")[2] in group for group in groups), path


def test_the_points_of_a_grid_search_are_left_out(runs):
    for number in ("1", "2"):
        workdir = shutil.copytree(runs / "deep" / "a", runs / "grid" / "points" / number)
        changed(workdir, test=None, test_looks=0)
    found, _ = read_runs(runs)
    assert [run.workdir.name for run in found] == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("result.json", "{", "result.json cannot be read"),
        ("result.json", "[1]", "not an object"),
        ("result.json", '{"status": "finished"}', "result.json cannot be read"),
        ("experiment.json", "", "experiment.json cannot be read"),
        ("experiment.json", None, "no experiment.json"),
        ("experiment.json", '{"kind": "search"}', "another kind"),
        ("result.json", {"test": "0.9"}, "test is '0.9', not a number"),
        ("result.json", {"test": float("nan")}, "test is nan, no accuracy"),
        ("result.json", {"test": 1.5}, "test is 1.5, no accuracy"),
        ("result.json", {"test_looks": 0}, "test_looks is 0"),
        ("result.json", {"test_looks": None}, "test_looks is None, not an integer"),
        ("result.json", {"architecture": "3 3 - 4"}, "experiment.json has architecture"),
        ("result.json", {"validation": 3}, "validation is 3, not a tuple"),
    ],
    ids=str,
)
def test_a_damaged_workdir_is_one_warning_and_no_crash(runs, name, content, message):
    another(runs, "damaged", test=0.5)
    path = runs / "damaged" / name
    if isinstance(content, dict):
        changed(path.parent, name, **content)
    elif content is None:
        path.unlink()
    else:
        path.write_text(content)
    found, (warning,) = read_runs(runs)
    assert message in warning and str(runs / "damaged") in warning and "\n" not in warning
    assert [run.workdir.name for run in found] == ["a"]


def test_no_figures_no_mark():
    assert RowResult().shown(2) == "not run" and not RowResult().looked_again
