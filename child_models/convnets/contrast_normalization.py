"""Local contrast normalisation (Jarrett et al., 2009, section 2), on any of Keras's backends.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError

_LEAST_DIVISOR = 1e-4  # keeps images without any contrast from being divided by zero


@keras.saving.register_keras_serializable(package="nas_with_rl")
class LocalContrastNormalization(keras.layers.Layer):
    """Subtracts the local mean, then divides by the local deviation. No weights.

    With w the Gaussian window, normalised to Σ_pq w_pq = 1, and the mean over all C channels i:

      v_ijk = x_ijk − 1/C · Σ_ipq w_pq · x_i,j+p,k+q          subtractive
      σ_jk  = sqrt(1/C · Σ_ipq w_pq · v²_i,j+p,k+q)
      y_ijk = v_ijk / max(mean over the image of σ, σ_jk)     divisive

    Paper: neither the Gaussian's width nor the image's border; here: a standard deviation of a
    quarter of the window, and a window that is cut off at the border is normalised again, so that
    a plain image is zero everywhere. The divisor is at least 1e-4.

    Attributes:
      window: height and width in pixels, odd.
    """

    def __init__(self, window: int, **kwargs: Any):
        super().__init__(**kwargs)
        if window < 1 or window % 2 == 0:
            raise InputError(f"window is {window}, not odd and at least 1")
        self.window = window

    def call(self, inputs: Tensor) -> Tensor:
        """Return [B, H, W, C] from [B, H, W, C]; the statistics are at least float32."""
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        x = keras.ops.cast(inputs, keras.backend.result_type(dtype, "float32"))
        centred = x - self._local_mean(x)
        # The square root's gradient is not finite at zero.
        variance = keras.ops.maximum(self._local_mean(keras.ops.square(centred)), _LEAST_DIVISOR**2)
        deviation = keras.ops.sqrt(variance)  # [B, H, W, 1]
        mean_deviation = keras.ops.mean(deviation, axis=(1, 2), keepdims=True)
        return keras.ops.cast(centred / keras.ops.maximum(mean_deviation, deviation), dtype)

    def _local_mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean of window and channels, [B, H, W, 1]."""
        window = gaussian_window(self.window).astype(np.float32)[:, :, np.newaxis, np.newaxis]
        kernel = keras.ops.cast(keras.ops.convert_to_tensor(window), values.dtype)
        means = keras.ops.mean(values, axis=-1, keepdims=True)
        inside = keras.ops.ones_like(means[:1])
        sums, weights = (
            keras.ops.conv(each, kernel, padding="same", data_format="channels_last")
            for each in (means, inside)
        )
        return sums / weights

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return super().get_config() | {"window": self.window}


def gaussian_window(size: int) -> np.ndarray:
    """Return Gaussian weights of sum 1, `[size, size]`, deviation size / 4."""
    distances = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(distances**2) / (2 * (size / 4) ** 2))
    return np.outer(weights, weights) / weights.sum() ** 2
