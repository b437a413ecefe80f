"""Speed of the controller, beside the same controller written plainly: eager TensorFlow.

    python benchmarks/controller.py            # 1 minute on 2 cores
    python benchmarks/controller.py --quick    # half a minute

Batches of 8 architectures of the paper's ConvNets, 15 layers with skip connections, by a policy
of the default sizes that is made for up to 20 layers. Three searchers take turns: `Reinforce` with
XLA (its default), without, and `EagerSearcher`, the same equations from the same weights in Keras
layers and a Python loop. Sampling ends with `Architecture` objects and an update starts from them,
in all three.

First all three grow from 6 to 20 layers together: at each depth the eager one has to give the
others' samples the same log-probabilities, each is told the same rewards, and no depth after the
first may trace anything. Then the speed: the median of alternating repetitions.

The exit status is 1 if log-probabilities differ, a depth is traced again, or a target is missed.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.encoding import (
    ABSENT,
    EncodedArchitectures,
    decode_architectures,
    encode_architectures,
)
from nas_with_rl.controller.policy import Policy
from nas_with_rl.controller.reinforce import Reinforce, moving_average
from nas_with_rl.controller.searcher import Proposal
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SEED = 0
BATCH_SIZE = 8  # m
DEPTHS = (6, 8, 15, 20)  # layers
MEASURED_DEPTH = 15
TOLERANCE = 1e-4  # nats between two log-probabilities of an architecture
TARGETS = {"sampled": 1000, "updated": 500}  # architectures per second, with XLA
TARGET_RATIO = 20  # times the eager searcher's
EAGER, GRAPH, XLA = "eager", "jit_compile=False", "XLA (default)"

Timings = dict[str, dict[str, list[float]]]  # by searcher, by call (ask, tell): seconds
Searchers = Mapping[str, "Reinforce | EagerSearcher"]


class EagerSearcher:
    """REINFORCE as one writes it first; spaces without conditions.

    It leaves out the entropies and the gradient's norm, which `Reinforce` reports.

    Shapes: m architectures, T steps, L layers, H hidden units.
    """

    def __init__(self, policy: Policy, config: ReinforceConfig):
        """Start from a policy's weights."""
        self._config = config
        self._start = tf.Variable(policy.start.value)
        self._cells = [_copied_cell(cell) for cell in policy.cells]
        self._heads, self._embeddings = {}, {}
        for t, step in enumerate(policy.space.at_depth(policy.max_depth).steps):
            if not isinstance(step.decision, Choice):
                continue
            n = len(step.decision.options)
            kernel, bias = policy.softmax_kernels[t, :, :n], policy.softmax_biases[t, :n]
            self._heads[t] = _dense(kernel, bias)
            embedding = keras.layers.Embedding(n, config.policy.num_units)
            embedding.build()
            embedding.set_weights([policy.embeddings[t, :n]])
            self._embeddings[t] = embedding
        self._w_prev, self._w_curr = _dense(policy.w_prev), _dense(policy.w_curr)
        self._v = _dense(policy.v[:, None])
        layers = [*self._cells, *self._heads.values(), *self._embeddings.values()]
        layers += [self._w_prev, self._w_curr, self._v]
        self._variables = [v.value for layer in layers for v in layer.trainable_variables]
        self._variables.append(self._start)
        self._optimizer = keras.optimizers.Adam(config.learning_rate)
        self._baseline: float | None = None

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Sample one architecture for each trial."""
        drawn, log_prob = self._walk(space, len(trials), None)
        architectures = decode_architectures(drawn, space)
        return [
            Proposal(trial, architecture, float(log_prob), 0)
            for trial, architecture, log_prob in zip(
                trials, architectures, log_prob.numpy(), strict=True
            )
        ]

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the log-probabilities of architectures of one depth, [m]."""
        return self._log_prob(architectures).numpy()

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> None:
        """Take one step of REINFORCE with Adam."""
        decay = self._config.baseline_decay
        baseline = np.mean(rewards) if self._baseline is None else self._baseline
        advantages = tf.constant(np.asarray(rewards) - baseline, tf.float32)
        with tf.GradientTape() as tape:
            log_prob = self._log_prob([proposal.architecture for proposal in proposals])
            loss = -tf.reduce_mean(log_prob * advantages)
        # The heads of deeper layers have no gradient yet. Dense, since Keras's Adam squares a row's
        # sparse gradients one by one, before their sum.
        gradients = tape.gradient(loss, self._variables, unconnected_gradients="zero")
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
        self._baseline = moving_average(self._baseline, rewards, decay)

    def _log_prob(self, architectures: Sequence[Architecture]) -> tf.Tensor:
        space = architectures[0].space
        given = encode_architectures(architectures, space.depth)
        return self._walk(space, len(architectures), given)[1]

    def _walk(
        self, space: SearchSpace, m: int, given: EncodedArchitectures | None
    ) -> tuple[EncodedArchitectures, tf.Tensor]:
        """Return architectures, the given ones or drawn ones, and their log-probabilities [m]."""
        states = [cell.get_initial_state(batch_size=m) for cell in self._cells]
        inputs = tf.tile(self._start[None], [m, 1])
        anchors: list[tf.Tensor] = []
        total = tf.zeros([m])
        choices = np.full((len(space.steps), m), ABSENT, np.int32)
        skips = np.zeros((space.depth, space.depth, m), np.float32)
        for t, step in enumerate(space.steps):
            hidden = inputs
            for index, cell in enumerate(self._cells):
                hidden, states[index] = cell(hidden, states[index])
            if isinstance(step.decision, Choice):
                token = None if given is None else given.choices[t]
                token, log_prob, inputs = self._choose(t, hidden, token)
                choices[t] = token
            else:
                earlier = step.num_candidates
                selected = None if given is None else given.skips[earlier, :earlier]
                selected, log_prob, inputs = self._connect(hidden, anchors, selected)
                skips[earlier, :earlier] = selected
                anchors.append(hidden)
            total += log_prob
        return EncodedArchitectures(choices, skips), total

    def _choose(self, t: int, hidden: tf.Tensor, token: tf.Tensor | None) -> tuple:
        """Return tokens [m], their log-probabilities [m] and the next inputs [m, H]."""
        logits = self._heads[t](hidden)
        if token is None:
            token = tf.random.categorical(logits, 1, dtype=tf.int32)[:, 0]
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=token, logits=logits)
        return token, -nll, self._embeddings[t](token)

    def _connect(
        self, hidden: tf.Tensor, anchors: Sequence[tf.Tensor], selected: tf.Tensor | None
    ) -> tuple:
        """Return inputs [earlier, m], their log-probabilities [m] and the next inputs [m, H]."""
        if not anchors:
            return np.zeros((0, len(hidden))), 0.0, tf.zeros_like(hidden)
        earlier = tf.stack(anchors)  # [earlier, m, H]
        attention = tf.tanh(self._w_prev(earlier) + self._w_curr(hidden))
        logits = self._v(attention)[:, :, 0]  # [earlier, m]
        if selected is None:
            drawn = tf.random.uniform(logits.shape) < tf.sigmoid(logits)
            selected = tf.cast(drawn, tf.float32)
        nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=selected, logits=logits)
        count = tf.maximum(tf.reduce_sum(selected, 0), 1.0)
        mean = tf.reduce_sum(selected[:, :, None] * earlier, 0) / count[:, None]
        return selected, -tf.reduce_sum(nll, 0), mean


def _copied_cell(cell: keras.layers.LSTMCell) -> keras.layers.LSTMCell:
    copy = keras.layers.LSTMCell(cell.units)
    copy.build((None, cell.units))
    copy.set_weights(cell.get_weights())
    return copy


def _dense(kernel: tf.Tensor, bias: tf.Tensor | None = None) -> keras.layers.Dense:
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return layer


def make_searchers(space: SearchSpace) -> Searchers:
    """Return the three searchers, all with the same weights."""
    config = ReinforceConfig()
    graph = dataclasses.replace(config, policy=PolicyConfig(jit_compile=False))
    ours = {
        name: Reinforce(space, settings, max_depth=max(DEPTHS), seed=SEED)
        for name, settings in ((XLA, config), (GRAPH, graph))
    }
    return ours | {EAGER: EagerSearcher(ours[XLA].policy, config)}


def timed(function: Callable, *arguments: Any) -> tuple[float, Any]:
    """Return the seconds that a call took, and its value."""
    start = time.perf_counter()
    value = function(*arguments)
    return time.perf_counter() - start, value


def batches() -> Iterator[tuple[range, list[float]]]:
    """Yield the numbers of new trials and random rewards, without an end."""
    generator, first = np.random.default_rng(SEED), 0
    while True:
        yield range(first, first + BATCH_SIZE), generator.random(BATCH_SIZE).tolist()
        first += BATCH_SIZE


def grow(searchers: Searchers, space: SearchSpace) -> tuple[Timings, float]:
    """Ask and tell at each depth; return the seconds and the largest log-probability's difference.

    All are told the same, so the log-probabilities of a depth also compare the updates before.
    """
    seconds: Timings = {name: {"ask": [], "tell": []} for name in searchers}
    differences = []
    eager = searchers[EAGER]
    assert isinstance(eager, EagerSearcher)
    for depth, (trials, rewards) in zip(DEPTHS, batches(), strict=False):
        for name, searcher in searchers.items():
            taken, proposals = timed(searcher.ask, space.at_depth(depth), trials)
            seconds[name]["ask"].append(taken)
            scores = eager.score([proposal.architecture for proposal in proposals])
            differences += [abs(p.log_prob - s) for p, s in zip(proposals, scores, strict=True)]
        for name, searcher in searchers.items():
            taken, _ = timed(searcher.tell, proposals, rewards)
            seconds[name]["tell"].append(taken)
    return seconds, max(differences)


def measure(searchers: Searchers, space: SearchSpace, repetitions: int) -> Timings:
    """Return the seconds per call, one value a repetition; the searchers take turns."""
    seconds: Timings = {name: {"ask": [], "tell": []} for name in searchers}
    source = batches()
    for _ in range(repetitions):
        for name, searcher in searchers.items():
            taken = {"ask": 0.0, "tell": 0.0}
            num_calls = 1 if name == EAGER else 20
            for _ in range(num_calls):
                trials, rewards = next(source)
                asking, proposals = timed(searcher.ask, space, trials)
                telling, _ = timed(searcher.tell, proposals, rewards)
                taken["ask"] += asking
                taken["tell"] += telling
            for call, total in taken.items():
                seconds[name][call].append(total / num_calls)
    return seconds


def show_growth(searchers: Searchers, seconds: Timings) -> bool:
    """Print the first calls at each depth; return whether each function was traced once."""
    print(f"first calls in seconds, sample + update, at {', '.join(map(str, DEPTHS))} layers:")
    once = True
    for name, searcher in searchers.items():
        calls = zip(seconds[name]["ask"], seconds[name]["tell"], strict=True)
        text = f"  {name:18}" + "  ".join(f"{ask:6.3f} + {tell:6.3f}" for ask, tell in calls)
        if isinstance(searcher, Reinforce):
            traces = searcher.policy.traces(), searcher.update_traces()
            text += f"   traced {traces[0]} + {traces[1]} times"
            once = once and traces == (1, 1)
        print(text)
    return once


def show_speed(seconds: Timings) -> bool:
    """Print architectures per second; return whether XLA meets the targets."""
    speeds = {
        name: {
            title: BATCH_SIZE / statistics.median(by_call[call])
            for call, title in (("ask", "sampled"), ("tell", "updated"))
        }
        for name, by_call in seconds.items()
    }
    print(f"architectures of {MEASURED_DEPTH} layers per second, and times the eager searcher's:")
    for name, speed in speeds.items():
        columns = (f"{t} {s:8,.0f} {s / speeds[EAGER][t]:6.1f} x" for t, s in speed.items())
        print(f"  {name:18}" + "    ".join(columns))
    print(f"targets of {XLA}:")
    all_met = True
    for title, target in TARGETS.items():
        reached, ratio = speeds[XLA][title], speeds[XLA][title] / speeds[EAGER][title]
        for value, wanted, unit in ((reached, target, "/s"), (ratio, TARGET_RATIO, " x eager")):
            met = value >= wanted
            all_met = all_met and met
            print(f"  {title} {wanted:,}{unit}: {value:,.0f}, {'met' if met else 'MISSED'}")
    return all_met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 repetitions instead of 15")
    repetitions = 3 if parser.parse_args().quick else 15
    space = ConvolutionalSpace().search_space(MEASURED_DEPTH)
    searchers = make_searchers(space)
    seconds, difference = grow(searchers, space)
    equal = difference <= TOLERANCE
    print(
        f"log-probabilities of {BATCH_SIZE} architectures at {len(DEPTHS)} depths, updates between:"
        f" {difference:.1e} nats apart at most, {'the same' if equal else 'NOT THE SAME'}"
    )
    once = show_growth(searchers, seconds)
    met = show_speed(measure(searchers, space, repetitions))
    return 0 if equal and once and met else 1


if __name__ == "__main__":
    sys.exit(main())
