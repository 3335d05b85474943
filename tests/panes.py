"""Rows of pane blocks for tests: some requests, or some traces, of one window and series, changed where the test says."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.model.columns import COUNTS, PANES, SERIES, SPEND, TOKENS, TRACE_COUNTS, TRACE_PANES, TRACE_SERIES
from pipeline.operators.blocks import encode_rows
from pipeline.operators.digest import EMPTY, SeriesDigests
from pipeline.operators.ladder import histogram

MINUTE_NS = 60_000_000_000
NOON_NS = 1_700_049_600_000_000_000  # 2023-11-15 12:00 UTC


def digest(values: Sequence[float]) -> str:
    """The wire form of the digest of some values."""
    digests = SeriesDigests()
    digests.add(np.zeros(len(values), np.int64), np.asarray(values, np.float64))
    return digests.encode(0)


def counted(**values: Sequence[int]) -> dict[str, list[int]]:
    """The columns of what is counted over the ladder."""
    found: dict[str, list[int]] = {}
    for name, of in values.items():
        one = histogram(of)
        found |= {f"{name}_bins": one.bins.tolist(), f"{name}_bin_counts": one.counts.tolist()}
    return found


def pane(minute: int = 0, latencies: Sequence[int] = (), **changes: Any) -> dict[str, Any]:
    """A pane of `len(latencies)` requests in the window that starts so many minutes after noon."""
    start = NOON_NS + minute * MINUTE_NS
    return (
        {"window_start_ns": start, "window_end_ns": start + MINUTE_NS}
        | dict.fromkeys(SERIES, "")
        | {"environment": "prod", "route": "chat", "model": "m1", "source": "spans:0:e", "revision": 1, "firing": "early"}
        | dict.fromkeys((*COUNTS, *TOKENS), 0)
        | {"requests": len(latencies), "cost_nusd": "0", "cost_sq": "0", "ttft_count": 0, "ttft_sum_ns": "0"}
        | dict.fromkeys(SPEND, "0")
        | {"latency_sum_ns": str(sum(latencies)), "latency_sq": str(sum(x * x for x in latencies))}
        | {"latency_digest": digest(latencies), "ttft_digest": EMPTY, "tps_digest": EMPTY, "schema_version": 1}
        | counted(latency=latencies, ttft=[], tps=[], cost=[])
        | changes
    )


def panes(*rows: Mapping[str, Any]) -> bytes:
    """Panes as a block."""
    return encode_rows(PANES, rows)


def trace_pane(minute: int = 0, costs: Sequence[int] = (), **changes: Any) -> dict[str, Any]:
    """A pane of `len(costs)` traces of one call each in the window that starts so many minutes after noon."""
    start, n = NOON_NS + minute * MINUTE_NS, len(costs)
    return (
        {"window_start_ns": start, "window_end_ns": start + MINUTE_NS}
        | dict.fromkeys(TRACE_SERIES, "")
        | {"environment": "prod", "route": "chat", "source": "spans:0:e", "revision": 1, "firing": "final"}
        | dict.fromkeys((*TRACE_COUNTS, *TOKENS), 0)
        | {
            "traces": n,
            "traces_with_calls": n,
            "calls": n,
            "cost_nusd": str(sum(costs)),
            "cost_sq": str(sum(x * x for x in costs)),
        }
        | {"latency_sum_ns": "0", "latency_sq": "0", "calls_sq": str(n), "ttft_count": 0, "ttft_sum_ns": "0"}
        | {"cost_digest": digest(costs), "latency_digest": digest([0] * n), "calls_digest": digest([1] * n)}
        | {"ttft_digest": EMPTY, "schema_version": 1}
        | counted(cost=costs, latency=[0] * n)
        | changes
    )


def trace_panes(*rows: Mapping[str, Any]) -> bytes:
    """Panes of traces as a block."""
    return encode_rows(TRACE_PANES, rows)
