"""Speed of a cluster: how fast one chief gives children out, and how busy its workers are.

    python benchmarks/cluster.py --table=dispatch
    python benchmarks/cluster.py --table=efficiency
    python benchmarks/cluster.py --table=simulation

- `dispatch`: children per second that compute nothing, given out by a real chief to real worker
  processes with their child processes, recorded and learned from; in the same run, two child
  processes of one search without a cluster. Steady state: the first fifth and the last tenth of
  the children do not count. Cores busy in that time, by kind of process, "others" being what else
  ran on the machine.
- `efficiency`: children that sleep 2 seconds. Busy worker seconds / (workers x seconds), between
  the first child of the last worker to begin and the last child to be given out; the start and the
  last wave are apart.
- `simulation`: 20 parameter servers and hundreds of workers, all TensorFlow servers of one process,
  which answer at once; one real chief in a process of its own. From it follows, by formula, what W
  workers whose children take T seconds ask of one chief, with batches of m children:

      children given out per second    W / T                         measured: 1 / t_dispatch
      updates of the controller        W / (T m)                     measured: 1 / (t_ask + t_tell)
      cores of the chief               W / T x c                     c: CPU seconds of a child in a
                                                                     whole search on the cluster
      memory of the chief              base + W x per worker         a line through the sizes

The exit status is 1 if a target is missed.
"""

import dataclasses
import statistics
from collections.abc import Sequence

from absl import flags
from cluster_figures import (
    Busy,
    ChiefCosts,
    busy_share,
    chief_load,
    line_through,
    steady_window,
)
from cluster_processes import ALL, Ran, run_search
from cluster_simulation import Simulated, simulate

from nas_with_rl.launch import command_line

DISPATCH_TARGET = 100  # children per second with 4 workers; 800 of 10 s each need 80
EFFICIENCY_TARGET = 0.95  # with 8 workers
EFFICIENCY_WAVES = 12
PAPER_WORKERS, BATCH_SIZE = 800, 8  # section 4.1
CHILD_SECONDS = (8, 10, 60, 600)
KINDS = ("chief", "search", "ps", "worker", "child", "others")

_TABLES = flags.DEFINE_list("table", ["dispatch", "efficiency", "simulation"], "Which tables.")
_REPETITIONS = flags.DEFINE_integer("repetitions", 2, "Runs of each row.", lower_bound=1)
_CHILDREN = flags.DEFINE_integer(
    "children", 2000, "Children of a row of the table of dispatches.", lower_bound=100
)
_WORKERS = flags.DEFINE_list("workers", [], "Numbers of workers. Default: the table's own.")
_MEMORY_SHARE = flags.DEFINE_float(
    "memory_share",
    0.6,
    "Of this machine's memory, that simulated servers may take; then no more are started.",
    lower_bound=0.05,
    upper_bound=0.95,
)


def main() -> int:
    """Print the tables; return the exit status."""
    tables = {"dispatch": dispatch, "efficiency": efficiency, "simulation": simulation}
    missed = [name for name in _TABLES.value if not tables[name]()]
    return 1 if missed else 0


def _numbers(default: Sequence[int]) -> list[int]:
    return [int(text) for text in _WORKERS.value] or list(default)


def _words(function: str, num_samples: int, seed: int, *overrides: str) -> list[str]:
    return [
        "--experiment=nas_bench_201",
        f"--evaluate=cluster_functions:{function}",
        f"--num_samples={num_samples}",
        f"--seed={seed}",
        *(f"--override={text}" for text in ("search.duplicates=evaluate", *overrides)),
    ]


def _cluster_words(num_workers: int) -> list[str]:
    return ["--num_ps=2", f"--num_workers={num_workers}"]


def dispatch() -> bool:
    """Print the table of dispatches; return whether the target is met."""
    print(f"Children per second that compute nothing, {_CHILDREN.value} a row; cores busy by kind")
    print(f"{'':34}{'children/s':>11} " + "".join(f"{kind:>8}" for kind in KINDS))
    rates = []
    for searcher in ("random", "reinforce"):
        override = f"search.searcher={searcher}"
        for seed in range(_REPETITIONS.value):
            words = _words("at_once", _CHILDREN.value, seed, override)
            ran = run_search("search", [*words, "--plan=single@2"])
            _print_rate(f"{searcher}, 2 child processes, no cluster", ran)
            for number in _numbers((1, 2, 4)):
                ran = run_search("local_cluster", [*words, *_cluster_words(number)])
                rate = _print_rate(f"{searcher}, {number} workers", ran)
                rates += [rate] if number == 4 else []
    return all(rate >= DISPATCH_TARGET for rate in rates)


def _print_rate(title: str, ran: Ran) -> float:
    begun, ended, count = steady_window(ran.spans)
    rate = count / (ended - begun)
    cores = ran.cores(begun, ended)
    columns = "".join(f"{cores.get(kind, 0.0):8.2f}" for kind in KINDS)
    print(f"{title:34}{rate:11.1f} {columns}", flush=True)
    return rate


def efficiency() -> bool:
    """Print the table of efficiency; return whether the target is met."""
    print(f"Busy share of workers, children that sleep 2 s, {EFFICIENCY_WAVES} for each worker")
    print(
        f"{'workers':>7}{'busy share':>12}{'start s':>9}{'steady s':>10}{'last wave s':>13}", end=""
    )
    print(f"{'cores: ours':>13}{'others':>8}")
    shares = []
    for number in _numbers((1, 2, 4, 8)):
        for seed in range(_REPETITIONS.value):
            words = _words("after_sleep", number * EFFICIENCY_WAVES, seed)
            ran = run_search("local_cluster", [*words, *_cluster_words(number)])
            busy = busy_share(ran.spans)
            _print_busy(number, ran, busy)
            shares += [busy.share] if number == 8 else []
    return all(share >= EFFICIENCY_TARGET for share in shares)


def _print_busy(number: int, ran: Ran, busy: Busy) -> None:
    cores = ran.cores(busy.begun, busy.last_given)
    ours = sum(used for kind, used in cores.items() if kind not in (ALL, "others"))
    print(
        f"{number:7}{busy.share:12.1%}{busy.begun - ran.launched:9.1f}"
        f"{busy.last_given - busy.begun:10.1f}{busy.ended - busy.last_given:13.1f}"
        f"{ours:13.2f}{cores['others']:8.2f}",
        flush=True,
    )


def simulation() -> bool:
    """Print the table of simulated clusters, and what follows for the paper's cluster."""
    print("One chief, 20 parameter servers, simulated workers that answer at once")
    print(
        f"{'workers':>7}{'connect s':>11}{'dispatch/s':>12}{'cpu ms':>8}{'ask ms':>8}{'tell ms':>9}"
        f"{'search/s':>10}{'cpu ms':>8}{'MiB: before':>13}{'connected':>11}{'at the end':>12}"
        f"{'servers GiB':>13}"
    )
    found: list[Simulated] = []
    for number in _numbers((100, 200, 400)):
        for _ in range(_REPETITIONS.value):
            found.append(simulate(number, memory_share=_MEMORY_SHARE.value))
            _print_simulated(found[-1])
        if found[-1].num_workers < number:
            had = f"{found[-1].num_workers} of {number}"
            print(f"(no more than {had}: --memory_share, or the system's number of threads)")
            break
    if len({one.num_workers for one in found}) > 1:
        _print_load(_costs(found))
    return True


def _print_simulated(one: Simulated) -> None:
    print(
        f"{one.num_workers:7}{one.connect_seconds:11.1f}{one.dispatches_per_second:12.0f}"
        f"{1e3 * one.cpu_seconds_per_dispatch:8.2f}{1e3 * one.ask_seconds:8.1f}"
        f"{1e3 * one.tell_seconds:9.1f}{one.trials_per_second:10.0f}"
        f"{1e3 * one.cpu_seconds_per_trial:8.2f}{one.mib_before:13.0f}{one.mib_connected:11.0f}"
        f"{one.mib_at_end:12.0f}{one.servers_gib:13.1f}",
        flush=True,
    )
    updates = f"sample {1e3 * one.ask_cpu_seconds / BATCH_SIZE:.2f}, "
    updates += f"learn {1e3 * one.tell_cpu_seconds / BATCH_SIZE:.2f}"
    parts = sorted(one.cpu_seconds_by_part.items(), key=lambda part: -part[1])
    print(
        f"{'':7} cpu ms a child: alone: {updates}; in the search, by the parts of its thread: "
        + ", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in parts),
        flush=True,
    )


def _costs(found: Sequence[Simulated]) -> ChiefCosts:
    """Return the costs at the largest size, the mean of its runs, with the line of the memory."""
    most = max(one.num_workers for one in found)
    largest = [one for one in found if one.num_workers == most]
    base, slope = line_through([(one.num_workers, one.mib_at_end) for one in found])
    return ChiefCosts(
        dispatches_per_second=statistics.fmean(one.dispatches_per_second for one in largest),
        updates_per_second=1
        / statistics.fmean(one.ask_seconds + one.tell_seconds for one in largest),
        cpu_seconds_per_child=statistics.fmean(one.cpu_seconds_per_trial for one in largest),
        base_mib=base,
        mib_per_worker=slope,
    )


def _print_load(costs: ChiefCosts) -> None:
    print(f"\nOne chief of {PAPER_WORKERS} workers, by the formulas, from {_described(costs)}")
    print(f"{'child s':>8}{'children/s':>12}{'share':>8}{'updates/s':>11}{'share':>8}", end="")
    print(f"{'cores':>8}{'memory GiB':>12}")
    for seconds in CHILD_SECONDS:
        load = chief_load(
            costs, num_workers=PAPER_WORKERS, child_seconds=seconds, batch_size=BATCH_SIZE
        )
        print(
            f"{seconds:8}{load.dispatches_per_second:12.1f}{load.dispatch_share:8.1%}"
            f"{load.updates_per_second:11.2f}{load.update_share:8.1%}{load.cores:8.2f}"
            f"{load.memory_mib / 1024:12.2f}"
        )
    shortest = PAPER_WORKERS * costs.cpu_seconds_per_child
    print(f"One core of the chief is busy all the time with children of {shortest:.1f} s")


def _described(costs: ChiefCosts) -> str:
    return ", ".join(
        f"{field.name} {getattr(costs, field.name):.4g}" for field in dataclasses.fields(costs)
    )


if __name__ == "__main__":
    command_line.run_main(main)
