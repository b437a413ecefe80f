"""The notebooks run from start to end as they are committed, with smaller sizes."""

import functools
import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 120

# Of each notebook: what replaces the sizes of its cell tagged "parameters".
SMALLER = {
    "search": {"NUM_CHILDREN": 8, "EPOCHS": 3},
    "cells": {"NUM_CHILDREN": 3, "EPOCHS": 12},
    "reproduce": {"NUM_SAMPLES": 480, "NUM_SEEDS": 2},
}
# And what is looked at in the end, as JSON.
LOOKED_AT = {
    "search": """{
        "counts": [len(half.trials), len(result.trials)],
        "statuses": sorted(counts),
        "errors": [t.metrics.get("error_percent") for t in result.trials],
        "curves": [len(t.metrics["reported"]) for t in result.trials],
        "again": [str(winner), again.best.reward],
        "best": result.best.reward,
        "test_accuracy": test_accuracy,
    }""",
    "cells": """{
        "found": found.best.trial.metrics["validation_perplexity"][-1],
        "source": found.best.architecture.source(),
        "models": [model.title for model in both.models],
        "same_text": counter.tokens == both.tokens,
        "largest_error": float(largest_error),
        "correlation": float(abs(correlations[counting])),
        "page_bytes": page.stat().st_size,
        "widget": [page_widget.exploration["title"], len(page_widget.data), page_widget.view],
    }""",
    "reproduce": """{
        "means": {name: float(mean) for name, mean in means.items()},
        "best": max(table.values()),
    }""",
}
SLOW = ("search", "reproduce")


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def parameters_cell(notebook):
    (index,) = (
        index
        for index, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    return index


def environment(folder):
    """A user's, with the checkout on the path and no way to install anything."""
    variables = {
        **os.environ,
        "IPYTHONDIR": f"{folder}/.ipython",
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": str(ROOT),
    }
    variables.pop("MPLBACKEND", None)
    variables.pop("PYTEST_CURRENT_TEST", None)  # ipykernel would not capture what C++ prints
    return variables


@functools.cache
def executed(name):
    """Run a notebook in an empty folder; return it with its outputs, and what is looked at."""
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    if name in SMALLER:
        lines = [f"{size} = {value!r}" for size, value in SMALLER[name].items()]
        cell = nbformat.v4.new_code_cell("\n".join(lines))
        notebook.cells.insert(parameters_cell(notebook) + 1, cell)
    looked_at = LOOKED_AT.get(name, "{}")
    last = f"import json, sys\nprint(json.dumps({{'python': sys.executable, **{looked_at}}}))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    # Without folders of kernels there is one: ipykernel in this interpreter.
    kernel = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=CELL_SECONDS,
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=environment(folder))
    return notebook, json.loads(notebook.cells.pop().outputs[0].text)


def texts(notebook, stream):
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == stream
    ]


def shown(notebook):
    """Return what the cells show, but for how far they were meanwhile."""
    return [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type in ("display_data", "execute_result")
        and "nas-progress" not in output.data.get("text/html", "")
    ]


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= SMALLER.keys() | LOOKED_AT.keys()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs_and_opens_in_colab(path):
    notebook = read(path)
    assert notebook.nbformat == 4 and notebook.nbformat_minor >= 5
    assert notebook.metadata.kernelspec.name == "python3"
    assert "colab" in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None, cell.id


@pytest.mark.parametrize("name", SMALLER)
def test_the_sizes_that_the_test_replaces_are_the_notebooks(name):
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    sizes = {}
    exec(notebook.cells[parameters_cell(notebook)].source, sizes)
    for size, value in SMALLER[name].items():
        assert 0 < value < sizes[size], size


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])
        for path in NOTEBOOKS
    ],
)
def test_it_runs_in_an_empty_folder_without_a_word_of_complaint(path):
    notebook, found = executed(path.stem)
    assert found["python"] == sys.executable
    assert texts(notebook, "stderr") == []
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.outputs == [], "the package is there, so nothing is installed"


@pytest.mark.slow
def test_the_own_space_is_searched_resumed_trained_again_and_its_winner_saved():
    notebook, found = executed("search")
    assert found["counts"] == [4, 8]  # resumed
    assert set(found["statuses"]) <= {"completed", "stopped"} and "completed" in found["statuses"]
    whole = [error is not None for error in found["errors"]]
    assert [curve == 3 for curve in found["curves"]] >= whole  # the others were stopped early
    assert found["best"] > 0.8 and found["test_accuracy"] > 0.8
    winner, mean = found["again"]
    assert winner in "".join(texts(notebook, "stdout")) and 0.5 < mean < 1
    displayed = shown(notebook)
    drawn = [
        any("image/svg+xml" in each for each in (*data, data.get("text/html", "")))
        for data in displayed
    ]
    assert sum(drawn) >= 2  # the trials, and the best architecture


@pytest.mark.slow
def test_the_papers_tables_and_figures_are_drawn_with_what_they_cost():
    notebook, found = executed("reproduce")
    assert found["means"]["reinforce"] > found["means"]["random"] + 1
    assert found["means"]["random"] < found["means"]["reinforce"] < found["best"] < 92
    displayed = shown(notebook)
    assert sum("image/png" in data for data in displayed) == 1
    assert sum("image/svg+xml" in data for data in displayed) == 1
    tables = "".join(data.get("text/markdown", "") for data in displayed)
    assert "Table 1" in tables and "5.50" in tables and "GPU" in tables
    said = "".join(texts(notebook, "stdout"))
    assert "better than random search" in said and "What holds at this size" in said


def test_a_search_finds_a_cell_and_hands_it_over_as_code():
    notebook, found = executed("cells")
    assert 1 < found["found"] < 40  # of 100 characters
    assert "class" in found["source"] and "import nas_with_rl" not in found["source"]
    assert any("image/svg+xml" in data for data in shown(notebook))


def test_an_lstm_that_counts_is_shown_and_its_counting_neuron_named():
    notebook, found = executed("cells")
    assert found["models"][0].startswith("LSTM, 1 layer of 10 units")
    assert found["models"][1].startswith("cell of base 2, 1 layer of 10 units")
    assert found["same_text"] is True
    assert found["largest_error"] < 2e-6
    assert found["correlation"] > 0.98
    assert 50_000 < found["page_bytes"] < 1_000_000
    title, num_bytes, view = found["widget"]
    assert title.startswith("Counter: ") and num_bytes > 1_000 and view == ""
    said = "".join(texts(notebook, "stdout"))
    assert "every line of up to N = " in said
    assert "r = " in said and "MB" in said
    widgets = "application/vnd.jupyter.widget-view+json"
    assert sum(widgets in data for data in shown(notebook)) == 2
