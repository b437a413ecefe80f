"""TensorFlow still has what has no public name, and it does what is needed of it.

Where one of these fails, TensorFlow has changed: the message names its version.
"""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models import tensorflow_internals as internals

VERSION = f"TensorFlow {tf.__version__}"


@contextlib.contextmanager
def blaming(interface):
    """Say of any failure inside which version has changed which interface."""
    try:
        yield
    except Exception as error:
        pytest.fail(f"{VERSION} has changed {interface}: {error!r}")


def test_a_gradient_of_ones_own_is_recorded():
    with blaming(internals.RECORD):
        given = tf.Variable(3.0)
        with tf.GradientTape() as tape:
            read = tf.convert_to_tensor(given)
            with internals.unrecorded():
                made = read * read
            internals.record_operation("Made", [made], [read], lambda upstream: [upstream * 100.0])
            total = made * 2.0
        assert float(total) == 18.0
        assert float(tape.gradient(total, given)) == 200.0  # not 12, the one of the operations


def test_the_kernel_cache_is_cleared_and_fills_again():
    with blaming(internals.CONTEXT):
        variable = tf.Variable(1.0)
        internals.clear_kernel_cache()
        variable.assign_add(1.0)
        assert float(variable) == 2.0


def test_a_function_is_called_as_it_was_traced():
    with blaming(internals.CONTEXT):
        added = tf.function(lambda x: x + (tf.constant(1.0) + tf.constant(2.0)))
        calls, seen = internals.internal(internals.CONTEXT, "context")(), []
        nothing = contextlib.nullcontext
        for inside in (nothing, internals.unoptimized_calls, nothing):
            with inside():
                config = calls.function_call_options.config_proto_serialized
                seen.append(tf.compat.v1.ConfigProto.FromString(config))
                assert float(added(tf.constant(4.0))) == 7.0
        off = [one.graph_options.rewrite_options.disable_meta_optimizer for one in seen]
        assert off == [False, True, False]
        assert seen[0] == seen[2]


def test_a_block_is_written_in_compiled_and_in_plain_code():
    values, block = tf.zeros((3, 4)), tf.ones((1, 2))
    expected = np.zeros((3, 4))
    expected[2, 1:3] = 1
    with blaming(internals.XLA):
        for jit in (True, False):
            write = tf.function(internals.written_into, jit_compile=jit)
            np.testing.assert_array_equal(write(values, block, tf.constant([2, 1])), expected)


@pytest.mark.parametrize("owner", ["tensorflow.python.no_such", "tensorflow.python.eager.record"])
def test_what_is_gone_is_named_with_the_version(owner):
    with pytest.raises(ImportError, match=f"{VERSION} has no {owner}.no_such_name"):
        internals.internal(owner, "no_such_name")
    with pytest.raises(ImportError, match=f"{VERSION} has no TensorSpec.no_such_name"):
        internals.internal(tf.TensorSpec([]), "no_such_name")
