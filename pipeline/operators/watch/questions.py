"""What a contract asks of its slices: of each objective what is counted, and the null that is held against.

Shares are always asked whether too many are bad: of a metric that is to be high the other part is bad. So a bound is a ceiling.
The bound of a quantile is one on a share too, of what lies beyond it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import EVERYTHING, LEAST_N, Baseline, Contract, Direction, ErrorBudget, Limit, Objective, Severity
from pipeline.model.metrics import Better, Family, Kind, Measure, Metric, Unit
from pipeline.operators.evidence import hypothesis
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.evidence.hypothesis import Hypothesis
from pipeline.operators.ladder import MIDDLES
from pipeline.operators.watch.choices import Choice, choice
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.panes_read import Panes
from pipeline.operators.watch.sizes import Sizes, sizes
from pipeline.operators.watch.thresholds import Threshold, threshold

Sums = Mapping[str, Floats]

MEASURED, BAD, CUT, EXACT = "measured", "bad", "cut", "exact"
"""Columns made of counts over the ladder: how many there are, how many lie beyond the threshold; of means the sum that is
evidence, and the sum itself."""


class Told(StrEnum):
    """How it is decided whether a bound is broken."""

    BY_EVIDENCE = "evidence"
    AS_FACT = "fact"
    """A sum is what it is."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Of each slice: n, in calls that say as much, and their sum; seen: how many there were, for a minimum sample.

    exact: of a mean of sizes the sum of which s is the part that is evidence.
    """

    n: Floats
    s: Floats
    seen: Floats
    exact: Floats | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A promise as it is asked.

    rule: what the contract calls it. bound: of the mean of what is counted (of bad ones, for shares); nan for a comparison.
    window_ns: how far back an objective looks, or a burn rate; short_ns: its short window; allowed: the share that may be bad.
    limit: what a comparison allows; baseline: with what it is. threshold: beyond which a value is bad, of quantiles and measures;
    beyond: the value the contract says. cut: of a mean what a value counts as. choice: of a comparison of quantiles or means,
    what is chosen for it. selected: of which models and releases it is asked; "": of all.
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
    baseline: Baseline | None = None
    threshold: Threshold | None = None
    beyond: float = math.nan
    cut: Sizes | None = None
    choice: Choice | None = None
    selected: str = ""

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
        counted = f" {self.threshold or self.cut or self.choice}" if self.ladder else ""
        if self.baseline is Baseline.SAME_HOURS_BEFORE:
            counted += f" {self.baseline}"
        if self.selected:
            counted += f" of {self.selected}"
        return f"{self.kind} {self.metric.name} {self.asked} {self.bound!r} {self.window_ns} {self.short_ns}{counted}"

    @property
    def sizes(self) -> bool:
        """Whether what is counted has the variance function of sizes."""
        return self.asked.kind is hypothesis.Kind.SIZE

    @property
    def ladder(self) -> str:
        """What is counted over the ladder for it; "" where only sums are asked for."""
        by = self.threshold or self.cut or self.choice
        return by.ladder if by else ""

    @property
    def has_tail(self) -> bool:
        """Whether the counts around its threshold tell the metric itself."""
        return self.metric.kind is Kind.QUANTILE and self.threshold is not None

    def tail(self, panes: Panes) -> Counts | None:
        """Of a quantile the counts around its threshold, by series."""
        if not self.has_tail or self.threshold is None:
            return None
        return self.threshold.tail(panes.ladders.get(self.threshold.ladder, Counts.none()))

    def numbers(self, panes: Panes) -> Sums:
        """What it is made of, a row a series: columns of panes, or counts over the ladder."""
        metric = self.metric
        if not self.ladder:
            names = {metric.events, metric.of, metric.n, *metric.unknown} - {""}
            if metric.family is Family.SCORES:
                names |= {f"{_weight(metric)[0]}_sq"}
            return {name: panes.numbers[name] for name in sorted(names)}
        counts, rows = panes.ladders.get(self.ladder, Counts.none()), len(panes.series)
        found = {name: panes.numbers[name] for name in self.unknown} | {MEASURED: counts.sums(rows)}
        if self.threshold is not None:
            return found | {BAD: self.threshold.bad(counts).sums(rows)}
        if self.cut is None:
            return found
        exact = panes.numbers[metric.events] if metric.events else counts.sums(rows, MIDDLES / self.cut.scale)
        return found | {CUT: counts.sums(rows, self.cut.worth), EXACT: np.where(found[MEASURED] > 0, exact, 0.0)}

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns that count what is of no value, though it lies in the ladder."""
        return self.metric.measure.unknown if self.metric.measure is not None else ()

    def counted(self, sums: Sums) -> Counted:
        """What the sums of panes say; of a comparison over the ladder how many alone. Of weighted scores as many are taken as
        equally weighted ones say as much.
        """
        metric = self.metric
        if self.ladder:
            n = np.maximum(sums[MEASURED] - sum(sums[name] for name in self.unknown), 0.0)
            if self.choice is not None:
                return Counted(n, np.zeros_like(n), n)
            return Counted(n, sums[CUT if self.cut else BAD], n, sums.get(EXACT))
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


def _weight(metric: Metric) -> tuple[str, float]:
    """The column of weights, and how many units of the sum are one of the metric."""
    return ("checked_weight", 1.0) if metric.kind is Kind.RATIO else ("weight", 1e6)


def _weighted(metric: Metric, sums: Sums) -> tuple[Floats, Floats]:
    of, per_value = _weight(metric)
    weight = sums[of]
    with np.errstate(all="ignore"):
        n = np.where(weight > 0, weight**2 / sums[f"{of}_sq"], 0.0)
        return n, np.where(weight > 0, n * sums[metric.events] / (weight * per_value), 0.0)


def asked_of(contract: Contract, questions: Iterable[Question]) -> list[Question]:
    """The same, of the models and releases the contract selects: what was seen of others says nothing of these."""
    parts = {"model": contract.models, "release": contract.releases}
    selected = " ".join(f"{name} {sorted(those)}" for name, those in parts.items() if those != EVERYTHING)
    return [replace(question, selected=selected) for question in questions]


def objectives(contract: Contract) -> tuple[Question, ...]:
    """Those of its objectives that panes can answer."""
    return tuple(one for objective in contract.objectives if (one := _objective(objective)) is not None)


def _objective(objective: Objective) -> Question | None:
    metric, low = objective.metric, objective.direction is Direction.AT_LEAST
    bound, is_other_part, asked, told = objective.bound, False, Hypothesis(hypothesis.Kind.SIZE, floor=low), Told.BY_EVIDENCE
    beyond = cut = None
    if metric.kind is Kind.QUANTILE:
        assert metric.measure is not None, "a quantile is of a measure"
        asked, beyond = Hypothesis(hypothesis.Kind.SHARE), threshold(metric.measure, bound)
        bound = round(metric.quantile if low else 1 - metric.quantile, 12)
        if beyond is None:
            return None
    elif metric.kind is Kind.SUM:
        told = Told.AS_FACT
    elif metric.is_share:
        asked = Hypothesis(_kind(metric))
        bound, is_other_part = (1 - bound if low else bound), low
    else:
        assert metric.measure is not None, "a mean is of a measure"
        cut = sizes(metric.measure, bound, low)
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
        threshold=beyond,
        beyond=objective.bound if beyond else math.nan,
        cut=cut,
    )


def comparisons(contract: Contract) -> tuple[Question, ...]:
    """Those of its limits on what may become worse that panes can answer."""
    regression = contract.regression
    if regression is None:
        return ()
    return tuple(
        Question(
            AlertKind.REGRESSION,
            f"regression {limit.metric.name}",
            limit.metric,
            regression.severity,
            compared(limit),
            Told.BY_EVIDENCE,
            limit=limit,
            baseline=regression.baseline,
            choice=chosen,
        )
        for limit in regression.limits
        for chosen in (choice(limit),)
        if limit.metric.is_share or chosen is not None
    )


def compared(limit: Limit) -> Hypothesis:
    """The limit of a quantile sits in the rung its release is held against, so none is left to its share."""
    metric, floor = limit.metric, limit.metric.better is Better.HIGH
    if metric.kind is Kind.QUANTILE:
        return Hypothesis(hypothesis.Kind.SHARE)
    if not metric.is_share:
        return Hypothesis(hypothesis.Kind.SIZE, limit.worse, floor)
    return Hypothesis(_kind(metric), limit.worse, floor, limit.is_points)


def burn_rates(contract: Contract) -> tuple[Question, ...]:
    """Those of its error budgets that panes can answer."""
    return tuple(
        Question(
            AlertKind.BURN_RATE,
            budget.id,
            of,
            burning.severity,
            Hypothesis(hypothesis.Kind.SHARE),
            Told.BY_EVIDENCE,
            burning.rate * (1 - budget.target),
            is_other_part=beyond is None and not budget.is_bad_above,
            window_ns=burning.long_ns,
            short_ns=burning.short_ns,
            allowed=1 - budget.target,
            minimum=budget.minimum,
            threshold=beyond,
            beyond=budget.beyond if beyond else math.nan,
        )
        for budget in contract.error_budgets
        for of, beyond in _spent(budget)
        for burning in budget.burn_rates
        if burning.rate * (1 - budget.target) < 1
    )


def _spent(budget: ErrorBudget) -> Iterator[tuple[Metric, Threshold | None]]:
    """What is counted of a budget, if anything is: its ratio, or what lies beyond a value of its measure."""
    if budget.ratio is not None:
        yield budget.ratio, None
    elif budget.measure is not None and (beyond := threshold(budget.measure, budget.beyond)) is not None:
        yield _beyond(budget.measure), beyond


def _beyond(measure: Measure) -> Metric:
    """The share of a measure's values that are bad, by the name of the measure."""
    return Metric(measure.name, measure.family, Kind.RATIO, Unit.SHARE, Better.LOW, measure=measure)


def _kind(metric: Metric) -> hypothesis.Kind:
    return hypothesis.Kind.SCORE if metric.kind is Kind.MEAN else hypothesis.Kind.SHARE
