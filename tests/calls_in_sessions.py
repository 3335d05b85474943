"""Made-up calls in sessions: what alarms must not take for news. Sums per slice and minute, for simulations of evidence.

Sessions come as a Poisson process whose rate swings by 70 % over the day, have a geometric number of calls, at once or a minute
apart, and calls of one session resemble each other. Rates and means swing by 30 %, if nothing else is said.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

MINUTES = 1440
SPILL = 240
"""Minutes of the next day that sessions of this one reach into."""

CALLS, ERRORS, REFUSALS, SLOW, SLOWER, COST, SCORES, FAULTS = range(8)
"""Columns. SLOW: above the true p95 of latency, SLOWER: above (1 + limit) times that. COST is capped at its true p99.
FAULTS: the sum of 1 - score over the tenth of the calls that has a score."""

LATENCY_SIGMA, COST_SIGMA = 0.8, 1.2
P95, P99 = 1.6448536269514722, 2.3263478740408408
CAP = exp(COST_SIGMA * P99)


@dataclass(frozen=True, slots=True)
class Slices:
    """What slices there are: calls a minute, calls a session, error and refusal rates, each (slices,)."""

    per_minute: NDArray[np.float64]
    per_session: NDArray[np.float64]
    errors: NDArray[np.float64]
    refusals: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.per_minute)


def some(slices: int, seed: int = 0) -> Slices:
    """From 0.2 to 20 calls a minute, 1 to 8 a session, errors 0.1 to 2 %, refusals 1 to 20 %."""
    g = np.random.default_rng(seed)
    between = lambda low, high: np.exp(g.uniform(np.log(low), np.log(high), slices))  # noqa: E731 - three of them
    return Slices(between(0.2, 20), g.choice((1.0, 2.0, 4.0, 8.0), slices), between(0.001, 0.02), between(0.01, 0.2))


class Days:
    """Days that follow each other; a session goes on over midnight. swing: of rates and means over the day."""

    def __init__(self, slices: Slices, seed: int, likeness: float = 0.3, limit: float = 0.02, swing: float = 0.3) -> None:
        self._slices, self._seed, self._likeness, self._swing = slices, seed, likeness, swing
        self._farther = np.log1p(limit) / LATENCY_SIGMA
        self._sums = np.zeros((len(slices), MINUTES + SPILL, 8), np.float64)

    def next(self) -> NDArray[np.float64]:
        """(slices, 1440, 8): the sums of the next day."""
        self._seed += 1
        s = self._slices
        self._sums[:, :SPILL] = self._sums[:, MINUTES:]
        self._sums[:, SPILL:] = 0.0
        _day(
            self._seed, s.per_minute, s.per_session, s.errors, s.refusals, self._likeness, self._farther, self._swing, self._sums
        )
        return self._sums[:, :MINUTES].copy()


@njit(cache=True)
def _day(seed, per_minute, per_session, errors, refusals, likeness, farther, swing, sums):  # type: ignore[no-untyped-def]
    np.random.seed(seed)
    common, own = sqrt(likeness), sqrt(1 - likeness)
    for i in range(len(per_minute)):
        for minute in range(MINUTES):
            wave = np.sin(2 * np.pi * minute / MINUTES + i)
            error, refusal, shift = errors[i] * (1 + swing * wave), refusals[i] * (1 + swing * wave), swing / 2 * wave
            for _ in range(np.random.poisson(per_minute[i] / per_session[i] * (1 + 0.7 * wave))):
                calls = np.random.geometric(1 / per_session[i]) if per_session[i] > 1 else 1
                at = minute + np.random.random()
                fails, refuses = np.random.random() < error, np.random.random() < refusal
                slow, dear, good = np.random.normal(), np.random.normal(), np.random.normal()
                for call in range(calls):
                    if call > 0 and np.random.random() > 0.3:
                        at += np.random.exponential(1.0)
                    row = sums[i, min(int(at), MINUTES + SPILL - 1)]
                    row[CALLS] += 1
                    row[ERRORS] += fails if np.random.random() < common else np.random.random() < error
                    row[REFUSALS] += refuses if np.random.random() < common else np.random.random() < refusal
                    z = common * slow + own * np.random.normal() + shift
                    row[SLOW] += z > P95
                    row[SLOWER] += z > P95 + farther
                    row[COST] += min(exp(COST_SIGMA * (common * dear + own * np.random.normal()) + shift), CAP)
                    if np.random.random() < 0.1:
                        row[SCORES] += 1
                        row[FAULTS] += 1 / (1 + exp(1.5 + 1.2 * (common * good + own * np.random.normal())))
