"""Recompute a search from what is stored of it:
python -m nas_with_rl.launch.audit --workdir=runs/nb

From `trials.sqlite` and `experiment.json` alone a new searcher is asked and told again everything
that the search was. Says of trials, rewards, updates, log-probabilities and checkpoints whether
they follow, and names what does not. Nothing is written; the search may be under way. The exit
status is 0 where all follows, 1 where not.
"""

from __future__ import annotations

import os

import tqdm
from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.search_spaces.errors import InputError

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the search.")
_SEARCHER = flags.DEFINE_string(
    "searcher", None, "The run's searcher of your own, MODULE:CLASS, which is imported."
)
_UPDATES = flags.DEFINE_bool(
    "updates", False, "Print every update: its trials, rewards, baseline and staleness."
)
_TOLERANCE = flags.DEFINE_float(
    "tolerance",
    None,
    "How far a weight may be off, by the largest of its array; a run of another kind of processor "
    "may need 1e-3. Default: 1e-5.",
    lower_bound=0.0,
)
_SHOWN_VARIABLE = "NAS_WITH_RL_PROGRESS"


def main() -> int:
    """Audit the search that the flags name; return the exit status."""
    if not _WORKDIR.value:
        raise InputError("--workdir is missing: the directory of the search")
    from nas_with_rl.launch.experiments.searchers import SEARCHERS, needs_tensorflow
    from nas_with_rl.launch.host import backend
    from nas_with_rl.launch.records.continuation import stored_search
    from nas_with_rl.launch.records.workdir import Workdir

    stored = stored_search(Workdir(_WORKDIR.value))["search"].get("searcher")
    if stored in SEARCHERS and needs_tensorflow(stored):
        backend.prepare_controller()
    from nas_with_rl.launch.audits.audit import TOLERANCE, audit_search

    shown = False if _SHOWN_VARIABLE in os.environ else None  # None: where somebody looks on
    with tqdm.tqdm(unit=" updates", disable=shown, leave=False, mininterval=0.5) as bar:
        audit = audit_search(
            _WORKDIR.value,
            searcher=_SEARCHER.value,
            tolerance=TOLERANCE if _TOLERANCE.value is None else _TOLERANCE.value,
            on_update=bar.update,
        )
    if _UPDATES.value:
        print("\n".join(map(str, audit.updates)))
    print(audit.describe())
    return 0 if audit.follows else 1


if __name__ == "__main__":
    command_line.run_main(main)
