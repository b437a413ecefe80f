"""A final training that kills itself: python killed_training.py WORKDIR MOMENT COUNT ...

For each three words a process is forked that starts the training in WORKDIR, or resumes it, and
kills itself with SIGKILL at the COUNT-th time that it reaches MOMENT: the best `model` written, a
`checkpoint` half written, one not yet `renamed`, `result` written, the test set `tested` and the
figure not yet written. MOMENT `never` runs to the end. Prints each process's exit status.
"""

import os
import pathlib
import signal
import sys

from nas_with_rl.child_models.convnets import tf_epochs
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings import training as module

OVERRIDES = ("child.epochs=5", "data.num_train=200", "data.num_validation=100")


def after(owner, name, reach):
    """Reach a moment whenever a function has done its work."""
    function = getattr(owner, name)

    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        reach()
        return result

    setattr(owner, name, wrapped)


def reach_at(count):
    """Return what kills the process at its count-th call."""
    calls = []

    def reach():
        calls.append(None)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def prepare(moment, reach):
    """Have a moment reached."""
    owner = {
        "model": (module, "save_model"),
        "checkpoint": (module._State, "save"),
        "result": (module, "write_result"),
        "tested": (tf_epochs.ConvNetInTraining, "test"),
    }
    if moment in owner:
        after(*owner[moment], reach)
    if moment == "renamed":
        rename = pathlib.Path.rename

        def renaming(self, target):
            if "-version-" in self.name:  # a checkpoint's
                reach()
            return rename(self, target)

        pathlib.Path.rename = renaming


def train(workdir, moment, count):
    """Start or resume the training, and kill the process at the moment."""
    prepare(moment, reach_at(count))
    training = module.FinalTraining(
        configure("quickstart_conv", OVERRIDES), "3 3 - 8 | 5 1 1 8", overrides=OVERRIDES
    )
    module.train(training, workdir, resume=Workdir(workdir).is_begun())


words = sys.argv[1:]
for run in zip(words[::3], words[1::3], words[2::3], strict=True):
    child = os.fork()  # TensorFlow is imported and has computed nothing yet
    if not child:
        train(run[0], run[1], int(run[2]))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("status", status, *run, file=sys.stderr, flush=True)
