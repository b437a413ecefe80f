"""A module as a user may have one: searchers of their own, and some that are of no use."""

import dataclasses
import json

import numpy as np

from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.architecture import random_architecture

NUMBER = 3


class Careful:
    """Draw at random, by the seed, the trial and how long the best architecture's text is."""

    def __init__(self, space, *, max_depth, seed):
        self.seed, self.max_depth, self.best = seed, max_depth, ["", float("-inf")]

    def ask(self, space, trials):
        drawn = [random_architecture(space, self.generator(trial)) for trial in trials]
        return drawn if trials[0] % 8 else list(map(Proposal, trials, drawn))

    def generator(self, trial):
        return np.random.default_rng([self.seed, trial, len(self.best[0])])

    def tell(self, proposals, rewards):
        for proposal, reward in zip(proposals, rewards, strict=True):
            if reward > self.best[1]:
                self.best = [str(proposal.architecture), reward]

    def save(self, directory):
        (directory / "best.json").write_text(json.dumps(self.best))

    def restore(self, directory):
        self.best = json.loads((directory / "best.json").read_text())


class Telling(Careful):
    """Have probabilities, and something to say."""

    def ask(self, space, trials):
        return tuple(
            Proposal(trial, architecture, np.float32(-1.5), version=77)
            for trial, architecture in zip(trials, map(self._one(space), trials), strict=True)
        )

    def _one(self, space):
        return lambda trial: random_architecture(space, self.generator(trial))

    def tell(self, proposals, rewards):
        return Update(77, baseline=2.5, entropies={}, gradient_norm=0.0, notes=("so it is",))


class Deeper(Careful):
    """Propose for another depth."""

    def ask(self, space, trials):
        return super().ask(space.at_depth(space.depth + 1), trials)


class Elsewhere(Careful):
    """Propose for the first space that it saw, with one decision less."""

    def ask(self, space, trials):
        smaller = dataclasses.replace(space, decisions=space.decisions[:1], name="smaller")
        return super().ask(smaller, trials)


class Short(Careful):
    """Propose too few."""

    def ask(self, space, trials):
        return super().ask(space, trials)[1:]


class Lines(Careful):
    """Propose texts."""

    def ask(self, space, trials):
        return [str(each) for each in trials]


class Nothing(Careful):
    """Propose nothing."""

    def ask(self, space, trials):
        pass


class Shuffled(Careful):
    """Propose in another order."""

    def ask(self, space, trials):
        return [
            Proposal(trial, random_architecture(space, self.generator(trial)))
            for trial in reversed(trials)
        ]


class Endless(Careful):
    """Have a probability that is none."""

    def ask(self, space, trials):
        return [Proposal(t, random_architecture(space, self.generator(t)), -np.inf) for t in trials]


class Folders(Careful):
    """Save into a folder."""

    def save(self, directory):
        (directory / "more").mkdir()


class Overwriting(Careful):
    """Save where the version is kept."""

    def save(self, directory):
        (directory / "own_searcher.json").write_text("{}")


class Silent:
    """Lack two methods."""

    def __init__(self, space, *, max_depth, seed):
        pass

    def ask(self, space, trials):
        pass

    def save(self, directory):
        pass


class Seedless(Careful):
    """Be made in another way."""

    def __init__(self, space):
        super().__init__(space, max_depth=0, seed=0)


def factory(space, *, max_depth, seed):
    """Return something else."""
    return object()
