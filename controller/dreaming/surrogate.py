"""A Gaussian process on architectures: what those that nobody has trained would be worth.

It is fitted to the ranks of the rewards, so that no outlier, scale or failed child disturbs it
(Rasmussen & Williams, 2006, sections 2.2 and 5.4).

Legend: n architectures that are known, q others, D columns, F tokens of all columns together.
"""

from __future__ import annotations

import numpy as np

from nas_with_rl.controller.columns import Columns

JITTER = 1e-6  # of a variance, so that a matrix has a root
FIT_STEPS, FIT_RATE = 30, 0.15


class Surrogate:
    """score(x) ~ GP(0, a exp(-Σ_d w_d [x_d ≠ y_d])), seen with noise of variance s.

    Attributes:
      logs: `[D + 2]` the logarithms of w, a and s.
    """

    def __init__(self, columns: Columns):
        """Start with the prior's weights, the same for every column."""
        sizes = columns.sizes + 1  # -1, which says that a decision does not exist, counts too
        self._first_token = np.cumsum(sizes) - sizes + 1
        self._column_of = np.repeat(np.arange(len(sizes)), sizes)
        num_choices = max(int((columns.sizes > 1).sum()), 1)
        # Two architectures with nothing in common correlate by exp(-2). What is explained has the
        # variance of normal scores; what is not, little of it.
        weights = np.full(len(sizes), np.log(2.0 / num_choices))
        self._means = np.concatenate([weights, np.log([1.0, 0.02])])
        self._deviations = np.concatenate([np.ones(len(sizes)), [0.7, 1.2]])
        self.logs = self._means.copy()

    def fit(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Take some of Adam's steps up the posterior density of the logarithms.

        Args:
          rows: `[n, D]` what is known.
          scores: `[n]`.
        """
        tokens = self._one_hot(rows)
        first = second = np.zeros_like(self.logs)
        for step in range(1, FIT_STEPS + 1):
            gradient = self.gradient(tokens, scores)
            first = 0.9 * first + 0.1 * gradient
            second = 0.95 * second + 0.05 * gradient**2
            scale = np.sqrt(second / (1 - 0.95**step)) + 1e-8
            rate = FIT_RATE * (1 - step / (FIT_STEPS + 1))
            self.logs = self.logs + rate * first / (1 - 0.9**step) / scale

    def log_density(self, tokens: np.ndarray, scores: np.ndarray) -> float:
        """Return the posterior density of the logarithms, in nats, up to a constant."""
        root = np.linalg.cholesky(self._noisy(self._kernel(tokens, tokens)))
        half = np.linalg.solve(root, scores)
        prior = (((self.logs - self._means) / self._deviations) ** 2).sum()
        return float(-0.5 * half @ half - np.log(np.diag(root)).sum() - 0.5 * prior)

    def gradient(self, tokens: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the gradient of `log_density`, `[D + 2]`."""
        signal = self._kernel(tokens, tokens)
        inverse = np.linalg.inv(self._noisy(signal.copy()))
        alpha = inverse @ scores
        slopes = np.outer(alpha, alpha) - inverse  # twice the gradient by the covariance
        weighted = slopes * signal
        everything = weighted.sum()
        # Σ over pairs that share a column's token, without an array of all pairs and columns.
        shared = np.bincount(self._column_of, (tokens * (weighted @ tokens)).sum(0))
        amplitude, noise = 0.5 * everything, 0.5 * np.exp(self.logs[-1]) * np.trace(slopes)
        weights = -0.5 * np.exp(self.logs[:-2]) * (everything - shared)
        prior = (self.logs - self._means) / self._deviations**2
        return np.concatenate([weights, [amplitude, noise]]) - prior

    def condition(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Take architectures `[n, D]` as known, with their scores `[n]`."""
        self._known = self._one_hot(rows)
        root = np.linalg.cholesky(self._noisy(self._kernel(self._known, self._known)))
        self._half = np.linalg.inv(root).T
        self._alpha = self._half @ (self._half.T @ scores)

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the expected scores of architectures `[q, D]`, `[q]`."""
        return self._kernel(self._one_hot(rows), self._known) @ self._alpha

    def predict(self, rows: np.ndarray) -> Prediction:
        """Return what is expected of architectures `[q, D]`."""
        return Prediction(self, self._one_hot(rows))

    @property
    def amplitude(self) -> float:
        """The variance of a score of which nothing is known."""
        return float(np.exp(self.logs[-2]))

    @property
    def noise(self) -> float:
        """The variance of what is seen beside the score."""
        return float(np.exp(self.logs[-1])) + JITTER

    def _one_hot(self, rows: np.ndarray) -> np.ndarray:
        tokens = np.zeros((len(rows), len(self._column_of)))
        tokens[np.arange(len(rows))[:, None], rows + self._first_token] = 1.0
        return tokens

    def _kernel(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        weights = np.exp(self.logs[:-2])
        same = (left * weights[self._column_of]) @ right.T  # Σ w_d [x_d = y_d]
        return np.exp(self.logs[-2] - weights.sum() + same)

    def _noisy(self, covariance: np.ndarray) -> np.ndarray:
        covariance[np.diag_indices_from(covariance)] += self.noise
        return covariance


class Prediction:
    """A joint normal distribution of the scores of q architectures.

    Attributes:
      mean: `[q]`.
      variance: `[q]` of the score, without what is seen beside it.
    """

    def __init__(self, surrogate: Surrogate, tokens: np.ndarray):
        across = surrogate._kernel(tokens, surrogate._known)
        self._surrogate, self._tokens = surrogate, tokens
        self._half = across @ surrogate._half  # [q, n]
        self._seen: list[np.ndarray] = []
        self.mean = across @ surrogate._alpha
        self.variance = np.maximum(surrogate.amplitude - (self._half**2).sum(1), JITTER**2)

    def see(self, index: int) -> None:
        """Take one of the architectures as known to have its mean: the variances shrink."""
        kernel = self._surrogate._kernel(self._tokens, self._tokens[index : index + 1])[:, 0]
        covariance = kernel - self._half @ self._half[index]
        for earlier in self._seen:
            covariance -= earlier * earlier[index]
        seen = covariance / np.sqrt(self.variance[index] + self._surrogate.noise)
        self._seen.append(seen)
        self.variance = np.maximum(self.variance - seen**2, JITTER**2)
