"""When an alarm is over: evidence against "still worse than halfway between the limit and what it was at the alarm".

A detector (`detector.py`) with strata of an hour, bets of its own, and the signs turned. Against the limit itself it would
take days; that the estimate is back is no evidence. The null lies at halfway itself. The signed root from the limit grows more
slowly than a large excess does: less the way to halfway it would call unchanged data, several times as bad as allowed, half back.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.detector import enough_a_stratum
from pipeline.operators.evidence.deviance import Data, Floats, Found
from pipeline.operators.evidence.hypothesis import Hypothesis

BETS = np.array([0.01, 0.02, 0.04, 0.08])
"""How far below halfway, in the units of the information."""


def halfway(excess: Floats) -> Floats:
    """Between the limit and the estimated excess over it at the alarm."""
    return np.maximum(excess, 0.0) / 2


def below(asked: Hypothesis, data: Data, middle: Floats, dispersion: Floats, batches: Floats) -> Found:
    """Whether the data lie closer to the limit than `middle`; z above 0: they do.

    The baseline may be of another hour than the one at the alarm: half of what can be lost is the farthest that halfway is.
    """
    found = asked.found(data, dispersion, batches, _beyond(asked, data, middle))
    return Found(-found.z, found.information)


def speaks(asked: Hypothesis, data: Data, middle: Floats, dispersion: Floats) -> NDArray[np.bool_]:
    """Whether the data hold enough, by the mean at halfway: the worse it was, the fewer calls show that it is not any more."""
    return enough_a_stratum(asked, replace(data, usual=asked.null(data, _beyond(asked, data, middle))), dispersion)


def _beyond(asked: Hypothesis, data: Data, middle: Floats) -> Floats:
    return np.minimum(middle, asked.farthest(data) / 2)
