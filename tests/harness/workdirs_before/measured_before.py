"""What the stored searches of own functions were begun with."""

import nas_with_rl as nas

SPACE = nas.SearchSpace(
    [nas.Choice("activation", ("relu", "tanh", "selu")), nas.Choice("units", (16, 32, 64, 128))]
)
SEARCH = nas.SearchConfig(batch_size=4, checkpoint_every=2)
CONTROLLER = nas.ReinforceConfig(0.01, policy=nas.PolicyConfig(num_units=5, jit_compile=False))


def evaluate(architecture, seed):
    """Return a reward that depends on both."""
    return len(str(architecture)) / 100 + seed % 7 / 10
