"""A parent of two child processes: python parent_process.py DIRECTORY BEHAVIOUR

Evaluates two children that behave so, and then sleeps. Prints "interrupted" after Ctrl-C.
"""

import sys
import time
from collections import deque

import toy_children

from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.process_pool import ProcessPool, Setup
from nas_with_rl.search_spaces.architecture import parse_architecture

directory, behaviour = sys.argv[1:]
work = Setup("toy_children:Behaving", directory, backends=())
architecture = parse_architecture(f"{behaviour} 0", toy_children.SPACE)
evaluations = [Evaluation(trial, architecture, 0) for trial in range(2)]
try:
    with ProcessPool(work, num_processes=2, group_size=1) as processes:
        list(processes.evaluate(deque(evaluations)))
        print("idle", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
