"""The contestants of `children.py` that run on PyTorch: one cell by hand, eager and compiled.

Needs PyTorch and NumPy alone. Shapes as in `children_task`.
"""

import gc
from collections.abc import Sequence

import numpy as np
import torch
from children_task import (
    BATCH_SIZE,
    BETA_1,
    BETA_2,
    CLIP_NORM,
    EPSILON,
    LEARNING_RATE,
    NUM_LAYERS,
    NUM_STEPS,
    Task,
    initial_weights,
    segments,
)
from torch.nn import functional

from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

COMBINATIONS = {"add": torch.add, "elem_mult": torch.mul}
ACTIVATIONS = {
    "identity": lambda value: value,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}
Pairs = list[tuple[torch.Tensor, torch.Tensor]]

torch.set_num_threads(1)
torch.set_flush_denormal(True)  # as TensorFlow does


class TorchChild:
    """x W hoisted, a Python loop over the steps, time-major; compiled: one step of the cell."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell], *, compile_cell: bool = False):
        (self._cell,) = cells
        self._splits = [_pairs(split) for split in (task.train, task.validation)]
        self._zeros = [torch.zeros(BATCH_SIZE, task.units) for _ in range(2 * NUM_LAYERS)]
        weights = initial_weights(task.units, task.base)
        self._weights = [torch.nn.Parameter(torch.from_numpy(weight)) for weight in weights]
        self._optimizer = torch.optim.Adam(
            self._weights, LEARNING_RATE, (BETA_1, BETA_2), EPSILON, fused=True
        )
        if compile_cell:
            torch.compiler.reset()  # a new cell is a new program, and the caches count programs
            compiled = torch.compile(self._cell_step, dynamic=False)
            self._cell_step = compiled  # type: ignore[method-assign]

    def train_epoch(self) -> list[float]:
        nlls, state = [], self._zeros
        for inputs, targets in self._splits[0]:
            nll, state = self._step(inputs, targets, state)
            self._optimizer.zero_grad()
            nll.backward()
            torch.nn.utils.clip_grad_norm_(self._weights, CLIP_NORM)
            self._optimizer.step()
            nlls.append(nll.detach())
            state = [value.detach() for value in state]
        return [float(np.mean(nlls)) / NUM_STEPS]

    def validate(self) -> list[float]:
        nlls, state = [], self._zeros
        with torch.no_grad():
            for inputs, targets in self._splits[1]:
                nll, state = self._step(inputs, targets, state)
                nlls.append(nll)
        return [float(np.mean(nlls)) / NUM_STEPS]

    def _step(self, inputs, targets, state):
        """Return the nll summed over steps, averaged over sequences, and the new state."""
        embedding, bias, *kernels = self._weights
        values, last = functional.embedding(inputs, embedding), []  # [T, B, H]
        for number in range(NUM_LAYERS):
            pair = slice(2 * number, 2 * number + 2)
            kernel, recurrent_kernel = kernels[pair]
            hidden, cell_state = state[pair]
            hiddens = []
            for projected in (values @ kernel).unbind():
                hidden, cell_state = self._cell_step(
                    projected, hidden, cell_state, recurrent_kernel
                )
                hiddens.append(hidden)
            values = torch.stack(hiddens)
            last += [hidden, cell_state]
        logits = torch.addmm(bias, values.flatten(0, 1), embedding.T)
        return functional.cross_entropy(logits, targets.flatten()) * NUM_STEPS, last

    def _cell_step(self, projected, hidden, cell_state, recurrent_kernel):
        """Return h_t and c_t; `TreeCell` has the equations."""
        cell = self._cell
        from_state = (hidden @ recurrent_kernel).chunk(cell.base, dim=-1)
        leaves = list(zip(projected.chunk(cell.base, dim=-1), from_state, strict=True))
        values: list[torch.Tensor] = []
        new_cell_state = cell_state
        for index, node in enumerate(cell.nodes):
            if index < cell.base:
                left, right = leaves[index]
            else:
                left, right = (values[child] for child in cell.inputs_of(index))
            before = COMBINATIONS[node.combination](left, right)
            value = ACTIVATIONS[node.activation](before)
            if index == cell.output_node:
                new_cell_state = before
            if index == cell.inject_node:
                injected = COMBINATIONS[cell.inject.combination](value, cell_state)
                value = ACTIVATIONS[cell.inject.activation](injected)
            values.append(value)
        return values[-1], new_cell_state


def release() -> None:
    """Free what a child held."""
    gc.collect()


def _pairs(tokens: np.ndarray) -> Pairs:
    inputs, targets = (torch.from_numpy(part).long() for part in segments(tokens))
    return list(zip(inputs, targets, strict=True))
