"""By how much whole days differ beyond what their calls tell: Mondays, launches, the mix of users of a day.

All calls of a day share what is peculiar to it, so a thousand more of them tell nothing more about it: an ordinary day that is
3 % worse than the ones before would be evidence of that, sooner or later. So the limit is moved by what days usually differ.
What a few days of one cell say is drawn to what all cells of the route say, and no more is believed than is beyond noise: where
days do not differ, nothing is given away.

Source: DerSimonian and Laird, Controlled Clinical Trials 7 (1986) (moments of a random effect).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.deviance import Floats

POOL_DAYS = 12.0
"""What the days of the route weigh, in days of the cell."""
NOISE = 2.0
"""So many standard deviations of what is found where days do not differ are not believed."""
MANY = 4.0
"""So many standard deviations lie between an ordinary day and one that is none: of ten thousand days less than one does."""


def apart(n: Floats, s: Floats, dispersion: Floats, group: NDArray[np.intp], sizes: bool) -> Floats:
    """Standard deviation of a day's mean beyond what its calls tell, relative to it; 0 where nothing is beyond noise.

    Args:
        n: calls by cell, day and hour of day, (cells, days, 24); 0 of hours that were not seen.
        s: their sums.
        dispersion: of each cell, as of `dispersion.py`.
        group: of each cell, counted from 0: cells of one group are drawn to what they have in common.
        sizes: the variance function is m², else m(1 - m).
    """
    with np.errstate(all="ignore"):
        mean = np.nan_to_num(s.sum((1, 2)) / n.sum((1, 2)))
        expected = np.einsum("ijk,ik->ij", n, np.nan_to_num(s.sum(1) / n.sum(1)))
        calls = n.sum(2)
        known = (expected > 0) & (mean < 1)[:, None] if not sizes else expected > 0
        weight = np.where(known, calls / (dispersion * (1.0 if sizes else (1 - mean) / mean))[:, None], 0.0)
        lies = np.where(known, s.sum(2) / expected - 1, 0.0)
        of_all = weight.sum(1)
        scatter = (weight * (lies - ((weight * lies).sum(1) / of_all)[:, None]) ** 2).sum(1)
        information = np.nan_to_num(of_all - (weight * weight).sum(1) / of_all)
    free = np.where(information > 0, known.sum(1) - 1.0, 0.0)
    excess = np.where(free > 0, scatter - free, 0.0)
    groups = int(group.max(initial=-1)) + 1
    pool_free, pool_excess, pool_information = (
        np.bincount(group, of, groups).astype(np.float64) for of in (free, excess, information)
    )
    own, noise = _variance(excess, information, free)
    pool, pool_noise = (of[group] for of in _variance(pool_excess, pool_information, pool_free))
    weighs = np.minimum(pool_free, POOL_DAYS)[group]
    both = np.maximum(free + weighs, 1.0)
    beyond_noise = (free * (own - noise) + weighs * (pool - pool_noise)) / both
    return np.asarray(np.sqrt(np.maximum(beyond_noise, 0.0)))


def _variance(excess: Floats, information: Floats, free: Floats) -> tuple[Floats, Floats]:
    """Between days, and how much that may be where days do not differ."""
    some = information > 0
    return (
        np.divide(excess, information, out=np.zeros_like(excess), where=some),
        np.divide(NOISE * np.sqrt(2 * free), information, out=np.zeros_like(excess), where=some),
    )


def allowed(apart: Floats, days: Floats) -> Floats:
    """How far beyond the limit a day may lie and be an ordinary one. days: on how many the baseline rests."""
    return MANY * apart * np.sqrt(1 + 1 / np.maximum(days, 1.0))
