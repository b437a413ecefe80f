"""The policy in NumPy, float64, one architecture and one decision at a time: the twin."""

import numpy as np

from nas_with_rl.controller.policy import Policy
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.space import Choice


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(policy: Policy) -> dict[str, np.ndarray]:
    """Return the weights by path, as float64."""
    variables = policy.trainable_variables
    return {v.path.removeprefix("policy/"): v.numpy().astype(np.float64) for v in variables}


def log_prob(policy: Policy, weights: dict[str, np.ndarray], architecture: Architecture) -> float:
    """Return Σ_t log P(a_t | a_(t-1):1), from the equations of sections 3.1 and 3.3."""
    units = policy.config.num_units
    states = [(np.zeros(units), np.zeros(units)) for _ in range(policy.config.num_layers)]
    inputs, anchors, total = weights["start"], {}, 0.0
    for t, (step, token) in enumerate(
        zip(architecture.space.steps, architecture.tokens, strict=True)
    ):
        if token is None:
            continue
        hidden = inputs
        for layer, (h, c) in enumerate(states):
            gates = (
                hidden @ weights[f"lstm_{layer}/kernel"]
                + h @ weights[f"lstm_{layer}/recurrent_kernel"]
                + weights[f"lstm_{layer}/bias"]
            )
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(c)
            states[layer] = (hidden, c)
        if isinstance(step.decision, Choice):
            n = len(step.decision.options)
            logits = hidden @ weights["softmax_kernels"][t] + weights["softmax_biases"][t]
            logits = logits[:n]
            total += logits[token] - np.log(np.sum(np.exp(logits)))
            inputs = weights["embeddings"][t][token]
        else:
            for j in range(1, step.layer):
                p = sigmoid(
                    weights["v"]
                    @ np.tanh(anchors[j] @ weights["w_prev"] + hidden @ weights["w_curr"])
                )
                total += np.log(p if j in token else 1 - p)
            inputs = np.mean([anchors[j] for j in token], 0) if token else np.zeros(units)
            anchors[step.layer] = hidden
    return total
