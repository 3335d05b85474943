"""What a closed trace looks like outside: rows of `traces` and `repeats`, and what a pane of traces adds up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SCHEMA_VERSION, SERIES, TOKENS, TRACE_COUNTS, TRACE_SERIES
from pipeline.operators.span_columns import SUMS
from pipeline.operators.told_twice import Rule
from pipeline.operators.trace_decisions import ClosedTraces, Repeats
from pipeline.operators.window import Family, Measured

TRACES = Family(
    names=SERIES,
    sums=(*TRACE_COUNTS, *TOKENS, "ttft_count"),
    totals={"cost_nusd": "cost", "latency_sum_ns": "latency", "ttft_sum_ns": "ttft"},
    squares={"cost_sq": "cost", "latency_sq": "latency", "calls_sq": "calls"},
    digests={
        "cost_digest": "cost_if_any",
        "latency_digest": "latency",
        "calls_digest": "calls_if_any",
        "ttft_digest": "ttft",
    },
    ladders={"cost": ("cost_if_any", 1), "latency": ("latency", 1)},
)
"""What a pane of traces adds up. What traces cost and ask is distributed over those with calls."""

_OF_CALLS = {"calls": "requests", "errors": "errors", "refusals": "refusals", "unknown_usage": "unknown_usage"} | {
    name: name for name in ("unpriced", *TOKENS)
}
"""Measures that a trace has from its calls."""

_IN_SUMS = [SUMS.index(_OF_CALLS.get(name, SUMS[0])) for name in TRACES.sums]
"""Where among the sums of calls each sum of traces stands; any place for those that are no sum of calls."""


def measured(closed: ClosedTraces, rows: NDArray[np.bool_]) -> Measured:
    """Some of the traces as what a window adds up."""
    found = _counts(closed)
    calls = found["calls"] > 0
    found |= {
        "traces": np.ones(len(closed), np.int64),
        "traces_with_calls": calls.astype(np.int64),
        "unpriced_traces": ((found["unpriced"] + found["unknown_usage"]) > 0).astype(np.int64),
        "ttft_count": (~np.isnan(closed.ttft)).astype(np.int64),
    }
    sums = closed.sums.take(_IN_SUMS, axis=1)
    for j, name in enumerate(TRACES.sums):
        if name not in _OF_CALLS:
            sums[:, j] = found[name]
    values = {"cost": closed.cost, "latency": closed.columns["latency_ns"], "ttft": closed.ttft, "calls": found["calls"]}
    values |= {f"{name}_if_any": np.where(calls, values[name], np.nan) for name in ("cost", "calls")}
    if rows.all():
        return Measured(closed.series, closed.code, sums, values)
    return Measured(closed.series, closed.code[rows], sums[rows], {name: of[rows] for name, of in values.items()})


def trace_columns(closed: ClosedTraces, source: str, revision: int) -> dict[str, Any]:
    """The traces as columns of a block of `traces`."""
    k = len(closed)
    named = {name: np.array([series[SERIES.index(name)] for series in closed.series], object) for name in TRACE_SERIES}
    columns: dict[str, Any] = closed.columns | _counts(closed)
    return columns | {
        **{name: names[closed.code].tolist() for name, names in named.items()},
        "trace_id": hex_ids(closed.trace),
        "failed": columns["failed"] > 0,
        "incomplete": columns["incomplete"] > 0,
        "cost_nusd": closed.cost,
        "ttft_ns": _or_none(closed.ttft),
        "source": [source] * k,
        "revision": np.full(k, revision),
        "schema_version": np.full(k, SCHEMA_VERSION),
    }


def _or_none(values: NDArray[np.float64]) -> list[int | None]:
    """Integers, None for nan."""
    found, known = np.full(len(values), None, object), np.flatnonzero(~np.isnan(values))
    found[known] = values[known].astype(np.int64)
    return found.tolist()


def repeat_columns(repeats: Repeats, source: str, revision: int) -> dict[str, Any]:
    """What repeats a call as columns of a block of `repeats`."""
    k = len(repeats.span)
    return {
        "trace_id": hex_ids(repeats.trace),
        "span_id": hex_ids(repeats.span),
        "counted_by": hex_ids(repeats.counted_by),
        "rule": [Rule(rule).name.lower() for rule in repeats.rule.tolist()],
        "end_ns": repeats.end_ns.tolist(),
        "source": [source] * k,
        "revision": [revision] * k,
        "schema_version": [SCHEMA_VERSION] * k,
    }


def hex_ids(words: NDArray[np.uint64]) -> list[str]:
    """Ids as lower-case hex, from (n,) or (n, w) words as they were read."""
    width = 8 * (words.shape[1] if words.ndim > 1 else 1)
    return np.ascontiguousarray(words).tobytes().hex(" ", width).split()


def _counts(closed: ClosedTraces) -> dict[str, NDArray[np.int64]]:
    """By name (k,) what the traces count, their calls' sums included."""
    of_calls = {name: closed.sums[:, SUMS.index(of)] for name, of in _OF_CALLS.items()}
    own: Sequence[str] = ("spans", "failed", "told_twice", "incomplete")
    return of_calls | {name: closed.columns[name] for name in own}
