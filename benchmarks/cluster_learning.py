"""Does the controller learn on a cluster, asynchronously? NAS-Bench-201, 1,000 samples, 5 seeds.

    python benchmarks/cluster_learning.py [--workers=4] [--seeds=5]     # 5 minutes on 2 cores

Real clusters on this machine (2 parameter servers), one for each seed and learning rate; beside
them, what `search_quality.py` measures in a single process: 87.20 and 91.47, random search 83.94.
A batch of 8 is learned from some updates after it was sampled; the staleness counts them.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from nas_with_rl.launch.records.trial_store import TrialStore

RATES = (0.0006, 0.006)  # the paper's, and ten times as much
LAST = 200


def trials_of(rate: float, seed: int, workers: int, samples: int) -> list:
    """Run a cluster to its end and return its trials."""
    with tempfile.TemporaryDirectory() as directory:
        workdir = Path(directory) / "run"
        command = [
            *(sys.executable, "-m", "nas_with_rl.launch.local_cluster"),
            *("--experiment=nas_bench_201", f"--workdir={workdir}", f"--seed={seed}"),
            *(f"--num_samples={samples}", f"--override=controller.learning_rate={rate}"),
            *("--num_ps=2", f"--num_workers={workers}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
        return TrialStore(workdir / "trials.sqlite").all()


def accuracy(trial) -> float:
    value = trial.metrics["validation_accuracy"]
    return 100 * (value if isinstance(value, float) else value[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"accuracy of the last {LAST} of {arguments.samples}, {arguments.workers} workers")
    for rate in RATES:
        last, staleness = [], []
        for seed in range(arguments.seeds):
            trials = trials_of(rate, seed, arguments.workers, arguments.samples)
            last.append(statistics.fmean(accuracy(trial) for trial in trials[-LAST:]))
            staleness += [trial.updated_version - 1 - trial.sampled_version for trial in trials]
        seeds = ", ".join(f"{value:.2f}" for value in last)
        print(
            f"  rate {rate}: {statistics.fmean(last):.2f} % (by seed {seeds}); staleness "
            f"{statistics.fmean(staleness):.2f} updates on average, at most {max(staleness)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
