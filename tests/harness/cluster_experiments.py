"""A module as a user may have one: small spaces, for whole clusters."""

import dataclasses

import nas_with_rl as nas

CONTROLLER = nas.ReinforceConfig(0.002, policy=nas.PolicyConfig(jit_compile=False))
SMALL = nas.Experiment(
    name="small",
    space=nas.SearchSpace([nas.Choice(name, tuple(range(5))) for name in "abc"]),
    child=nas.OwnEvaluation("cluster_toys:instant"),
    search=nas.SearchConfig(searcher="reinforce", batch_size=4, checkpoint_every=3),
    controller=CONTROLLER,
)
LARGER = dataclasses.replace(
    SMALL,
    name="larger",
    space=nas.SearchSpace([nas.Choice(name, tuple(range(8))) for name in "abc"]),
)
LAYERED = nas.Experiment(
    name="layered",
    space=nas.SearchSpace(
        layer_decisions=[nas.Choice("filters", (1, 2, 3)), nas.Skips("inputs")], depth=4
    ),
    child=nas.OwnEvaluation("cluster_toys:skips"),
    search=nas.SearchConfig(
        searcher="reinforce",
        batch_size=4,
        accumulate_gradients=2,
        checkpoint_every=2,
        depth=nas.DepthSchedule(initial=3, increment=1, every=24, maximum=5),
    ),
    controller=CONTROLLER,
)
