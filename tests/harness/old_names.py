"""Workdirs as they were when Keras's LSTM was `baseline_lstm`, and `lstm` the tree of Figure 8."""

import json
import zipfile

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS


def old_name(name):
    """Return what a cell or an architecture was called."""
    return f"baseline_{name}" if name in KNOWN_CELLS else name.replace("figure_8_lstm", "lstm")


def with_old_names(workdir):
    """Rewrite all that the workdir of a training says of its architecture."""
    for path in (workdir / "experiment.json", workdir / "result.json"):
        if path.exists():
            stored = json.loads(path.read_text())
            stored |= {key: old_name(stored[key]) for key in ("architecture", "named")}
            path.write_text(json.dumps(stored))
    if (workdir / "model.keras").exists():  # a checkpoint's own is known by its digest
        model_with_old_names(workdir / "model.keras")


def model_with_old_names(path):
    """Rewrite a saved model's cell, where it is a known one."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config, told = (json.loads(members[name]) for name in ("config.json", "nas_with_rl.json"))
    if isinstance(config["config"]["cell"], str):
        config["config"]["cell"] = old_name(config["config"]["cell"])
    told["architecture"] = old_name(told["architecture"])
    members |= {"config.json": json.dumps(config), "nas_with_rl.json": json.dumps(told)}
    path.unlink()  # it may be a second name of a checkpoint's
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
