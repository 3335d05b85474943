"""Decode once more, slow and obvious: loops over protobuf's generated classes, one span and one field at a time.

It shares with the decoder under test the tables of paths and the rules for one value (`read_*`), nothing else. The
classes are OTLP's own but with every string a bytes field, because one string that is no UTF-8 must not cost its
record. Only protobuf records are read; OTLP/JSON is compared with protobuf's own mapping elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from pipeline.model.columns import REQUEST_KINDS, TOKENS
from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.money import MAX_COST_USD
from pipeline.operators.decode.resolve import (
    MAX_JSON_BYTES,
    Reader,
    read_count,
    read_flag,
    read_number,
    read_text,
    read_utf8,
    reader_of,
)
from pipeline.operators.decode.spans import MAX_TIME_NS, DecodePolicy
from pipeline.operators.dialects.paths import NS_PER, Path
from pipeline.operators.dialects.vocabulary import KIND_ORDER, REQUEST_EVIDENCE, STRING_FIELDS, field_paths
from pipeline.operators.pricing import Tier

Row = dict[str, Any]
Death = tuple[int, int, Reason, int]
"""(offset of the record, index of the span or -1, reason, how many spans it stands for)"""


def _parser(root: Any) -> Any:
    """The class of message `root` in a pool of its own, with bytes wherever OTLP has strings."""
    pool = DescriptorPool()

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copied = FileDescriptorProto()
        file.CopyToProto(copied)
        for message in _nested(copied.message_type):
            for field in message.field:
                if field.type == FieldDescriptorProto.TYPE_STRING:
                    field.type = FieldDescriptorProto.TYPE_BYTES
        pool.Add(copied)

    add(root.file)
    return GetMessageClass(pool.FindMessageTypeByName(root.full_name))


def _nested(messages: Any) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from _nested(message.nested_type)


Request = _parser(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR)


@dataclass(frozen=True)
class Context:
    """One span with what surrounds it. Of attributes of one name the last counts, of events the first with a time."""

    span: Any
    scope: bytes
    attributes: dict[bytes, Any]
    resource: dict[bytes, Any]
    events: dict[bytes, int]


def reference_decode(
    policy: DecodePolicy, records: Sequence[Record]
) -> tuple[list[Row], list[Death], list[tuple[int, int, int]]]:
    """Rows in order of the log, the dead, and per record (spans in, rows out, dead)."""
    rows: list[Row] = []
    dead: list[Death] = []
    ledger = []
    for record in records:
        try:
            request = Request.FromString(record.value or b"")
        except DecodeError:
            dead.append((record.offset, -1, Reason.MALFORMED_PROTOBUF, 1))
            ledger.append((1, 0, 1))
            continue
        spans = list(_contexts(request))
        if len(spans) > policy.max_spans:
            dead.append((record.offset, -1, Reason.TOO_MANY_SPANS, 1))
            ledger.append((1, 0, 1))
            continue
        reasons = [_reason(policy, context.span, record) for context in spans]
        rows += [_row(policy, context, record) for context, reason in zip(spans, reasons, strict=True) if reason is None]
        for reason in set(reasons) - {None}:
            of_it = [index for index, found in enumerate(reasons) if found == reason]
            dead += [(record.offset, index, reason, 1) for index in of_it[: policy.dead_letters]]
            others = of_it[policy.dead_letters :]
            dead += [(record.offset, others[0], reason, len(others))] if others else []
        ledger.append((len(spans), reasons.count(None), len(spans) - reasons.count(None)))
    return rows, dead, ledger


def _contexts(request: Any) -> Iterator[Context]:
    for resource_spans in request.resource_spans:
        resource = {a.key: a.value for a in resource_spans.resource.attributes}
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = {a.key: a.value for a in span.attributes}
                events = {e.name: e.time_unix_nano for e in reversed(span.events) if e.time_unix_nano}
                yield Context(span, scope_spans.scope.name, attributes, resource, events)


def _reason(policy: DecodePolicy, span: Any, record: Record) -> Reason | None:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if len(span.trace_id) != 16 or span.trace_id == bytes(16):
        return Reason.BAD_TRACE_ID
    if len(span.span_id) != 8 or span.span_id == bytes(8) or len(span.parent_span_id) not in (0, 8):
        return Reason.BAD_SPAN_ID
    if not 0 < start < MAX_TIME_NS or not 0 < end < MAX_TIME_NS:
        return Reason.MISSING_TIME
    if end < start:
        return Reason.NEGATIVE_DURATION
    if end - start > policy.max_duration_ns:
        return Reason.TOO_LONG
    away = record.timestamp_ns > 0 and abs(end - record.timestamp_ns) > policy.horizon_ns
    return Reason.BEYOND_HORIZON if away else None


def _row(policy: DecodePolicy, context: Context, record: Record) -> Row:
    span, limit = context.span, policy.max_text_bytes
    start, latency = span.start_time_unix_nano, span.end_time_unix_nano - span.start_time_unix_nano

    def first(paths: Sequence[Path], read: Reader, missing: Any = None) -> Any:
        return next((v for path in paths if (v := _read(context, path, read, limit)) is not None), missing)

    kind, dialect = _kind(first)
    said = first(field_paths("stream"), read_flag)
    ttft = _ttft(context, field_paths("ttft_ns"), latency, limit)
    text = {name: first(field_paths(name), reader_of(name), "") for name in STRING_FIELDS}
    user = text.pop("user_id")
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() if any(span.parent_span_id) else "",
        "start_ns": start,
        "end_ns": span.end_time_unix_nano,
        "latency_ns": latency,
        "kind": kind,
        "dialect": dialect,
        "status": {1: "ok", 2: "error"}.get(span.status.code, "unset"),
        "user_hash": blake2b(user.encode(), key=policy.user_key, digest_size=8).hexdigest() if user else "",
        "scope_name": _name(context.scope, read_text, limit) or "",
        "source": str(record.source),
        "offset": record.offset,
        "recorded_ns": record.timestamp_ns,
        "schema_version": 2,
        "refusal": None,
        "citation": None,
        "schema_valid": None,
        **text,
        **{name: first(paths, read_text, "") for name, paths in policy.series.items()},
        "stream": True if said is None and ttft is not None else said,
        "ttft_ns": None if said is False else ttft,
        **_money(policy, text, start, kind, {name: first(field_paths(name), read_count) for name in TOKENS}, first),
    }


def _kind(first: Any) -> tuple[str, str]:
    for dialect in KIND_ORDER:
        said = first(dialect.KIND, read_text)
        if said is not None:
            return dialect.KINDS.get(said, "other"), dialect.NAME
    return ("llm", "unnamed") if first(REQUEST_EVIDENCE, read_text) is not None else ("other", "")


def _money(policy: DecodePolicy, text: Row, start_ns: int, kind: str, tokens: dict[str, int | None], first: Any) -> Row:
    known = bool(tokens["input_tokens"] or tokens["output_tokens"])
    tokens = tokens if known else dict.fromkeys(tokens)
    claimed = first(field_paths("span_cost"), read_number)
    claimed_nusd = None if claimed is None or claimed > MAX_COST_USD else round(claimed * 1e9)
    request = kind in REQUEST_KINDS
    tiers = policy.prices.tiers(text["provider"], text["model"], start_ns) if request and known else None
    booked = None if tiers is None else _cost(tiers, {name: count or 0 for name, count in tokens.items()})
    booked = None if booked is None or booked > MAX_COST_USD * 10**9 else booked
    source = "book" if booked is not None else "span" if claimed_nusd is not None else "unpriced" if known else ""
    return {
        **tokens,
        "cost_nusd": booked if booked is not None else claimed_nusd if request else None,
        "span_cost_nusd": claimed_nusd,
        "cost_source": source if request else "",
        "price_version": policy.prices.version if booked is not None else "",
    }


def _cost(tiers: Sequence[Tier], tokens: Mapping[str, int]) -> int:
    """Each part at its rate, cut to what is left of its whole; picos rounded half up."""
    tier = [t for t in tiers if tokens["input_tokens"] > t.above][-1]
    picos = tier.call
    for whole, parts in (("input", ("cache_read", "cache_write", "audio_input")), ("output", ("audio_output", "reasoning"))):
        left = tokens[f"{whole}_tokens"]
        for part in parts:
            count = min(tokens[f"{part}_tokens"], left)
            picos += count * getattr(tier, part)
            left -= count
        picos += left * getattr(tier, whole)
    return (picos + 500) // 1000


def _ttft(context: Context, paths: Sequence[Path], latency_ns: int, limit: int) -> int | None:
    for path in paths:
        if path.where == "event":
            when = context.events.get(path.name.encode(), 0)
            ttft = when - context.span.start_time_unix_nano if when else None
        else:
            value = _read(context, path, read_number, limit)
            ttft = None if value is None else round(min(value, 1e9) * NS_PER[path.unit or "s"])
        if ttft is not None and 0 <= ttft <= latency_ns:
            return int(ttft)
    return None


def _read(context: Context, path: Path, read: Reader, limit: int) -> Any:
    """The usable value at `path`, None if there is none."""
    value = (context.resource if path.where == "resource" else context.attributes).get(path.name.encode())
    if value is None:
        return None
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _key(value.string_value, path.key, read, limit) if path.key else _name(value.string_value, read, limit)
    if path.key:
        return None
    if kind == "array_value":
        elements = value.array_value.values
        text = bool(elements) and elements[0].WhichOneof("value") == "string_value"
        return _name(elements[0].string_value, read, limit) if text else None
    return read(getattr(value, kind), limit) if kind in {"bool_value", "int_value", "double_value"} else None


def _name(raw: bytes, read: Reader, limit: int) -> Any:
    """Text is looked at as far as four times the limit of a name."""
    text = read_utf8(raw[: 4 * limit], len(raw) <= 4 * limit)
    return None if text is None else read(text, limit)


def _key(raw: bytes, key: str, read: Reader, limit: int) -> Any:
    """The scalar under `key` of a JSON object."""
    text = read_utf8(raw) if len(raw) <= MAX_JSON_BYTES else None
    try:
        document = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    found = document.get(key) if isinstance(document, dict) else None
    return read(found, limit) if isinstance(found, str | bool | int | float) else None
