"""What child processes do in tests: toys that need no TensorFlow, named "toy_children:..."."""

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace

BEHAVIOURS = (
    "well",
    "infinite",
    "fails",
    "fails_all",
    "crashes",
    "crashes_once",
    "leaves",
    "sleeps",
    "grows",
    "errs",
    "is_misused",
)
SPACE = SearchSpace([Choice("behaviour", BEHAVIOURS), Choice("value", tuple(range(10)))])
ballast = []  # what a child leaves behind


def reward(architecture, seed):
    """Measure a child as itself: what is evaluated in this process is to be the same."""
    if architecture["behaviour"] == "infinite":
        return Measurement(float("inf"))
    if architecture["behaviour"] == "fails":
        raise ChildFailure("diverged", "as it should")
    return Measurement(architecture["value"] + seed / 10, {"seeds": (seed, seed)}, seed)


def measuring(argument):
    """Return what measures children by themselves."""

    def one(evaluation):
        try:
            return reward(evaluation.architecture, evaluation.seed)
        except ChildFailure as failure:
            return Failure(failure.reason, str(failure))

    return lambda group: [one(evaluation) for evaluation in group]


class Behaving:
    """Behaves as the architectures say, and tells of the process and the group.

    Each try leaves a line in the file `directory`/`trial`: "pid groups-before size-of-group".
    """

    def __init__(self, directory):
        self.directory, self.groups = Path(directory), 0

    def __call__(self, group):
        for evaluation in group:
            with (self.directory / str(evaluation.trial)).open("a") as tries:
                tries.write(f"{os.getpid()} {self.groups} {len(group)}\n")
        self.groups += 1
        for evaluation in group:
            self.behave(evaluation)
            yield Measurement(evaluation.seed, {"pid": os.getpid(), "size": len(group)})

    def behave(self, evaluation):
        behaviour = evaluation.architecture["behaviour"]
        tries = (self.directory / str(evaluation.trial)).read_text().count("\n")
        if behaviour == "crashes" or (behaviour == "crashes_once" and tries == 1):
            os.kill(os.getpid(), signal.SIGKILL if behaviour == "crashes_once" else signal.SIGSEGV)
        elif behaviour == "leaves":
            os._exit(3)
        elif behaviour == "sleeps":
            time.sleep(60)
        elif behaviour == "grows":
            ballast.append(b"x" * 2**29)
            time.sleep(60)
        elif behaviour == "fails_all":
            raise ChildFailure("out_of_memory", "too large")
        elif behaviour == "errs":
            self.wait_for_the_first_child()
            raise ZeroDivisionError("nothing to divide by")
        elif behaviour == "is_misused":
            self.wait_for_the_first_child()
            raise InputError("--value is wrong")

    def wait_for_the_first_child(self):
        """Return when another process is at work."""
        while not (self.directory / "0").exists():
            time.sleep(0.01)


def too_few(argument):
    """Return what forgets a child."""
    return lambda group: measuring(argument)(group[1:])


def raising(error):
    """Fail to set the work up."""
    raise error


def leaving(status):
    """End the process before its work is set up."""
    os._exit(status)


def place(argument):
    """Return where this process computes."""
    names = ("CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    environment = tuple(os.environ.get(name) for name in names)
    return os.getpid(), sorted(os.sched_getaffinity(0)), environment


def echo(argument):
    """Return the argument."""
    return argument


def sleep(seconds):
    """Return late."""
    time.sleep(seconds)


def crash(signal_number):
    """Die."""
    os.kill(os.getpid(), signal_number)


def unpicklable(argument):
    """Return what cannot be sent."""
    return threading.Lock()


def tensorflow_threads(argument):
    """Return how many threads a compiled program of TensorFlow has."""
    import tensorflow as tf

    matrix = tf.random.normal((500, 500))
    tf.function(lambda: matrix @ matrix, jit_compile=True)()
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return names.count("tf_XLAEigen")


def timed(work):
    """Time a plan: 1 s, 1 s more for each child, and 5 s of compilation; or 1.5 s for each."""
    from nas_with_rl.launch.evaluators.kinds.kind import Timing

    if work.program == "population":
        return Timing(5.0, work.num_children + 1.0)
    return Timing(0.0, 1.5)


def timed_quickly(work):
    """Time a plan; populations compile in 1.5 s, and a child by itself takes 1.2 s."""
    found = timed(work)
    if work.program == "population":
        return dataclasses.replace(found, once=1.5)
    return dataclasses.replace(found, each=1.2)


def too_large_together(work):
    """Time a plan; several children have no memory."""
    if work.num_children > 1:
        raise ChildFailure("out_of_memory")
    return timed(work)


def too_large(work):
    """Have no memory for any plan."""
    raise ChildFailure("out_of_memory")
