"""An alert: what is said of a promise, where it stands and by which numbers, as a frozen value.

It is the `data` of a CloudEvent on the topic `alerts` and a row of the table `alerts`; ALERTS names the fields of both. Amounts
are in `unit`, the base unit of the metric. What is not known is None, and so is what has no bound: no number here is infinite.
"""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.columns import Column


class AlertKind(StrEnum):
    """What it is about."""

    OBJECTIVE = "objective"
    """A bound is not kept."""
    REGRESSION = "regression"
    """A metric is more worse than its baseline than the limit allows."""
    BURN_RATE = "burn_rate"
    """An error budget burns too fast."""
    NO_DATA = "no_data"
    """A slice that was seen is silent, a route that a contract names never came, or an evaluator says nothing of calls."""
    PIPELINE = "pipeline"
    """What judges cannot: a source has stopped, a contract cannot be read, there is no room for slices."""


class AlertState(StrEnum):
    """Whether it lasts."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Tier(StrEnum):
    """How much is claimed."""

    CROSSED = "crossed"
    """The estimate lies beyond the bound; nothing is claimed, and nobody is paged."""
    ESTABLISHED = "established"
    """There is evidence at the stated rate of error."""


class Extent(StrEnum):
    """Whether the other slices of the route got worse too."""

    ONLY_HERE = "only_here"
    EVERYWHERE = "everywhere"
    UNKNOWN = "unknown"


TIMES = "times"
"""The unit of a burn rate: so many times as fast as the budget allows. Other units: `pipeline.model.metrics.Unit`."""

ALERTS: tuple[Column, ...] = (
    Column("id", "string", "of this alert: fingerprint, @, and where in the log it was decided; a repeat has the same"),
    Column("fingerprint", "string", "of what it is about, 32 hex digits; the same firing and resolved, and over versions"),
    Column("kind", "string", "objective, regression, burn_rate, no_data or pipeline"),
    Column("state", "string", "firing or resolved"),
    Column("tier", "string", "crossed: beyond the bound, no claim; established: with evidence at the stated rate of error"),
    Column("severity", "string", "page, ticket or info"),
    Column("contract", "string", "name of the contract; empty for a pipeline's"),
    Column("contract_version", "integer", "the author's; 0 without a contract"),
    Column("contract_hash", "string", "of what the contract means; empty without one"),
    Column("owner", "string", "who is to be told, in the contract's words"),
    Column("environment", "string", "judged; empty if unknown"),
    Column("route", "string", "judged; empty if unknown"),
    Column("slice", "object", "value by series column: which part of the route; empty for the whole"),
    Column("metric", "string", "a metric, of a budget the ratio or measure it is made of; empty if it is about none"),
    Column("unit", "string", "of estimate, interval, bound and baseline: ns, nusd, share, score, tokens_per_second, times"),
    Column(
        "rule",
        "string",
        "id of the objective, budget or limit in the contract; of a pipeline's what it is, and of which source or contract",
    ),
    Column(
        "window_ns",
        "integer",
        "how far back was looked; of a burn rate the long window; of same hours, how far they go back; 0: since a start",
    ),
    Column("short_window_ns", "integer", "of a burn rate; else 0"),
    Column("n", "integer", "calls, traces or scores behind the estimate"),
    Column("estimate", "number", "the metric, of a budget how fast it burns", True),
    Column("low", "number", "of the running interval of the estimate", True),
    Column("high", "number", "of the running interval of the estimate", True),
    Column("bound", "number", "what the estimate may not pass; of a regression the baseline made worse by the limit", True),
    Column("direction", "string", "at_most or at_least; empty without a bound"),
    Column("baseline", "string", "previous_release or same_hours_before; empty without one"),
    Column("baseline_n", "integer", "calls, traces or scores behind the baseline"),
    Column("baseline_estimate", "number", "the metric before", True),
    Column("baseline_low", "number", "of its interval", True),
    Column("baseline_high", "number", "of its interval", True),
    Column("release", "string", "that was judged; empty if none alone"),
    Column("previous_release", "string", "that it was compared with; empty if with none"),
    Column("log_e_value", "number", "natural logarithm of the evidence", True),
    Column("needed", "number", "what it must reach: ln(hypotheses / alpha)", True),
    Column("hypotheses", "integer", "how many are watched together; 0 where none are counted"),
    Column("detectable", "number", "smallest change that would be found, in parts of the baseline", True),
    Column("extent", "string", "only_here, everywhere or unknown"),
    Column("preliminary", "boolean", "rests on windows that may still change"),
    Column("first_seen_ns", "integer", "when the estimate first lay beyond the bound, event time, nanoseconds since 1970"),
    Column("at_ns", "integer", "end of the window that decided, event time, nanoseconds since 1970; of a pipeline's log time"),
    Column("fired_ns", "integer", "at_ns of the alert that began it"),
    Column("resolved_ns", "integer", "at_ns of the alert that ended it; 0 while it is firing"),
    Column("detail", "string", "what no field says, in words; of a pipeline's what is wrong"),
    Column("text", "string", "one line for people"),
    Column("sql", "string", "a query that shows the slice around that time; empty where there is nothing to show"),
    Column("board_url", "string", "the board Performance of that slice and time; empty without TAILRACE_GRAFANA_URL"),
)
"""The fields of an alert, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Fields as ALERTS says; what has a default is nothing, or is filled in by `pipeline.operators.alerts.told.told`."""

    kind: AlertKind
    state: AlertState
    tier: Tier
    severity: str
    rule: str
    at_ns: int
    first_seen_ns: int
    fired_ns: int
    resolved_ns: int = 0
    contract: str = ""
    contract_version: int = 0
    contract_hash: str = ""
    owner: str = ""
    environment: str = ""
    route: str = ""
    slice: tuple[tuple[str, str], ...] = ()
    """Pairs of series column and value, in the order of the series."""
    metric: str = ""
    unit: str = ""
    window_ns: int = 0
    short_window_ns: int = 0
    n: int = 0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    direction: str = ""
    baseline: str = ""
    baseline_n: int = 0
    baseline_estimate: float | None = None
    baseline_low: float | None = None
    baseline_high: float | None = None
    release: str = ""
    previous_release: str = ""
    log_e_value: float | None = None
    needed: float | None = None
    hypotheses: int = 0
    detectable: float | None = None
    extent: Extent = Extent.UNKNOWN
    preliminary: bool = False
    detail: str = ""
    id: str = ""
    fingerprint: str = ""
    text: str = ""
    sql: str = ""
    board_url: str = ""
