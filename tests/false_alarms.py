"""Days on which nothing changes, or on which every slice sits exactly on its limit: who pages?

The rules of `pipeline/operators/evidence` beside those that others use, on the same streams.
"""

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.deviance import Data
from pipeline.operators.evidence.dispersion import Dispersion, dispersion
from pipeline.operators.evidence.hypothesis import LEAST, Hypothesis, Kind
from pipeline.operators.evidence.release import Baseline, Release
from tests import calls_in_sessions as calls
from tests.calls_in_sessions import Days, some
from tests.strata import Strata

ALPHA, LIMIT, WARM_UP = 0.05, 0.02, 3

METRICS = (
    ("error", Kind.SHARE, calls.CALLS, calls.ERRORS, calls.ERRORS, False),
    ("refusal", Kind.SHARE, calls.CALLS, calls.REFUSALS, calls.REFUSALS, False),
    ("latency p95", Kind.SHARE, calls.CALLS, calls.SLOW, calls.SLOWER, True),
    ("cost", Kind.SIZE, calls.CALLS, calls.COST, calls.COST, False),
    ("score", Kind.SCORE, calls.SCORES, calls.FAULTS, calls.FAULTS, False),
)
"""Name, kind, column of how many, of the baseline's sum, of the new sum; whether the limit sits in the threshold."""

RULES = (
    "mean 2 % worse than yesterday's",
    "z test at each look, 5 %",
    "sessions ignored",
    "since a release",
    "at an unknown time",
)


def hypotheses(limit: float) -> list[Hypothesis]:
    return [Hypothesis(kind, 0.0 if inside else limit) for _, kind, _, _, _, inside in METRICS]


def hourly(minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    return minutes.reshape(len(minutes), 24, 60).sum(2)


class Watch:
    """One metric of all slices over a day, by the rules."""

    def __init__(self, asked: Hypothesis, base_n, base_s, known: tuple, plain: tuple, seen: Dispersion, at_stake: int) -> None:
        self.asked = asked
        self.known, self.plain, self.usual, self.line = known, plain, seen.hourly(), np.log(at_stake / ALPHA)
        self.base, self.release = Baseline(base_n, base_s), Release.empty(len(base_n))
        self.strata = Strata(base_n[None], base_s[None])
        self.alarms = dict.fromkeys(RULES, False)

    def look(self, minute: int, n, s) -> None:
        hour = minute // 60
        self.release.add(hour, n, s)
        self.strata.add(n, s)
        for data, rules in ((self.release.data(self.base), RULES[:4]), (self.strata.data(), RULES[4:])):
            near = np.flatnonzero(self._above(data) > 1.5)  # nobody says of the others that they are worse
            told = Data(*(getattr(data, column.name)[near] for column in fields(data)))
            for rule in rules:
                self.alarms[rule] = self.alarms[rule] or (len(near) > 0 and bool(self._pages(rule, told, near).any()))
        if minute % 60 == 59:
            self.strata.close_hour(self.asked, self.known, self.usual)

    def _above(self, data: Data):
        """How many standard errors, about."""
        with np.errstate(all="ignore"):
            ratio = data.s / data.n / data.base_mean
            error = self.known[0] * self.asked.spread(data.base_mean) * (1 / data.n + 1 / data.base_n)
            return np.where(data.n >= LEAST, (ratio - self.asked.r) / np.sqrt(error), 0.0)

    def _pages(self, rule: str, told: Data, near) -> NDArray[np.bool_]:
        plain, known = ((a[near], b[near]) for a, b in (self.plain, self.known))
        if rule == RULES[0]:
            return told.s / told.n / told.base_mean > 1 + LIMIT
        if rule == RULES[1]:
            return self.asked.found(told, *plain).z > 1.645
        if rule == RULES[4]:
            return self.strata.detector.of(near).look(self.asked, told, *known) >= self.line
        return self.asked.log_e(told, *(plain if rule == RULES[2] else known)) >= self.line


def days_with_alarms(slices: int, runs: int, seed: int, every: int = 1) -> NDArray[np.int64]:
    """(2, rules): days with any alarm; unchanged, and on the limit. every: minutes between looks."""
    days, alarms = Days(some(slices), seed), np.zeros((2, len(RULES)), np.int64)
    seen = [Dispersion.empty(slices) for _ in METRICS]
    before = None
    for day in range(WARM_UP + runs):
        now = days.next()
        if day >= WARM_UP:
            assert before is not None
            for column, limit in enumerate((LIMIT, 0.0)):
                watches = [watch(asked, i, before, seen[i], limit) for i, asked in enumerate(hypotheses(limit))]
                for minute in range(0, calls.MINUTES, every):
                    for one, (_, _, n, base, new, _) in zip(watches, METRICS, strict=True):
                        since = slice(minute, minute + every)
                        one.look(minute + every - 1, now[:, since, n].sum(1), now[:, since, new if limit else base].sum(1))
                alarms[column] += [any(one.alarms[rule] for one in watches) for rule in RULES]
        for i, (_, kind, n, base, _, _) in enumerate(METRICS):
            for hour in range(24):
                minutes = slice(60 * hour, 60 * hour + 60)
                seen[i].add(now[:, minutes, n].sum(1), now[:, minutes, base].sum(1))
                seen[i].close_hour(kind is Kind.SIZE)
            seen[i].close_day()
        before = now
    return alarms


INDEPENDENT = {Kind.SHARE: 1.0, Kind.SIZE: 1.1, Kind.SCORE: 0.19}
"""The dispersion if calls were independent."""


def watch(asked: Hypothesis, i: int, before, seen: Dispersion, limit: float) -> Watch:
    _, kind, n, base, _, _ = METRICS[i]
    known = dispersion(seen, np.zeros(len(before), np.intp), 1.0 if kind is Kind.SHARE else 0.0)
    plain = np.full(len(before), INDEPENDENT[kind]), np.full(len(before), np.inf)
    return Watch(asked, hourly(before[:, :, n]), hourly(before[:, :, base]), known, plain, seen, len(before) * len(METRICS))


def tell(alarms: NDArray[np.int64], runs: int, slices: int) -> None:
    """The table."""
    print(f"\n{slices} slices x {len(METRICS)} metrics, {runs} days; days with any alarm")
    print(f"{'':<34}{'unchanged':>10}{'on the limit':>14}")
    for rule, unchanged, limit in zip(RULES, *alarms.tolist(), strict=True):
        print(f"{rule:<34}{unchanged:>10}{limit:>14}")
