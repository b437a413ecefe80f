"""Given architectures side by side: the table, the curves, what is resumed, what is refused."""

import dataclasses
import json
import shutil

import pytest

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.training_result import FinalResult, read_result
from nas_with_rl.launch.trainings.comparison import ComparisonRequest, directories, run
from nas_with_rl.launch.trainings.side_by_side import table
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED
from tests.harness.old_names import with_old_names

SMALL = ("child.epochs=2", "data.num_train=200", "data.num_validation=100")
ARCHITECTURES = ("3 3 - 8 | 5 1 1 8", "1 1 - 4")


def request(place, **changes):
    values = {"experiment": "quickstart_conv", "architectures": ARCHITECTURES, "overrides": SMALL}
    return ComparisonRequest(**{"workdir": str(place), **values, **changes})


def refused(request, message):
    with pytest.raises(InputError) as caught:
        run(request)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_is_a_final_training_and_what_is_left_is_resumed(tmp_path, capsys):
    workdir = tmp_path / "run"
    assert run(request(workdir)) == 0
    printed = capsys.readouterr().out
    names = ("architecture_1", "architecture_2")
    results = {name: read_result(workdir / name) for name in names}
    assert [result.architecture for result in results.values()] == list(ARCHITECTURES)
    assert all(result.test is not None and result.test_looks == 1 for result in results.values())
    assert table({name: (result,) for name, result in results.items()}) in printed
    assert "<svg" in (workdir / "curves.svg").read_text()

    shutil.rmtree(workdir / "architecture_2")
    (workdir / "curves.svg").unlink()
    assert run(ComparisonRequest(workdir=str(workdir), resume=True)) == 0
    assert read_result(workdir / "architecture_1") == results["architecture_1"]
    times = {"seconds_per_epoch": None, "test_looked_at": None}
    again, before = (
        dataclasses.replace(result, **times)
        for result in (read_result(workdir / "architecture_2"), results["architecture_2"])
    )
    assert again == before
    assert (workdir / "curves.svg").exists()

    refused(request(workdir), "--resume")
    refused(ComparisonRequest(workdir=str(workdir), resume=True, seed=1), "seed: 0 / 1")
    refused(
        ComparisonRequest(workdir=str(workdir / "architecture_1"), resume=True), "not a comparison"
    )


@pytest.mark.slow
def test_a_comparison_from_before_the_cells_had_these_names_continues(tmp_path):
    text = tmp_path / "text"
    text.write_text("the cat sat on the mat\n" * 120)
    small = (f"data.source={text}", "child.epochs=1", "child.units=3", "child.batch_size=4")
    workdir, names = tmp_path / "run", ("lstm", "figure_8_lstm")
    both = request(workdir, experiment="quickstart", architectures=names, overrides=small)
    assert run(both) == 0
    before = [read_result(workdir / name) for name in names]
    for name, old in (("lstm", "baseline_lstm"), ("figure_8_lstm", "lstm")):
        with_old_names(workdir / name)
        (workdir / name).rename(workdir / old)
    stored = json.loads((workdir / "experiment.json").read_text())
    del stored["renamed"]
    stored["architectures"] = ["baseline_lstm", "lstm"]
    (workdir / "experiment.json").write_text(json.dumps(stored))
    shutil.rmtree(workdir / "lstm")
    for architectures in ((), ("baseline_lstm", "figure_8_lstm")):
        resumed = ComparisonRequest(workdir=str(workdir), resume=True, architectures=architectures)
        assert run(resumed) == 0
        after = [read_result(workdir / name) for name in ("baseline_lstm", "lstm")]
        assert [result.named for result in after] == list(names)
        assert [r.validation for r in after] == [r.validation for r in before]
    assert not (workdir / "figure_8_lstm").exists()


def test_the_table_has_errors_perplexities_and_failures():
    def result(name, metric, **changes):
        return FinalResult("x", name, name, metric, 3, num_parameters=1234567, **changes)

    measured = {"validation": (0.5, 0.75), "best_epoch": 2, "best_validation": 0.75}
    convnets = {
        "figure_7": result("figure_7", "accuracy", test=0.9451, seconds_per_epoch=2.0, **measured),
        "other": result("other", "accuracy", status="failed"),
    }
    alone = {name: (each,) for name, each in convnets.items()}
    heading, first, second = table(alone).splitlines()
    assert heading.split("  ")[-1].strip() == "test" and "validation error, %" in heading
    assert first.split() == ["figure_7", "1,234,567", "0", "2.0", "25.00", "2", "5.49"]
    assert second.split() == ["other", "1,234,567", "0", "-", "-", "-", "failed"]
    cell = result("nas_cell", "perplexity", best_epoch=1, best_validation=78.214)
    assert table({"nas_cell": (cell,)}).splitlines()[1].split()[-3:] == ["78.21", "1", "-"]


def test_the_table_has_the_mean_and_the_spread_of_several_seeds():
    def of_seed(validation, test, **changes):
        values = {"best_epoch": 2, "best_validation": validation, "test": test, **changes}
        return FinalResult("x", "cell", "cell", "bits_per_character", 3, **values)

    seeds = (of_seed(2.0, 1.9), of_seed(2.2, 2.1, best_epoch=3), of_seed(2.4, None))
    row = table({"cell": seeds}).splitlines()[1]
    assert row.endswith("2.2000 ± 0.2000  2, 2, 3  2.0000 ± 0.1414".replace("2, 2, 3", "2, 3, 2"))
    failed = of_seed(None, None, best_epoch=None, status="failed")
    assert "2.0000" in table({"cell": (seeds[0], failed)}).splitlines()[1]
    assert table({"cell": (failed, failed)}).splitlines()[1].endswith("failed")


def test_each_is_tuned_alike_trained_with_every_seed_and_tested_at_the_end(tmp_path, capsys):
    workdir = tmp_path / "run"
    grid = ("child.learning_rate=0.02,0.1", "child.weight_decay=0,0.001")
    tuned = request(
        workdir,
        architectures=("small=1 1 - 4", "3 3 - 8"),
        axes=grid,
        num_points=2,
        point_overrides=("child.epochs=1",),
        num_seeds=2,
        seed=5,
    )
    assert run(tuned) == 0
    printed = capsys.readouterr().out
    tried = {}
    for name in ("small", "architecture_1"):
        points = [read_result(path) for path in sorted((workdir / name / "points").iterdir())]
        final = [read_result(workdir / name / f"seed_{seed}") for seed in (5, 6)]
        assert [each.epochs for each in (*points, *final)] == [1, 1, 2, 2]
        assert all(each.test is None and not each.test_looks for each in points)
        assert all(each.test_looks == 1 for each in final)
        described = [json.loads((workdir / name / folder / "experiment.json").read_text())
                     for folder in ("points/1", "points/2", "seed_5", "seed_6")]  # fmt: skip
        chosen = max((1, 2), key=lambda number: points[number - 1].best_validation)
        rates = [each["child"]["learning_rate"] for each in described]
        assert rates[2] == rates[3] == rates[chosen - 1]
        tried[name] = [each["child"]["weight_decay"] for each in described[:2]], rates[:2]
        assert final[0].validation != final[1].validation
    assert tried["small"] == tried["architecture_1"]
    assert [sorted(values) for values in tried["small"]] == [[0, 0.001], [0.02, 0.1]]
    assert " ± " in printed.splitlines()[-3]

    shutil.rmtree(workdir / "small" / "seed_6")
    kept = (workdir / "small" / "points" / "2" / "result.json").stat().st_mtime_ns
    again = ComparisonRequest(workdir=str(workdir), resume=True, num_seeds=3)
    assert run(again) == 0
    assert (workdir / "small" / "points" / "2" / "result.json").stat().st_mtime_ns == kept
    assert read_result(workdir / "small" / "seed_7").status == "finished"
    refused(ComparisonRequest(workdir=str(workdir), resume=True, axes=grid[:1]), "tuning.axes")


def test_one_that_fails_at_every_setting_is_a_row_and_the_others_go_on(tmp_path, capsys):
    lost = ("child.learning_rate=1e36,1e37",)
    tuned = request(tmp_path / "run", axes=lost, num_seeds=2, overrides=(*SMALL, "child.epochs=1"))
    assert run(tuned) == 1
    *_, first, second, _, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("architecture_1") and second.startswith("architecture_2")
    assert first.endswith("failed") and second.endswith("failed")
    assert not (tmp_path / "run" / "architecture_1" / "seed_0").exists()


def test_directories_are_names_or_numbers():
    experiment = configure("cifar10", ())
    text = "3 3 - 36 | 3 3 1 48"
    assert directories((text, "figure_7", "5 5 - 24"), experiment) == {
        "architecture_1": text,
        "figure_7": "figure_7",
        "architecture_2": "5 5 - 24",
    }
    for doubled in (
        ("figure_7", "figure_7"),
        ("figure_5", str(PUBLISHED["figure_5"].architecture)),
    ):
        space = "cifar10" if doubled[0] == "figure_7" else "quickstart"
        with pytest.raises(InputError, match="is there twice"):
            directories(doubled, configure(space, ()))


def test_a_name_may_be_given():
    experiment = configure("cifar10", ())
    assert directories(("mine=3 3 - 36", "plain = figure_7_no_skips"), experiment) == {
        "mine": "3 3 - 36",
        "plain": "figure_7_no_skips",
    }
    with pytest.raises(InputError, match="is there twice"):
        directories(("a=3 3 - 36", "a=5 5 - 24"), experiment)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workdir": None}, "--workdir is missing"),
        ({"architectures": ("1 1 - 4",)}, "--architecture is given 1 times; at least two"),
        ({"architectures": ("1 1 - 4", "figure_8")}, "architecture 'figure_8': no such"),
        ({"overrides": ("child.batch_size=1001",)}, "batch_size is 1001"),
        ({"experiment": "nas_bench_201"}, "results up"),
        ({"resume": True}, "holds no run"),
        ({"num_seeds": 0}, "--seeds=0"),
        ({"num_points": 2}, "--points has no effect without --grid"),
        ({"point_overrides": ("child.epochs=1",)}, "--grid_override has no effect"),
        ({"axes": ("child.epochs",)}, "expected FIELD=VALUE"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_clear_line_and_leaves_nothing(changes, message, tmp_path):
    if changes.get("experiment") == "nas_bench_201":
        edges = "none none none none none"
        changes |= {"architectures": (f"none {edges}", f"skip_connect {edges}"), "overrides": ()}
    refused(request(tmp_path / "run", **changes), message)
    assert list(tmp_path.iterdir()) == []
