"""What the chief makes of a closure's answer."""

import json

import pytest
import tensorflow as tf

from nas_with_rl.launch.clusters.chief_evaluator import _reply
from nas_with_rl.launch.clusters.messages import Reply
from nas_with_rl.launch.evaluators.measurements import Measurement

GOOD = Reply("worker 0", Measurement(0.5), 1.0, 2.0)


def answer(reply, code=0):
    return f"{code} {reply.text()}".encode()


def test_a_reply_is_read():
    assert _reply(answer(GOOD)) == GOOD
    refused = Reply("worker 0", error="no data", is_input_error=True)
    assert _reply(answer(refused)) == refused


@pytest.mark.parametrize(
    "lost",
    [
        tf.errors.UnavailableError(None, None, "the worker is gone"),
        tf.errors.CancelledError(None, None, "given up with others"),
        answer(Reply("worker 0", is_stopped=True)),
        b"14 connection refused",
        None,
    ],
)
def test_without_a_reply_another_try_may_bring_one(lost):
    assert _reply(lost) is None


def test_an_error_of_the_program_is_handed_on():
    error = TypeError("of the program")
    assert _reply(error) is error
    with pytest.raises(json.JSONDecodeError):
        _reply(b"0 no reply at all")
