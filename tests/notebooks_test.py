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
    "search": {"NUM_SAMPLES": 480, "NUM_CHILDREN": 3, "STEPS_PER_CHILD": 30},
    "explore": {"EPOCHS": 12},
}
# And what is looked at in the end, as JSON.
LOOKED_AT = {
    "search": """{
        "best": max(accuracies_of(learned)),
        "table_best": max(table.values()),
        "learned_last": float(accuracies_of(learned)[-100:].mean()),
        "random_last": float(accuracies_of(random)[-100:].mean()),
        "own": [result.best.reward, str(result.best.architecture), str(wanted)],
        "own_statuses": sorted({trial.status for trial in result.trials}),
        "failures": sorted({trial.failure for trial in failed}),
        "failures_reward": max(trial.reward for trial in failed),
        "least_reward": min(t.reward for t in result.trials if t.status == "completed"),
        "late_failures": [len(late), len(failed)],
        "resumed_as_if_never_stopped": same,
        "in_workdir": sorted(path.name for path in Path(workdir).glob("[!.]*")),
        "cell_perplexities": [perplexity_of(trial) for trial in completed],
        "drawn": nas.draw(cells.best.architecture),
    }""",
    "explore": """{
        "models": [model.title for model in both.models],
        "same_text": counter.tokens == both.tokens,
        "largest_error": float(largest_error),
        "correlation": float(abs(correlations[counting])),
        "page_bytes": page.stat().st_size,
        "widget": [page_widget.exploration["title"], len(page_widget.data), page_widget.view],
    }""",
}


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
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem == "search" else [])
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
def test_the_controller_learns_nas_bench_201_beyond_random_search():
    notebook, found = executed("search")
    assert 90 < found["best"] <= found["table_best"] < 92
    assert found["learned_last"] > found["random_last"] + 2
    (figure,) = (data for data in shown(notebook) if "image/png" in data)
    assert len(figure["image/png"]) > 10_000
    assert f"best {found['best']:.2f} %" in "".join(texts(notebook, "stdout"))


@pytest.mark.slow
def test_the_own_space_is_solved_its_failures_are_named_and_its_run_resumed():
    _, found = executed("search")
    reward, best, wanted = found["own"]
    assert (reward, best) == (1.0, wanted)
    assert found["own_statuses"] == ["completed", "failed"]
    assert found["failures"] == ["out_of_memory"]
    assert found["failures_reward"] < found["least_reward"]
    late, failed = found["late_failures"]
    assert late < failed / 4
    assert found["resumed_as_if_never_stopped"] is True
    assert {"experiment.json", "trials.sqlite", "checkpoints"} <= set(found["in_workdir"])


@pytest.mark.slow
def test_recurrent_cells_are_trained_on_text_and_the_best_is_drawn():
    notebook, found = executed("search")
    assert len(found["cell_perplexities"]) >= 2
    assert 1 < min(found["cell_perplexities"]) < 30  # of 100 characters
    assert found["drawn"].startswith("h(t) =\n[2] = ")
    assert found["drawn"] in "".join(texts(notebook, "stdout"))


def test_an_lstm_that_counts_is_shown_and_its_counting_neuron_named():
    notebook, found = executed("explore")
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
    displayed = shown(notebook)
    assert len(displayed) == 2
    assert all("application/vnd.jupyter.widget-view+json" in data for data in displayed)
