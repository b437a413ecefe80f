"""Lets the clock that this project's code reads be back while the file FAULT_CLOCK is there.

Python imports this module at its start wherever its folder is on PYTHONPATH. The clocks of
libraries go on as they are: a part of theirs is C++ code, which has to agree with them.
"""

import os
import sys
import time

SET_BACK_SECONDS = 800 * 24 * 3600.0


def _set_back(file):
    now = time.time

    def own():
        caller = sys._getframe(1).f_globals.get("__name__", "")
        is_back = caller.startswith("nas_with_rl") and os.path.exists(file)
        return now() - (SET_BACK_SECONDS if is_back else 0.0)

    time.time = own


if "FAULT_CLOCK" in os.environ:
    _set_back(os.environ["FAULT_CLOCK"])
