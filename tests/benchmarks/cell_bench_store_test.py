"""The store of Cell-Bench's trainings: phases, groups, claims."""

import dataclasses
import importlib.util
import math
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_with_rl.launch.experiments.cell_bench import CELL_BENCH, NUM_CELLS, mirrored
from nas_with_rl.search_spaces.errors import InputError

PATH = Path(__file__).parents[2] / "benchmarks" / "cell_bench_store.py"
_spec = importlib.util.spec_from_file_location("cell_bench_store", PATH)
store_module = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = store_module  # where dataclasses look for it
_spec.loader.exec_module(store_module)

SMALL = store_module.Phase("phase_1", [[(0, 0), (1, 0)], [(2, 0), (3, 0)]], (100, 200))


def trained(group, nlls):
    """A group that measured these nll at both checkpoints, in training and validation."""
    return store_module.TrainedGroup.of(group, [nlls, nlls], [nlls, nlls], (2.0, 1.0))


def claim_and_wait(folder, connection):
    with store_module.Store(folder, CELL_BENCH, 2).claimed(SMALL, 0) as is_mine:
        connection.send(is_mine)
        signal.pause()


def test_a_group_is_read_as_it_was_written_and_no_longer_missing(tmp_path):
    store = store_module.Store(tmp_path, CELL_BENCH, 2)
    assert store.missing(SMALL) == [0, 1]
    group = trained(SMALL.groups[1], [1.25, math.nan])
    store.write(SMALL, 1, group)
    again = store_module.Store(tmp_path, CELL_BENCH, 2)
    assert again.missing(SMALL) == [0] and again.num_done(SMALL) == 1
    assert again.trained(SMALL) == [group]
    assert group.validation_nll == [[1.25, 1.25], [None, None]]
    (tmp_path / "phase_1" / "writing-7-00000.json").write_text("{")  # of a writer that was killed
    assert again.missing(SMALL) == [0]


def test_what_has_diverged_in_training_has_no_perplexity_from_then_on():
    group = [(cell, 0) for cell in range(4)]
    train = [[1.0, 1.0, math.inf, 1.0], [1.0, math.nan, math.nan, 1.0]]
    validation = [[2.0, 2.0, 2.0, math.nan], [2.5, 2.0, 2.0, 3.0]]
    found = store_module.TrainedGroup.of(group, train, validation, (2.0, 1.0))
    assert found.train_nll == [[1.0, 1.0], [1.0, None], [None, None], [1.0, 1.0]]
    # The last one's training went on: its validation was not finite once.
    assert found.validation_nll == [[2.0, 2.5], [2.0, None], [None, None], [None, 3.0]]


def test_a_store_of_other_settings_is_refused(tmp_path):
    store_module.Store(tmp_path, CELL_BENCH, 2)
    for settings, size in ((dataclasses.replace(CELL_BENCH, num_best=5), 2), (CELL_BENCH, 3)):
        with pytest.raises(InputError, match="has other settings than this program"):
            store_module.Store(tmp_path, settings, size)


def test_a_group_is_one_processs_until_that_is_killed(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=claim_and_wait, args=(tmp_path, theirs)
    )
    process.start()
    assert ours.poll(30) and ours.recv() is True
    store = store_module.Store(tmp_path, CELL_BENCH, 2)
    with store.claimed(SMALL, 0) as first, store.claimed(SMALL, 1) as second:
        assert (first, second) == (False, True)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with store.claimed(SMALL, 0) as is_mine:
        assert is_mine
    store.write(SMALL, 0, trained(SMALL.groups[0], [1.0, 2.0]))
    with store.claimed(SMALL, 0) as is_mine:
        assert not is_mine  # somebody has trained it since it was missed


def test_phase_1_is_each_cell_once():
    phase = store_module.phase_1(CELL_BENCH, 32)
    assert [len(group) for group in phase.groups] == [32] * (NUM_CELLS // 32)
    assert sorted(cell for group in phase.groups for cell, _ in group) == list(range(NUM_CELLS))
    first = [cell for cell, _ in phase.groups[0]]
    assert np.ptp(first) > NUM_CELLS / 2  # a sample, not a stretch


def test_phase_2_is_the_best_pairs_and_a_sample_of_the_others():
    # A cell's nll is its number's, but the best of all has diverged, so that its pair has no mean.
    nlls = {cell: 1 + cell / NUM_CELLS for cell in range(NUM_CELLS)}
    best = min(nlls, key=lambda cell: nlls[cell] + nlls[mirrored(cell)])
    nlls[best] = math.nan
    first = store_module.phase_1(CELL_BENCH, 32)
    groups = [trained(group, [nlls[cell] for cell, _ in group]) for group in first.groups]
    settings = dataclasses.replace(CELL_BENCH, num_best=20, num_random=30, num_further=3)
    phase = store_module.phase_2(groups, settings, 32)
    assert phase.checkpoints == (100, 200, 400, 800)
    pairs = [pair for group in phase.groups for pair in group]
    cells = [cell for cell, _ in pairs[::3]]
    assert pairs == [(cell, training) for cell in cells for training in (1, 2, 3)]
    assert len(set(cells)) == 50 and all(cell <= mirrored(cell) for cell in cells)
    assert best not in cells[:20]

    def mean(cell):
        return nlls[cell] + nlls[mirrored(cell)]

    worst = max(map(mean, cells[:20]))
    better = [cell for cell in range(NUM_CELLS) if cell <= mirrored(cell) and mean(cell) < worst]
    assert len(better) == 19 and set(better) < set(cells[:20])
    assert store_module.phase_2(groups, settings, 32).groups == phase.groups
