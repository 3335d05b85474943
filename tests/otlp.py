"""OTLP records for tests, a decoder to read them, and what came out as plain rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.model.stream import Record, Source
from pipeline.operators.decode.spans import Decoded, DecodePolicy, Decoder
from pipeline.operators.dialects.series import SERIES_COLUMNS
from pipeline.operators.pricing.bundled import BundledBook

RECORDED = Path(__file__).parent / "data" / "otlp"
"""Requests as real instrumentation libraries sent them."""

SOURCE = Source("otlp_spans", 0, "test")

DAY_NS = 86_400_000_000_000

RECORDED_NS = 1_800_000_000_000_000_000
"""When every OTLP record was appended: 53 days after the spans of `RECORDED`."""

POLICY = DecodePolicy(
    series=SERIES_COLUMNS,
    prices=BundledBook(),
    claims_first=False,
    encoding="auto",
    max_record_bytes=16 << 20,
    max_spans=100_000,
    batch_spans=20_000,
    dead_letters=10,
    max_text_bytes=256,
    max_duration_ns=7 * DAY_NS,
    horizon_ns=100 * DAY_NS,
    keep_raw=False,
    user_key=b"key of the tests",
)

SECRET = b"sixteen of bytes"

DECODER = Decoder(POLICY, SECRET)


def decoder(**changes: Any) -> Decoder:
    """A decoder under the usual policy, changed where the test says."""
    return Decoder(replace(POLICY, **changes), SECRET)


def record(value: bytes | None, offset: int = 0, content_type: str = "") -> Record:
    """An OTLP record as read from the log."""
    headers = (("content-type", content_type.encode()),) if content_type else ()
    return Record(SOURCE, offset, RECORDED_NS, value, headers=headers)


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    """The rows of all columns, values as the block would carry them."""
    columns = {name: column.tolist() for name, column in decoded.columns.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@dataclass(frozen=True)
class Told:
    """A span as a test tells it. events: name, ms after the start, attributes. after, lasting: its start and length in ms."""

    attributes: Mapping[str, Any]
    name: str = "span"
    status: int = 0
    events: Sequence[tuple[str, int, Mapping[str, Any]]] = ()
    parent: int = 0
    after: int = 0
    lasting: int = 400


START_NS = 1_795_405_220_000_000_000


def request_of(*told: Told, scope: str = "") -> bytes:
    """One request of these spans, all of one trace; their ids are 1, 2, …"""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add()
    spans.scope.name = scope
    for i, one in enumerate(told, 1):
        span = spans.spans.add(trace_id=bytes(15) + b"t", span_id=i.to_bytes(8, "big"), name=one.name)
        span.parent_span_id = one.parent.to_bytes(8, "big") if one.parent else b""
        span.start_time_unix_nano = START_NS + one.after * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + one.lasting * 1_000_000
        span.status.code = one.status
        _tell(span.attributes, one.attributes)
        for name, ms, attributes in one.events:
            event = span.events.add(name=name, time_unix_nano=span.start_time_unix_nano + ms * 1_000_000)
            _tell(event.attributes, attributes)
    return bytes(request.SerializeToString())


def _tell(into: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        _value(into.add(key=name).value, value)


def _value(into: Any, value: Any) -> None:
    if isinstance(value, dict):
        into.kvlist_value.SetInParent()
        _tell(into.kvlist_value.values, value)
    elif isinstance(value, list):
        into.array_value.SetInParent()
        for element in value:
            _value(into.array_value.values.add(), element)
    else:
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
        setattr(into, kind[type(value)], value)


def decoded_rows(*told: Told, scope: str = "") -> list[dict[str, Any]]:
    """What these spans decode to, with the `account` of their record in each row."""
    decoded = DECODER.decode([record(request_of(*told, scope=scope), content_type="application/x-protobuf")])
    assert keeps_law_a(decoded)
    return [row | {"account": decoded.ledger[0]} for row in rows(decoded)]


def spoken(attributes: Mapping[str, Any], *, scope: str = "", **changes: Any) -> dict[str, Any]:
    """What a span with these attributes decodes to."""
    (row,) = decoded_rows(Told(attributes, **changes), scope=scope)
    return row


def keeps_law_a(decoded: Decoded) -> bool:
    """Per record: spans in = rows out + dead, the rows and the dead letters counted one by one."""
    out = Counter(decoded.columns["offset"].tolist())
    dead: Counter[int] = Counter()
    for letter in decoded.dead:
        dead[letter.record.offset] += letter.count
    return all(
        a.spans == a.rows + a.dead and a.rows == out[a.record.offset] and a.dead == dead[a.record.offset] for a in decoded.ledger
    )
