"""One ladder of thresholds for everything that is measured, and exact counts over it: how many values lie above a bound.

A digest is too coarse for that: what counts as evidence is a share, and shares over the ladder are exact and add up. Its edges
grow by sqrt(1.02), so two steps are 2 % and five are 5.1 %, from 100 up to 10^14, in base units: nanoseconds, nano-USD,
thousandths of tokens per second. A value lies in bin i if edge[i-1] < value <= edge[i]; bin 0 holds all up to 100, the last bin
all that is above every edge. Edges and bins are decided in integers, so they are the same on every machine, and a histogram is a
function of its values alone, whatever their order.

Error: within one bin, 1 % of the value; none where a bound is an edge. Guarantee: `tests/laws/test_ladder.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isnan, isqrt, log, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.operators.compiled import compiled

LOWEST = 100
HIGHEST = 10**14
"""The last edge is the first at or above this: 27 hours, 100,000 USD."""

Bins = NDArray[np.uint16]
Ints = NDArray[np.int64]


def _edges() -> Ints:
    """Edge i is 100 * sqrt(1.02)^i, rounded to the nearest integer, computed in integers."""
    edges, above, below = [LOWEST], 1, 1
    while edges[-1] < HIGHEST:
        above, below = above * 102, below * 100
        edges.append((isqrt(4 * LOWEST**2 * above // below) + 1) // 2)
    return np.array(edges, np.int64)


EDGES = _edges()
BEYOND = len(EDGES)
"""The bin of what is above every edge."""

MIDDLES = np.concatenate(([0.0], np.sqrt(EDGES[:-1].astype(np.float64) * EDGES[1:]), [float(EDGES[-1])]))
"""What each bin counts as in sums: its geometric middle. In the first nearly all is 0, the last has no middle."""


def bins(values: ArrayLike) -> Bins:
    """The bin of each value, integers in base units."""
    return np.searchsorted(EDGES, np.asarray(values, np.int64), side="left").astype(np.uint16)


def bin_at_or_above(bound: int) -> int:
    """The bin whose edge is the first at or above `bound`: what lies above that bin is above the bound, and above its edge.

    Raises ValueError for a bound above every edge.
    """
    if bound > EDGES[-1]:
        raise ValueError(f"{bound} is above the ladder, which ends at {EDGES[-1]}")
    return int(np.searchsorted(EDGES, bound, side="left"))


@dataclass(frozen=True, slots=True)
class Histogram:
    """counts[i] values, more than none, in bin bins[i]; bins (k,) rise."""

    bins: Bins
    counts: Ints

    @property
    def total(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    def above(self, chosen: int) -> int:
        """How many values lie above bin `chosen`: they are larger than its edge."""
        return int(self.counts[np.searchsorted(self.bins, chosen, side="right") :].sum())

    def share_above(self, chosen: int) -> float:
        """The share of them; nan without any value."""
        return self.above(chosen) / self.total if self.total else nan

    def capped_sum(self, cap: int) -> float:
        """The sum of min(value, cap), each value counted as the middle of its bin."""
        return float(np.minimum(MIDDLES[self.bins], cap) @ self.counts)

    def quantile(self, q: float) -> float:
        """The middle of the bin that holds the smallest value that at least a share `q` of all do not exceed; nan without any."""
        if not self.total:
            return nan
        rank = max(1, ceil(q * self.total))
        return float(MIDDLES[self.bins[np.searchsorted(np.cumsum(self.counts), rank)]])


MOST_BINS = 1 << 12
"""More than there are bins: series and bin make one code of 32 bits."""
SETTLE_AT = 1 << 18
"""Values that may wait before they are counted: a megabyte."""

assert BEYOND < MOST_BINS, "a code names one bin"


@compiled
def _codes(edges: Ints, series: Ints, values: NDArray[np.float64], scale: float, codes: NDArray[np.int32]) -> int:
    """Write series and bin of every value that is none of nan; returns how many. The logarithm guesses, the edges decide."""
    step, n = 2 / log(1.02), 0
    for i in range(len(values)):
        if isnan(values[i]):
            continue
        value = int(min(np.rint(values[i] * scale), 2.0 * edges[-1]))
        at = min(int(step * log(value / edges[0])), len(edges)) if value > edges[0] else 0
        while at > 0 and edges[at - 1] >= value:
            at -= 1
        while at < len(edges) and edges[at] < value:
            at += 1
        codes[n] = series[i] * MOST_BINS + at
        n += 1
    return n


class SeriesCounts:
    """The histograms of one measure for the series 0, 1, 2, … of a window, up to half a million. A function of the values alone.

    Cost: 20 ns a value, and 20 more when they are counted: when somebody asks, or many wait.
    """

    __slots__ = ("_codes", "_counts", "_waiting", "_waiting_values")

    def __init__(self) -> None:
        self._codes, self._counts = np.zeros(0, np.int32), np.zeros(0, np.int64)
        self._waiting: list[NDArray[np.int32]] = []
        self._waiting_values = 0

    def add(self, series: Ints, values: NDArray[np.float64], scale: float = 1.0) -> None:
        """Count values, each for its series, nan for none. scale: base units of the ladder in one of theirs."""
        codes = np.empty(len(values), np.int32)
        n = _codes(EDGES, series, values, scale, codes)
        if n == 0:
            return
        self._waiting.append(codes[:n])
        self._waiting_values += n
        if self._waiting_values >= SETTLE_AT:
            self._settle()

    def of(self, series: Sequence[int]) -> tuple[list[Bins], list[Ints]]:
        """What was counted for some series: bins, rising, and how many values are in each."""
        self._settle()
        first = np.asarray(series, np.int32) * np.int32(MOST_BINS)
        starts, stops = (np.searchsorted(self._codes, codes).tolist() for codes in (first, first + np.int32(MOST_BINS)))
        found = (self._codes % MOST_BINS).astype(np.uint16)
        parts = [slice(*part) for part in zip(starts, stops, strict=True)]
        return [found[part] for part in parts], [self._counts[part] for part in parts]

    def _settle(self) -> None:
        """Count what waits: one sort of codes."""
        if not self._waiting:
            return
        codes, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting, self._waiting_values = [], 0
        if len(self._codes):
            known, codes = codes, np.union1d(self._codes, codes)
            added = np.zeros(len(codes), np.int64)
            added[np.searchsorted(codes, self._codes)] = self._counts
            added[np.searchsorted(codes, known)] += counts
            counts = added
        self._codes, self._counts = codes, counts.astype(np.int64)


def histogram(values: ArrayLike) -> Histogram:
    """Of values in base units, in any order."""
    return of_bins(bins(values))


def of_bins(found: Bins) -> Histogram:
    """Of the bins of values, in any order."""
    chosen, counts = np.unique(found, return_counts=True)
    return Histogram(chosen, counts.astype(np.int64))


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All their values together."""
    known = list(histograms)
    if not known:
        return of_bins(np.zeros(0, np.uint16))
    chosen, which = np.unique(np.concatenate([one.bins for one in known]), return_inverse=True)
    counts = np.zeros(len(chosen), np.int64)
    np.add.at(counts, which, np.concatenate([one.counts for one in known]))
    return Histogram(chosen, counts)
