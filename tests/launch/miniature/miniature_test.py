"""The paper in miniature: what is asked can be run, what was found is told with its claims."""

import contextlib
import dataclasses
import json

import pytest

from nas_with_rl.launch.comparisons.contest import COMPARISON, search_file
from nas_with_rl.launch.comparisons.variants import variant_of
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.miniature.asked import CELLS, CHARACTERS, CONTESTS, IMAGES, TABLES, WORDS
from nas_with_rl.launch.miniature.found import best_of_each, read_miniature_contest, read_rows
from nas_with_rl.launch.miniature.told import CLAIMS, command_of, describe_miniature
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.trainings.comparison import directories, named_parts
from nas_with_rl.launch.trainings.trainees import FinalTraining
from nas_with_rl.launch.trainings.tuned import Tuning, grid_of
from nas_with_rl.search_spaces.errors import InputError


def write_contest(runs, perplexities):
    """Write Figure 6's comparison of cells: by short name, two seeds' perplexities by text."""
    folder = runs / CELLS.key
    inside = folder / "searches" / "5-children"
    inside.mkdir(parents=True)
    told = {
        "kind": COMPARISON.kind, "experiment": CELLS.experiment, "seeds": 2, "controller": {},
        "searchers": list(CELLS.searchers.values()), "search": {"num_children": 5}, "space": {},
    }  # fmt: skip
    (folder / "experiment.json").write_text(json.dumps(told))
    for name, searcher in CELLS.searchers.items():
        for seed, values in enumerate(perplexities[name]):
            trials = [
                Trial(
                    n, text, 0, "completed", -1.0, n, None, seed=1, reward=1.0,
                    metrics={"validation_perplexity": [value]},
                )
                for n, (text, value) in enumerate(values.items())
            ]  # fmt: skip
            with contextlib.closing(TrialStore(search_file(inside, searcher, seed))) as store:
                store.add(trials)


def write_row(folder, validation, test, seed, overrides=()):
    place = folder / f"seed_{seed}"
    place.mkdir(parents=True)
    (place / "experiment.json").write_text(json.dumps({"overrides": list(overrides)}))
    (place / "result.json").write_text(
        json.dumps({
            "experiment": "x", "architecture": "a", "named": None, "metric": "bits_per_character",
            "epochs": 1, "num_parameters": 200_000, "multiply_adds": 7, "status": "finished",
            "train_loss": [1.0], "validation": [validation], "best_epoch": 1,
            "best_validation": validation, "test": test, "test_looks": 1,
            "seconds_per_epoch": 2.0,
        })
    )  # fmt: skip


def write_table(runs, rows):
    folder = runs / CHARACTERS.key
    folder.mkdir(parents=True)
    told = {
        "kind": "comparison", "experiment": CHARACTERS.experiment, "renamed": {}, "overrides": [],
        "architectures": [f"{name}={name}" for name in rows],
    }  # fmt: skip
    (folder / "experiment.json").write_text(json.dumps(told))
    for name, tests in rows.items():
        for seed, test in enumerate(tests):
            write_row(folder / name, test + 0.1, test, seed, ["child.learning_rate=0.01"])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_every_table_can_be_trained_as_it_is_asked_for(table):
    found = {"dream": "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"}
    if table is IMAGES:
        found = {"dream": "5 7 - 64 | 3 3 1 36"}
    _, *flags = table.command("runs", found)
    given = [flag.partition("=")[2] for flag in flags if flag.startswith("--architecture=")]
    experiment = configure(table.experiment, ())
    names = directories(given, experiment)
    assert list(names) == [*found, *table.architectures]
    tuning = Tuning(table.axes, table.num_points, table.point_overrides, table.num_seeds)
    for text in names.values():
        grid = grid_of(FinalTraining(experiment, text), table.experiment, tuning)
        assert len(list(grid.points())) == table.num_points
    assert experiment.has_test and experiment.search is None


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.key)
def test_every_comparison_of_searchers_is_one_of_known_ones(contest):
    assert contest.searchers["random"] == "random"
    assert all(variant_of(searcher) for searcher in contest.searchers.values())
    assert configure(contest.experiment, ()).search is not None
    assert {claim.better for claim in CLAIMS} <= {*contest.searchers, "nas_cell", "figure_7"}


def test_the_best_of_each_searcher_joins_by_its_validation(tmp_path):
    assert read_miniature_contest(CELLS, tmp_path) is None
    values = {
        "random": [{"a": 9.0, "b": 8.0}, {"c": 7.0}],
        "paper_reinforce": [{"d": 6.0}, {"a": 8.5}],
        "reinforce": [{"c": 7.0}, {"a": 9.0}],  # what random search has found too
        "dream": [{"e": 5.0}, {"f": 4.0}],
    }
    write_contest(tmp_path, values)
    models = read_miniature_contest(CELLS, tmp_path)
    best = best_of_each(CELLS, models)
    assert best == {"random": "c", "paper_reinforce": "d", "reinforce": "c", "dream": "f"}
    command = command_of(WORDS, tmp_path, {CELLS.key: models})
    assert "--architecture=dream=f" in command and "--architecture=reinforce=c" in command
    command = command_of(CHARACTERS, tmp_path, {CELLS.key: models})
    assert "--architecture=random_and_reinforce=c" in command
    text = describe_miniature(tmp_path, "", "text")
    assert "top 1: better than random search with every seed" in text
    assert "--architecture=dream=f" in text  # of the tables, which were not run

    other = dataclasses.replace(CELLS, experiment="quickstart")
    with pytest.raises(InputError, match="is a comparison of miniature_cells, not quickstart"):
        read_miniature_contest(other, tmp_path)


def test_claims_are_of_seeds_that_lie_apart(tmp_path):
    rows = {
        "reinforce": (1.9, 2.0, 2.1),
        "random": (1.95, 2.05, 2.15),
        "nas_cell": (2.5, 2.6, 2.7),
        "lstm": (2.2, 2.3, 2.4),
    }
    write_table(tmp_path, rows)
    found = {row.name: row for row in read_rows(CHARACTERS, tmp_path)}
    assert found["lstm"].figures("test") == (2.2, 2.3, 2.4)
    assert found["lstm"].settings == ("child.learning_rate=0.01",)
    for form in ("text", "markdown"):
        told = describe_miniature(tmp_path, "3", form)
        assert "(characters): holds, with every seed (2 against 2.3)" in told
        assert "(characters): cannot be told from 3 seeds (2 against 2.05)" in told
        assert "NASCell beats the LSTM on characters (characters): does not hold" in told
        assert "(words)" not in told  # which are in another table
        assert "1.228 (6.57M)" in told and "2.3000 ± 0.1000 (3)" in told
    assert told.index("| reinforce") < told.index("| random") < told.index("| nas_cell")


def test_a_row_without_a_finished_training_is_left_out(tmp_path):
    write_table(tmp_path, {"lstm": (2.0,), "gru": ()})
    assert [row.name for row in read_rows(CHARACTERS, tmp_path)] == ["lstm"]
    assert named_parts("lstm=lstm") == ("lstm", "lstm") and named_parts("gru") == (None, "gru")
