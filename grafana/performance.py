"""The board *Performance*: how well, how fast and at what cost each model serves each route and each cohort.

Read from top to bottom: the vector over the whole range, the same over time, then every slice as a row. What a number means
is said once, in the description of its panel.
"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.measures import COST, ERROR_LIMITS, LATENCY_LIMITS, REFUSED, SAMPLE, SAMPLES, STREAMED, TTFT_LIMITS, N
from grafana.panels import SHARE, Panel, cells, chart, coloured, limits, narrowing, numbers, properties, sample
from grafana.sql import SERIES, enough, over_time, quantile, rate, ratio, rows, supported, total
from grafana.traces import traces
from grafana.variables import assemble, component, view

UID = "tailrace-performance"

VECTOR = (
    numbers(
        "Requests",
        "Model calls in the range and selection (LLM, embedding, reranker), and their mean rate.",
        total(f"{N} AS Requests", f"{N} / ($__toTime - $__fromTime) AS Rate"),
        "short",
        5,
        units={"Rate": "reqps"},
    ),
    numbers(
        "Latency",
        "Quantiles of the whole range, from merged t-digests: not the mean of the points below. "
        "Shown if the sample can hold them (p99 needs 100 requests).",
        total(*(f"{supported(level, N)} AS {name}" for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)))),
        "ns",
        8,
        limits(*LATENCY_LIMITS),
    ),
    numbers(
        "Time to first token",
        "Streamed answers only; a call that did not stream has none.",
        total(*(f"{supported(level, STREAMED, 'ttft_digest')} AS {name}" for name, level in (("p50", 0.5), ("p95", 0.95)))),
        "ns",
        5,
        limits(*TTFT_LIMITS),
    ),
    numbers(
        "Errors",
        "Calls that ended in an error, over all calls.",
        total(f"{ratio('sum(errors)', N)} AS Errors"),
        "percentunit",
        3,
        limits(*ERROR_LIMITS),
    ),
    numbers(
        "Cost",
        "US dollars of all calls with a known price. Calls without one are counted in Data quality.",
        total(f"{COST} AS Cost"),
        "currencyUSD",
        3,
    ).decimals(2),
    numbers(
        "Tokens",
        "Input includes tokens read from the provider's cache, output includes reasoning.",
        total("sum(input_tokens) AS In", "sum(output_tokens) AS Out"),
        "short",
        5,
    ),
    numbers(
        "Output speed",
        "Output tokens per second after the first token: median over streamed answers, and the slow tail "
        "that one answer in ten falls below.",
        total(
            f"{supported(0.5, STREAMED, 'tps_digest')} AS p50",
            f"if({STREAMED} >= {enough(0.9)}, {quantile(0.1, 'tps_digest')}, NULL) AS p10",
        ),
        "count:tok/s",
        5,
    ),
    numbers(
        "Data quality",
        "Shares of the requests that did not say their tokens, that had no price, and that fell into windows which "
        "may still change because late spans are allowed.",
        total(
            f'{ratio("sum(unknown_usage)", N)} AS "Unknown usage"',
            f"{ratio('sum(unpriced)', N)} AS Unpriced",
            f"{ratio('sumIf(requests, NOT final)', N)} AS Open",
        ),
        "percentunit",
        8,
        limits(0.02, 0.2),
        colours={"Open": ("text", 0)},
    ),
    numbers(
        "Cost per request",
        "US dollars over requests that have a price.",
        total(f'{ratio(COST, "sum(requests) - sum(unpriced)")} AS "Per request"'),
        "currencyUSD",
        6,
    ),
    numbers(
        "Refusals",
        "Refusals over the answers that were looked at; how an answer reads is known of English only.",
        total(f"{ratio(*REFUSED)} AS Refusals"),
        "percentunit",
        8,
    ),
    numbers(
        "Citations",
        "Answers that cite, over those that are to: of the routes that are named for it, or with a search in their request.",
        total(f"{ratio('sum(citations)', 'sum(citation_checked)')} AS Citations"),
        "percentunit",
        8,
    ),
    numbers(
        "Schema kept",
        "Answers that are the JSON they are to be and keep its schema, over those that are to be JSON.",
        total(f"{ratio('sum(schema_valid)', 'sum(schema_checked)')} AS Kept"),
        "percentunit",
        8,
    ),
)

SPEED = (
    chart(
        "Latency over time",
        "Quantiles of end minus start of all selected calls; the bars are the sample behind each point.",
        over_time(*(f"{quantile(level)} AS {name}" for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))), SAMPLES),
        "ns",
        12,
    ),
    chart(
        "p99 latency by cohort",
        "Who waits longest. A point of fewer than 100 requests is close to their maximum: see n in the table below.",
        over_time(f"{quantile(0.99)} AS p99", by="cohort"),
        "ns",
        12,
        "Cohort",
    ),
    chart(
        "p95 time to first token by model",
        "Streamed answers only.",
        over_time(f"{quantile(0.95, 'ttft_digest')} AS ttft", by="model"),
        "ns",
        12,
        "Model",
    ),
    chart(
        "Output speed by model",
        "Median of output tokens per second after the first token, streamed answers only.",
        over_time(f"{quantile(0.5, 'tps_digest')} AS speed", by="model"),
        "count:tok/s",
        12,
        "Model",
    ),
)

TRAFFIC = (
    chart(
        "Requests by route",
        "Calls per second, stacked: the routes with most, and all others together.",
        over_time(f"{rate(N)} AS requests", by="route", whole=True),
        "reqps",
        8,
        "Route",
        stacked=True,
    ),
    chart(
        "Errors by route",
        "Calls that ended in an error over all calls of the route.",
        over_time(f"{ratio('sum(errors)', N)} AS errors", by="route"),
        "percentunit",
        8,
        "Route",
    ),
    chart(
        "Errors by model",
        "Calls that ended in an error over all calls of the model.",
        over_time(f"{ratio('sum(errors)', N)} AS errors", by="model"),
        "percentunit",
        8,
        "Model",
    ),
)

SPENDING = (
    chart(
        "Tokens per second",
        "Tokens of all selected calls per second of wall time. Cached input is a part of input.",
        over_time(
            f'{rate("sum(input_tokens)")} AS "input"',
            f'{rate("sum(cache_read_tokens)")} AS "cached input"',
            f'{rate("sum(output_tokens)")} AS "output"',
        ),
        "count:tok/s",
        8,
    ),
    chart(
        "Cost per hour by route",
        "US dollars per hour at the rate of each point, stacked: the dearest, and all others together.",
        over_time(f"3600 * {rate(COST)} AS cost", by="route", size=COST, whole=True),
        "currencyUSD",
        8,
        "Route",
        stacked=True,
    ),
    chart(
        "Cost per hour by model",
        "US dollars per hour at the rate of each point, stacked: the dearest, and all others together.",
        over_time(f"3600 * {rate(COST)} AS cost", by="model", size=COST, whole=True),
        "currencyUSD",
        8,
        "Model",
        stacked=True,
    ),
)


SLICES = (
    cells(
        "Route × model × release × cohort",
        "Every slice, the slowest first. n is its requests; a quantile its sample cannot hold stays empty and the n is "
        "marked. Click a name to narrow the board to it.",
        rows(
            SAMPLES,
            f"{supported(0.5, N)} AS p50",
            f"{supported(0.95, N)} AS p95",
            f"{supported(0.99, N)} AS p99",
            f'{supported(0.95, STREAMED, "ttft_digest")} AS "TTFT p95"',
            f"{ratio('sum(errors)', N)} AS Errors",
            f'{ratio(COST, "sum(requests) - sum(unpriced)")} AS "Cost per request"',
            f'{ratio("sum(unknown_usage)", N)} AS "Unknown usage"',
            by=("route", "model", "release", "cohort"),
            order="p99 DESC NULLS LAST",
        ),
        "ns",
        12,
        "p99",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("route", "model", "release", "cohort")},
            SAMPLE: sample(enough(0.99)),
            "p95": coloured("ns", *LATENCY_LIMITS),
            "p99": coloured("ns", *LATENCY_LIMITS),
            "TTFT p95": coloured("ns", *TTFT_LIMITS),
            "Errors": coloured("percentunit", *ERROR_LIMITS),
            "Cost per request": properties({"unit": "currencyUSD"}),
            "Unknown usage": properties(SHARE),
        },
    ),
)

ROWS: dict[str, tuple[Panel, ...]] = {
    "The whole range": VECTOR,
    "Speed": SPEED,
    "Traffic and errors": TRAFFIC,
    "Tokens and cost": SPENDING,
    "Whole traces": traces(),
    "Slices": SLICES,
}


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Performance",
        "Latency, time to first token, errors, tokens and cost of deployed models, call by call and trace by trace.",
        [view(), *map(component, SERIES)],
        ROWS,
    )
