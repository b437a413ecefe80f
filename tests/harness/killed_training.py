"""A final training that kills itself: python killed_training.py WORKDIR MOMENT COUNT

At the COUNT-th time that it reaches MOMENT: the best `model` written, a `checkpoint` half written,
one not yet `renamed`, the `result` written, or the test set `tested` and the figure not yet
written. MOMENT `never` runs to the end. A training that has begun is resumed.
"""

import sys

from nas_with_rl.child_models.convnets import tf_epochs
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings import training
from tests.harness import kills

OVERRIDES = ("child.epochs=5", "data.num_train=200", "data.num_validation=100")

WORKDIR, MOMENT, COUNT = sys.argv[1:]
kills.kill_at(
    MOMENT,
    int(COUNT),
    {
        "model": (training, "save_model"),
        "checkpoint": (training._Run, "save"),
        "result": (training, "write_result"),
        "tested": (tf_epochs.ConvNetInTraining, "test"),
    },
)
training.train(
    training.FinalTraining(
        configure("quickstart_conv", OVERRIDES), "3 3 - 8 | 5 1 1 8", overrides=OVERRIDES
    ),
    WORKDIR,
    resume=Workdir(WORKDIR).is_begun(),
)
