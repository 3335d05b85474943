"""Whether a comparison that pages is of one slice alone: its growth against that of all its siblings, and theirs by itself.

Siblings are the slices of the same route by the same columns: a cohort's are the other cohorts. They differ for ever, so not
their means are compared but how these grew (`evidence/growth.py`). Of each the baseline is its own, at the hours of its new
calls, so neither an hour nor a sibling that has more calls now is taken for growth.

"Everywhere": there is evidence that the siblings together are worse than the limit allows. "Only here": there is none, and
evidence that the slice is worse by the limit than the growth of its siblings makes it. It is a label of what pages anyhow, so
each is wrong with probability alpha at most; over all siblings together it would mostly be unknown when the alarm is raised.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import Extent
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.growth import against_complement
from pipeline.operators.evidence.hypothesis import Hypothesis

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sums:
    """Of each slice, of what has a baseline: n, s, how many and their sum; expected: what the sum were at the baseline's mean;
    squares: of n over how many the baseline has. They add up over hours and slices.
    """

    n: Floats
    s: Floats
    expected: Floats
    squares: Floats

    @classmethod
    def of(cls, n: Floats, s: Floats, base_n: Floats, base_mean: Floats) -> "Sums":
        """Of slices beside their baselines."""
        known = (n > 0) & (base_n > 0)
        with np.errstate(all="ignore"):
            return cls(*(np.where(known, one, 0.0) for one in (n, s, n * base_mean, n * n / base_n)))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.n + other.n, self.s + other.s, self.expected + other.expected, self.squares + other.squares)

    def data(self) -> Data:
        """What they say together. base_n is 0 where there is nothing."""
        with np.errstate(all="ignore"):
            base_n = np.where(self.squares > 0, self.n * self.n / self.squares, 0.0)
            mean = self.expected / self.n
            return Data(self.n, self.s, base_n, mean, (self.s + base_n * mean) / (self.n + base_n))

    def siblings(self, groups: Ints) -> "Sums":
        """Of each slice those of all others of its group."""
        return Sums(*(_of_others(one, groups) for one in (self.n, self.s, self.expected, self.squares)))


def _of_others(of_each: Floats, groups: Ints) -> Floats:
    return np.asarray(np.maximum(np.bincount(groups, of_each)[groups] - of_each, 0.0))


def extents(
    asked: Hypothesis, sums: Sums, groups: Ints, dispersion: Floats, batches: Floats, alpha: float, starts: Floats | float = 1.0
) -> list[Extent]:
    """Of all slices.

    Args:
        groups: of each slice the number of its siblings' group, counted from 0.
        dispersion, batches: of each slice.
        starts: how many a day the sums may begin at, where what they say chose that.
    """
    slice_, others = sums.data(), sums.siblings(groups)
    data = others.data()
    with np.errstate(all="ignore"):
        phi, behind = (np.where(others.n > 0, _of_others(sums.n * one, groups) / others.n, 0.0) for one in (dispersion, batches))
        wider = phi * asked.spread(data.base_mean) / (dispersion * asked.spread(slice_.base_mean))
        alone = asked.log_e(against_complement(slice_, data, wider), dispersion, np.minimum(batches, behind))
        together = asked.log_e(data, phi, behind)
    some = (others.n > 0) & (sums.n > 0)
    everywhere = some & (together >= np.log(1 / alpha))
    only_here = some & ~everywhere & (alone >= np.log(starts / alpha))
    codes = np.where(everywhere, 2, np.where(only_here, 1, 0))
    return [(Extent.UNKNOWN, Extent.ONLY_HERE, Extent.EVERYWHERE)[code] for code in codes]
