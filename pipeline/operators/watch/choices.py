"""What the first calls of a release decide for its successor: the rung of the ladder that a share of them lies beyond.

The next release is held against it. Of a quantile the share beyond it before, and the share beyond what the limit makes of it
now; of a mean it is the cap of what one value counts. Which rung is chosen decides how much is found, not whether it is true:
the calls that chose it are none of those that are counted, and it stays while the release lasts.

Where an edge does not tell, the side that accuses less is taken: the limit is moved to the next rung towards worse, and of a mean
a value before counts as one edge of its bin and a value now as the other. So at most 1 % of the limit's bound is given away.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.model.contracts import Limit
from pipeline.model.metrics import Better, Kind
from pipeline.operators.ladder import BEYOND, EDGES
from pipeline.operators.watch.ladders import Counts, Floats

LEAST_FIRST, EXPECTED = 600, 20
"""Calls that choose: so many at least, and as many as it takes for these to be expected beyond."""

CAP_TAIL = 0.01
"""Of a mean: the cap is what 1 % of the values lie above."""

ROUNDING = 1e-6
"""Of an edge: edges are whole numbers, so a limit of 2 % is two rungs but for this."""

_UPPER = np.append(EDGES.astype(np.float64), float(EDGES[-1]))
_LOWER = np.insert(EDGES.astype(np.float64), 0, 0.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """tail: the share that lies beyond the rung; below: beyond it is below. limit: relative. is_mean: the rung is a cap."""

    ladder: str
    scale: int
    tail: float
    below: bool
    limit: float
    is_mean: bool

    @property
    def enough(self) -> int:
        """Calls it takes to choose."""
        return max(LEAST_FIRST, round(EXPECTED / self.tail))

    @property
    def from_below(self) -> bool:
        """Whether the lowest values choose. What a mean counts of a call is cut above, whatever is worse."""
        return self.below and not self.is_mean

    def kept(self, n: Floats) -> Floats:
        """Of so many calls that choose how many of the worst are to be kept."""
        return np.maximum(2 * self.tail * self.enough, 1.01 * self.tail * n + 1)

    def limits(self, rungs: Floats) -> Floats:
        """Of rungs before those that nothing worse than allowed lies beyond; of a mean the same cap."""
        if self.is_mean:
            return rungs
        edges = np.append(EDGES, EDGES[-1])[np.nan_to_num(rungs, nan=0.0).astype(np.intp)].astype(np.float64)
        if self.below:
            found = np.searchsorted(EDGES, edges * (1 - self.limit) * (1 + ROUNDING), side="right") - 1.0
            found = np.where(rungs < 0, -1.0, found)
        else:
            found = np.searchsorted(EDGES, edges * (1 + self.limit) * (1 - ROUNDING), side="left").astype(np.float64)
        return np.asarray(np.where(np.isnan(rungs), np.nan, found), np.float64)

    def before(self, counts: Counts, rungs: Floats) -> Floats:
        """Of each cell what counts for the baseline, by the rung it chose; 0 where there is none."""
        return self._sums(counts, rungs, _LOWER if self.below else _UPPER)

    def now(self, counts: Counts, limits: Floats) -> Floats:
        """Of each cell what counts against the baseline, by `limits` of its rung."""
        return self._sums(counts, limits, _UPPER if self.below else _LOWER)

    def value(self, rung: float) -> float | None:
        """A rung in the measure's unit; None beyond the ladder, and of no rung."""
        return float(EDGES[int(rung)]) / self.scale if 0 <= rung < BEYOND else None

    def _sums(self, counts: Counts, rungs: Floats, worth: Floats) -> Floats:
        of = rungs[counts.row]
        if self.is_mean:
            cap = _UPPER[np.nan_to_num(of, nan=0.0).astype(np.intp)]
            sizes = np.where(np.isnan(of), 0.0, np.minimum(worth[counts.bin], cap))
            return np.bincount(counts.row, counts.count * sizes / self.scale, len(rungs)).astype(np.float64)
        beyond = counts.bin <= of if self.below else counts.bin > of
        return np.bincount(counts.row[beyond], counts.count[beyond], len(rungs)).astype(np.float64)


def choice(limit: Limit) -> Choice | None:
    """What is to be chosen to compare a quantile or a mean; None where no count tells."""
    metric, measure = limit.metric, limit.metric.measure
    if measure is None or not measure.ladder:
        return None
    low = measure.better is Better.HIGH
    if metric.kind is Kind.QUANTILE:
        tail = round(metric.quantile if low else 1 - metric.quantile, 12)
        return Choice(measure.ladder, measure.scale, tail, low, limit.worse, is_mean=False)
    return Choice(measure.ladder, measure.scale, CAP_TAIL, low, limit.worse, is_mean=True)
