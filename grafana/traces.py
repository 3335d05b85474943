"""The row *Whole traces* of the board: what a trace costs, takes and asks. It reads `trace_performance`, not `performance`.

A trace counts in the window in which it had gone quiet, whole, so these panels end earlier than those of calls.
"""

from grafana.measures import CALLING, COST, LATENCY_LIMITS, TRACES
from grafana.panels import Panel, chart, limits, numbers
from grafana.sql import TRACE_ROWS, TRACES_SELECTED, Query, over_time, quantile, ratio, supported, total


def _total(*values: str) -> Query:
    return total(*values, selected=TRACES_SELECTED, view=TRACE_ROWS)


def _by_route(value: str) -> Query:
    return over_time(value, by="route", selected=TRACES_SELECTED, view=TRACE_ROWS, size=TRACES)


def _dollars(level: float) -> str:
    return f"{quantile(level, 'cost_digest')} / 1e9"


def traces() -> tuple[Panel, ...]:
    """The panels, in order. They do not follow the variable of the model: a trace may ask several."""
    return (
        numbers(
            "Traces",
            "Whole traces that are over, in the range and selection, and those of them that call a model; the model is not "
            "selected, a trace may ask several.",
            _total(f"{TRACES} AS Traces", f'{CALLING} AS "With calls"'),
            "short",
            4,
        ),
        numbers(
            "Cost per trace",
            "US dollars of all calls of a trace that calls a model, each counted once: mean, median and the dear tail, from "
            "merged t-digests.",
            _total(
                f"{ratio(COST, CALLING)} AS Mean",
                *(f"{supported(q, CALLING, 'cost_digest')} / 1e9 AS {name}" for name, q in (("p50", 0.5), ("p95", 0.95))),
            ),
            "currencyUSD",
            6,
        ),
        numbers(
            "Calls per trace",
            "Model calls of a trace that has any, a call that several spans tell of counted once.",
            _total(
                f"{ratio('sum(calls)', CALLING)} AS Mean",
                *(f"{supported(q, CALLING, 'calls_digest')} AS {name}" for name, q in (("p50", 0.5), ("p95", 0.95))),
            ),
            "short",
            5,
        ),
        numbers(
            "Trace latency",
            "Of the root, or from the first start to the last end where none was seen.",
            _total(f"{supported(0.5, TRACES)} AS p50", f"{supported(0.95, TRACES)} AS p95"),
            "ns",
            5,
            limits(*LATENCY_LIMITS),
        ),
        numbers(
            "Trace quality",
            "Share of the traces with calls whose cost is known in part only (a call without usage or without a price), and "
            "of all traces those that are incomplete: their root was not seen, or they were cut.",
            _total(
                f'{ratio("sum(unpriced_traces)", CALLING)} AS "Unknown cost"',
                f"{ratio('sum(incomplete)', TRACES)} AS Incomplete",
            ),
            "percentunit",
            4,
            limits(0.02, 0.2),
        ),
        chart(
            "Median cost per trace by route",
            "US dollars of half the traces of a route, or less; the routes with most traces.",
            _by_route(f"{_dollars(0.5)} AS cost"),
            "currencyUSD",
            12,
            "Route",
        ),
        chart(
            "p95 cost per trace by route",
            "US dollars that one trace in twenty exceeds.",
            _by_route(f"{_dollars(0.95)} AS cost"),
            "currencyUSD",
            12,
            "Route",
        ),
        chart(
            "p95 trace latency by route",
            "How long the root took, end minus start.",
            _by_route(f"{quantile(0.95)} AS latency"),
            "ns",
            8,
            "Route",
        ),
        chart(
            "Calls per trace by route",
            "Mean number of model calls, each counted once.",
            _by_route(f"{ratio('sum(calls)', CALLING)} AS calls"),
            "short",
            8,
            "Route",
        ),
        chart(
            "Incomplete traces by route",
            "Traces whose root was not seen, or that were cut, over all traces of the route.",
            _by_route(f"{ratio('sum(incomplete)', TRACES)} AS incomplete"),
            "percentunit",
            8,
            "Route",
        ),
    )
