"""The board *Traces*: single traces that were slow, dear or failed, each with a link to wherever its spans can be seen.

It reads the table `traces`, a row for each trace that is over. Where the link leads, the variable `trace_url` says: an
address with
`{trace_id}` in it. Its default opens the trace in Grafana's Explore from a Tempo data source with the uid `tempo`.
"""

from grafana_foundation_sdk.models.dashboard import Dashboard, DynamicConfigValue

from grafana.measures import LATENCY_LIMITS
from grafana.panels import Panel, cells, coloured, narrowing, numbers, properties
from grafana.sql import SERIES, TRACE_SERIES, Query, among, named
from grafana.variables import assemble, component, text, view

UID = "tailrace-traces"
TRACE_URL = (
    "/explore?schemaVersion=1&orgId=1&panes=%7B%22t%22%3A%7B%22datasource%22%3A%22tempo%22%2C%22queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C"
    "%22datasource%22%3A%7B%22type%22%3A%22tempo%22%2C%22uid%22%3A%22tempo%22%7D%2C%22queryType%22%3A%22traceql%22%2C%22query%22%3A%22"
    "{trace_id}%22%7D%5D%2C%22range%22%3A%7B%22from%22%3A%22now-7d%22%2C%22to%22%3A%22now%22%7D%7D%7D"
)
"""Explore with one query by trace id. Source: grafana.com/docs/grafana/latest/explore/get-started-with-explore (URL format)."""

SELECTED = "\n  AND ".join(["$__timeFilter(closed_time)", *map(among, TRACE_SERIES)])
MOST = 50
OPEN: list[DynamicConfigValue] = properties(
    {
        "mappings": [{"type": "regex", "options": {"pattern": ".*", "result": {"text": "open", "index": 0}}}],
        "links": [{"title": "Open the trace", "url": "${__value.raw}", "targetBlank": True}],
        "custom.width": 80,
    }
)


def _traces(order: str, having: str = "") -> Query:
    address = "replaceAll(decodeURLComponent('${trace_url:percentencode}'), '{trace_id}', trace_id)"
    columns = (
        "closed_time AS Over",
        f"{address} AS Spans",
        "trace_id AS Trace",
        *(named(column) for column in ("route", "release", "cohort", "language")),
        "latency_ns AS Latency",
        "cost_nusd / 1e9 AS Cost",
        "calls AS Calls",
        "errors AS Errors",
        "if(failed, 'failed', 'ok') AS Outcome",
        "input_tokens AS In",
        "output_tokens AS Out",
        "ttft_ns AS TTFT",
        "if(incomplete, 'incomplete', 'whole') AS Seen",
        'unpriced + unknown_usage AS "Unknown cost"',
    )
    condition = f"\n  AND {having}" if having else ""
    return Query(
        "SELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM traces FINAL\nWHERE {SELECTED}{condition}\nORDER BY {order}, Trace\nLIMIT {MOST}",
        table=True,
    )


COLUMNS = {
    "Over": properties({"unit": "dateTimeAsIso"}),
    "Spans": OPEN,
    **{column.capitalize(): narrowing(UID, column) for column in ("route", "release", "cohort", "language")},
    "Latency": coloured("ns", *LATENCY_LIMITS),
    "Cost": properties({"unit": "currencyUSD"}),
    "TTFT": properties({"unit": "ns"}),
}

ALL: tuple[Panel, ...] = (
    numbers(
        "Traces that are over",
        "Rows of the table of traces in the range and selection, with how many failed, were incomplete or have a cost "
        "that is known in part.",
        Query(
            "SELECT count() AS Traces, countIf(failed) AS Failed, countIf(incomplete) AS Incomplete, "
            'countIf(unpriced + unknown_usage > 0) AS "Unknown cost"\n'
            f"FROM traces FINAL\nWHERE {SELECTED}",
            table=True,
        ),
        "short",
        12,
    ),
    numbers(
        "The worst of them",
        "How long the slowest took.",
        Query(f"SELECT if(count() = 0, NULL, max(latency_ns)) AS Slowest\nFROM traces FINAL\nWHERE {SELECTED}", table=True),
        "ns",
        6,
    ),
    numbers(
        "The dearest of them",
        "US dollars of all calls of the dearest.",
        Query(f"SELECT if(count() = 0, NULL, max(cost_nusd) / 1e9) AS Dearest\nFROM traces FINAL\nWHERE {SELECTED}", table=True),
        "currencyUSD",
        6,
    ),
)


def _table(title: str, about: str, order: str, having: str = "") -> Panel:
    said = f"{about} The first {MOST}; Spans opens the trace where the variable Trace viewer says."
    return cells(title, said, _traces(order, having), "short", 10, "", COLUMNS)


TABLES: tuple[Panel, ...] = (
    _table("Slowest", "The root's end less its start.", "Latency DESC"),
    _table("Dearest", "US dollars of all calls of a trace, each counted once.", "Cost DESC"),
    _table("Failed", "Traces whose root ended in an error; the newest first.", "Over DESC", "failed"),
    _table("Many calls", "Traces that ask a model most often: loops show here.", "Calls DESC"),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Traces",
        "Single traces: the slowest, the dearest, those that failed, and a link to their spans.",
        [
            view(),
            *(component(column) for column in SERIES if column != "model"),
            text("trace_url", "Trace viewer", "Where a trace can be seen: an address with {trace_id} in it.", TRACE_URL),
        ],
        {"In the range": ALL, "Which": TABLES},
    )
