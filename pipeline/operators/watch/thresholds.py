"""A quantile's bound as a claim about a share: "p99 at most 4 s" is "at most 1 % of calls take longer than 4 s".

The share is counted over the ladder. A bound between two of its edges is moved to the next one on the side that accuses less: up
where a value above it is bad, down where one below it is. So at most 1 % of the bound is given away, and no good value is counted
as a bad one.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from pipeline.model.metrics import Better, Measure
from pipeline.operators.ladder import BEYOND, EDGES, bin_at_or_above
from pipeline.operators.watch.ladders import Counts

NEAR = 18
"""Bins of the good side that are kept to tell the quantile by: a fifth of the bound. What is farther on that side is no news."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Bad is what lies above bin `rung` of a measure's ladder; `below`: what lies in it or below it."""

    ladder: str
    rung: int
    below: bool = False

    def bad(self, counts: Counts) -> Counts:
        """What lies beyond it."""
        return counts.within(0, self.rung) if self.below else counts.within(self.rung + 1, BEYOND)

    def tail(self, counts: Counts) -> Counts:
        """What lies beyond it, and the good ones next to it."""
        return counts.within(0, self.rung + NEAR) if self.below else counts.within(max(0, self.rung + 1 - NEAR), BEYOND)


def threshold(measure: Measure, bound: float) -> Threshold | None:
    """Of a bound in the measure's unit; None where no count tells: no ladder, or a bound above its end."""
    base = bound * measure.scale
    if not measure.ladder or base > EDGES[-1]:
        return None
    if measure.better is Better.HIGH:
        return Threshold(measure.ladder, int(np.searchsorted(EDGES, base, side="left")) - 1, below=True)
    return Threshold(measure.ladder, bin_at_or_above(ceil(base)))
