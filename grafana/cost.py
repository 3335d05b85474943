"""The board *Cost*: what is spent, on what, and what a whole trace costs.

Money is of calls with a known price; what is not priced, and what said no tokens, is shown beside it. What the price book charges
for each kind of token is told apart; what spans claim in one sum is not.
"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.measures import CALLING, COST, PRICED, SAMPLES, TRACES, N
from grafana.panels import SHARE, cells, chart, coloured, limits, narrowing, numbers, properties, sample
from grafana.sql import (
    SERIES,
    TRACE_ROWS,
    TRACES_SELECTED,
    enough,
    over_time,
    quantile,
    rate,
    ratio,
    rows,
    supported,
    total,
)
from grafana.variables import assemble, component, view

UID = "tailrace-cost"
PER_SECOND = f"{COST} / ($__toTime - $__fromTime)"
MONTH_S = 2_629_746
"""Seconds of a mean month, a twelfth of a Gregorian year."""

MIDDLE_OF_DAY = (
    "toDateTime(intDiv(toUnixTimestamp(greatest($__timeInterval(window_start), $__fromTime))\n"
    "  + toUnixTimestamp(least($__timeInterval(window_start) + $__interval_s, $__toTime)), 2)) AS time"
)
"""Of what the range holds of each day: bars are as wide as the nearest two are apart, and the first may be of a few minutes."""

CENTS = properties({"decimals": 2})
UNKNOWN_LIMITS = (0.02, 0.2)
KINDS = {
    "input": "input_tokens",
    "cached input": "cache_read_tokens",
    "written to cache": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "audio in": "audio_input_tokens",
    "audio out": "audio_output_tokens",
}
SPENT_ON = {
    "input": "cost_input_nusd",
    "cached input": "cost_cache_read_nusd",
    "written to cache": "cost_cache_write_nusd",
    "output": "cost_output_nusd",
    "reasoning": "cost_reasoning_nusd",
}
NOT_TOLD_APART = " - ".join(("sum(cost_nusd)", *(f"sum({column})" for column in SPENT_ON.values())))
QUANTILES = (("p50", 0.5), ("p95", 0.95))

SPENT = (
    numbers(
        "Spent",
        "US dollars of all calls with a known price in the range and selection.",
        total(f"{COST} AS Spent"),
        "currencyUSD",
        4,
    ).decimals(2),
    numbers(
        "At this rate",
        "What an hour, a day and a month of 30.4 days cost if they are as the range is, hours without traffic included: choose a "
        "range of whole days for a month that means something.",
        total(
            f'3600 * {PER_SECOND} AS "per hour"',
            f'86400 * {PER_SECOND} AS "per day"',
            f'{MONTH_S} * {PER_SECOND} AS "per month"',
        ),
        "currencyUSD",
        8,
    ).decimals(2),
    numbers(
        "Cost per trace",
        "US dollars of all calls of a trace that calls a model, each counted once: mean, median and the dear tail, from merged "
        "t-digests. The model is not selected, a trace may ask several.",
        total(
            f"{ratio(COST, CALLING)} AS Mean",
            *(f"{supported(q, CALLING, 'cost_digest')} / 1e9 AS {name}" for name, q in QUANTILES),
            selected=TRACES_SELECTED,
            view=TRACE_ROWS,
        ),
        "currencyUSD",
        6,
    ),
    numbers(
        "Not known",
        "Shares of the calls whose model has no price, and that did not say their tokens: their money stands in no number here.",
        total(f"{ratio('sum(unpriced)', N)} AS Unpriced", f'{ratio("sum(unknown_usage)", N)} AS "Unknown usage"'),
        "percentunit",
        6,
        limits(*UNKNOWN_LIMITS),
    ),
)

OVER_TIME = (
    *(
        chart(
            f"Cost per hour by {column}",
            "US dollars per hour at the rate of each point, stacked: the dearest, and all others together.",
            over_time(f"3600 * {rate(COST)} AS cost", by=column, size=COST, whole=True),
            "currencyUSD",
            8,
            column.capitalize(),
            stacked=True,
        )
        for column in ("route", "model", "cohort")
    ),
    chart(
        "Cost per hour by kind of token",
        "US dollars per hour, stacked: what the price book charges for each kind. Other is what spans claim in one sum, "
        "searches, and calls billed by the piece.",
        over_time(
            *(f'3600 * {rate(f"sum({column}) / 1e9")} AS "{kind}"' for kind, column in SPENT_ON.items()),
            f"3600 * {rate(f'({NOT_TOLD_APART}) / 1e9')} AS other",
        ),
        "currencyUSD",
        8,
        stacked=True,
    ),
    chart(
        "Cost of each day",
        "US dollars of each UTC day, or of what the range holds of it, in the middle of which its bar stands: the dearest "
        "routes, and all others together.",
        over_time(f"{COST} AS cost", by="route", size=COST, time=MIDDLE_OF_DAY, whole=True),
        "currencyUSD",
        8,
        "Route",
        stacked=True,
        interval="1d",
        bars=True,
    ),
    chart(
        "Tokens per second by kind",
        "Tokens of all selected calls per second. Cached input is a part of input, reasoning one of output, audio of both.",
        over_time(*(f'{rate(f"sum({column})")} AS "{kind}"' for kind, column in KINDS.items())),
        "count:tok/s",
        8,
    ),
)

PER_TRACE = (
    *(
        chart(
            f"{name} cost per trace by route",
            f"US dollars of a whole trace that calls a model: {said}.",
            over_time(f"{value} AS cost", by="route", selected=TRACES_SELECTED, view=TRACE_ROWS, size=TRACES),
            "currencyUSD",
            8,
            "Route",
        )
        for name, said, value in (
            ("Mean", "what all of them cost, by how many they are", ratio(COST, CALLING)),
            ("Median", "half cost no more", f"{quantile(0.5, 'cost_digest')} / 1e9"),
            ("p95", "one in twenty costs more", f"{quantile(0.95, 'cost_digest')} / 1e9"),
        )
    ),
    cells(
        "Traces by route × release × cohort",
        "What a trace that calls a model costs; n is the number of these, and a quantile it cannot hold stays empty. "
        "Click a name to "
        "narrow the board to it.",
        rows(
            f"{CALLING} AS n",
            f"{COST} AS Spent",
            f"{ratio(COST, CALLING)} AS Mean",
            *(f"{supported(q, CALLING, 'cost_digest')} / 1e9 AS {name}" for name, q in QUANTILES),
            f"{ratio('sum(calls)', CALLING)} AS Calls",
            f"{ratio('toFloat64(sum(input_tokens) + sum(output_tokens))', CALLING)} AS Tokens",
            f'{ratio("sum(unpriced_traces)", CALLING)} AS "Unknown cost"',
            by=("route", "release", "cohort"),
            order="Spent DESC",
            selected=TRACES_SELECTED,
            view=TRACE_ROWS,
        ),
        "currencyUSD",
        9,
        "Spent",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("route", "release", "cohort")},
            "n": sample(enough(0.95)),
            "Spent": CENTS,
            "Calls": properties({"unit": "short"}),
            "Tokens": properties({"unit": "short"}),
            "Unknown cost": coloured("percentunit", *UNKNOWN_LIMITS),
        },
    ),
)

SLICES = (
    cells(
        "Calls by route × model × cohort",
        "Where the money goes, the dearest slice first. Share is of all money that is selected. Click a name to "
        "narrow the board to it.",
        rows(
            SAMPLES,
            f"{COST} AS Spent",
            f"{ratio(COST, f'sum({COST}) OVER ()')} AS Share",
            f'{ratio(COST, PRICED)} AS "Per request"',
            f"{ratio('toFloat64(sum(input_tokens))', N)} AS In",
            f"{ratio('toFloat64(sum(output_tokens))', N)} AS Out",
            f"{ratio('toFloat64(sum(cache_read_tokens))', 'sum(input_tokens)')} AS Cached",
            f"{ratio('sum(unpriced)', N)} AS Unpriced",
            f'{ratio("sum(unknown_usage)", N)} AS "Unknown usage"',
            by=("route", "model", "cohort"),
            order="Spent DESC",
        ),
        "currencyUSD",
        12,
        "Spent",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("route", "model", "cohort")},
            "n": sample(1),
            "Spent": CENTS,
            "Share": properties(SHARE),
            "In": properties({"unit": "short"}),
            "Out": properties({"unit": "short"}),
            "Cached": properties(SHARE),
            "Unpriced": coloured("percentunit", *UNKNOWN_LIMITS),
            "Unknown usage": coloured("percentunit", *UNKNOWN_LIMITS),
        },
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Cost",
        "What is spent by route, model and cohort, at which rate, and what a whole trace costs.",
        [view(), *map(component, SERIES)],
        {"The whole range": SPENT, "Over time": OVER_TIME, "Whole traces": PER_TRACE, "Slices": SLICES},
        begins="now-7d",
    )
