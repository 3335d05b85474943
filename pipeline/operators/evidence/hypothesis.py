"""One question asked of many cells: is the mean worse than a limit allows? Its null, its bets, and from when on it may speak."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence import bets, deviance
from pipeline.operators.evidence.deviance import Data, Floats, Found

LEAST = 30
"""Nothing is said of fewer calls (scores) on either side."""
RISES = (0.03, 0.08, 0.18, 0.45, 1.0)
"""Alternatives a ceiling bets on: how far above the null, relative to it, whatever the limit. The signed root of a mean that
doubles or trebles grows less than that says: with 1.5 as the last one, such a rise took up to twice as many calls."""
FALLS = (0.02, 0.06, 0.13, 0.28, 0.48)
"""Likewise a floor, below it."""
POINTS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Alternatives of a limit in points, in limits beyond it."""


class Kind(StrEnum):
    """What is compared: a share of calls, scores in [0, 1], or sizes (costs, durations) that are capped."""

    SHARE = "share"
    SCORE = "score"
    SIZE = "size"


ENOUGH = {Kind.SHARE: 5.0, Kind.SCORE: 40.0, Kind.SIZE: 40.0}
"""From so much on (1 / squared relative standard error of each side) an e-value holds its promise far out in its tail."""
ENOUGH_A_STRATUM = {Kind.SHARE: 20.0, Kind.SCORE: 60.0, Kind.SIZE: 60.0}


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Worse is higher (`floor` is False: a ceiling) or lower.

    limit: how much worse is allowed, relative to the baseline; `in_points`: in parts of one. A limit of 0 against a bound is an
    objective. A quantile's limit sits in its threshold, so its limit is 0 too: the share of the baseline above c, that of the
    new data above (1 + limit) c. A limit of 0 in points is one of 0 relative to the baseline, and told as such: bets are
    measured in limits.
    """

    kind: Kind
    limit: float = 0.0
    floor: bool = False
    in_points: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_points", self.in_points and self.limit > 0)

    @property
    def r(self) -> float:
        """The null: new mean over the baseline's."""
        return 1 - self.limit if self.floor else 1 + self.limit

    @property
    def bets(self) -> Floats:
        """How far beyond the null the alternatives lie, in the units of the information."""
        return self.limit * np.array(POINTS) if self.in_points else np.array(FALLS if self.floor else RISES)

    def found(self, data: Data, dispersion: Floats, batches: Floats, beyond: float | Floats = 0.0) -> Found:
        """z above 0: worse than allowed. beyond: and by so much more, relative to the baseline (in points: in parts of one)."""
        worse = -1 if self.floor else 1
        if self.in_points:
            found = deviance.points(data, worse * (self.limit + beyond), dispersion, batches)
        elif self.kind is Kind.SIZE:
            found = deviance.size(data, self.r + worse * beyond, dispersion, batches)
        else:
            found = deviance.share(data, self.r + worse * beyond, dispersion, batches)
        return Found(worse * found.z, found.information)

    def null(self, data: Data, beyond: Floats) -> Floats:
        """The mean that is worse than allowed by just so much, as `found` counts it."""
        worse = -1 if self.floor else 1
        if self.in_points:
            return data.base_mean + worse * (self.limit + beyond)
        return data.base_mean * (self.r + worse * beyond)

    def farthest(self, data: Data) -> Floats:
        """How far beyond the null the mean can lie at all, as `found` counts it: shares and scores end at 0 and at 1."""
        base = data.base_mean
        if self.in_points:
            return np.maximum((base if self.floor else 1 - base) - self.limit, 0.0)
        if self.floor:
            return np.full_like(base, self.r)
        if self.kind is Kind.SIZE:
            return np.full_like(base, np.inf)
        with np.errstate(all="ignore"):
            return np.maximum(1 / base - self.r, 0.0)

    def spread(self, mean: Floats) -> Floats:
        """Squared relative standard deviation of one independent call, of that whose rise is looked for."""
        if self.kind is Kind.SIZE:
            return np.ones_like(mean)
        rare = 1 - mean if self.floor else mean
        with np.errstate(all="ignore"):
            return np.asarray(np.where(rare > 0, (1 - rare) / rare, np.inf))

    def needed(self, mean: Floats, dispersion: Floats, enough: float) -> Floats:
        """Calls a side needs: at least LEAST."""
        return np.maximum(LEAST, enough * dispersion * self.spread(mean))

    def may_speak(self, data: Data, dispersion: Floats, enough: float | None = None) -> NDArray[np.bool_]:
        """Whether both sides hold enough."""
        return np.minimum(data.n, data.base_n) >= self.needed(data.usual, dispersion, enough or ENOUGH[self.kind])

    def log_e(self, data: Data, dispersion: Floats, batches: Floats) -> Floats:
        """Logarithm of the e-value of each cell since a known start; 0 where it may not speak."""
        told = bets.log_e(self.found(data, dispersion, batches), self.bets)
        return np.where(self.may_speak(data, dispersion), told, 0.0)
