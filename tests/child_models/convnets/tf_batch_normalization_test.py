"""Tests of batch normalisation's two ways, against NumPy and TensorFlow's own gradient."""

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.convnets.tf_batch_normalization import BatchNormalization


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("on_gpu", [True, False])  # where everything is fused
@pytest.mark.parametrize("channels", [1, 4, 6, 8, 16, 24])
def test_statistics_outputs_and_gradients(channels, on_gpu, rectified):
    generator = np.random.default_rng(channels)
    x = generator.normal(3.0, 2.0, size=(5, 4, 3, channels)).astype("float32")
    scale, offset = generator.normal(size=(2, channels)).astype("float32")
    upstream = generator.normal(size=x.shape).astype("float32")
    inputs = [tf.constant(value) for value in (x, scale, offset)]

    normalization = BatchNormalization(0.5, on_gpu=on_gpu)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        made = normalization(*inputs, rectified=rectified)
    gradients = tape.gradient(made.output, inputs, upstream)

    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + 0.5) * scale + offset
    np.testing.assert_allclose(made.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(made.variance, variance, rtol=1e-5)  # divided by N, not N - 1
    floor = 0 if rectified else -np.inf
    np.testing.assert_allclose(made.output, np.maximum(expected, floor), atol=1e-5)

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        moments = tf.nn.moments(inputs[0], [0, 1, 2])
        twin = tf.nn.batch_normalization(inputs[0], *moments, inputs[2], inputs[1], 0.5)
        twin = tf.nn.relu(twin) if rectified else twin
    for ours, theirs in zip(gradients, tape.gradient(twin, inputs, upstream), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_one_value_a_channel_has_no_variance():
    x, vector = tf.constant(7.0, shape=(1, 1, 1, 8)), tf.ones([8])
    made = BatchNormalization(0.5, on_gpu=False)(x, vector, vector, rectified=True)
    np.testing.assert_allclose(made.output, np.ones((1, 1, 1, 8)))
    np.testing.assert_allclose(made.variance, np.zeros(8))
