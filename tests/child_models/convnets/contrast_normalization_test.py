"""Local contrast normalisation against NumPy, its gradient against differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.convnets.contrast_normalization import (
    LocalContrastNormalization,
    gaussian_window,
)
from nas_with_rl.search_spaces.errors import InputError

# Shapes: B images, H height, W width, C channels.


def numpy_twin(images: np.ndarray, window: int) -> np.ndarray:
    """Jarrett et al.'s equations, pixel by pixel; weights outside the image are left out."""
    half, deviation = window // 2, window / 4
    height, width = images.shape[1:3]

    def local_mean(values: np.ndarray) -> np.ndarray:  # [H, W, C] -> [H, W, 1]
        means = np.zeros((height, width, 1))
        for j in range(height):
            for k in range(width):
                total = weight = 0.0
                for p in range(max(j - half, 0), min(j + half, height - 1) + 1):
                    for q in range(max(k - half, 0), min(k + half, width - 1) + 1):
                        w = np.exp(-((p - j) ** 2 + (q - k) ** 2) / (2 * deviation**2))
                        total += w * values[p, q].mean()
                        weight += w
                means[j, k] = total / weight
        return means

    normalized = []
    for image in images:
        centred = image - local_mean(image)
        sigma = np.sqrt(local_mean(centred**2))
        normalized.append(centred / np.maximum(sigma.mean(), sigma))
    return np.array(normalized)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_equals_the_equations_written_out(window):
    images = np.random.default_rng(window).normal(2, 3, (2, 7, 5, 3)).astype("float32")
    images[1, :4] *= 10  # so that the local deviation is the divisor here, the mean one there
    ours = LocalContrastNormalization(window)(images)
    np.testing.assert_allclose(ours, numpy_twin(images, window), atol=2e-5)


def test_the_window_is_a_gaussian_of_sum_1():
    window = gaussian_window(9)
    assert window.sum() == pytest.approx(1)
    np.testing.assert_array_equal(window, window.T)
    np.testing.assert_array_equal(window, window[::-1])
    assert window[4, 6] / window[4, 4] == pytest.approx(np.exp(-(2**2) / (2 * (9 / 4) ** 2)))


def test_contrast_is_taken_out_and_a_plain_image_is_zero():
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype("float32")
    layer = LocalContrastNormalization(5)
    np.testing.assert_allclose(layer(7 * images + 3), layer(images), atol=1e-4)
    plain = np.full((1, 6, 6, 2), 5.0, np.float32)
    np.testing.assert_allclose(layer(plain), np.zeros((1, 6, 6, 2)), atol=0.02)
    np.testing.assert_array_equal(layer(0 * plain), np.zeros((1, 6, 6, 2)))


def test_images_do_not_touch_one_another():
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    layer = LocalContrastNormalization(3)
    np.testing.assert_allclose(layer(images)[1:2], layer(images[1:2]), atol=1e-6)


def test_the_gradient_against_differences():
    rng = np.random.default_rng(0)
    images, scale = (tf.constant(rng.normal(size=(1, 4, 5, 2)), tf.float64) for _ in range(2))
    layer = LocalContrastNormalization(3, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(layer(images) * scale)
    gradient = tape.gradient(loss, images).numpy()

    def shifted(index, step):
        moved = images.numpy()
        moved[index] += step
        return float(tf.reduce_sum(layer(tf.constant(moved)) * scale))

    for index in np.ndindex(gradient.shape):
        difference = (shifted(index, 1e-6) - shifted(index, -1e-6)) / 2e-6
        assert gradient[index] == pytest.approx(difference, abs=1e-6)


def test_the_gradient_of_an_image_without_contrast_is_finite():
    images = tf.zeros((1, 4, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(LocalContrastNormalization(3)(images))
    assert np.all(np.isfinite(tape.gradient(loss, images)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_normalised_in_float32(dtype):
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype("float32")
    layer = LocalContrastNormalization(5, dtype=dtype)
    ours = layer(images)
    assert keras.backend.standardize_dtype(ours.dtype) == dtype
    np.testing.assert_allclose(np.asarray(ours, "float32"), numpy_twin(images, 5), atol=0.05)


def test_a_keras_file_round_trip(tmp_path):
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, LocalContrastNormalization(5, name="contrast")(inputs))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.get_layer("contrast").window == 5
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    np.testing.assert_array_equal(restored(images), model(images))


@pytest.mark.parametrize("window", [0, 4])
def test_an_even_window_is_refused(window):
    with pytest.raises(InputError, match=f"window is {window}, not odd"):
        LocalContrastNormalization(window)
