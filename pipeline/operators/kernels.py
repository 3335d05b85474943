"""Small compiled steps of folding: a set of hashes, sums per series, exact squares.

Each has a slow, obvious reference in `tests/laws/test_kernels.py`.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.siphash import Key, siphash_rows


@compiled
def _insert(table: NDArray[np.uint64], hashes: NDArray[np.uint64], fresh: NDArray[np.bool_]) -> int:
    """Put hashes (none of them 0) into an open-addressing table with room for them; mark those it did not hold."""
    mask, added = np.uint64(len(table) - 1), 0
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while table[at] != 0 and table[at] != hashes[i]:
            at = (at + np.uint64(1)) & mask
        fresh[i] = table[at] == 0
        added += fresh[i]
        table[at] = hashes[i]
    return added


class HashSet:
    """A set of 64-bit hashes that only grows: 16 to 32 bytes a member. They must be keyed: their low bits are the places."""

    __slots__ = ("_table", "size")

    def __init__(self) -> None:
        self._table = np.zeros(64, np.uint64)
        self.size = 0

    def add(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Add hashes in order; True where it was not a member yet (a repeat inside `hashes` is one already)."""
        hashes = np.where(hashes == 0, np.uint64(1), hashes)
        if 2 * (self.size + len(hashes)) > len(self._table):
            members = self._table[self._table != 0]
            room = 1 << (2 * (self.size + len(hashes))).bit_length()
            self._table = np.zeros(room, np.uint64)
            _insert(self._table, members, np.empty(len(members), np.bool_))
        fresh = np.empty(len(hashes), np.bool_)
        self.size += int(_insert(self._table, hashes, fresh))
        return fresh


@compiled
def add_rows(sums: NDArray[np.int64], slots: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """sums[slots[i]] += rows[i] for every i; shapes (s, m), (n,), (n, m).

    For counts and tokens only. A call adds at most 2^32 (`Tokens` of `read_span_block`), so 64 bits hold two billion calls of
    one window, and its HashSet alone would fill 34 GB before. What nothing bounds so well is added by add_values.
    """
    for i in range(len(slots)):
        for j in range(rows.shape[1]):
            sums[slots[i], j] += rows[i, j]


@compiled
def add_chosen_rows(
    sums: NDArray[np.int64], slots: NDArray[np.int64], rows: NDArray[np.int64], chosen: NDArray[np.int64]
) -> None:
    """The same of rows[chosen[i]], without a copy of them."""
    for i in range(len(slots)):
        for j in range(rows.shape[1]):
            sums[slots[i], j] += rows[chosen[i], j]


@compiled
def add_values(high: NDArray[np.uint64], low: NDArray[np.uint64], slots: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """(high, low)[slots[i]] += values[i] as 128-bit numbers; values are not negative.

    For money and time: 15,000 calls of a week would wrap 64 bits. These wrap after 2^64 calls.
    """
    for i in range(len(slots)):
        value = np.uint64(values[i])
        total = low[slots[i]] + value
        high[slots[i]] += np.uint64(total < value)
        low[slots[i]] = total


MOST = np.uint64((1 << 63) - 1)
"""The high half of the largest number of signed 128 bits."""


@compiled
def add_squares(high: NDArray[np.uint64], low: NDArray[np.uint64], slots: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """(high, low)[slots[i]] += values[i]^2 as 128-bit numbers, at most 2^127 - 1; values are not negative.

    In columns of signed 128 bits that is 470 million calls of a week in one window, series and partition.
    """
    half = np.uint64(32)
    mask = np.uint64(0xFFFFFFFF)
    for i in range(len(slots)):
        a, b = np.uint64(values[i]) >> half, np.uint64(values[i]) & mask
        cross = a * b
        upper = a * a + (cross >> np.uint64(31))
        part = (cross & np.uint64(0x7FFFFFFF)) << np.uint64(33)
        lower = part + b * b
        upper += np.uint64(lower < part)
        total = low[slots[i]] + lower
        sum_of_high = high[slots[i]] + upper + np.uint64(total < lower)  # both below 2^63: it cannot wrap
        over = sum_of_high > MOST
        high[slots[i]] = MOST if over else sum_of_high
        low[slots[i]] = np.uint64(0xFFFFFFFFFFFFFFFF) if over else total


def identity(ids: NDArray[np.uint64], key: Key) -> NDArray[np.uint64]:
    """A 64-bit hash per row of (trace id, span id) given as (n, 3) words, keyed: nobody can choose two that are equal."""
    hashes: NDArray[np.uint64] = siphash_rows(ids, *key)
    return hashes
