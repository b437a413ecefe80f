"""The loss over many words: NumPy in float64 beside it, at every scale of the logits."""

import gc

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.language_models import tf_softmax
from nas_with_rl.child_models.language_models.tf_softmax import LEAST_PROB, softmax_nll

# Shapes: N tokens, H hidden units, V vocabulary.
NUM_TOKENS, UNITS, VOCABULARY = 12, 7, 1000


def case(scale, seed=0):
    """Return h, K, b and targets whose logits have about this standard deviation."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-1, 1, (NUM_TOKENS, UNITS)).astype(np.float32)
    kernel = rng.normal(0, scale * (3 / UNITS) ** 0.5, (UNITS, VOCABULARY)).astype(np.float32)
    bias = rng.normal(0, 0.1 * scale, VOCABULARY).astype(np.float32)
    return hidden, kernel, bias, rng.integers(0, VOCABULARY, NUM_TOKENS).astype(np.int32)


def numpy_twin(arguments, weights):
    """Return the nll [N] and the gradients of their weighted sum by h, K and b, in float64."""
    *floats, targets = arguments
    hidden, kernel, bias = (each.astype(np.float64) for each in floats)
    logits = hidden @ kernel + bias
    above = logits - logits.max(axis=1, keepdims=True)
    log_probs = above - np.log(np.exp(above).sum(axis=1, keepdims=True))
    errors = np.exp(log_probs) - np.eye(VOCABULARY)[targets]
    errors *= weights[:, np.newaxis]
    nll = -log_probs[np.arange(NUM_TOKENS), targets]
    return nll, (errors @ kernel.T, hidden.T @ errors, errors.sum(axis=0))


def with_gradients(arguments, weights):
    """Return what the twin does, by `softmax_nll` in a compiled graph."""
    *floats, targets = arguments
    variables = [tf.Variable(each) for each in floats]

    @tf.function(autograph=False)
    def compiled():
        with tf.GradientTape() as tape:
            hidden, kernel, bias = map(tf.convert_to_tensor, variables)
            nll = softmax_nll(hidden, kernel, bias, tf.constant(targets))
            total = tf.reduce_sum(nll * weights)
        return nll, tape.gradient(total, variables)

    nll, gradients = compiled()
    return nll.numpy(), [gradient.numpy() for gradient in gradients]


def relative_error(found, expected):
    """Return the largest difference, of the largest number expected."""
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


@pytest.mark.parametrize("scale", [0.01, 1, 10, 100, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_are_those_of_float64(scale, seed):
    arguments = case(scale, seed)
    weights = np.random.default_rng(seed + 10).uniform(0, 2, NUM_TOKENS).astype(np.float32)
    weights[3] = 0  # as of a token that is masked
    nll, gradients = with_gradients(arguments, weights)
    expected_nll, expected = numpy_twin(arguments, weights)
    assert relative_error(nll, expected_nll) < 3e-7
    # A logit's own rounding, 2^-24 of it, is an error of its exponential.
    hidden, kernel, bias, _ = arguments
    bound = 3e-7 + 2**-24 * np.max(np.abs(hidden @ kernel + bias))
    for found, wanted in zip(gradients, expected, strict=True):
        assert relative_error(found, wanted) < bound


def test_gradients_of_exact_logits_are_exact_at_every_scale():
    # Whole numbers, whose products and sums float32 holds: the softmax alone can be wrong.
    rng = np.random.default_rng(0)
    for scale in (1, 10, 100, 1000):
        hidden = rng.integers(-1, 2, (NUM_TOKENS, UNITS)).astype(np.float32)
        kernel = np.round(rng.normal(0, scale, (UNITS, VOCABULARY))).astype(np.float32)
        bias = np.zeros(VOCABULARY, np.float32)
        targets = rng.integers(0, VOCABULARY, NUM_TOKENS).astype(np.int32)
        arguments, weights = (hidden, kernel, bias, targets), np.ones(NUM_TOKENS, np.float32)
        nll, gradients = with_gradients(arguments, weights)
        expected_nll, expected = numpy_twin(arguments, weights)
        assert relative_error(nll, expected_nll) < 3e-7
        for found, wanted in zip(gradients, expected, strict=True):
            assert relative_error(found, wanted) < 3e-7


def test_where_the_target_is_likely_what_is_left_is_not_lost():
    # One logit 20 above 999 others: 1 - p is 2e-6, of which float32's p holds two digits.
    hidden = np.ones((NUM_TOKENS, UNITS), np.float32)
    kernel, bias = np.zeros((UNITS, VOCABULARY), np.float32), np.zeros(VOCABULARY, np.float32)
    bias[5] = 20
    targets = np.full(NUM_TOKENS, 5, np.int32)
    nll, (_, __, d_bias) = with_gradients((hidden, kernel, bias, targets), np.float32(1))
    left = 999 * np.exp(-20.0) / (1 + 999 * np.exp(-20.0))
    np.testing.assert_allclose(nll, left, rtol=0, atol=1.2e-7)
    np.testing.assert_allclose(d_bias[5], -NUM_TOKENS * left, rtol=0, atol=NUM_TOKENS * 1.2e-7)


def test_a_probability_too_small_for_float32_still_has_its_loss():
    hidden, kernel, bias, targets = case(1)
    bias[targets[0]] = -5000  # e^-5000 is 0 as float32
    nll, _ = with_gradients((hidden, kernel, bias, targets), np.float32(1))
    expected, _ = numpy_twin((hidden, kernel, bias, targets), np.ones(NUM_TOKENS))
    assert expected.max() > 4900 and np.exp(-expected.min()) > LEAST_PROB
    np.testing.assert_allclose(nll, expected, rtol=5e-7)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_no_finite_loss(wrong):
    hidden, kernel, bias, targets = case(1)
    hidden[0] = wrong
    nll, _ = with_gradients((hidden, kernel, bias, targets), np.float32(1))
    assert np.isnan(nll[0]) and np.all(np.isfinite(nll[1:]))


def test_an_evaluation_computes_no_gradient():
    hidden, kernel, bias, targets = (tf.constant(each) for each in case(1))
    traced = tf.function(softmax_nll, autograph=False).get_concrete_function(
        hidden, kernel, bias, targets
    )
    operations = [each.type for each in traced.graph.get_operations()]
    assert operations.count("MatMul") == 1 and operations.count("Softmax") == 1
    unwanted = {"InplaceSub", "TensorScatterSub", "SparseSoftmaxCrossEntropyWithLogits"}
    assert not unwanted & set(operations)


def test_errors_written_in_place_are_those_of_a_copy_to_the_bit():
    hidden, kernel, bias, targets = map(tf.constant, case(1))

    def errors(shape):
        @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32)])
        def traced(hidden):
            probs = tf.nn.softmax(tf.matmul(hidden, kernel) + bias)
            prob = tf.gather(probs, targets, batch_dims=1)
            return tf_softmax._errors(probs, prob, targets)

        graph = traced.get_concrete_function().graph
        return traced(hidden).numpy(), {each.type for each in graph.get_operations()}

    in_place, its_operations = errors((NUM_TOKENS, UNITS))
    copied, operations = errors((None, UNITS))  # how large it is is not known
    assert "InplaceSub" in its_operations and "TensorScatterSub" in operations
    np.testing.assert_array_equal(in_place, copied)


def test_a_second_gradient_is_refused_rather_than_wrong():
    hidden, kernel, bias, targets = map(tf.constant, case(1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(hidden)
        nll = softmax_nll(hidden, kernel, bias, targets)
    tape.gradient(nll, hidden)
    with pytest.raises(RuntimeError, match="once"):
        tape.gradient(nll, hidden)


def test_it_leaves_no_graph_behind():
    def graphs():
        gc.collect()
        return sum(isinstance(each, tf.Graph) for each in gc.get_objects())

    before = graphs()
    with_gradients(case(1), np.float32(1))
    assert graphs() <= before + 1
