"""Where to look: a query that shows the slice around an alert, and the board with its variables set.

Names come from spans, so whoever sends spans chooses them. In SQL they stand between quotes, and everything is escaped that could
end a literal or a line; in a link they are percent-encoded, over what the board's own variables encode.
"""

# ruff: noqa: S608 - columns and views are of our tables, values are literals

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from pipeline.model.alerts import Alert, AlertKind
from pipeline.model.columns import SERIES
from pipeline.model.contracts import HOUR_NS, MINUTE_NS
from pipeline.model.metrics import MEASURES, Family, Kind, Measure, Metric, metric
from pipeline.operators.ladder import LOWEST

BOARD = "d/tailrace-performance/performance"
OPERATIONS = "d/tailrace-operations/operations"
UNKNOWN = "(unknown)"
"""How the board calls an empty component of the series."""

LINK_CHARS = 4096
"""Servers and browsers take no longer address for certain."""

SQL_CHARS = 65_536
"""Of a query, on which names as long as TAILRACE_MAX_TEXT_BYTES allows stand escaped: a broker takes 1 MB for all of an alert."""

VIEWS = {Family.CALLS: "performance", Family.TRACES: "trace_performance", Family.SCORES: "score_sums"}
TOTALS = {
    (Family.CALLS, "latency_sum_ns"): "sum(toFloat64(latency_mean_ns) * requests)",
    (Family.TRACES, "latency_sum_ns"): "sum(toFloat64(latency_mean_ns) * traces)",
    (Family.SCORES, "value_sum"): "sum(value_sum) / 1e6",
}
"""Sums that the views have in another shape than the panes."""

STREAMED = {"ttft_count": "streamed"}
"""Where the views count no first tokens, calls answered as a stream stand for them, as on the board."""

IN_NO_VIEW = frozenset({"ttft_sum_ns"})
"""Sums that only the tables have, as they alone have counts over the ladder: their newest rows are asked for with FINAL."""

SAID_OF_SOURCES = ("left_out_source_ns", "slowest_source_delay_ns")
"""What aggregate says of the sources behind a partition that stands still."""

BY_HOUR_FROM_NS = 2 * HOUR_NS
"""A longer window is shown by the hour: minutes are kept for three days and are many."""

TAIL = (0.5, 0.95, 0.99)
"""Quantiles of a measure that a budget is made of."""


def literal(name: str) -> str:
    """A text as ClickHouse's literal: it is that text whatever it holds, and on a terminal it is a line.

    Source: https://clickhouse.com/docs/sql-reference/syntax#string
    """
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{''.join(c if c.isprintable() else _as_bytes(c) for c in escaped)}'"


def _as_bytes(c: str) -> str:
    return "".join(f"\\x{byte:02X}" for byte in c.encode())


def sql(alert: Alert) -> str:
    """A statement without an end mark, that shows windows and releases for at least an hour up to the window that decided.

    Of an alert about the pipeline: what the stages said of it. "" where it would be longer than SQL_CHARS: half a query is none.
    """
    if alert.kind is AlertKind.PIPELINE:
        return _of_pipeline(alert)
    one, measure = metric(alert.metric), MEASURES.get(alert.metric)
    family = (one or measure or MEASURES["latency"]).family
    by_hour = alert.window_ns > BY_HOUR_FROM_NS
    since_ns = max(0, alert.at_ns - max(2 * alert.window_ns, 2 * HOUR_NS if by_hour else HOUR_NS))
    chosen = [("environment", alert.environment), ("route", alert.route), *alert.slice]
    if one is not None and one.evaluator:
        chosen.append(("evaluator", one.evaluator))
    where = [
        *(f"{column} = {literal(value)}" for column, value in chosen),
        f"window_start >= {_time(since_ns)}",
        f"window_start < {_time(alert.at_ns)}",
    ]
    columns = ", ".join(["window_start", "release", *_columns(one, measure, family)])
    order = "window_start, release"
    said = f"SELECT {columns} FROM {_rows(one, family, by_hour)} WHERE {' AND '.join(where)} GROUP BY {order} ORDER BY {order}"
    return said if len(said) <= SQL_CHARS else ""


def _of_pipeline(alert: Alert) -> str:
    """What `status` holds of the hour before and since it began; a rule begins with the metric it is about."""
    metrics = ", ".join(map(literal, (alert.rule.partition(" ")[0], *SAID_OF_SOURCES)))
    span = f"time >= {_time(max(0, alert.fired_ns - HOUR_NS))} AND time <= {_time(alert.at_ns + MINUTE_NS)}"
    return (
        "SELECT stage, source, metric, max(value) AS most, argMax(value, time_ns) AS last, max(time) AS said FROM status "
        f"WHERE metric IN ({metrics}) AND {span} GROUP BY stage, source, metric ORDER BY metric, most DESC LIMIT 100"
    )


def _time(ns: int) -> str:
    return f"toDateTime('{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"


def _rows(one: Metric | None, family: Family, by_hour: bool) -> str:
    ending = "_hourly" if by_hour else ""
    return f"panes{ending} FINAL" if one is not None and _is_in_no_view(one) else f"{VIEWS[family]}{ending}"


def _is_in_no_view(one: Metric) -> bool:
    return one.events in IN_NO_VIEW or (one.kind is Kind.QUANTILE and one.measure is not None and not one.measure.digest)


def _columns(one: Metric | None, measure: Measure | None, family: Family) -> list[str]:
    """n, and the metric; of a budget over a measure its quantiles, or its mean where it has no digest."""
    if one is not None and (one.events or one.kind is Kind.QUANTILE):
        n = one.n if _is_in_no_view(one) else STREAMED.get(one.n, one.n)
        return [_n(n), f'{_value(one, family)} AS "{one.name}"']
    measure = measure or (one.measure if one is not None else None)
    if measure is None:
        return [_n("")]
    if measure.digest:  # the mean of a digest no view tells
        return [
            _n(STREAMED.get(measure.count, measure.count)),
            *(f'{_quantile(p, measure.digest)} AS "p{p * 100:g}"' for p in TAIL),
        ]
    return [_n(measure.count), f'{_over(measure.total, measure.count, measure.unknown, family)} AS "{measure.name}.mean"']


def _n(column: str) -> str:
    return f"sum({column or 'requests'}) AS n"


def _value(one: Metric, family: Family) -> str:
    if one.kind is Kind.QUANTILE:
        assert one.measure is not None, "a quantile is of a measure"
        return _quantile(one.quantile, one.measure.digest) if one.measure.digest else _of_ladder(one.quantile, one.measure)
    if one.kind is Kind.SUM:
        return f"sum({one.events})"
    return _over(one.events, one.of, one.unknown, family)


def _quantile(p: float, digest: str) -> str:
    return f"quantilesTDigestMerge({p})({digest})[1]"


def _of_ladder(p: float, measure: Measure) -> str:
    """Of counts over the ladder, to one bin of it: the middle of the bin that holds it. What is unknown lies in bin 0."""
    counted = f"sumMap({measure.ladder}_bins, {measure.ladder}_bin_counts) AS ladder"
    unknown = " + ".join(f"sum({name})" for name in measure.unknown) or "0"
    reached = f"arrayMap(c -> c - ({unknown}), arrayCumSum(({counted}).2))"
    bin_of = f"ladder.1[arrayFirstIndex(c -> c > 0 AND c >= {p} * ({reached})[-1], {reached})]"
    return f"if(length(ladder.1) = 0, NULL, {LOWEST} * pow(1.02, ({bin_of} - 0.5) / 2))"


def _over(events: str, of: str, unknown: Sequence[str], family: Family) -> str:
    total = TOTALS.get((family, events), f"toFloat64(sum({events}))")
    whole = " - ".join(f"sum({column})" for column in (of, *unknown))
    return f"{total} / nullIf({whole}, 0)"


def board_url(alert: Alert, grafana_url: str) -> str:
    """A link that shows what the query shows; "" without an address of Grafana. Names too long for a link select nothing."""
    if not grafana_url:
        return ""
    since_ns = max(0, alert.at_ns - max(2 * alert.window_ns, HOUR_NS))
    board = OPERATIONS if alert.kind is AlertKind.PIPELINE else BOARD
    link = f"{grafana_url.rstrip('/')}/{board}?from={since_ns // 10**6}&to={-(-alert.at_ns // 10**6)}"
    if alert.kind is AlertKind.PIPELINE:
        return link
    for column, value in (("environment", alert.environment), ("route", alert.route), *alert.slice):
        variable = f"&var-{column}={quote(_on_the_board(value), safe='')}"
        if column in SERIES and len(link) + len(variable) <= LINK_CHARS:
            link += variable
    return link


def _on_the_board(value: str) -> str:
    """As `grafana/sql.py` shows a name: a comma parts values, a dollar begins Grafana's own words."""
    return value.replace("%", "%25").replace(",", "%2C").replace("$", "%24") if value else UNKNOWN
