"""Writes what 300 steps of SGD, and some of Adam, leave of a population on the backend in use.

python population_epochs.py FILE.npz
"""

import dataclasses
import sys

import numpy as np

from nas_with_rl.child_models.populations.population import Member, Population
from tests.harness import population_cases as cases

# Few: Adam magnifies rounding where gradients vanish.
ADAM = dataclasses.replace(cases.ADAM, epochs=1, steps_per_epoch=20)


def main() -> None:
    arrays = {}
    same_rates = [Member(each.cell, each.seed) for each in cases.own_members()]
    groups = {"sgd": (cases.SGD, cases.own_members()), "adam": (ADAM, same_rates)}
    for name, (config, members) in groups.items():
        population = Population(cases.EVERYTHING, cases.corpus(), config, num_children=cases.C)
        group, nlls = cases.trained(population, members)
        arrays[f"{name}_nlls"] = nlls
        for child in range(cases.C):
            for index, weight in enumerate(group.weights(child)):
                arrays[f"{name}_{child}_{index}"] = weight
    np.savez(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
