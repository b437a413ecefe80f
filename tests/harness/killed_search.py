"""A search that kills itself: python killed_search.py WORKDIR MOMENT COUNT RESUME

Kills its own process with SIGKILL at the COUNT-th time that it reaches MOMENT: `evaluating` a
child, a trial `recorded`, a batch `learned` and not yet marked, a `checkpoint` half written,
a checkpoint not yet `renamed`. MOMENT `never` runs to the end.
"""

import os
import pathlib
import signal
import sys

import nas_with_rl as nas
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.records.trial_store import TrialStore

WORKDIR, MOMENT, COUNT, RESUME = sys.argv[1:]
reached = 0


def reach(moment):
    global reached
    reached += moment == MOMENT
    if moment == MOMENT and reached == int(COUNT):
        os.kill(os.getpid(), signal.SIGKILL)


def after(owner, name, moment):
    """Reach a moment whenever a method has done its work."""
    method = getattr(owner, name)

    def wrapped(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        reach(moment)
        return result

    setattr(owner, name, wrapped)


after(TrialStore, "finish", "recorded")
after(Reinforce, "tell", "learned")
after(Reinforce, "save", "checkpoint")  # the files are there, the manifest is not
rename = pathlib.Path.rename


def renaming(self, target):
    if "-version-" in self.name:  # a checkpoint's
        reach("renamed")
    return rename(self, target)


pathlib.Path.rename = renaming


def evaluate(architecture, seed):
    reach("evaluating")
    return len(architecture["inputs"][3]) + architecture["filters"][0] / 10 + seed % 5


space = nas.SearchSpace(
    layer_decisions=(nas.Choice("filters", (1, 2, 3)), nas.Skips("inputs")), depth=4
)
nas.search(
    space,
    evaluate,
    num_samples=42,
    workdir=WORKDIR,
    options=nas.SearchOptions(
        search=nas.SearchConfig(
            batch_size=4,
            checkpoint_every=2,
            duplicates="evaluate",
            depth=nas.DepthSchedule(initial=4, increment=1, every=20, maximum=5),
        ),
        controller=nas.ReinforceConfig(0.02, policy=nas.PolicyConfig(jit_compile=False)),
        resume=RESUME == "resume",
        progress=False,
    ),
)
