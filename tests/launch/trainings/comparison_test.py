"""Given architectures side by side: the table, the curves, what is resumed, what is refused."""

import dataclasses
import json
import shutil

import pytest

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.training_result import FinalResult, read_result
from nas_with_rl.launch.trainings.comparison import ComparisonRequest, directories, run, table
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
    assert table(results) in printed
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
    heading, first, second = table(convnets).splitlines()
    assert heading.split("  ")[-1].strip() == "test" and "validation error, %" in heading
    assert first.split() == ["figure_7", "1,234,567", "0", "2.0", "25.00", "2", "5.49"]
    assert second.split() == ["other", "1,234,567", "0", "-", "-", "-", "failed"]
    cells = {"nas_cell": result("nas_cell", "perplexity", best_epoch=1, best_validation=78.214)}
    assert table(cells).splitlines()[1].split()[-3:] == ["78.21", "1", "-"]


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workdir": None}, "--workdir is missing"),
        ({"architectures": ("1 1 - 4",)}, "--architecture is given 1 times, and two at least"),
        ({"architectures": ("1 1 - 4", "figure_8")}, "architecture 'figure_8': no such"),
        ({"overrides": ("child.batch_size=1001",)}, "batch_size is 1001"),
        ({"experiment": "nas_bench_201"}, "results up"),
        ({"resume": True}, "holds no run"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_clear_line_and_leaves_nothing(changes, message, tmp_path):
    if changes.get("experiment") == "nas_bench_201":
        edges = "none none none none none"
        changes |= {"architectures": (f"none {edges}", f"skip_connect {edges}"), "overrides": ()}
    refused(request(tmp_path / "run", **changes), message)
    assert list(tmp_path.iterdir()) == []
