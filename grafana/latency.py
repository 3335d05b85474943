"""The board *Latency and streaming*: how long calls take, when the first token comes and how fast the others follow, by whom
and for whom.
"""

from itertools import product

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.measures import LATENCY_LIMITS, SAMPLES, SECOND, STREAMED, TTFT_LIMITS, N
from grafana.panels import Panel, cells, chart, coloured, ladder, limits, narrowing, numbers, properties, sample
from grafana.sql import IN_ANY_ORDER, SERIES, Query, among, enough, over_time, quantile, ratio, rows, supported, total
from grafana.variables import assemble, component, view
from pipeline.operators.ladder import BEYOND, bin_at_or_above

UID = "tailrace-latency"
LEVELS = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
STEPS_NS = (*(int(x * SECOND) for x in (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 60, 120, 300)),)
"""Upper edges of the steps of a heat map."""


def _steps(measure: str) -> Query:
    """Calls by time and step, from the counts over the ladder. A column is named by its upper edge in nanoseconds."""
    bins = [-1, *map(bin_at_or_above, STEPS_NS)]
    named = [f"{edge}" for edge in STEPS_NS]
    between = [
        *zip(named, bins, bins[1:], strict=False),
        ("+Inf", bins[-1], BEYOND),
    ]
    counts = ",\n  ".join(
        f'sum(arraySum((b, c) -> if(b > {low} AND b <= {high}, c, 0), {measure}_bins, {measure}_bin_counts)) AS "{name}"'
        for name, low, high in between
    )
    selected = "\n  AND ".join(["$__timeFilter(window_start)", *map(among, SERIES)])
    return Query(
        f"SELECT\n  $__timeInterval(window_start) AS time,\n  {counts}\nFROM panes FINAL\nWHERE {selected}\nGROUP BY "
        f"time\nORDER BY time{IN_ANY_ORDER}"
    )


VECTOR = (
    numbers(
        "Latency",
        "Quantiles of the whole range, from merged t-digests. Shown if the sample can hold them (p99 needs 100 requests).",
        total(*(f"{supported(level, N)} AS {name}" for name, level in LEVELS)),
        "ns",
        8,
        limits(*LATENCY_LIMITS),
    ),
    numbers(
        "Time to first token",
        "Streamed answers only; a call that did not stream has none.",
        total(*(f"{supported(level, STREAMED, 'ttft_digest')} AS {name}" for name, level in LEVELS)),
        "ns",
        8,
        limits(*TTFT_LIMITS),
    ),
    numbers(
        "Output speed",
        "Output tokens per second after the first token: median over streamed answers, and what one in ten falls below.",
        total(
            f"{supported(0.5, STREAMED, 'tps_digest')} AS p50",
            f"if({STREAMED} >= {enough(0.9)}, {quantile(0.1, 'tps_digest')}, NULL) AS p10",
        ),
        "count:tok/s",
        5,
    ),
    numbers(
        "Streamed",
        "Calls whose answer came as a stream, over all calls.",
        total(f"{ratio(STREAMED, N)} AS Streamed"),
        "percentunit",
        3,
    ),
)

SPREAD = (
    ladder(
        "Calls by latency",
        "Calls by how long they took, exact counts over the ladder of thresholds (its edges lie within 1 % of those "
        "written here). "
        "Panes of minutes carry them, which are kept for three days: longer ranges are empty before.",
        _steps("latency"),
        "ns",
        12,
    ),
    ladder(
        "Streamed answers by time to first token",
        "Streamed answers by when their first token came, counted as the latency beside.",
        _steps("ttft"),
        "ns",
        12,
    ),
)


def _charts() -> tuple[Panel, ...]:
    measures = (
        ("p95 latency", "ns", quantile(0.95), "End minus start that one call in twenty exceeds."),
        ("p95 time to first token", "ns", quantile(0.95, "ttft_digest"), "Streamed answers only: one in twenty waits longer."),
        (
            "Output speed",
            "count:tok/s",
            quantile(0.5, "tps_digest"),
            "Median of output tokens per second after the first, streamed only.",
        ),
    )
    return tuple(
        chart(f"{name} by {column}", about, over_time(f"{value} AS value", by=column), unit, 8, column.capitalize())
        for (name, unit, value, about), column in product(measures, ("model", "route", "cohort"))
    )


SLICES = (
    cells(
        "Model × route × cohort",
        "Every slice, the slowest first; a quantile its sample cannot hold stays empty. Click a name to narrow the board to it.",
        rows(
            SAMPLES,
            *(f"{supported(level, N)} AS {name}" for name, level in LEVELS),
            f"{STREAMED} AS Streamed",
            *(f'{supported(level, STREAMED, "ttft_digest")} AS "TTFT {name}"' for name, level in LEVELS[:2]),
            f'{supported(0.5, STREAMED, "tps_digest")} AS "Tokens/s"',
            by=("model", "route", "cohort"),
            order="p95 DESC NULLS LAST",
        ),
        "ns",
        12,
        "p95",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("model", "route", "cohort")},
            "n": sample(enough(0.99)),
            "p95": coloured("ns", *LATENCY_LIMITS),
            "p99": coloured("ns", *LATENCY_LIMITS),
            "Streamed": properties({"unit": "short"}),
            "TTFT p95": coloured("ns", *TTFT_LIMITS),
            "Tokens/s": properties({"unit": "none"}),
        },
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Latency and streaming",
        "How long calls take, when their first token comes and how fast the others follow, by model, route and cohort.",
        [view(), *map(component, SERIES)],
        {"The whole range": VECTOR, "Spread": SPREAD, "Over time": _charts(), "Slices": SLICES},
    )
