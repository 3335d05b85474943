"""Fragments of SQL over the `performance` views, and the target that carries one query.

Three laws hold on every panel: quantiles come from merged t-digests, never from averaged quantiles; a ratio is a sum over
a sum; a quantile is shown in a cell only if its sample can hold it, n · (1 - q) ≥ 1, so p99 needs 100 requests.

`${view}` is a variable of the board: the finest of the minute, hourly and daily views that still reaches back to the start
of the time range and has no more windows in it than a chart can show. An unknown component of the series key is the empty
string in the store and `(unknown)` on the board, because Grafana takes an empty variable for "all".

No value of a variable can change a query, wherever it came from (a span, the address bar): variables enter as
`percentencode` alone, between quotes. Its letters are A-Z a-z 0-9 - _ . ~ %, so nothing ends a literal and nothing begins a
macro. Grafana's `singlequote` and `sqlstring` leave backslashes alone, which ClickHouse reads as escapes.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from dataclasses import dataclass
from math import ceil

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery

DATASOURCE_TYPE = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
SERIES = ("environment", "route", "model", "release", "cohort", "language")
UNKNOWN = "(unknown)"
_LITERALLY_UNKNOWN = UNKNOWN.replace("(", "[(]").replace(")", "[)]")
VIEW_ROWS = "`rows_of_${view:percentencode}`"
"""What follows FROM: a name between backquotes, whatever the variable says. A panel merges what the view of that name would
merge per window and series, once.
"""

SEEN = "`seen_in_${view:percentencode}`"
"""The series and windows of the same, without numbers: for names alone, which this finds many times faster."""

TRACE_ROWS = "`rows_of_trace_${view:percentencode}`"
"""The same of whole traces: each view of calls has its view of traces."""

TRACE_SERIES = tuple(column for column in SERIES if column != "model")
"""A trace may ask several models, so the variable of the model selects none."""

MOST_LINES = 12
"""Lines of one chart; more cannot be told apart."""

IN_ANY_ORDER = "\nSETTINGS optimize_aggregation_in_order = 0"
"""Ends a query that merges no digest. What the reader's profile asks for is right for these and up to three times slower for sums
of rows that FINAL merges.
"""

OTHERS = "(all others)"
"""What those of a stack that have no line of their own are together, so that its height is the whole."""

SCORE_ROWS = "`rows_of_${scores:percentencode}`"
"""The same of scores, by a variable of its own."""


def _finest(name: str) -> str:
    return f"""SELECT multiIf(
  $__fromTime < now() - INTERVAL 80 DAY OR $__toTime - $__fromTime > {20 * 86_400}, '{name}_daily',
  $__fromTime < now() - INTERVAL 60 HOUR OR $__toTime - $__fromTime > 43200, '{name}_hourly',
  '{name}')"""


VIEW, SCORE_VIEW = _finest("performance"), _finest("score_sums")
"""Minutes are kept 3 days and hours 90; over half a day minutes, and over 20 days hours, are more than a chart can show."""


@dataclass(frozen=True, slots=True)
class Query(Dataquery):
    """One query of the ClickHouse data source. `table` asks for rows as they are instead of series over time."""

    sql: str
    table: bool = False

    def to_json(self) -> dict[str, object]:
        """The target as the plugin stores it. Without `pluginVersion` it would take it for an older model and migrate."""
        return {
            "refId": "A",
            "datasource": {"type": DATASOURCE_TYPE, "uid": "${datasource}"},
            "editorType": "sql",
            "queryType": "table" if self.table else "timeseries",
            "format": 1 if self.table else 0,
            "pluginVersion": PLUGIN_VERSION,
            "meta": {},
            "rawSql": self.sql,
        }


@dataclass(frozen=True, slots=True)
class Target(Builder[Dataquery]):
    """What a panel builder takes for a query."""

    query: Query

    def build(self) -> Dataquery:
        return self.query


def among(column: str) -> str:
    """Rows whose `column` is selected in the variable of the same name; all rows if the variable says All.

    Several values come as `{one,other}` and their names hold no comma (`shown`). Byte 255, which no UTF-8 has, parts them once
    they are decoded. Without a lambda the list is a constant to the server; a subquery takes a millisecond more to plan.
    """
    inner = f"replaceRegexpOne({_value(column)}, '^[{{](?s:(.*))[}}]\\\\z', '\\\\1')"
    known = f"replaceRegexpAll({inner}, '(^|,){_LITERALLY_UNKNOWN}(,|\\\\z)', '\\\\1\\\\2')"
    names = f"splitByChar('\\xFF', decodeURLComponent(replaceAll({known}, ',', '\\xFF')))"
    return f"$__conditionalAll({column} IN {names}, ${column})"


def chosen(variable: str) -> str:
    """The stored name, known, that is selected in a variable of one value."""
    return f"decodeURLComponent({_value(variable)})"


def _value(variable: str) -> str:
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


def where(*columns: str) -> str:
    """Rows in the time range and in the selection of each of `columns`."""
    return "\n  AND ".join(["$__timeFilter(window_start)", *map(among, columns)])


SELECTED = where(*SERIES)
"""Rows of the time range that every variable of the board selects."""

ANY_RELEASE = where(*(column for column in SERIES if column != "release"))
"""The same, whatever the release: for panels that compare two."""

TRACES_SELECTED = where(*TRACE_SERIES)
"""Traces of the time range that the variables select."""


def shown(column: str) -> str:
    """A component of the series key as the board shows and selects it, with a word for unknown.

    A comma parts the values of a variable and a dollar begins Grafana's own words, so these two are percent-encoded.
    """
    escaped = f"replaceAll(replaceAll(replaceAll({column}, '%', '%25'), ',', '%2C'), char(36), '%24')"
    return f"if({column} = '', '{UNKNOWN}', {escaped})"


def named(column: str) -> str:
    """The same under the component's capitalised name."""
    return f"{shown(column)} AS {column.capitalize()}"


TIME = "$__timeInterval(window_start) AS time"
FROM_START = "greatest($__timeInterval(window_start), $__fromTime) AS time"
"""Of points that may be as wide as the chart: the first begins before the range and would not be seen."""


def ratio(part: str, whole: str) -> str:
    """Sum over sum; null, not 0 and not NaN, where the whole is nothing."""
    return f"({part}) / nullIf({whole}, 0)"


def quantile(level: float, digest: str = "latency_digest", only: str = "") -> str:
    """The quantile of everything merged, over rows where `only` holds; null if no value was seen."""
    merged = f"quantilesTDigestMergeIf({level})({digest}, {only})" if only else f"quantilesTDigestMerge({level})({digest})"
    return f"if(isFinite({merged}[1]), {merged}[1], NULL)"


def enough(level: float) -> int:
    """Smallest sample in which one value is expected beyond the quantile."""
    return ceil(round(1 / (1 - level), 6))


def supported(level: float, n: str, digest: str = "latency_digest", only: str = "") -> str:
    """The quantile, or null where the sample `n` is too small for it."""
    return f"if({n} >= {enough(level)}, {quantile(level, digest, only)}, NULL)"


def rate(total: str) -> str:
    """`total` of one point per second. A point covers the chart's interval, or one window if that is longer."""
    return f"({total}) / greatest($__interval_s, any(window_end - window_start))"


def over_time(
    *values: str,
    by: str = "",
    selected: str = SELECTED,
    view: str = VIEW_ROWS,
    size: str = "sum(requests)",
    time: str = TIME,
    whole: bool = False,
) -> Query:
    """Series of `values` over time; with `by` one for each of the components with the largest `size`. `whole`: and one for all
    others together, for sums that are stacked.
    """
    if not by:
        return Query(f"SELECT\n  {time},\n  {_lines(values)}\nFROM {view}\nWHERE {selected}\nGROUP BY time\nORDER BY time")
    largest = f"SELECT {by} FROM {view}\nWHERE {selected}\nGROUP BY {by} ORDER BY {size} DESC, {by} LIMIT {MOST_LINES}"
    among_largest = f"{by} IN (\n{largest})"
    name = f"if({among_largest}, {shown(by)}, '{OTHERS}') AS {by.capitalize()}" if whole else named(by)
    also = "" if whole else f"\n  AND {among_largest}"
    return Query(
        f"SELECT\n  {time},\n  {_lines((name, *values))}\nFROM {view}\nWHERE {selected}{also}\n"
        f"GROUP BY time, {by.capitalize()}\nORDER BY time, {by.capitalize()}"
    )


def total(*values: str, selected: str = SELECTED, view: str = VIEW_ROWS) -> Query:
    """One row: `values` over the whole time range."""
    return Query(f"SELECT\n  {_lines(values)}\nFROM {view}\nWHERE {selected}", table=True)


def rows(
    *values: str,
    by: tuple[str, ...],
    order: str,
    having: str = "",
    selected: str = SELECTED,
    limit: int = 500,
    view: str = VIEW_ROWS,
) -> Query:
    """One row for each combination of the components `by`, the first `limit` in `order`."""
    keys = ", ".join(column.capitalize() for column in by)
    return Query(
        f"SELECT\n  {_lines((*map(named, by), *values))}\nFROM {view}\nWHERE {selected}\nGROUP BY {keys}\n"
        + (f"HAVING {having}\n" if having else "")
        + f"ORDER BY {order}, {keys}\nLIMIT {limit}",
        table=True,
    )


def _lines(values: tuple[str, ...]) -> str:
    return ",\n  ".join(values)
