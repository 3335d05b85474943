"""One ladder of thresholds for everything that is measured, and exact counts over it: how many values lie above a bound.

A digest is too coarse for that: what counts as evidence is a share, and shares over the ladder are exact and add up. Its edges
grow by sqrt(1.02), so two steps are 2 % and five are 5.1 %, from 100 up to 10^14, in base units: nanoseconds, nano-USD,
thousandths of tokens per second. A value lies in bin i if edge[i-1] < value <= edge[i]; bin 0 holds all up to 100, the last bin
all that is above every edge. Edges and bins are decided in integers, so they are the same on every machine, and a histogram is a
function of its values alone, whatever their order.

Error: within one bin, 1 % of the value; none where a bound is an edge. Guarantee: `tests/laws/test_ladder.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, isqrt, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
