"""When an alarm is over: evidence against "still worse than halfway between the limit and what it was at the alarm".

A detector (`detector.py`) with strata of an hour, bets of its own, and the signs turned. Against the limit itself it would
take days; that the estimate is back is no evidence.
"""

import numpy as np

from pipeline.operators.evidence.deviance import Floats, Found

BETS = np.array([0.01, 0.02, 0.04, 0.08])
"""How far below halfway, in the units of the excess."""


def halfway(excess: Floats) -> Floats:
    """Between the limit and the estimated excess over it at the alarm."""
    return np.maximum(excess, 0.0) / 2


def below(found: Found, middle: Floats) -> Found:
    """The same data asked whether they lie below `middle`; z above 0: they do."""
    root = np.sqrt(found.information)
    return Found(middle * root - found.z, found.information)
