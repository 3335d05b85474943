"""Counts over the ladder (`pipeline/operators/ladder.py`) of many series at once: one entry for each bin that holds any.

Sparse, since a series of a minute uses a few dozen of the bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.ladder import BEYOND, MOST_BINS, Bins

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Entries: row (entries,), rising; bin: of the ladder; count: how many values lie in it."""

    row: Rows
    bin: Bins
    count: Floats

    @classmethod
    def none(cls) -> Self:
        """Of no values."""
        return cls(np.zeros(0, np.intp), np.zeros(0, np.uint16), np.zeros(0))

    @classmethod
    def of(cls, bins: Sequence[Sequence[int]], counts: Sequence[Sequence[int]]) -> Self:
        """Of each row its bins and how many are in each. Raises ValueError for what is none of the ladder."""
        sizes = [len(one) for one in bins]
        if sizes != [len(one) for one in counts]:
            raise ValueError("as many bins as counts")
        found = np.array([bin_ for one in bins for bin_ in one], np.int64)
        many = np.array([count for one in counts for count in one], np.float64)
        if len(found) and not (found.min() >= 0 and found.max() <= BEYOND and many.min() >= 0):
            raise ValueError("a bin is none of the ladder")
        return cls(np.repeat(np.arange(len(sizes)), sizes), found.astype(np.uint16), many)

    @classmethod
    def together(cls, parts: Sequence[Self], rows: Sequence[int]) -> Self:
        """Of several blocks, so many rows each, one after the other."""
        before = np.cumsum([0, *rows[:-1]])
        return cls(
            np.concatenate([part.row + at for part, at in zip(parts, before, strict=True)]),
            np.concatenate([part.bin for part in parts]),
            np.concatenate([part.count for part in parts]),
        )

    def taken(self, rows: Rows, of: int) -> Self:
        """Rows that rise, out of so many, numbered anew."""
        place = np.full(of, -1, np.intp)
        place[rows] = np.arange(len(rows))
        return self._those(place[self.row] >= 0, place)

    def within(self, low: int, high: int) -> Self:
        """Those whose bin is one of low to high, both included."""
        return self._those((self.bin >= low) & (self.bin <= high))

    def sums(self, rows: int, worth: Floats | None = None) -> Floats:
        """Of each of so many rows how many values there are; worth: of a bin, then the sum of that."""
        weights = self.count if worth is None else self.count * worth[self.bin]
        return np.bincount(self.row, weights, rows).astype(np.float64)

    def spread(self, chosen: Rows, cells: Rows, rows: int) -> Self:
        """The same entries by cell. chosen: of each pair of row and cell the row, rising; cells: the cell."""
        pairs = np.bincount(chosen, minlength=rows)
        first, times = np.cumsum(pairs) - pairs, pairs[self.row]
        nth = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        at = np.repeat(first[self.row], times) + nth
        return type(self)(cells[at], np.repeat(self.bin, times), np.repeat(self.count, times))

    def rising(self) -> Self:
        """The same, each row and bin once, in their order."""
        code = self.row.astype(np.int64) * MOST_BINS + self.bin
        if not (code[1:] > code[:-1]).all():
            order = np.argsort(code, kind="stable")
            code = code[order]
            first = np.append(True, code[1:] != code[:-1])
            count = np.add.reduceat(self.count[order], np.flatnonzero(first))
            code = code[first]
            return type(self)(code // MOST_BINS, (code % MOST_BINS).astype(np.uint16), count)
        return self

    def _those(self, kept: NDArray[np.bool_], place: Rows | None = None) -> Self:
        row = self.row[kept]
        return type(self)(row if place is None else place[row], self.bin[kept], self.count[kept])
