"""One role of a cluster that searches: the chief, a parameter server or a worker.

    TF_CONFIG='{"cluster": {"chief": ["host0:2222"], "ps": ["host1:2222"],
                            "worker": ["host2:2222", "host3:2222"]},
                "task": {"type": "worker", "index": 0}}' \\
    python -m nas_with_rl.launch.cluster --experiment=ptb --data_dir=... --workdir=...

Every role has the same command; TF_CONFIG says which one it is. The protocol of its servers has no
authentication: whoever reaches a port can run programs. See deploy/README.md.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.clusters import tf_config
from nas_with_rl.launch.host import forking, heartbeat, interruption
from nas_with_rl.launch.host.interruption import leave_now
from nas_with_rl.launch.search_flags import ClusterFlags, SearchFlags

_SEARCH = SearchFlags()
_CLUSTER = ClusterFlags()
_SUPERVISE = flags.DEFINE_bool(
    "supervise", False, "Start this role again when it dies or hangs, until the search has ended."
)


def main() -> int:
    """Run the role that TF_CONFIG names; return the exit status."""
    if _SEARCH.asks_for_help():
        from nas_with_rl.launch.experiments import catalogue

        print(catalogue.describe_experiments())
        return 0
    cluster, task = tf_config.parse_tf_config(os.environ.get(tf_config.VARIABLE))
    if _SUPERVISE.value:
        heartbeat.leave_with_supervisor()
        from nas_with_rl.launch.clusters.supervisor import supervise_self

        return supervise_self(
            str(task), module="nas_with_rl.launch.cluster", is_chief=task.role == "chief"
        )
    heartbeat.set_death_signal()
    # A worker's child processes are forked off it, before it has the threads of what follows.
    is_worker = task.role == "worker" and _SEARCH.request().evaluate is None
    command_line.prepare_tensorflow(imported=forking.begin_on_cores if is_worker else None)
    heartbeat.leave_with_supervisor()
    from nas_with_rl.launch.clusters import roles

    if task.role == "ps":
        roles.run_ps(cluster, task)
    if task.role == "worker":
        roles.run_worker(_SEARCH.request(), cluster, task)
    leave_now(_status_of_chief(cluster))  # TensorFlow's threads would wait for servers


def _status_of_chief(cluster: tf_config.Cluster) -> int:
    from nas_with_rl.launch.clusters import roles

    request, options = _SEARCH.request(), _CLUSTER.options()
    try:
        return command_line.status_of(lambda: roles.run_chief(request, cluster, options))
    except Exception:
        if command_line.is_interrupted():  # by Ctrl-C, of which TensorFlow makes errors of its own
            return interruption.INTERRUPTED_STATUS
        traceback.print_exc()
        return 1


def start(words: Sequence[str]) -> None:
    """Run the binary in a process that was forked for it.

    Args:
      words: of the command line, which `sys.argv` has too.
    """
    command_line.run_main(main)


if __name__ == "__main__":
    command_line.run_main(main)
