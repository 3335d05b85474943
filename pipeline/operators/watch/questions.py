"""What a contract asks of its slices: of each objective what is counted, and the null that is held against.

Shares are always asked whether too many are bad: of a metric that is to be high the other part is bad. So a bound is a ceiling.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import LEAST_N, Baseline, Contract, Direction, Limit, Objective, Severity
from pipeline.model.metrics import Better, Family, Kind, Metric
from pipeline.operators.evidence import hypothesis
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.evidence.hypothesis import Hypothesis

Sums = Mapping[str, Floats]


class Told(StrEnum):
    """How it is decided whether a bound is broken."""

    BY_EVIDENCE = "evidence"
    AS_FACT = "fact"
    """A sum is what it is."""
    NOT_AT_ALL = "estimate"
    """A mean whose tail nobody cut has no evidence yet, only an estimate."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Of each slice: n, in calls that say as much, and their sum; seen: how many there were, for a minimum sample."""

    n: Floats
    s: Floats
    seen: Floats


@dataclass(frozen=True, slots=True)
class Question:
    """A promise as it is asked.

    rule: what the contract calls it. bound: of the mean of what is counted (of bad ones, for shares); nan for a comparison.
    window_ns: how far back an objective looks, or a burn rate; short_ns: its short window; allowed: the share that may be bad.
    limit: what a comparison allows.
    """

    kind: AlertKind
    rule: str
    metric: Metric
    severity: Severity
    asked: Hypothesis
    told: Told
    bound: float = math.nan
    is_other_part: bool = False
    window_ns: int = 0
    short_ns: int = 0
    allowed: float = 0.0
    minimum: int = LEAST_N
    objective: Objective | None = None
    limit: Limit | None = None

    @property
    def family(self) -> Family:
        """Which panes carry it."""
        return self.metric.family

    @property
    def rate(self) -> float:
        """Of a burn rate: in times of what may be bad."""
        return self.bound / self.allowed if self.allowed else math.nan

    @property
    def identity(self) -> str:
        """What makes it the same question in another version of the contract."""
        return f"{self.kind} {self.metric.name} {self.asked} {self.bound!r} {self.window_ns} {self.short_ns}"

    @property
    def sizes(self) -> bool:
        """Whether what is counted has the variance function of sizes."""
        return self.asked.kind is hypothesis.Kind.SIZE

    def counted(self, sums: Sums) -> Counted:
        """What the sums of panes say. Of weighted scores as many are taken as equally weighted ones say as much."""
        metric = self.metric
        if metric.family is Family.SCORES:
            n, s = _weighted(metric, sums)
        else:
            n = sums[metric.of] if metric.of else np.ones_like(sums[metric.events])
            for name in metric.unknown:
                n = n - sums[name]
            n, s = np.maximum(n, 0.0), sums[metric.events]
        return Counted(n, n - s if self.is_other_part else s, sums[metric.n])

    def value(self, mean: Floats) -> Floats:
        """The metric of means of what is counted."""
        return 1 - mean if self.is_other_part else mean


def _weighted(metric: Metric, sums: Sums) -> tuple[Floats, Floats]:
    of, per_value = ("checked_weight", 1.0) if metric.kind is Kind.RATIO else ("weight", 1e6)
    weight = sums[of]
    with np.errstate(all="ignore"):
        n = np.where(weight > 0, weight**2 / sums[f"{of}_sq"], 0.0)
        return n, np.where(weight > 0, n * sums[metric.events] / (weight * per_value), 0.0)


def objectives(contract: Contract) -> tuple[Question, ...]:
    """Those of its objectives that panes can answer."""
    return tuple(one for objective in contract.objectives if (one := _objective(objective)) is not None)


def _objective(objective: Objective) -> Question | None:
    metric, low = objective.metric, objective.direction is Direction.AT_LEAST
    if metric.kind is Kind.QUANTILE or not metric.events:
        return None
    bound, is_other_part, asked, told = objective.bound, False, Hypothesis(hypothesis.Kind.SIZE), Told.NOT_AT_ALL
    if metric.kind is Kind.SUM:
        told = Told.AS_FACT
    elif metric.is_share:
        asked, told = Hypothesis(_kind(metric)), Told.BY_EVIDENCE
        bound, is_other_part = (1 - bound if low else bound), low
    return Question(
        AlertKind.OBJECTIVE,
        objective.id,
        metric,
        objective.severity,
        asked,
        told,
        bound,
        is_other_part,
        objective.window_ns,
        minimum=objective.minimum,
        objective=objective,
    )


def comparisons(contract: Contract) -> tuple[Question, ...]:
    """Those of its limits on what may become worse than the release before that panes can answer."""
    regression = contract.regression
    if regression is None or regression.baseline is not Baseline.PREVIOUS_RELEASE:
        return ()
    return tuple(
        Question(
            AlertKind.REGRESSION,
            f"regression {limit.metric.name}",
            limit.metric,
            regression.severity,
            Hypothesis(_kind(limit.metric), limit.worse, limit.metric.better is Better.HIGH, limit.is_points),
            Told.BY_EVIDENCE,
            limit=limit,
        )
        for limit in regression.limits
        if limit.metric.is_share
    )


def burn_rates(contract: Contract) -> tuple[Question, ...]:
    """Those of its error budgets that panes can answer."""
    return tuple(
        Question(
            AlertKind.BURN_RATE,
            budget.id,
            budget.ratio,
            burning.severity,
            Hypothesis(hypothesis.Kind.SHARE),
            Told.BY_EVIDENCE,
            burning.rate * (1 - budget.target),
            is_other_part=not budget.is_bad_above,
            window_ns=burning.long_ns,
            short_ns=burning.short_ns,
            allowed=1 - budget.target,
            minimum=budget.minimum,
        )
        for budget in contract.error_budgets
        for burning in budget.burn_rates
        if budget.ratio is not None and burning.rate * (1 - budget.target) < 1
    )


def _kind(metric: Metric) -> hypothesis.Kind:
    return hypothesis.Kind.SCORE if metric.kind is Kind.MEAN else hypothesis.Kind.SHARE
