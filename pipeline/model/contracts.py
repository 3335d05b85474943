"""A contract: what a team promises of its routes, as frozen values. The defaults of all that need not be said are here.

Bounds are in the base unit of their metric (`pipeline/model/metrics.py`), windows in nanoseconds, shares of 1.
"""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.metrics import Better, Family, Kind, Measure, Metric

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS


class Severity(StrEnum):
    """How much somebody is disturbed by it."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class Direction(StrEnum):
    """A ceiling or a floor."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class Baseline(StrEnum):
    """What a slice is compared with."""

    PREVIOUS_RELEASE = "previous_release"
    SAME_HOURS_BEFORE = "same_hours_before"


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound on a metric.

    id: metric, direction and window, unless the author named it; the same over versions while these stay.
    minimum: n below which nothing is said, of the window or of what evidence is of. window_ns: how far back each look goes.
    """

    id: str
    metric: Metric
    direction: Direction
    bound: float
    window_ns: int
    minimum: int
    severity: Severity

    def is_kept_by(self, value: float) -> bool:
        """Whether a value of the metric keeps the bound; one on the bound does."""
        return value <= self.bound if self.direction is Direction.AT_MOST else value >= self.bound


@dataclass(frozen=True, slots=True)
class Limit:
    """How much worse than its baseline a metric may be.

    worse: relative, 0.02 is 2 % of the baseline; where is_points, the metric itself: 0.02 is 2 points of 100.
    """

    metric: Metric
    worse: float
    is_points: bool = False


@dataclass(frozen=True, slots=True)
class Regression:
    """What must not become worse. Every slice is compared with its own baseline; slices by release are not."""

    baseline: Baseline
    limits: tuple[Limit, ...]
    confidence: float
    false_discovery_rate: float
    severity: Severity


@dataclass(frozen=True, slots=True)
class BurnRate:
    """Speaks when the budget burns `rate` times faster than it may, over both windows."""

    short_ns: int
    long_ns: int
    rate: float
    severity: Severity


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """How large a share may be bad over a period: 1 - target.

    ratio: its events are bad; where more of it is better, its other part. Or else
    measure, beyond: bad is what lies beyond, above where less is better, else below; in the measure's unit.
    minimum: n of the short window below which no burn rate speaks.
    """

    id: str
    ratio: Metric | None
    measure: Measure | None
    beyond: float
    target: float
    period_ns: int
    minimum: int
    burn_rates: tuple[BurnRate, ...]

    @property
    def family(self) -> Family:
        """Which panes carry it."""
        of = self.ratio or self.measure
        assert of is not None, "a budget is of a ratio or of a measure"
        return of.family

    @property
    def is_bad_above(self) -> bool:
        """Whether bad is what lies above `beyond`, or the events of the ratio; else below, or what is no event."""
        of = self.ratio or self.measure
        assert of is not None, "a budget is of a ratio or of a measure"
        return of.better is not Better.HIGH


@dataclass(frozen=True, slots=True)
class Contract:
    """What is promised for each environment and route that it fits, each alone.

    version: the author's. hash: of what it means, 32 hex digits; comments, order of keys and what is a default do not change it.
    environments, routes, models, releases: patterns of names, one of which fits; models and releases: whose calls it is about.
    slices: sets of series columns; the empty one, the route as a whole, is the first.
    """

    name: str
    version: int
    hash: str
    owner: str
    description: str
    environments: tuple[str, ...]
    routes: tuple[str, ...]
    models: tuple[str, ...]
    releases: tuple[str, ...]
    slices: tuple[tuple[str, ...], ...]
    objectives: tuple[Objective, ...]
    regression: Regression | None
    error_budgets: tuple[ErrorBudget, ...]

    def slices_of(self, family: Family) -> tuple[tuple[str, ...], ...]:
        """The slices that panes of a family have: a trace asks several models, so it has none of its own."""
        return tuple(columns for columns in self.slices if family is not Family.TRACES or "model" not in columns)


EVERYTHING = ("*",)
SLICEABLE = ("model", "release", "cohort", "language")
"""Columns of the series that a slice may have; environment and route are told apart always."""

SHORTEST_NS, LONGEST_NS = MINUTE_NS, 7 * DAY_NS
"""Of a window."""

LEAST_N = 30
"""Nothing is said of fewer: an estimate of a spread needs that many."""

TAIL_N = 5
"""So many are to be expected beyond a quantile."""

WINDOWS = {Family.CALLS: 5 * MINUTE_NS, Family.TRACES: 15 * MINUTE_NS, Family.SCORES: HOUR_NS}
"""Of an objective that names none: traces are fewer than calls, and scores are of a sample."""

SEVERITY = Severity.TICKET
LIMIT = 0.02
CONFIDENCE = 0.95
FALSE_DISCOVERY_RATE = 0.05
BASELINE = Baseline.PREVIOUS_RELEASE
PERIOD_NS = 30 * DAY_NS
SHORTEST_PERIOD_NS, LONGEST_PERIOD_NS = DAY_NS, 90 * DAY_NS

BURN_RATES = (
    BurnRate(5 * MINUTE_NS, HOUR_NS, 14.4, Severity.PAGE),
    BurnRate(30 * MINUTE_NS, 6 * HOUR_NS, 6.0, Severity.PAGE),
    BurnRate(2 * HOUR_NS, DAY_NS, 3.0, Severity.TICKET),
    BurnRate(6 * HOUR_NS, 3 * DAY_NS, 1.0, Severity.TICKET),
)
"""2, 5, 10 and 10 % of the budget of 30 days in the long window; the short one lets an alert end soon after its cause.

Source: Beyer et al., The Site Reliability Workbook (2018), chapter 5, Alerting on SLOs, for all but 2h/1d, which stands between
its tiers in what generates such rules (Sloth).
"""


def default_minimum(metric: Metric) -> int:
    """The least n of an objective that names none: enough to see its tail. A sum is over its bound whatever it is of."""
    return 1 if metric.kind is Kind.SUM else max(LEAST_N, round(TAIL_N / (1 - metric.quantile)))
