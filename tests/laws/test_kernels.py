"""Compiled kernels against the slow, obvious way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.decode.texts import intern
from pipeline.operators.kernels import HashSet, add_chosen_rows, add_rows, add_squares, add_values, identity
from pipeline.operators.siphash import key_of

KEY = key_of("spans:0:some-topic")

words = st.integers(0, 2**64 - 1)


@given(st.lists(st.lists(st.one_of(st.integers(1, 5), words), max_size=50), max_size=8))
def test_hash_set_is_a_set(batches: list[list[int]]) -> None:
    members, plain = HashSet(), set()
    for batch in batches:
        fresh = members.add(np.array(batch, np.uint64))
        for value, is_fresh in zip(batch, fresh.tolist(), strict=True):
            assert is_fresh == (max(value, 1) not in plain)
            plain.add(max(value, 1))
        assert members.size == len(plain)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**63 - 1)), max_size=50))
def test_squares_are_exact_and_do_not_wrap(values: list[tuple[int, int]]) -> None:
    high, low = np.zeros(4, np.uint64), np.zeros(4, np.uint64)
    add_squares(high, low, np.array([s for s, _ in values], np.int64), np.array([v for _, v in values], np.int64))
    for s in range(4):
        assert (int(high[s]) << 64) + int(low[s]) == min(sum(v * v for t, v in values if t == s), 2**127 - 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 2**40), st.integers(2**60, 2**63 - 1))), max_size=50))
def test_sums_in_128_bits_are_exact(values: list[tuple[int, int]]) -> None:
    high, low = np.zeros(4, np.uint64), np.zeros(4, np.uint64)
    add_values(high, low, np.array([s for s, _ in values], np.int64), np.array([v for _, v in values], np.int64))
    for s in range(4):
        assert (int(high[s]) << 64) + int(low[s]) == sum(v for t, v in values if t == s)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**32)), max_size=50))
def test_sums_are_sums(values: list[tuple[int, int]]) -> None:
    sums = np.zeros((4, 1), np.int64)
    add_rows(sums, np.array([s for s, _ in values], np.int64), np.array([[v] for _, v in values], np.int64).reshape(-1, 1))
    assert sums[:, 0].tolist() == [sum(v for t, v in values if t == s) for s in range(4)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=50))
def test_sums_of_chosen_rows_are_those_of_their_copies(chosen: list[tuple[int, int]]) -> None:
    sums, plain, rows = np.zeros((4, 3), np.int64), np.zeros((4, 3), np.int64), np.arange(15).reshape(5, 3)
    slots, of = (np.array([pair[i] for pair in chosen], np.int64) for i in range(2))
    add_chosen_rows(sums, slots, rows, of)
    add_rows(plain, slots, rows[of])
    assert np.array_equal(sums, plain)


@given(st.lists(st.binary(max_size=6), max_size=60))
def test_equal_codes_are_equal_bytes(texts: list[bytes]) -> None:
    buffer = np.frombuffer(b"".join(texts) or b"\0", np.uint8)
    lengths = np.array([len(t) for t in texts], np.int32)
    offsets = (np.cumsum(lengths) - lengths).astype(np.int64)
    codes, firsts = intern(buffer, offsets, lengths, KEY)
    assert [texts[firsts[c]] for c in codes] == texts
    assert len(firsts) == len(set(texts))


def test_identity_tells_ids_apart() -> None:
    ids = np.arange(3 * 100_000, dtype=np.uint64).reshape(-1, 3) % np.uint64(977)
    distinct = len(np.unique(ids, axis=0))
    assert len(np.unique(identity(ids, KEY))) == distinct
