"""A module as a user may have one: cheap searches of three kinds, for processes that are killed."""

import dataclasses
import time

import nas_with_rl as nas

EVALUATION_SECONDS = 0.004  # so that kills also meet children under way


def measure(architecture, seed):
    """Measure by the choices and the seed; some children fail, some diverge."""
    time.sleep(EVALUATION_SECONDS)
    rows = architecture["inputs"]
    if sum(map(len, rows)) % 7 == 6:
        raise nas.ChildFailure("crashed", f"{sum(map(len, rows))} connections")
    if seed % 23 == 0:
        return float("nan")
    filters = sum(architecture["filters"])
    metrics = {"filters": filters, "rows": [len(row) for row in rows]}
    return nas.Measurement(filters / 12 + seed % 97 / 1000, metrics, filters)


# In this process, by REINFORCE, at growing depths.
OWN = nas.Experiment(
    name="own",
    space=nas.SearchSpace(
        layer_decisions=[nas.Choice("filters", (1, 2, 3)), nas.Skips("inputs")], depth=3
    ),
    child=nas.OwnEvaluation("fault_toys:measure"),
    search=nas.SearchConfig(
        num_samples=240,
        batch_size=4,
        checkpoint_every=4,
        depth=nas.DepthSchedule(initial=3, increment=1, every=80, maximum=5),
    ),
    controller=nas.ReinforceConfig(0.01, policy=nas.PolicyConfig(jit_compile=False)),
)
# In two child processes, each architecture as often as it comes.
CHILDREN = dataclasses.replace(
    OWN,
    name="children",
    search=dataclasses.replace(OWN.search, duplicates="evaluate", batch_size=6),
)
RANDOM = dataclasses.replace(
    OWN,
    name="random",
    search=dataclasses.replace(OWN.search, searcher="random", num_samples=480),
)
KINDS = {"OWN": "here", "CHILDREN": "single@2", "RANDOM": "here"}  # with each kind's plan
