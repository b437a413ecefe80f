"""The same search by Optuna, as its users write one: libraries_optuna.py FOLDER TRIALS"""

import sys

import optuna
from libraries_function import score

folder, num_trials = sys.argv[1], int(sys.argv[2])
optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: optuna.Trial) -> float:
    chosen = {"optimizer": trial.suggest_categorical("optimizer", ("sgd", "adam"))}
    if chosen["optimizer"] == "sgd":
        chosen["momentum"] = trial.suggest_categorical("momentum", (0.0, 0.5, 0.9, 0.99))
    chosen["rate"] = trial.suggest_categorical("rate", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2))
    chosen["layers"] = trial.suggest_categorical("layers", (1, 2, 3, 4, 5, 6))
    chosen["units"] = trial.suggest_categorical("units", (8, 16, 32, 64, 128, 256))
    chosen["activation"] = trial.suggest_categorical("activation", ("relu", "tanh", "gelu", "silu"))
    chosen["dropout"] = trial.suggest_categorical("dropout", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5))
    return score(**chosen)


storage = f"sqlite:///{folder}/study.db"
study = optuna.create_study(
    study_name="search",
    storage=storage,
    load_if_exists=True,
    direction="maximize",
    sampler=optuna.samplers.RandomSampler(seed=0),
)
done = sum(trial.state.is_finished() for trial in study.trials)
study.optimize(objective, n_trials=num_trials - done, catch=(Exception,))
print(study.best_value, study.best_params)
