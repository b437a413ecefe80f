"""A search that kills itself: python killed_search.py WORKDIR MOMENT COUNT [SEARCHER]

At the COUNT-th time that it reaches MOMENT: `evaluating` a child, a trial `recorded`, a batch
`learned` and not yet marked, a `checkpoint` half written, or one not yet `renamed`. MOMENT `never`
runs to the end.
"""

import sys
from pathlib import Path

import nas_with_rl as nas
from nas_with_rl.launch.experiments.searchers import SearcherSetting, make_searcher
from nas_with_rl.launch.records.trial_store import TrialStore
from tests.harness import kills

WORKDIR, MOMENT, COUNT, *SEARCHER = sys.argv[1:]
(searcher,) = SEARCHER or ["reinforce"]
space = nas.SearchSpace(
    layer_decisions=(nas.Choice("filters", (1, 2, 3)), nas.Skips("inputs")), depth=4
)
controller = nas.ReinforceConfig(0.02, policy=nas.PolicyConfig(num_layers=1, jit_compile=False))
setting = SearcherSetting(space=space, max_depth=5, seed=0, controller=controller)
kind = type(make_searcher(searcher, setting))
reach = kills.kill_at(
    MOMENT,
    int(COUNT),
    {
        "recorded": (TrialStore, "finish"),
        "learned": (kind, "tell"),
        "checkpoint": (kind, "save"),  # the files are there, the manifest is not
    },
)


def evaluate(architecture, seed):
    reach("evaluating")
    return len(architecture["inputs"][3]) + architecture["filters"][0] / 10 + seed % 5


nas.search(
    space,
    evaluate,
    num_samples=42 if searcher == "reinforce" else 90,
    workdir=WORKDIR,
    options=nas.SearchOptions(
        search=nas.SearchConfig(
            searcher=searcher,
            batch_size=4,
            checkpoint_every=2,
            duplicates="evaluate",
            depth=nas.DepthSchedule(initial=4, increment=1, every=20, maximum=5),
        ),
        controller=controller,
        resume=(Path(WORKDIR) / "experiment.json").exists(),
        progress=False,
    ),
)
