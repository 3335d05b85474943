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


MOST = np.int64((1 << 63) - 1)
"""What a sum of 64 bits stays at: it does not wrap."""


@compiled
def add_rows(sums: NDArray[np.int64], slots: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """sums[slots[i]] += rows[i] for every i, at most MOST; shapes (s, m), (n,), (n, m), nothing negative.

    min(sum, MOST) does not depend on the order either. Calls that people can mean stay far below it: 9 million of 1,000 USD,
    15,000 of a week, 9 billion of a billion tokens in one window, series and partition.
    """
    for i in range(len(slots)):
        for j in range(rows.shape[1]):
            held = sums[slots[i], j]
            sums[slots[i], j] = held + min(rows[i, j], MOST - held)


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
        over = sum_of_high > np.uint64(MOST)
        high[slots[i]] = np.uint64(MOST) if over else sum_of_high
        low[slots[i]] = np.uint64(0xFFFFFFFFFFFFFFFF) if over else total


def identity(ids: NDArray[np.uint64], key: Key) -> NDArray[np.uint64]:
    """A 64-bit hash per row of (trace id, span id) given as (n, 3) words, keyed: nobody can choose two that are equal."""
    hashes: NDArray[np.uint64] = siphash_rows(ids, *key)
    return hashes
