"""How the promises of a contract stand at one look, as a block: slices that are told nothing of, too.

An alert says that something began or ended. Between alerts a board wants to know how far from its bound each slice is, how much
evidence there is by now, and which change would be found at all.
"""

from pipeline.model.alerts import ALERTS
from pipeline.model.columns import Column

OF_AN_ALERT = (
    *(
        "fingerprint",
        "kind",
        "severity",
        "contract",
        "contract_version",
        "contract_hash",
        "owner",
        "environment",
        "route",
        "slice",
    ),
    *("metric", "unit", "rule", "window_ns", "short_window_ns", "n", "estimate", "low", "high", "bound", "direction"),
    *("baseline", "baseline_n", "baseline_estimate", "baseline_low", "baseline_high", "release", "previous_release"),
    *("log_e_value", "needed", "hypotheses", "detectable", "first_seen_ns"),
)
"""What an alert would say if it were told now. first_seen_ns is 0 where the estimate is not beyond the bound."""

FAR_MORE = 10**9
"""More than that nobody waits for: a baseline without a single error asks for them."""

STANDINGS: tuple[Column, ...] = (
    Column("at_ns", "integer", "of the look: windows of calls that end by then are whole, event time, nanoseconds since 1970"),
    Column("partition", "integer", "of panes, whose routes these are"),
    Column("verdict", "string", "broken, likely, crossed, not enough data or kept"),
    *(column for column in ALERTS if column.name in OF_AN_ALERT),
    Column("missing", "integer", "how many more calls, traces or scores it takes to say something; 0: none; 10^9: far more"),
    Column("finds_nothing", "boolean", "calls there are, but no change that is looked for would be found"),
    Column("in_points", "boolean", "detectable is absolute, not in parts of the baseline"),
)
