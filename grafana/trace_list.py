"""The board *Traces*: single traces that were slow, dear or failed, and the spans of one of them.

It reads the table `traces`, a row for each trace that is over, and `spans` for the one that is looked at. Where the link of a
trace leads, the variable `trace_url` says; its default is this board with the trace selected, so it leads somewhere with no
store of spans beside ours.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.alerts import plain
from grafana.measures import LATENCY_LIMITS
from grafana.panels import BAD, WIDE, Panel, cells, coloured, narrowing, numbers, opening, properties, within, words
from grafana.sql import SERIES, TRACE_SERIES, Query, among, chosen, named, shown
from grafana.variables import assemble, component, text, view

UID = "tailrace-traces"
TRACE_URL = f"/d/{UID}?var-trace={{trace_id}}&from={{from}}&to={{to}}"
"""Words in braces are filled in: the trace, and the time range in milliseconds since 1970."""

SELECTED = "\n  AND ".join(["$__timeFilter(closed_time)", *map(among, TRACE_SERIES)])
MOST = 50
FILLED = {
    "trace_id": "trace_id",
    "from": "toString(1000 * toUnixTimestamp($__fromTime))",
    "to": "toString(1000 * toUnixTimestamp($__toTime))",
}


OUTCOME = (
    "concat(if(failed, 'failed', 'ok'), if(incomplete, ', incomplete', ''), "
    "if(unpriced + unknown_usage > 0, ', cost known in part', ''))"
)


def _traces(order: str, having: str = "") -> Query:
    address = chosen("trace_url")
    for word, value in FILLED.items():
        address = f"replaceAll({address}, '{{{word}}}', {value})"
    columns = (
        "closed_time AS Over",
        f"{address} AS Spans",
        *(named(column) for column in ("route", "release", "cohort", "language")),
        "latency_ns AS Latency",
        "cost_nusd / 1e9 AS Cost",
        "calls AS Calls",
        "errors AS Errors",
        f"{OUTCOME} AS Outcome",
        "input_tokens AS In",
        "output_tokens AS Out",
        "ttft_ns AS TTFT",
        "trace_id AS Trace",
    )
    condition = f"\n  AND {having}" if having else ""
    return Query(
        "SELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM traces FINAL\nWHERE {SELECTED}{condition}\nORDER BY {order}, Trace\nLIMIT {MOST}",
        table=True,
    )


LOOKED_AT = (
    f"(SELECT if({chosen('trace')} != '', {chosen('trace')}, (\n"
    f"SELECT trace_id FROM traces FINAL WHERE {SELECTED} ORDER BY latency_ns DESC, trace_id LIMIT 1)))"
)
"""The trace that is selected; without one the slowest."""

# A trace is over some time after its last span, and may have begun before the range.
NEAR = "end_time >= $__fromTime - INTERVAL 1 DAY AND end_time <= $__toTime + INTERVAL 1 DAY"

SPAN_COLUMNS = (
    "start_ns - min(start_ns) OVER () AS After",
    "span_id AS Span",
    "parent_span_id AS Parent",
    f"{plain('kind')} AS Kind",
    f"if(empty(model), '', {shown('model')}) AS Model",
    "latency_ns AS Latency",
    "ttft_ns AS TTFT",
    "input_tokens AS In",
    "output_tokens AS Out",
    "cost_nusd / 1e9 AS Cost",
    "status AS Status",
    f"{plain('error_type')} AS Error",
    "if(empty(r.counted_by), '', concat('told by ', r.counted_by)) AS Counted",
)
SPANS = Query(
    f"WITH {LOOKED_AT} AS looked_at\nSELECT\n  "
    + ",\n  ".join(SPAN_COLUMNS)
    + f"\nFROM (SELECT * FROM spans FINAL WHERE trace_id = looked_at AND {NEAR}) AS s\n"
    "LEFT JOIN (SELECT span_id, argMax(counted_by, (inserted_at, revision)) AS counted_by FROM repeats\n"
    f"WHERE trace_id = looked_at AND {NEAR} GROUP BY span_id) AS r ON r.span_id = s.span_id\n"
    "ORDER BY start_ns, span_id\nLIMIT 500",
    table=True,
)

SPAN_PIXELS = {"Span": 148, "Parent": 148, "Kind": 66, "In": 60, "Out": 60, "Error": 130, "Counted": 150}

ONE: tuple[Panel, ...] = (
    cells(
        "Spans of one trace",
        "What is kept of each span, in the order in which they began, After the first; of the trace that Open of a row below "
        "selects, or whose id is typed above. Without one it is the slowest. Counted names the span that stands for a call which "
        "several tell of.",
        SPANS,
        "short",
        9,
        "",
        {
            "After": properties({"unit": "ns"}),
            **{name: within(width) for name, width in SPAN_PIXELS.items()},
            "Model": WIDE,
            "Latency": coloured("ns", *LATENCY_LIMITS),
            "TTFT": properties({"unit": "ns"}),
            "Cost": properties({"unit": "currencyUSD"}),
            "Status": words({"error": BAD}),
        },
    ),
)

COLUMNS = {
    "Over": properties({"unit": "time:MM-DD HH:mm:ss", "custom.width": 122}),
    "Trace": properties({"custom.width": 292}),
    **{name: properties({"custom.width": 58}) for name in ("Calls", "Errors")},
    "Outcome": properties({"custom.wrapText": True, "custom.minWidth": 80}),
    "Spans": opening("the trace", new_tab=True),
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
        "Slowest trace",
        "How long the slowest took, from its root's start to its end.",
        Query(f"SELECT if(count() = 0, NULL, max(latency_ns)) AS Slowest\nFROM traces FINAL\nWHERE {SELECTED}", table=True),
        "ns",
        6,
    ),
    numbers(
        "Dearest trace",
        "US dollars of all its calls.",
        Query(f"SELECT if(count() = 0, NULL, max(cost_nusd) / 1e9) AS Dearest\nFROM traces FINAL\nWHERE {SELECTED}", table=True),
        "currencyUSD",
        6,
    ),
)


def _table(title: str, about: str, order: str, having: str = "") -> Panel:
    said = (
        f"{about} The first {MOST}; Spans opens the trace where the variable Trace viewer says. Incomplete: its root was not "
        "seen, or it was cut. Cost known in part: some of its calls have no price or said no tokens."
    )
    return cells(
        title, said, _traces(order, having), "short", 10, "", COLUMNS, nothing="No such trace in the range and selection"
    )


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
        "Single traces: the slowest, the dearest, those that failed, and the spans of one of them.",
        [
            view(),
            *(component(column) for column in SERIES if column != "model"),
            text("trace", "Trace", "The id of the trace whose spans are shown; none: the slowest.", ""),
            text("trace_url", "Trace viewer", "Where a trace can be seen: an address with {trace_id} in it.", TRACE_URL),
        ],
        {"In the range": ALL, "One trace": ONE, "Traces one by one": TABLES},
    )
