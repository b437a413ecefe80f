"""Train every cell of base 2, for the table of Cell-Bench.

    python benchmarks/cell_bench.py --store=FOLDER --data_dir=DATA

What is trained, and how, is `nas_with_rl.launch.experiments.cell_bench`. Phase 1 trains all 36,864
cells once, in an order drawn at random; phase 2 the best and some at random again, with further
seeds and for longer. Groups of 32 are trained by one program and kept in the store as a file each.

The command goes on where it was stopped, killed or not; what was under way is trained again. Start
it as often as it may have cores: they share the groups out among themselves.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cell_bench_store import Group, Phase, Store, TrainedGroup, machine, phase_1, phase_2

from nas_with_rl.child_models.data.text import load_corpus
from nas_with_rl.child_models.populations.population import Member, Population
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.launch.experiments.cell_bench import CELL_BENCH, CellBench, cell_at, seed_of
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import cell_of

NUM_CHILDREN = 32  # of a group: on a core, of 8 to 256, the fastest by step and child (1.3 ms)
WAIT = 10.0  # seconds until one looks again whether others have trained the rest of a phase


class Trainer:
    """Trains groups of cells by one program, compiled once."""

    def __init__(self, settings: CellBench, data_dir: str | None):
        """Read the text and compile."""
        corpus = load_corpus(settings.data, data_dir=data_dir)
        self.population = Population(
            UniversalCell(base=2), corpus, settings.training, num_children=NUM_CHILDREN
        )
        warm = self.population.begin([Member(cell_of(cell_at(0)), 0)])
        warm.train_epoch(1, most=1)
        warm.validate(most=1)

    def train(self, group: Group, checkpoints: Sequence[int]) -> TrainedGroup:
        """Train a group, with its nll at each of the checkpoints, in segments."""
        wall, cpu = time.monotonic(), time.process_time()
        children = self.population.begin(
            [Member(cell_of(cell_at(cell)), seed_of(cell_at(cell), run)) for cell, run in group]
        )
        train, validation, done = [], [], 0
        for checkpoint in checkpoints:
            part = children.continue_epoch if done else children.train_epoch
            train.append(part(1, most=checkpoint - done))
            validation.append(children.validate())
            done = checkpoint
        seconds = time.monotonic() - wall, time.process_time() - cpu
        return TrainedGroup.of(group, train, validation, seconds)


def run_phase(phase: Phase, store: Store, trainer: Trainer) -> None:
    """Train what nobody has trained of a phase; return when all of it is in the store."""
    progress = _Progress(phase, store)
    while missing := store.missing(phase):
        claimed_any = False
        for index in missing:
            with store.claimed(phase, index) as is_mine:
                if not is_mine:
                    continue
                claimed_any = True
                store.write(phase, index, trainer.train(phase.groups[index], phase.checkpoints))
            progress.show(store.num_done(phase))
        if not claimed_any:
            time.sleep(WAIT)


class _Progress:
    """Prints after each group how far a phase is, from what all processes have done."""

    def __init__(self, phase: Phase, store: Store):
        self._phase, self._started = phase, time.monotonic()
        self._before = store.num_done(phase)
        print(f"{phase.name}: {self._before} of {len(phase.groups)} groups are there", flush=True)

    def show(self, done: int) -> None:
        phase, total = self._phase, len(self._phase.groups)
        seconds = (time.monotonic() - self._started) / max(done - self._before, 1)
        trainings = sum(map(len, phase.groups))
        share = min(done * NUM_CHILDREN, trainings)
        print(
            f"{time.strftime('%H:%M:%S')} {phase.name}: {share:,} of {trainings:,} trainings, "
            f"{NUM_CHILDREN * 3600 / seconds:,.0f} an hour, {(total - done) * seconds / 3600:.2f} "
            "hours left",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="folder that keeps the groups")
    parser.add_argument(
        "--data_dir",
        default=os.environ.get("NAS_WITH_RL_DATA_DIR"),
        help="of the Penn Treebank's files",
    )
    flags = parser.parse_args()
    try:
        store = Store(flags.store, CELL_BENCH, NUM_CHILDREN)
        trainer = Trainer(CELL_BENCH, flags.data_dir)
        store.note_machine(machine())
        first = phase_1(CELL_BENCH, NUM_CHILDREN)
        run_phase(first, store, trainer)
        second = phase_2(store.trained(first), CELL_BENCH, NUM_CHILDREN)
        run_phase(second, store, trainer)
    except InputError as error:
        print(f"cell_bench: {error}", file=sys.stderr)
        return 2
    print(f"all trained; {flags.store} has the store")
    return 0


if __name__ == "__main__":
    sys.exit(main())
