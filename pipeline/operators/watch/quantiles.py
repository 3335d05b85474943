"""The quantile an objective is about, as far as the counts around its bound tell it: to one bin of the ladder, 1 %."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from pipeline.operators.evidence import interval
from pipeline.operators.evidence.hypothesis import Kind
from pipeline.operators.ladder import MIDDLES
from pipeline.operators.watch.tails import Entries
from pipeline.operators.watch.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Quantile:
    """In base units of the ladder. low, high: of its running interval. None: it lies where no counts are kept."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


NO_QUANTILE = Quantile()


def quantile(threshold: Threshold, tail: Entries, n: float, share: float, dispersion: float, batches: float) -> Quantile:
    """The value that a share of n values lies beyond. tail: bins and counts from the threshold's near side on.

    A value may be the quantile if the share beyond it may be what is asked for, so the interval holds as that of a share does.
    """
    bins, counts = tail if threshold.below else (tail[0][::-1], tail[1][::-1])
    if not len(bins) or not n > 0:
        return NO_QUANTILE
    reached = np.cumsum(counts)
    value = _at(bins, int(np.searchsorted(reached, share * n * (1 + 1e-12), "right")))
    all_n, phi, behind = (np.full(len(bins), float(x)) for x in (n, dispersion, batches))
    low, high = interval.of_mean(Kind.SHARE, all_n, np.minimum(reached, n), phi, behind)
    far = _at(bins, int(np.searchsorted(high, share)))
    near = _at(bins, int(np.searchsorted(low, share, "right")))
    return Quantile(value, far, near) if threshold.below else Quantile(value, near, far)


def _at(bins: np.ndarray, place: int) -> float | None:
    """The middle of a bin; None beyond what is kept."""
    middle = float(MIDDLES[bins[place]]) if place < len(bins) else float("nan")
    return middle if isfinite(middle) else None
