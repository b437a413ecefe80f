"""A search by this project, as its users write one: libraries_ours.py FOLDER TRIALS"""

import sys
from pathlib import Path

from libraries_function import score

import nas_with_rl as nas

folder, num_trials = Path(sys.argv[1]) / "run", int(sys.argv[2])
space = nas.SearchSpace(
    (
        nas.Choice("optimizer", ("sgd", "adam")),
        nas.Choice("momentum", (0.0, 0.5, 0.9, 0.99), only_if=("optimizer", ("sgd",))),
        nas.Choice("rate", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
        nas.Choice("layers", (1, 2, 3, 4, 5, 6)),
        nas.Choice("units", (8, 16, 32, 64, 128, 256)),
        nas.Choice("activation", ("relu", "tanh", "gelu", "silu")),
        nas.Choice("dropout", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    )
)
options = nas.SearchOptions(
    search=nas.SearchConfig(searcher="random", on_error="fail"),
    resume=folder.exists(),
    progress=False,
)
result = nas.search(
    space, lambda a: score(**a), num_samples=num_trials, workdir=folder, options=options
)
print(result.best.reward, result.best.architecture)
