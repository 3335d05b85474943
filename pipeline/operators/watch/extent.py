"""Whether a comparison that pages is of one slice alone: its growth against that of all its siblings, and theirs by itself.

Siblings are the slices of the same route by the same columns: a cohort's are the other cohorts. They differ for ever, so not
their means are compared but how these grew (`evidence/growth.py`). Of each the baseline is its own, at the hours of its new
calls, so neither an hour nor a sibling that has more calls now is taken for growth.

"Everywhere": there is evidence that the siblings together are worse than the limit allows. "Only here": there is none, and
evidence that the slice is worse by the limit than the growth of its siblings makes it. It is a label of what pages anyhow, so
each is wrong with probability alpha at most; over all siblings together it would mostly be unknown when the alarm is raised.
"""

import numpy as np

from pipeline.model.alerts import Extent
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.evidence.growth import against_complement
from pipeline.operators.evidence.hypothesis import Hypothesis
from pipeline.operators.watch.sums import Ints, Sums, of_others


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
        phi, behind = (np.where(others.n > 0, of_others(sums.n * one, groups) / others.n, 0.0) for one in (dispersion, batches))
        wider = phi * asked.spread(data.base_mean) / (dispersion * asked.spread(slice_.base_mean))
        alone = asked.log_e(against_complement(slice_, data, wider), dispersion, np.minimum(batches, behind))
        together = asked.log_e(data, phi, behind)
    some = (others.n > 0) & (sums.n > 0)
    everywhere = some & (together >= np.log(1 / alpha))
    only_here = some & ~everywhere & (alone >= np.log(starts / alpha))
    codes = np.where(everywhere, 2, np.where(only_here, 1, 0))
    return [(Extent.UNKNOWN, Extent.ONLY_HERE, Extent.EVERYWHERE)[code] for code in codes]
