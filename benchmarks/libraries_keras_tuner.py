"""The same search by KerasTuner, as its users write one: libraries_keras_tuner.py FOLDER TRIALS"""

import sys

import keras_tuner
from libraries_function import score

folder, num_trials = sys.argv[1], int(sys.argv[2])


class Tuner(keras_tuner.RandomSearch):
    def run_trial(self, trial: keras_tuner.engine.trial.Trial, **_: object) -> float:
        hp = trial.hyperparameters
        chosen = {"optimizer": hp.Choice("optimizer", ["sgd", "adam"])}
        with hp.conditional_scope("optimizer", ["sgd"]):
            momentum = hp.Choice("momentum", [0.0, 0.5, 0.9, 0.99])
        if chosen["optimizer"] == "sgd":
            chosen["momentum"] = momentum
        chosen["rate"] = hp.Choice("rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2])
        chosen["layers"] = hp.Choice("layers", [1, 2, 3, 4, 5, 6])
        chosen["units"] = hp.Choice("units", [8, 16, 32, 64, 128, 256])
        chosen["activation"] = hp.Choice("activation", ["relu", "tanh", "gelu", "silu"])
        chosen["dropout"] = hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
        return -score(**chosen)  # it minimises what is returned


tuner = Tuner(max_trials=num_trials, seed=0, directory=folder, project_name="search")
tuner.search(verbose=0)
(best,) = tuner.oracle.get_best_trials(1)
print(-best.score, best.hyperparameters.values)
