"""Which spans live: a verdict per span from its ids and times, and which of the dead get a letter of their own."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.model.reasons import Reason
from pipeline.operators.decode.scan import Scan

ALIVE = 0
OF_SPAN = (
    Reason.BAD_TRACE_ID,
    Reason.BAD_SPAN_ID,
    Reason.MISSING_TIME,
    Reason.IMPLAUSIBLE_TIME,
    Reason.NEGATIVE_DURATION,
    Reason.TOO_LONG,
    Reason.BEYOND_HORIZON,
    Reason.MALFORMED_JSON,
)
"""Why a span alone dies, the first that holds. Verdict 0, ALIVE: it becomes a row; verdict n: it dies of the nth of these."""

MIN_TIME_NS = 946_684_800 * 10**9
"""The year 2000: nobody traced a model call before. What lies before it is mostly another unit in the field of nanoseconds."""

UNITS = {10**3: "microseconds", 10**6: "milliseconds", 10**9: "seconds"}
"""Other units of time by how many nanoseconds they are."""

MAX_TIME_NS = 1 << 62
"""The first time there is not: aggregate reads no block with one (`Nanoseconds` in `span_columns.py`)."""


def verdicts(
    scanned: Scan, recorded: NDArray[np.int64], emptied: Iterable[tuple[int, int]], max_duration_ns: int, horizon_ns: int
) -> NDArray[np.int8]:
    """A verdict per span, as OF_SPAN says. recorded: per record its time, 0 for none. emptied: the (record, index) that were
    written as empty spans.
    """
    s = scanned.spans
    start, end = s["start_ns"], s["end_ns"]
    parent_fits = np.isin(s["parent_span_id_len"], (0, 8))
    conditions = [
        (s["trace_id_len"] != 16) | ~s["trace_id"].any(axis=1),
        (s["span_id_len"] != 8) | ~s["span_id"].any(axis=1) | ~parent_fits,
        (start == 0) | (end == 0) | (start >= MAX_TIME_NS) | (end >= MAX_TIME_NS),
        (start < MIN_TIME_NS) | (end < MIN_TIME_NS),
        end < start,
        end - start > np.uint64(max_duration_ns),
        _beyond(horizon_ns, end, recorded[s["record"]]),
    ]
    verdicts = np.select(conditions, range(1, len(conditions) + 1), ALIVE).astype(np.int8)
    for record, index in emptied:
        verdicts[np.searchsorted(s["record"], record) + index] = 1 + OF_SPAN.index(Reason.MALFORMED_JSON)
    return verdicts


def _beyond(horizon_ns: int, end: NDArray[np.uint64], recorded: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Ends too far from when their record was appended: days nobody lives in. Means nothing from MAX_TIME_NS on."""
    away: NDArray[np.bool_] = np.abs(end.astype(np.int64) - recorded) > horizon_ns
    return away & (recorded > 0)


def implausible(start: int, end: int) -> str:
    """Which time of a span is before 2000, and the unit it would have to be in to be of our days."""
    what, time = ("the start", start) if start < MIN_TIME_NS else ("the end", end)
    unit = next((name for scale, name in UNITS.items() if MIN_TIME_NS <= time * scale < MAX_TIME_NS), "")
    return f"{what} is in {unit}, not nanoseconds" if unit else f"{what} is before the year 2000"


def told(record: NDArray[np.int32], verdicts: NDArray[np.int8], most: int) -> Iterator[tuple[int, int]]:
    """Which dead spans get a letter and how many spans it stands for, in log order.

    Of each record and reason the first `most` stand for themselves, the next for itself and all behind it.
    """
    dead = np.flatnonzero(verdicts != ALIVE)
    group = record[dead].astype(np.int64) * (len(OF_SPAN) + 1) + verdicts[dead]
    order = np.argsort(group, kind="stable")
    _, first, size = np.unique(group[order], return_index=True, return_counts=True)
    rank, sizes = np.empty(len(dead), np.int64), np.empty(len(dead), np.int64)
    rank[order] = np.arange(len(dead)) - np.repeat(first, size)
    sizes[order] = np.repeat(size, size)
    own = rank <= most
    counts = np.where(rank == most, sizes - most, 1)
    yield from zip(dead[own].tolist(), counts[own].tolist(), strict=True)
