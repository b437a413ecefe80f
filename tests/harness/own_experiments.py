"""A module as a user may have one: experiments of their own, named "own_experiments:..."."""

import nas_with_rl as nas

UNITS = nas.Choice("units", (8, 16, 32, 64))
MINE = nas.Experiment(
    name="mine",
    space=nas.SearchSpace([UNITS]),
    child=nas.OwnEvaluation("own_functions:mixed"),
    search=nas.SearchConfig(num_samples=12, batch_size=4, searcher="random"),
)
LAYERS = nas.Experiment(
    name="layers",
    space=nas.SearchSpace(layer_decisions=[UNITS, nas.Skips()], depth=5),
    child=nas.OwnEvaluation("own_functions:plain"),
    search=nas.SearchConfig(depth=nas.DepthSchedule(initial=2, maximum=6)),
)
FIXED_LAYERS = nas.Experiment(name="fixed", space=LAYERS.space, child=LAYERS.child)
LAYERLESS = nas.Experiment(
    name="layerless",
    space=MINE.space,
    child=MINE.child,
    search=nas.SearchConfig(depth=nas.DepthSchedule()),
)
