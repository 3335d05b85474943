"""Columns are read as they were written, whatever numbers they hold; and counts take few bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.operators.watch.packed import packed, unpacked

NUMBERS = st.one_of(st.floats(), st.integers(0, 70_000).map(float), st.floats(width=32), st.just(0.0), st.just(float("nan")))


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=9), elements=NUMBERS))
def test_what_is_read_is_what_was_written(column: np.ndarray) -> None:
    again = unpacked(packed(column))
    assert again.shape == column.shape
    np.testing.assert_array_equal(again, column)
    again[...] = 1.0  # its own


def test_counts_take_a_byte_and_nothing_takes_none() -> None:
    assert len(packed(np.arange(240.0).reshape(10, 24)).data) == 240
    assert len(packed(np.zeros((10_000, 24))).data) == 8
