"""Batch normalisation of a training step in few TensorFlow operations, with its own gradient.

With m and v the mean and the variance over the N = B·H·W values of a channel:

  x̂ = (x − m) / sqrt(v + ε)          y = γ x̂ + β, then max(y, 0) where it is rectified
  ∂β = Σ ∂y      ∂γ = Σ ∂y x̂        ∂x = γ / sqrt(v + ε) · (∂y − ∂β/N − x̂ ∂γ/N)

TensorFlow's fused operations take a quarter of the time of these, but not on every CPU for every
number of channels: where oneDNN has no program for it, two to five times as long. So either
direction is fused where it is known to be fast, and written out elsewhere; the numbers are the same
to rounding.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

from nas_with_rl.child_models import tensorflow_internals

_ops = tf.raw_ops


class Normalized(NamedTuple):
    """What was normalised `[B, H, W, C]`, and the batch's mean and variance `[C]`."""

    output: tf.Tensor
    mean: tf.Tensor
    variance: tf.Tensor


class _Saved(NamedTuple):
    """What the gradient needs of the forward direction."""

    x: tf.Tensor  # [B, H, W, C]
    scale: tf.Tensor  # γ [C]
    fused: tuple[tf.Tensor, ...]  # what FusedBatchNormGradV3 wants to have reserved
    centred: tf.Tensor  # x - m, unless both directions are fused
    inverse: tf.Tensor  # 1 / sqrt(v + ε) [C]


class BatchNormalization:
    """Normalises batch after batch; one for each program that is traced."""

    def __init__(self, epsilon: float, *, on_gpu: bool):
        self._epsilon, self._on_gpu = epsilon, on_gpu
        self._axes = tf.constant([0, 1, 2])  # one node for all that need it
        self._none = tf.constant([], tf.float32)

    def __call__(
        self, x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *, rectified: bool
    ) -> Normalized:
        """Normalise a batch `[B, H, W, C]` by its own statistics; tapes take note."""
        with tensorflow_internals.unrecorded():
            forward = self._fused if self._is_fused(x) else self._written_out
            (y, mean, variance), saved = forward(x, scale, offset)
            output = _ops.Relu(features=y) if rectified else y

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            if rectified:
                upstream = _ops.ReluGrad(gradients=upstream, features=output)
            backward = self._fused_gradient if self._is_fused_back(x) else self._gradient
            return backward(upstream, saved)

        tensorflow_internals.record_operation(
            "BatchNormalization", [output], [x, scale, offset], gradient
        )
        return Normalized(output, mean, variance)

    def _is_fused(self, x: tf.Tensor) -> bool:
        return self._on_gpu or x.shape[-1] % 16 == 0 or x.shape[-1] == 8

    def _is_fused_back(self, x: tf.Tensor) -> bool:
        return self._on_gpu or x.shape[-1] % 4 == 0

    def _fused(
        self, x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
    ) -> tuple[Normalized, _Saved]:
        y, mean, variance, *reserved = _ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=self._none,
            variance=self._none,
            epsilon=self._epsilon,
        )
        count = math.prod(x.shape[:-1])
        variance = variance * ((count - 1) / count)  # it was divided by N - 1
        return Normalized(y, mean, variance), _Saved(x, scale, tuple(reserved), x, scale)

    def _written_out(
        self, x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
    ) -> tuple[Normalized, _Saved]:
        mean = _ops.Mean(input=x, axis=self._axes)
        centred = _ops.Sub(x=x, y=mean)
        variance = _ops.Mean(input=_ops.Square(x=centred), axis=self._axes)
        inverse = _ops.Rsqrt(x=_ops.AddV2(x=variance, y=self._epsilon))
        y = _ops.AddV2(x=_ops.Mul(x=centred, y=_ops.Mul(x=scale, y=inverse)), y=offset)
        saved = _Saved(x, scale, (mean, variance, self._none), centred, inverse)
        return Normalized(y, mean, variance), saved

    def _fused_gradient(self, upstream: tf.Tensor, saved: _Saved) -> list[tf.Tensor]:
        first, second, third = saved.fused
        gradients = _ops.FusedBatchNormGradV3(
            y_backprop=upstream,
            x=saved.x,
            scale=saved.scale,
            reserve_space_1=first,
            reserve_space_2=second,
            reserve_space_3=third,
            epsilon=self._epsilon,
        )
        return list(gradients[:3])

    def _gradient(self, upstream: tf.Tensor, saved: _Saved) -> list[tf.Tensor]:
        share = 1 / math.prod(upstream.shape[:-1])  # 1 / N
        centred, inverse = saved.centred, saved.inverse
        offset = _ops.Sum(input=upstream, axis=self._axes)
        sums = _ops.Sum(input=_ops.Mul(x=upstream, y=centred), axis=self._axes)
        scale = _ops.Mul(x=sums, y=inverse)
        slope = _ops.Mul(x=_ops.Mul(x=scale, y=inverse), y=share)
        x = _ops.Sub(x=upstream, y=_ops.Mul(x=offset, y=share))
        x = _ops.Sub(x=x, y=_ops.Mul(x=centred, y=slope))
        return [_ops.Mul(x=x, y=_ops.Mul(x=saved.scale, y=inverse)), scale, offset]
