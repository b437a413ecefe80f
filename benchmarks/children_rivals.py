"""The contestants of `children.py` that run on TensorFlow or JAX.

Each class takes a task and the cells of one program, and is a `children_task.Children`. What one
writes against Keras comes first, then by hand, then this project's own.

Shapes as in `children_task`.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from children_task import (
    BATCH_SIZE,
    BETA_1,
    BETA_2,
    CLIP_NORM,
    EPSILON,
    INIT_SCALE,
    LEARNING_RATE,
    NUM_LAYERS,
    NUM_STEPS,
    SEED,
    VOCABULARY,
    Task,
    initial_weights,
    segments,
)

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.cells.tree_cell import TreeCell, cell_step
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.size import (
    LanguageModelSize,
    closest_units,
    num_parameters,
)
from nas_with_rl.child_models.language_models.training import begin_training
from nas_with_rl.child_models.memory import release_child
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

release = release_child  # called after each child
Batches = list[tuple[tf.Tensor, ...]]
Step = Callable[..., tuple[tf.Tensor, ...]]  # (inputs, targets, *state) -> (nll, *state)


def mean_over(step: Step, batches: Batches, zeros: Sequence[tf.Tensor]) -> float:
    """Return the mean nll of a step called on every segment, the state carried on."""
    state, nlls = zeros, []
    for inputs, targets in batches:
        nll, *state = step(inputs, targets, *state)
        nlls.append(nll)
    return float(np.mean([nll.numpy() for nll in nlls]))  # read after the last: nothing waits


def summed_nll(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the nll summed over steps and averaged over sequences."""
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(nll) * NUM_STEPS


class _KerasChild:
    """A child in Keras's layers and optimizer; one call of a tf.function per step."""

    def __init__(self, task: Task, units: int, *, jit_compile: bool):
        splits = (segments(split) for split in (task.train, task.validation))
        # Batch-major, as Keras's layers take it.
        self._train, self._validation = (
            [tuple(tf.constant(part.T) for part in pair) for pair in zip(*arrays, strict=True)]
            for arrays in splits
        )
        self._zeros = [tf.zeros((BATCH_SIZE, units))] * (2 * NUM_LAYERS)
        self._embedding = keras.layers.Embedding(VOCABULARY, units)
        self._embedding.build()
        self._bias = keras.Variable(np.zeros(VOCABULARY, np.float32))
        self._layers = [self.layer(units) for _ in range(NUM_LAYERS)]
        for layer in self._layers:
            layer.build((BATCH_SIZE, NUM_STEPS, units))
        weights = [w for layer in self._layers for w in layer.trainable_variables]
        self._weights = [self._embedding.embeddings, self._bias, *weights]
        self._optimizer = keras.optimizers.Adam(
            LEARNING_RATE, BETA_1, BETA_2, EPSILON, global_clipnorm=CLIP_NORM
        )
        self._optimizer.build(self._weights)
        self._train_step = tf.function(self._step_of_training, jit_compile=jit_compile)
        self._validation_step = tf.function(self._step, jit_compile=jit_compile)

    def layer(self, units: int) -> keras.layers.Layer:
        """Return one recurrent layer, which returns its sequence and its state."""
        raise NotImplementedError

    def train_epoch(self) -> list[float]:
        return [mean_over(self._train_step, self._train, self._zeros) / NUM_STEPS]

    def validate(self) -> list[float]:
        return [mean_over(self._validation_step, self._validation, self._zeros) / NUM_STEPS]

    def _step(self, inputs, targets, *state):
        values, last = self._embedding(inputs), []
        for number, layer in enumerate(self._layers):
            first = list(state[2 * number : 2 * number + 2])
            values, *layer_last = layer(values, initial_state=first)
            last += layer_last
        kernel = keras.ops.transpose(self._embedding.embeddings)
        logits = keras.ops.matmul(values, kernel) + self._bias
        return (summed_nll(targets, logits), *last)

    def _step_of_training(self, inputs, targets, *state):
        with tf.GradientTape() as tape:
            nll, *last = self._step(inputs, targets, *state)
        gradients = tape.gradient(nll, [weight.value for weight in self._weights])
        # Dense: Keras's Adam squares a row's sparse gradients one by one, before their sum.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        self._optimizer.apply(gradients, self._weights)
        return (nll, *last)


class KerasCell(_KerasChild):
    """The tree cell in `keras.layers.RNN`."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell], *, jit_compile: bool = False):
        (self._cell,) = cells
        super().__init__(task, task.units, jit_compile=jit_compile)
        for weight, value in zip(
            self._weights, initial_weights(task.units, task.base), strict=True
        ):
            weight.assign(value)

    def layer(self, units):
        cell = TreeCell(self._cell, units)
        return keras.layers.RNN(cell, return_sequences=True, return_state=True)


class KerasLstm(_KerasChild):
    """Keras's own LSTM, as wide as gives the tree cell's number of parameters."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell], *, jit_compile: bool = False):
        size = LanguageModelSize(VOCABULARY, task.units, tie_embeddings=True)
        wanted = num_parameters(cells[0], size)
        units = closest_units(wanted, "lstm", size)
        super().__init__(task, units, jit_compile=jit_compile)

    def layer(self, units):
        return keras.layers.LSTM(units, return_sequences=True, return_state=True)


class HandWritten:
    """One cell by hand: time-major, x W hoisted, a while loop with TensorFlow's gradient, XLA."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell], *, jit_compile: bool = True):
        (self._cell,) = cells
        splits = (segments(split) for split in (task.train, task.validation))
        self._train, self._validation = (
            [tuple(map(tf.constant, pair)) for pair in zip(*arrays, strict=True)]
            for arrays in splits
        )
        self._units = task.units
        self._zeros = [tf.zeros((BATCH_SIZE, task.units))] * (2 * NUM_LAYERS)
        self._weights = [tf.Variable(weight) for weight in initial_weights(task.units, task.base)]
        self._means, self._squares = (
            [tf.Variable(tf.zeros_like(weight)) for weight in self._weights] for _ in range(2)
        )
        self._updates = tf.Variable(0.0)
        compiled = {"autograph": False, "jit_compile": jit_compile}
        self._train_step = tf.function(self._step_of_training, **compiled)
        self._validation_step = tf.function(self._step, **compiled)

    def train_epoch(self) -> list[float]:
        return [mean_over(self._train_step, self._train, self._zeros) / NUM_STEPS]

    def validate(self) -> list[float]:
        return [mean_over(self._validation_step, self._validation, self._zeros) / NUM_STEPS]

    def _step(self, inputs, targets, *state):
        embedding, bias, *kernels = self._weights
        values, last = tf.gather(embedding, inputs), []  # [T, B, H]
        for number in range(NUM_LAYERS):
            pair = slice(2 * number, 2 * number + 2)
            kernel, recurrent_kernel = kernels[pair]
            projected = tf.matmul(tf.reshape(values, (-1, self._units)), kernel)
            projected = tf.reshape(projected, (NUM_STEPS, BATCH_SIZE, -1))
            values, cell_state = self._unroll(projected, recurrent_kernel, *state[pair])
            last += [values[-1], cell_state]
        logits = tf.matmul(tf.reshape(values, (-1, self._units)), embedding, transpose_b=True)
        return (summed_nll(tf.reshape(targets, (-1,)), logits + bias), *last)

    def _unroll(self, projected, recurrent_kernel, hidden, cell_state):
        """Return all h [T, B, H] and the last c."""

        def body(t, hidden, cell_state, hiddens):
            from_state = tf.matmul(hidden, recurrent_kernel)
            hidden, cell_state = cell_step(projected[t], from_state, cell_state, self._cell)
            return t + 1, hidden, cell_state, hiddens.write(t, hidden)

        hiddens = tf.TensorArray(tf.float32, NUM_STEPS, element_shape=hidden.shape)
        _, _, last, hiddens = tf.while_loop(
            lambda t, *_: t < NUM_STEPS,
            body,
            (0, hidden, cell_state, hiddens),
            maximum_iterations=NUM_STEPS,  # which XLA needs for the gradient
        )
        return hiddens.stack(), last

    def _step_of_training(self, inputs, targets, *state):
        with tf.GradientTape() as tape:
            nll, *last = self._step(inputs, targets, *state)
        gradients = map(tf.convert_to_tensor, tape.gradient(nll, self._weights))
        gradients, _ = tf.clip_by_global_norm(list(gradients), CLIP_NORM)
        self._updates.assign_add(1.0)
        rate = tf.sqrt(1 - BETA_2**self._updates) / (1 - BETA_1**self._updates) * LEARNING_RATE
        every = zip(self._weights, self._means, self._squares, gradients, strict=True)
        for weight, mean, square, gradient in every:
            mean.assign(BETA_1 * mean + (1 - BETA_1) * gradient)
            square.assign(BETA_2 * square + (1 - BETA_2) * gradient**2)
            weight.assign_sub(rate * mean / (tf.sqrt(square) + EPSILON))
        return (nll, *last)


class OwnChildren:
    """This project's child of one architecture, on Keras's backend; a whole epoch in one call."""

    def __init__(self, task: Task, cells: Sequence[Cell], *, jit_compile: bool = False):
        (cell,) = cells
        self._child = begin_training(
            cell, corpus_of(task), own_training(task, jit_compile=jit_compile), seed=SEED
        )

    def train_epoch(self) -> list[float]:
        return [_or_nan(lambda: self._child.train_epoch(1))]

    def validate(self) -> list[float]:
        return [_or_nan(self._child.validate)]


def own_training(task: Task, *, jit_compile: bool) -> LanguageModelTraining:
    """Return the task in this project's words."""
    return LanguageModelTraining(
        units=task.units,
        tie_embeddings=True,
        init_scale=INIT_SCALE,
        batch_size=BATCH_SIZE,
        num_steps=NUM_STEPS,
        optimizer="adam",
        learning_rate=LEARNING_RATE,
        clip_norm=CLIP_NORM,
        jit_compile=jit_compile,
    )


def corpus_of(task: Task) -> Corpus:
    """Return the task's text as this project takes it."""
    train, validation = (
        np.ascontiguousarray(split.T).reshape(-1) for split in (task.train, task.validation)
    )
    return Corpus(train, validation, vocabulary=tuple(map(str, range(VOCABULARY))), provenance=())


def _or_nan(measure: Callable[[], float]) -> float:
    try:
        return measure()
    except ChildFailure:  # "diverged"
        return float("nan")
