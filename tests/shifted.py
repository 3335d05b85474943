"""Streams whose mean shifts, one kind of metric each, and the fixed-horizon test that evidence is measured against.

Sums are drawn, not calls: what sessions do to them is in the dispersion, and in `tests/calls_in_sessions.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.dispersion import SLACK
from pipeline.operators.evidence.hypothesis import ENOUGH, Hypothesis, Kind

ALPHA, LIMIT, HYPOTHESES = 0.05, 0.02, 500
LINE = log(HYPOTHESES / ALPHA)
BATCHES = 120.0
LATENCY_SIGMA, COST_SIGMA = 0.8, 1.2
CAP = exp(COST_SIGMA * ndtri(0.99))
SCORE_MEAN, SCORE_DISPERSION = 0.85, 1 / 4.25
SHARES = {"rate 0.1 %": 0.001, "rate 3 %": 0.03, "rate 20 %": 0.2}
QUANTILES = {"latency p95": 0.05, "latency p99": 0.01}
KINDS = (*SHARES, *QUANTILES, "score", "cost")
SHIFTS = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Shifted:
    """What is asked; mean and variance of one call of the baseline and of the new data; the dispersion of independent calls.
    tested: the same four numbers as the fixed-horizon test sees them, which knows no cap.
    """

    asked: Hypothesis
    base: tuple[float, float]
    new: tuple[float, float]
    independent: float
    tested: tuple[float, float, float, float]

    @property
    def dispersion(self) -> float:
        """As it would be measured, with what is added to it."""
        return SLACK * self.independent

    def needed(self, enough: dict[Kind, float] = ENOUGH) -> float:
        """Calls a side needs before anything is said, by the baseline's mean."""
        return float(self.asked.needed(np.array(self.base[0]), np.array(self.dispersion), enough[self.asked.kind]))

    def fixed(self, times: float, power: float = 0.8) -> float:
        """Calls of a test that looks once, of the same error, when the baseline has `times` as many."""
        base, base_variance, new, variance = self.tested
        r = self.asked.r
        found = ndtri(1 - ALPHA / HYPOTHESES) + ndtri(power)
        return float((variance + r * r * base_variance / times) * (found / (new - r * base)) ** 2)

    def draw(self, g: np.random.Generator, n: float | Floats, shape: tuple[int, ...], of: tuple[float, float]) -> Floats:
        """Sums of n calls."""
        mean, variance = of
        if self.asked.kind is Kind.SIZE:
            return g.gamma(np.asarray(n) * mean**2 / variance, variance / mean, shape)
        if self.asked.kind is Kind.SCORE:
            return np.clip(g.normal(mean * n, np.sqrt(variance * n), shape), 1e-9, n * (1 - 1e-9))
        return g.binomial(np.asarray(n).astype(np.int64), mean, shape).astype(float)

    def data(self, n: Floats, s: Floats, base_n: Floats, base_s: Floats) -> Data:
        """As `Release.data` tells it."""
        n, s, base_n, base_s = np.broadcast_arrays(n, s, base_n, base_s)
        return Data(n, s, base_n, base_s / base_n, (s + base_s) / (n + base_n))

    def log_e(self, told: Data) -> Floats:
        return self.asked.log_e(told, np.full(told.n.shape, self.dispersion), np.full(told.n.shape, BATCHES))


def shifted(kind: str, shift: float, limit: float = LIMIT) -> Shifted:
    """One kind of metric, worse by `shift`: of a quantile the latency, so the share above it follows."""
    if kind in SHARES or kind in QUANTILES:
        inside = kind in QUANTILES
        p = QUANTILES[kind] if inside else SHARES[kind]
        worse = 1 - ndtr(ndtri(1 - p) - log((1 + shift) / (1 + limit)) / LATENCY_SIGMA) if inside else min(p * (1 + shift), 0.95)
        return _plain(Hypothesis(Kind.SHARE, 0.0 if inside else limit), p, worse, lambda m: m * (1 - m), 1.0)
    if kind == "score":
        variance: Callable[[float], float] = lambda m: m * (1 - m) * SCORE_DISPERSION  # noqa: E731
        asked = Hypothesis(Kind.SCORE, limit, floor=True)
        return _plain(asked, SCORE_MEAN, SCORE_MEAN * (1 - shift), variance, SCORE_DISPERSION)
    base, new = capped(0.0), capped(shift)
    raw = exp(COST_SIGMA**2 / 2)
    variance_raw = raw**2 * expm1(COST_SIGMA**2)
    seen = (raw, variance_raw, raw * (1 + shift), variance_raw * (1 + shift) ** 2)
    return Shifted(Hypothesis(Kind.SIZE, limit), base, new, base[1] / base[0] ** 2, seen)


def _plain(asked: Hypothesis, base: float, new: float, variance: Callable[[float], float], independent: float) -> Shifted:
    before, after = (base, variance(base)), (new, variance(new))
    return Shifted(asked, before, after, independent, before + after)


def capped(shift: float) -> tuple[float, float]:
    """Mean and variance of a lognormal cost, dearer by `shift`, capped at what was its p99."""
    at, more = log(CAP / (1 + shift)) / COST_SIGMA, 1 + shift
    mean = more * exp(COST_SIGMA**2 / 2) * ndtr(at - COST_SIGMA) + CAP * (1 - ndtr(at))
    square = more**2 * exp(2 * COST_SIGMA**2) * ndtr(at - 2 * COST_SIGMA) + CAP**2 * (1 - ndtr(at))
    return float(mean), float(square - mean * mean)


def first(reached: NDArray[np.bool_], at: Floats) -> Floats:
    """Of each row where it is reached first; inf where never."""
    return np.where(reached.any(1), at[reached.argmax(1)], np.inf)


def alarm(g: np.random.Generator, one: Shifted, fixed: float, base_n: float, streams: int = 200, looks: int = 200) -> float:
    """Median calls to the alarm; inf if most streams have none within eight times what the fixed test takes."""
    at = np.unique(np.ceil(max(fixed, one.needed() / 3) * np.arange(1, looks + 1) * 8 / looks))
    s = one.draw(g, np.diff(at, prepend=0.0), (streams, len(at)), one.new).cumsum(1)
    told = one.data(at, s, np.full((1, 1), base_n), one.draw(g, base_n, (streams, 1), one.base))
    return float(np.median(first(one.log_e(told) >= LINE, at)))
