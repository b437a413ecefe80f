"""What lies in a search's store, for `libraries.py`: libraries_stores.py LIBRARY FOLDER

Runs under whichever Python has the library. Prints an object: by status how many trials there are,
the arguments of each trial that was completed, in their order, and whether what an exception said
is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from libraries_function import MESSAGE

NAMES = ("optimizer", "momentum", "rate", "layers", "units", "activation", "dropout")
Found = tuple[str, dict[str, Any], str]  # status, arguments, what is said of a failure


def of_ours(folder: Path) -> list[Found]:
    """Return the trials of this project's store."""
    import nas_with_rl as nas

    result = nas.load(folder / "run")
    return [
        (trial.status, dict(result.architecture(trial)), trial.message or "")
        for trial in result.trials
    ]


def of_optuna(folder: Path) -> list[Found]:
    """Return the trials of Optuna's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder}/study.db")
    names = {"COMPLETE": "completed", "FAIL": "failed", "RUNNING": "running"}
    return [
        (
            names.get(trial.state.name, trial.state.name),
            trial.params,
            f"{trial.user_attrs} {trial.system_attrs}",
        )
        for trial in study.trials
    ]


def of_keras_tuner(folder: Path) -> list[Found]:
    """Return the trials of KerasTuner's."""
    names = {"COMPLETED": "completed", "INVALID": "failed", "FAILED": "failed"}
    read = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / "search").glob("trial_*/trial.json"))
    ]
    return [
        (
            names.get(each["status"], "running"),
            each["hyperparameters"]["values"],
            each.get("message") or "",
        )
        for each in read
    ]


STORES = {"ours": of_ours, "optuna": of_optuna, "keras_tuner": of_keras_tuner}


def described(found: list[Found]) -> dict[str, Any]:
    """Return what `libraries.py` is told."""
    statuses = [status for status, _, _ in found]
    return {
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "completed": [_row(given) for status, given, _ in found if status == "completed"],
        "message": any(MESSAGE in said for _, _, said in found),
    }


def _row(given: dict[str, Any]) -> list[Any]:
    row = {name: given.get(name) for name in NAMES}
    if row["optimizer"] != "sgd":
        row["momentum"] = None
    return list(row.values())


if __name__ == "__main__":
    print(json.dumps(described(STORES[sys.argv[1]](Path(sys.argv[2])))))
