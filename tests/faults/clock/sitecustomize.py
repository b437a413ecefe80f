"""Lets the clock that Python code reads be back while the file FAULT_CLOCK is there.

Python imports this module at its start wherever its folder is on PYTHONPATH. The clocks of files
and of C++ code go on as they are.
"""

import os
import time

SET_BACK_SECONDS = 800 * 24 * 3600.0


def _set_back(file):
    now = time.time
    time.time = lambda: now() - (SET_BACK_SECONDS if os.path.exists(file) else 0.0)


if "FAULT_CLOCK" in os.environ:
    _set_back(os.environ["FAULT_CLOCK"])
