"""The smallest change that would be found, with a power of 80 %: what a slice can say at all, shown beside what it says."""

import numpy as np

from pipeline.operators.evidence.deviance import Floats

POWER_Z = 0.8416
"""Of 80 %."""


def detectable(
    information: Floats,
    batches: Floats,
    bets: Floats,
    limit: float | Floats,
    hypotheses: int,
    alpha: float,
    in_points: bool = False,
    floor: bool = False,
) -> Floats:
    """How far beyond the baseline (of a floor: below it) the mean must lie, relative to it (in points: absolutely); inf without
    information.

    Source: the normal score at which one of the bets alone reaches the line, through Wallace's approximation back to Student's t.
    """
    with np.errstate(all="ignore"):
        root = np.sqrt(information)[:, None]
        needed = (np.log(hypotheses * len(bets) / alpha) / (bets * root) + bets * root / 2).min(axis=1)
        bounded = np.where(np.isinf(batches), 1e9, batches)
        t = np.sqrt(bounded * np.expm1((needed * (8 * bounded + 3) / (8 * bounded + 1)) ** 2 / bounded))
        beyond = (t + POWER_Z) / np.sqrt(information)
        null = 1 - limit if floor else 1 + limit
        return np.where(information > 0, limit + (beyond if in_points else null * np.expm1(beyond)), np.inf)
