"""Rows of span blocks for tests: a plain call, changed where the test says."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.model.columns import SPANS
from pipeline.model.stream import Record, Source
from pipeline.operators.blocks import encode_rows
from pipeline.operators.log_marks import TICKS_KEY, Ticks, encode_ticks

SOURCE = Source("tailrace.spans.v1", 0, "test")

PLAIN: dict[str, Any] = {
    **{c.name: None if c.nullable else "" if c.type == "string" else 0 for c in SPANS},
    "kind": "llm",
    "status": "ok",
    "route": "support",
    "model": "gpt-4o-mini",
    "input_tokens": 10,
    "output_tokens": 5,
    "cost_nusd": 4500,
    "cost_source": "book",
    "latency_ns": 1_000_000,
    "source": "otlp_spans:0:test",
    "schema_version": 3,
}


def span(number: int, end_ns: int, **changes: Any) -> dict[str, Any]:
    """A call with ids made from `number`."""
    return PLAIN | {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "end_ns": end_ns} | changes


def block(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as a span block."""
    return encode_rows(SPANS, rows)


def record(offset: int, append_ns: int, rows: Sequence[dict[str, Any]], source: Source = SOURCE) -> Record:
    """A span block as read from the log. Rows that do not say when they were recorded were so when the block was appended."""
    told = [row | {"recorded_ns": row["recorded_ns"] or append_ns} for row in rows]
    return Record(source, offset, append_ns, block(told))


def tick(
    offset: int, append_ns: int, read: Mapping[int, int], source: Source = SOURCE, *, partitions: int = 1, epoch: str = "test"
) -> Record:
    """What decode says: `otlp_spans` has so many partitions, and these are read up to these times."""
    said = Ticks(topic="otlp_spans", epoch=epoch, partitions=partitions, partition=list(read), read_to_ns=list(read.values()))
    return Record(source, offset, append_ns, encode_ticks(said), TICKS_KEY)
