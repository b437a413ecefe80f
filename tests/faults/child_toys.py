"""What children do in tests of faults, in processes without TensorFlow: "child_toys:..."."""

import os
import signal
from pathlib import Path

from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SPACE = SearchSpace([Choice("behaviour", ("well", "stops"))])


class Behaving:
    """Leaves its process's number in the folder, in a file named after the trial, and behaves."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, group):
        for evaluation in group:
            (self.folder / str(evaluation.trial)).write_text(str(os.getpid()))
            if evaluation.architecture["behaviour"] == "stops":
                os.kill(os.getpid(), signal.SIGSTOP)
            yield Measurement(evaluation.seed)
