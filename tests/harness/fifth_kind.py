"""A fifth kind of child, from outside the package: a curve fitted to points by least squares.

python -m nas_with_rl.launch.search --experiment=fifth_kind:EXPERIMENT --plan=single@2

The configuration of the child is a frozen dataclass; its class says by `kind` how one is trained.
"""

import dataclasses
from typing import ClassVar

import numpy as np

import nas_with_rl as nas

FUNCTIONS = {"cosine": lambda x, n: np.cos(n * np.pi * x), "power": lambda x, n: x**n}


class CurveTrainer:
    """Has the points of an experiment, and fits curves to the first half of them."""

    def __init__(self, located: nas.LocatedExperiment):
        points = located.experiment.child.points
        if points < 20:
            raise nas.InputError(f"child.points is {points}, below 20: too few to fit a curve to")
        self.x = np.random.default_rng(0).uniform(-1, 1, points)
        self.y = np.abs(self.x) + np.random.default_rng(1).normal(0, 0.1, points)
        self.data = {"points": points, "mean": round(float(self.y.mean()), 6)}

    def __call__(self, architecture: nas.Architecture, seed: int) -> nas.Measurement:
        """Fit one curve; the reward is the higher the smaller its error on the other half."""
        function = FUNCTIONS[architecture["function"]]
        inputs = np.stack([function(self.x, n) for n in range(architecture["terms"])], axis=1)
        half = len(self.x) // 2
        weights, *_ = np.linalg.lstsq(inputs[:half], self.y[:half])
        error = float(np.square(inputs[half:] @ weights - self.y[half:]).mean())
        return nas.Measurement(1 / (1 + error), {"validation_error": error}, len(weights))


@dataclasses.dataclass(frozen=True)
class CurveFit:
    """How a curve is fitted: to how many points."""

    points: int = 100
    kind: ClassVar[nas.ChildKind] = nas.ChildKind(
        load=CurveTrainer,
        fit=nas.ChildFit(spaces=(nas.SearchSpace,), is_above_zero=True),
        metric="validation_error",
    )


EXPERIMENT = nas.Experiment(
    name="curves",
    space=nas.SearchSpace({"function": tuple(FUNCTIONS), "terms": (1, 2, 4, 8)}),
    child=CurveFit(),
    search=nas.SearchConfig(num_samples=8, batch_size=4),
)
