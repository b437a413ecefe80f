"""What is packed reads back to the bit, and stays small."""

import zlib

import numpy as np
import pytest

from nas_with_rl.explorer.page.packing import Packing
from tests.harness.packed_arrays import read_packed

GENERATOR = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "bytes": GENERATOR.integers(0, 256, size=(3, 50)).astype(np.uint8),
    "slope": (np.arange(400, dtype=np.int64) * 3 % 256).astype(np.uint8).reshape(2, 200),
    "one": np.array([[7]], np.uint8),
    "shorts": GENERATOR.integers(0, 65536, size=(7, 5)).astype(np.uint16),
    "integers": GENERATOR.integers(-(2**31), 2**31, size=11).astype(np.int32),
    "floats": np.array([0.1, -1e300, 5e-324, 0.0]),
    "empty": np.zeros((0, 4), np.uint8),
}


def test_arrays_read_back_to_the_bit():
    packing = Packing()
    references = {name: packing.add(array) for name, array in ARRAYS.items()}
    inflated = zlib.decompress(packing.deflated())
    for name, array in ARRAYS.items():
        found = read_packed(references[name], inflated)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        assert references[name]["offset"] % array.itemsize == 0
        assert references[name]["shape"] == list(array.shape)


def test_differences_are_stored_where_they_take_less():
    references = {name: Packing().add(array) for name, array in ARRAYS.items()}
    assert references["slope"]["delta"] is True
    assert "delta" not in references["bytes"]
    assert "delta" not in references["shorts"]


def test_differences_start_anew_in_every_row_and_wrap():
    packing = Packing()
    array = np.stack([np.arange(300), 200 + np.arange(300)]).astype(np.uint8)
    reference = packing.add(array)
    stored = np.frombuffer(zlib.decompress(packing.deflated()), np.uint8).reshape(2, 300)
    assert reference["delta"] is True
    np.testing.assert_array_equal(stored[:, 0], [0, 200])
    np.testing.assert_array_equal(stored[:, 1:], 1)


def test_what_is_expected_is_left_out_where_that_takes_less():
    codes = ARRAYS["bytes"]
    expression = ["tanh", "cell"]
    packing = Packing()
    near = (codes + GENERATOR.integers(-1, 2, size=codes.shape)).astype(np.uint8)
    reference = packing.add_codes(codes, expected=near, expression=expression)
    assert reference["expected"] == expression
    far = packing.add_codes(ARRAYS["slope"], expected=ARRAYS["slope"] * 7, expression=expression)
    assert far["delta"] is True and "expected" not in far
    inflated = zlib.decompress(packing.deflated())
    np.testing.assert_array_equal(read_packed(reference, inflated) + near, codes)
    np.testing.assert_array_equal(read_packed(far, inflated), ARRAYS["slope"])


def test_equal_arrays_are_stored_once():
    packing = Packing()
    first = packing.add(ARRAYS["bytes"])
    assert packing.add(ARRAYS["bytes"].copy()) == first
    assert len(zlib.decompress(packing.deflated())) == ARRAYS["bytes"].size
    assert packing.add(ARRAYS["bytes"].reshape(-1)) != first


def test_a_slice_is_stored_as_it_reads():
    packing = Packing()
    reference = packing.add(ARRAYS["bytes"].T[::2])
    found = read_packed(reference, zlib.decompress(packing.deflated()))
    np.testing.assert_array_equal(found, ARRAYS["bytes"].T[::2])


def test_a_type_that_the_page_cannot_read_is_refused():
    with pytest.raises(TypeError, match="int64"):
        Packing().add(np.arange(3))
