"""The metrics a contract can promise: the one place that names them.

A metric is made of sums and digests that panes carry, so it merges over windows and sources: a ratio or a mean is `events` over
`of`, less what `unknown` counts; a quantile is that of its measure's digest; a sum is `events` alone. Units are those of the
panes: nanoseconds, nano-USD, shares of 1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache


class Family(StrEnum):
    """Which panes carry a metric: those without a key, those with the key `traces`, those with the key `scores`."""

    CALLS = "calls"
    TRACES = "traces"
    SCORES = "scores"


class Kind(StrEnum):
    """How a metric is made of what panes carry."""

    RATIO = "ratio"
    QUANTILE = "quantile"
    MEAN = "mean"
    SUM = "sum"


class Unit(StrEnum):
    """What a metric is in. People write others: `pipeline/operators/contracts/amounts.py`."""

    NS = "ns"
    NUSD = "nusd"
    TOKENS_PER_SECOND = "tokens_per_second"
    SHARE = "share"
    """Of 1: 2 % is 0.02."""
    SCORE = "score"
    """From 0 to 1, 1 is best."""


class Better(StrEnum):
    """Which way a metric is better; `either`: that depends on who asks."""

    LOW = "low"
    HIGH = "high"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that calls, traces or scores have. Its columns in a pane; "" where there is none.

    count: how many have it, less those of `unknown`. total: their sum. squares: sum of their squares. digest: of them.
    ladder: what its counts over the ladder (`pipeline/operators/ladder.py`) are called; those of `unknown` lie in its first bin.
    """

    name: str
    family: Family
    unit: Unit
    better: Better
    count: str = ""
    total: str = ""
    squares: str = ""
    digest: str = ""
    unknown: tuple[str, ...] = ()
    ladder: str = ""

    @property
    def scale(self) -> int:
        """Base units of the ladder in one of the measure's."""
        return 1000 if self.unit is Unit.TOKENS_PER_SECOND else 1


@dataclass(frozen=True, slots=True)
class Metric:
    """What a promise is about.

    events, of: columns of a pane; a ratio and a mean are the first over the second, a sum is the first; both "" where only the
        digest tells. unknown: columns that are to be taken off `of`.
    n: the column that counts what a minimum sample is of (weights of scores are no counts); "": the digest's count.
    measure: of quantiles and means. quantile: from 0 to 1, 0 for no quantile. evaluator: whose scores, "" for none.
    """

    name: str
    family: Family
    kind: Kind
    unit: Unit
    better: Better
    events: str = ""
    of: str = ""
    unknown: tuple[str, ...] = ()
    n: str = ""
    measure: Measure | None = None
    quantile: float = 0.0
    evaluator: str = ""

    @property
    def can_regress(self) -> bool:
        """Whether "worse than before" means anything: a sum grows with the traffic."""
        return self.kind is not Kind.SUM

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1, so that a limit may be given in points."""
        return self.unit in (Unit.SHARE, Unit.SCORE)


QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

_CALLS, _TRACES = Family.CALLS, Family.TRACES

MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        Measure(
            "latency", _CALLS, Unit.NS, Better.LOW, "requests", "latency_sum_ns", "latency_sq", "latency_digest", (), "latency"
        ),
        Measure("ttft", _CALLS, Unit.NS, Better.LOW, "ttft_count", "ttft_sum_ns", digest="ttft_digest", ladder="ttft"),
        Measure("tokens_per_second", _CALLS, Unit.TOKENS_PER_SECOND, Better.HIGH, digest="tps_digest", ladder="tps"),
        Measure(
            "cost_per_call",
            _CALLS,
            Unit.NUSD,
            Better.LOW,
            "requests",
            "cost_nusd",
            "cost_sq",
            unknown=("unpriced", "unknown_usage"),
            ladder="cost",
        ),
        Measure(
            "cost_per_trace",
            _TRACES,
            Unit.NUSD,
            Better.LOW,
            "traces_with_calls",
            "cost_nusd",
            "cost_sq",
            "cost_digest",
            (),
            "cost",
        ),
        Measure(
            "trace_latency",
            _TRACES,
            Unit.NS,
            Better.LOW,
            "traces",
            "latency_sum_ns",
            "latency_sq",
            "latency_digest",
            (),
            "latency",
        ),
    )
}
"""Of calls and traces, by name. What calls cost has no digest in a pane: its quantiles are told by the ladder."""

SCORE = Measure("score", Family.SCORES, Unit.SCORE, Better.HIGH, "weight", "value_sum", "value_sq_sum")
"""What an evaluator says: sums are weighted by one over the probability of being judged (`pipeline/model/score_columns.py`)."""


def _ratio(name: str, better: Better, events: str, of: str) -> Metric:
    return Metric(f"{name}.ratio", _CALLS, Kind.RATIO, Unit.SHARE, better, events, of, n=of)


def _of_measure(measure: Measure) -> Iterable[Metric]:
    common = (measure.family, measure.unit, measure.better)
    if measure.digest or measure.ladder:
        for name, p in QUANTILES.items():
            said = f"{measure.name}.{name}"
            yield Metric(said, common[0], Kind.QUANTILE, *common[1:], n=measure.count, measure=measure, quantile=p)
    yield Metric(
        f"{measure.name}.mean",
        common[0],
        Kind.MEAN,
        *common[1:],
        measure.total,
        measure.count,
        measure.unknown,
        measure.count,
        measure,
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(metric for measure in MEASURES.values() for metric in _of_measure(measure)),
        _ratio("error", Better.LOW, "errors", "requests"),
        _ratio("refusal", Better.EITHER, "refusals", "refusal_checked"),
        _ratio("citation", Better.HIGH, "citations", "citation_checked"),
        _ratio("schema_valid", Better.HIGH, "schema_valid", "schema_checked"),
        Metric("cost.sum", _CALLS, Kind.SUM, Unit.NUSD, Better.LOW, "cost_nusd", n="requests"),
    )
}
"""Those that have a name of their own. Every evaluator has two more: `<evaluator>.mean` and `<evaluator>.fail`."""

EVALUATOR = re.compile(r"[^\W\d][\w-]{0,99}")
"""What can be an evaluator's name in a metric's."""

ALL = (
    f"{', '.join(MEASURES)} with {', '.join(f'.{name}' for name in QUANTILES)} or .mean, "
    f"{', '.join(one.name for one in METRICS.values() if one.measure is None)}, <evaluator>.mean and <evaluator>.fail"
)
"""All there are, for people."""

TAKEN = frozenset(name.partition(".")[0] for name in METRICS)
"""Names that are no evaluator's: `latency.fail` is a mistake, not the fails of an evaluator called latency."""


@lru_cache(4096)
def metric(name: str) -> Metric | None:
    """The metric of this name; None if there is none."""
    if name in METRICS:
        return METRICS[name]
    evaluator, _, statistic = name.rpartition(".")
    if evaluator in TAKEN or not EVALUATOR.fullmatch(evaluator):
        return None
    return _of_evaluator(name, evaluator, statistic)


def _of_evaluator(name: str, evaluator: str, statistic: str) -> Metric | None:
    family = Family.SCORES
    match statistic:
        case "mean":
            events, of = SCORE.total, SCORE.count
            return Metric(
                name, family, Kind.MEAN, Unit.SCORE, Better.HIGH, events, of, n="ok", measure=SCORE, evaluator=evaluator
            )
        case "fail":
            events, of = "fails_weight", "checked_weight"
            return Metric(name, family, Kind.RATIO, Unit.SHARE, Better.LOW, events, of, n="checked", evaluator=evaluator)
    return None


def nearest(name: str, evaluators: Iterable[str] = ()) -> str:
    """What somebody who wrote `name` most likely meant, of ours and of evaluators that are known; "" if none is near."""
    taken = name.partition(".")[0]
    known = [one for one in METRICS if taken not in TAKEN or one.partition(".")[0] == taken]
    known += [f"{evaluator}.{statistic}" for evaluator in evaluators for statistic in ("mean", "fail") if taken not in TAKEN]
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1, 0.5)
    return by_lower[near[0]] if near else ""
