"""A softmax over many words and its loss, with a gradient of its own, for TensorFlow on CPUs.

TensorFlow's kernel of sparse cross-entropy takes as long as three products with the softmax's
weights, and computes the gradient also where nobody asks for it.

Shapes: N tokens, H hidden units, V vocabulary.
"""

from __future__ import annotations

import tensorflow as tf

from nas_with_rl.child_models.tensorflow_internals import record_operation, unrecorded

# Below, float32 has fewer digits and then none: the loss is had from the logits.
LEAST_PROB = 1e-30
# Product, loss and gradient of 700 tokens and 87 units on one core take 0.7 times as long as with
# TensorFlow's kernel for 200 words, 0.5 to 0.6 for 1,000 and 10,000, and as long for 50 characters.
# Below, figures of characters stay as they were to the bit.
LEAST_VOCABULARY = 200


def softmax_nll(
    hidden: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | tf.Variable, targets: tf.Tensor
) -> tf.Tensor:
    """Return -log softmax(h K + b)[target] of each token, in nats, float32 [N].

    As exact as float32 is at any scale of the logits, and NaN where one of a token's is. Its
    gradient can be taken once: the probabilities are overwritten by it.

    Args:
      hidden: h, [N, H].
      kernel: K, [H, V].
      bias: b, [V].
      targets: token numbers, int32 or int64 [N].
    """
    inputs = hidden, kernel, tf.convert_to_tensor(bias)
    # The tape is to see the one operation below, and nothing of what is inside it.
    with unrecorded():
        probs, prob, nll = _forward(*inputs, targets)
    overwritten = False

    def backward(upstream: tf.Tensor) -> list[tf.Tensor]:
        nonlocal overwritten
        if overwritten:
            raise RuntimeError("the gradient of `softmax_nll` can be taken once")
        overwritten = True
        return _backward(*inputs[:2], _errors(probs, prob, targets), upstream)

    record_operation("SoftmaxNll", [nll], inputs, backward)
    return nll


def _forward(
    hidden: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the probabilities of all words [N, V] and of the targets [N], and the nll [N]."""
    # `bias_add`, unlike `+`, is made one kernel with the product.
    probs = tf.nn.softmax(tf.nn.bias_add(tf.matmul(hidden, kernel), bias))
    prob = tf.gather(probs, targets, batch_dims=1)
    # From the target's probability alone: no sum over the vocabulary for a second time.
    nll = tf.cond(
        tf.reduce_any(prob < LEAST_PROB),
        lambda: _nll_by_logits(hidden, kernel, bias, targets),
        lambda: -tf.math.log(prob),
    )
    return probs, prob, nll


def _nll_by_logits(
    hidden: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Return the nll [N], from logits computed once more: rarely needed, too large to be kept."""
    logits = tf.nn.bias_add(tf.matmul(hidden, kernel), bias)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def _errors(probs: tf.Tensor, prob: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return the gradient of the nll by the logits, [N, V]: the probabilities, the target's less 1.

    They are written into the array of the probabilities, which holds these no more.
    """
    count = tf.size(targets, tf.int32)
    rows, targets = tf.range(count), tf.cast(targets, tf.int32)
    # What is read of the probabilities has to be read before.
    with tf.control_dependencies([prob]):
        if probs.shape.num_elements() is None or probs.shape.num_elements() > tf.int32.max:
            places = tf.stack([rows, targets], 1)
            return tf.tensor_scatter_nd_sub(probs, places, tf.ones_like(prob))
        # That one copies the whole array, which takes as long as the softmax.
        flat = tf.reshape(probs, (-1,))
        places = rows * probs.shape[1] + targets
        errors = tf.raw_ops.InplaceSub(x=flat, i=places, v=tf.ones_like(prob))
    return tf.reshape(errors, probs.shape)


def _backward(
    hidden: tf.Tensor, kernel: tf.Tensor, errors: tf.Tensor, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """Return the gradients of h, K and b from those of the nll [N] and what `_errors` returned."""
    # The upstream gradient scales what is H wide, not what is V wide, and b's is one row more.
    scale = upstream[:, tf.newaxis]
    d_hidden = scale * tf.matmul(errors, kernel, transpose_b=True)
    d_weights = tf.matmul(tf.concat([scale * hidden, scale], 1), errors, transpose_a=True)
    return [d_hidden, d_weights[:-1], d_weights[-1]]
