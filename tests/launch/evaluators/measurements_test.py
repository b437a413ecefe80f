"""What an evaluation may return: all kinds of numbers become Python's, the rest is one sentence."""

import array
import collections
import enum
import json
import math
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from nas_with_rl.launch.evaluators.measurements import (
    Failure,
    Measurement,
    last_number,
    measurement_of,
    result_of,
)
from nas_with_rl.search_spaces.errors import InputError


class Size(enum.IntEnum):
    LARGE = 192


class Name(enum.StrEnum):
    ACCURACY = "accuracy"


class Scalar:
    """A tensor as PyTorch's is: it has a shape and an item."""

    def __init__(self, value, shape=()):
        self.value, self.shape = value, shape

    def __repr__(self):  # which names a case, the same in every process
        return f"Scalar({self.value})"

    def item(self):
        if math.prod(self.shape) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.value

    def tolist(self):
        return [self.value] * self.shape[0]


NUMBERS = [
    (0.5, 0.5),
    (192, 192),
    (True, 1),
    (-(2**70), -(2**70)),
    (Size.LARGE, 192),
    (Fraction(1, 4), 0.25),
    (Decimal("0.25"), 0.25),
    (np.float32(0.5), 0.5),
    (np.float64(0.5), 0.5),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), 1),
    (np.array(0.5), 0.5),
    (np.array(7), 7),
    (Scalar(0.5), 0.5),
    (Scalar(7), 7),
]


@pytest.mark.parametrize(("given", "number"), NUMBERS, ids=repr)
def test_every_kind_of_number_becomes_pythons_own(given, number):
    metrics = measurement_of(Measurement(given, {"m": given, "each": [given, given]})).metrics
    assert metrics == {"m": number, "each": [number, number]}
    assert type(metrics["m"]) is type(metrics["each"][1]) is type(number)
    for returned in (given, (given, {}), [given, {}], Measurement(given)):
        measurement = measurement_of(returned)
        assert measurement == Measurement(float(number)) and type(measurement.reward) is float


def test_arrays_of_one_element_are_rewards_and_metrics_of_one_epoch():
    for one in (np.array([0.5]), np.array([[0.5]]), Scalar(0.5, (1,))):
        assert measurement_of(one) == Measurement(0.5)
    assert measurement_of((1, {"m": np.array([0.5])})).metrics == {"m": [0.5]}


@pytest.mark.parametrize(
    "series",
    [
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        collections.deque([1, 2, 3]),
        array.array("i", [1, 2, 3]),
        {"a": 1, "b": 2, "c": 3}.values(),
        np.array([1, 2, 3]),
        np.array([[1], [2], [3]])[:, 0],
        [np.int64(1), np.array(2), Scalar(3)],
    ],
    ids=repr,
)
def test_a_sequence_per_epoch_comes_in_every_form(series):
    for returned in ((0, {"m": series}), Measurement(0, {"m": series})):
        metrics = measurement_of(returned).metrics
        assert metrics == {"m": [1, 2, 3]} and json.dumps(metrics) == '{"m": [1, 2, 3]}'


def test_tensors_of_the_backends_are_numbers():
    tf = pytest.importorskip("tensorflow")
    jax = pytest.importorskip("jax")
    import keras

    half = (
        tf.constant(0.5),
        tf.Variable(0.5),
        tf.constant(0.5, tf.bfloat16),
        tf.constant([0.5]),
        keras.Variable(0.5),
        jax.numpy.float32(0.5),
        jax.numpy.asarray(0.5, jax.numpy.bfloat16),
        np.asarray(0.5, jax.numpy.bfloat16),
    )
    assert [measurement_of(each) for each in half] == [Measurement(0.5)] * len(half)
    for seven in (tf.constant(7), jax.numpy.asarray(7), tf.Variable(7), keras.Variable(7)):
        count = measurement_of((0, {"m": seven})).metrics["m"]
        assert count == 7 and type(count) is int
    for series in (tf.constant([1, 2]), jax.numpy.asarray([1, 2]), tf.Variable([1, 2])):
        assert measurement_of((0, {"m": series})).metrics == {"m": [1, 2]}
    for text in (tf.constant("0.5"), tf.constant([0.25, 0.5]), jax.numpy.asarray([0.25, 0.5])):
        with pytest.raises(InputError, match="evaluate returned"):
            measurement_of(text)


def test_counts_of_weights_are_integers():
    for given, count in ((np.int64(16), 16), (16, 16), (16.0, 16), (None, None), (0, 0)):
        found = measurement_of(Measurement(1.0, {}, given)).num_parameters
        assert found == count and isinstance(found, int | None)
    for wrong in (-1, 1.5, math.nan, "16", [16], 2**63, 10**5000):
        with pytest.raises(InputError, match="num_parameters that evaluate"):
            measurement_of(Measurement(1.0, {}, wrong))


class Unshowable:
    def __repr__(self):
        raise ZeroDivisionError


class History:
    """What Keras's `fit` returns."""

    def __init__(self, *names):
        self.history = {name: [0.25, 0.5] for name in names or ("loss", "val_accuracy")}


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "evaluate returned None; .* a return"),
        ("good", "evaluate returned 'good', of type str; it must return the reward"),
        ("0.5", "evaluate returned '0.5', of type str"),
        (b"1", "of type bytes"),
        (1 + 2j, "of type complex"),
        (np.complex64(1), "of type complex64"),
        (np.datetime64(1, "ns"), "of type datetime64"),
        (np.timedelta64(1, "ns"), "of type timedelta64"),
        ({"accuracy": 0.5}, "is the reward"),
        ([0.5, 0.25], r"evaluate returned \[0.5, 0.25\], of type list; .* which of these"),
        ((0.5, 0.25), "of type tuple; .* which of these"),
        ((0.5, None), "of type tuple"),
        ((0.5, {}, 3), "of type tuple"),
        (np.array([0.5, 0.25]), "of type ndarray; .* which of these"),
        (np.array([]), "of type ndarray"),
        (np.array("a"), "of type ndarray"),
        (Scalar(0.5, (2,)), "of type Scalar"),
        (History(), r"max\(history.history\['val_accuracy'\]\), history.history"),
        (History("loss"), r"as in -min\(history.history\['loss'\]\), history.history"),
        (History("mae", "loss", "val_loss"), r"as in -min\(history.history\['val_loss'\]\)"),
        (History("loss", "val_loss", "acc"), r"as in max\(history.history\['acc'\]\)"),
        (np.ma.masked, "of type MaskedConstant"),
        (np.ma.array([0.5], mask=[True]), "of type MaskedArray"),
        (float, "of type type"),
        (np.float32, "of type type"),
        (len, "of type builtin_function"),
        ((x for x in [0.5]), "of type generator"),
        (Unshowable(), "evaluate returned a value of type Unshowable"),
        (Failure("diverged", "no"), "of type Failure"),
        (("0.5", {}), "the reward that evaluate returned is '0.5', of type str, not a number"),
        (Measurement("0.5"), "the reward that evaluate returned is '0.5'"),
        (Measurement(None), "the reward that evaluate returned is None, not a number"),
        (Measurement(0.5, None), "the metrics that evaluate returned are None"),
        (Measurement(0.5, [1.0]), r"the metrics that evaluate returned are \[1.0\]"),
        ((0.5, {1: 0.5}), "a metric that evaluate returned is named 1, of type int"),
        (Measurement(1.0, {"note": "hello"}), "the metric 'note' .* is 'hello', of type str; a me"),
        ((0.5, {"note": None}), "the metric 'note' that evaluate returned is None; a metric is"),
        ((0.5, {"loss": [1.0, None]}), "the metric 'loss' .* a sequence whose item 1 is None"),
        ((0.5, {"loss": [[1.0]]}), r"whose item 0 is \[1.0\], of type list"),
        ((0.5, {"loss": np.ones((2, 2))}), "whose item 0 is .*of type list"),
        ((0.5, {"loss": {"a": 1}}), "the metric 'loss' .* of type dict"),
        ((0.5, {"loss": {1, 2}}), "of type set"),
        ((0.5, {"loss": iter([1])}), "of type list_iterator"),
        ((0.5, {"history": History()}), "of type History"),
    ],
    ids=lambda value: str(type(value)),
)
def test_anything_else_is_one_sentence(returned, said):
    with pytest.raises(InputError, match=said) as caught:
        measurement_of(returned)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_long_values_are_cut_and_names_are_plain_texts():
    with pytest.raises(InputError) as caught:
        measurement_of((0.5, {"n" * 1000: "v\n" * 1000}))
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    names = list(measurement_of((0.5, {Name.ACCURACY: 1, np.str_("loss"): 2, "\ud800": 3})).metrics)
    assert names == ["accuracy", "loss", "?"] and {type(name) for name in names} == {str}


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf, 10**400, Fraction(-(10**400))])
def test_a_reward_that_is_not_finite_has_diverged_and_a_metric_may_be_so(reward):
    failed = result_of(reward)
    assert isinstance(failed, Failure) and failed.reason == "diverged"
    assert result_of((0.5, {"m": reward})) != failed
    assert not math.isfinite(result_of((0.5, {"m": [reward]})).metrics["m"][0])


def test_the_last_number_of_what_older_stores_hold():
    values = [(3, 3.0), ([1.0, 2.0], 2.0), ("hello", None), ([1.0, None], None), ([], None)]
    values += [
        (None, None),
        (math.nan, None),
        ([1.0, math.inf], None),
        ({"a": 1}, None),
        (10**400, None),
    ]
    assert [last_number(value) for value, _ in values] == [number for _, number in values]


def test_a_measurement_is_unpickled_where_nothing_else_is_installed(tmp_path):
    returned = np.float32(0.5), {"m": np.arange(3), "n": [np.int64(1)]}
    path = tmp_path / "measurement"
    path.write_bytes(pickle.dumps(result_of(returned)))
    program = (
        "import pickle, sys; sys.modules['numpy'] = None; "
        "pickle.load(open(sys.argv[1], 'rb')); print('read')"
    )
    launch = "import nas_with_rl.launch.evaluators.measurements; "
    done = subprocess.run(
        [sys.executable, "-c", launch + program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "read\n"
