"""From the bytes of many OTLP requests to arrays, in two passes of compiled code: count the spans, then fill.

No object is made per span or attribute. A span is a row of fixed fields and, per known name, the index of its
attribute or -1; an attribute is (type, offset, length, value); strings stay offsets until somebody needs them.
A record that is malformed anywhere contributes nothing and says so in `failed`.

Cost: about 210,000 spans/s on one core for the demo's spans of 25 attributes (`make bench`). The slow, obvious reference is
`tests/laws/reference_decoder.py`; both agree on every fuzzed input.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.documents import Keys
from pipeline.operators.decode.messages import read_resource, read_scope, read_span
from pipeline.operators.decode.names import LIKE, Names
from pipeline.operators.decode.wire import LENGTH, Bytes, size, skip, tag
from pipeline.operators.dialects.alike import FORMS

MALFORMED, TOO_MANY = 1, 2
"""Values of `Scan.failed` besides 0."""

KEY_VALUE_BYTES = 4
"""An attribute takes at least this many bytes besides its name: two tags, two lengths."""

SPAN = np.dtype(
    [
        ("record", np.int32),
        ("index", np.int32),
        ("resource", np.int32),
        ("scope", np.int32),
        ("trace_id", np.uint8, 16),
        ("span_id", np.uint8, 8),
        ("parent_span_id", np.uint8, 8),
        ("trace_id_len", np.int32),
        ("span_id_len", np.int32),
        ("parent_span_id_len", np.int32),
        ("start_ns", np.uint64),
        ("end_ns", np.uint64),
        ("status", np.int32),
        ("name_at", np.int64),
        ("name_len", np.int32),
        ("at", np.int64),
        ("len", np.int32),
    ]
)

ATTRIBUTE = np.dtype([("type", np.uint8), ("at", np.int64), ("len", np.int32), ("value", np.int64)])

SCOPE = np.dtype([("at", np.int64), ("len", np.int32)])


@dataclass(frozen=True, slots=True)
class Scan:
    """What the bytes say. n spans, r resources, s scopes, k names of attributes, e names of events, d of their attributes.

    raw, buffer: the bytes everything points into, and an array of the same memory.
    spans, scopes, attributes: structured arrays of the dtypes above. An ARRAY attribute points at its first element, a KVLIST
        at the whole KeyValue, which protobuf reads as it should.
    of_span: (k, n) index into `attributes` of the last attribute of that name, or -1; of_resource: (k, r) likewise.
    seen: (2, k) whether any span, any resource has an attribute of that name; of one that none has the rows above mean nothing.
    events: (n, e) time of the first event of that name, 0 if none.
    of_event: (n, d) index of the attribute, of the first event of its event's name that has it, or -1.
    failed: per record 0, MALFORMED or TOO_MANY.
    """

    raw: bytes
    buffer: Bytes
    spans: NDArray[Any]
    scopes: NDArray[Any]
    attributes: NDArray[Any]
    of_span: NDArray[np.int32]
    of_resource: NDArray[np.int32]
    seen: NDArray[np.bool_]
    events: NDArray[np.uint64]
    of_event: NDArray[np.int32]
    failed: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Asked:
    """The names somebody asks for: of attributes, of events, and of attributes of events (the event's slot for each).

    likes: per meaning of FORMS the slot of attributes that are known by their letters, -1 if nobody asks.
    keys: asked for inside values.
    """

    attributes: Names
    likes: NDArray[np.int32]
    events: Names
    details: Names
    detail_of: NDArray[np.int32]
    keys: Keys

    @classmethod
    def of(cls, attributes: list[str], events: list[str], details: list[tuple[str, str]], keys: Keys) -> "Asked":
        """details: pairs of the names of an event and of an attribute of it; one name belongs to one event."""
        named = Names.of(attributes)
        known = Names.of([*events, *(event for event, _ in details)])
        owner = {detail: known.slots[event] for event, detail in details}
        assert len(owner) == len({*details}), "an attribute's name is asked of one event only"
        likes = np.array([named.slots.get(f"{LIKE}{meaning}", -1) for meaning in FORMS], np.int32)
        return cls(named, likes, known, Names.of(list(owner)), np.array([*owner.values()], np.int32), keys)

    def tables(self) -> tuple[Any, ...]:
        """What compiled code looks into: of attributes, events, details, the event of each detail, and `likes`."""
        known, events, details = (
            (names.hashes, names.table, names.text, names.offsets) for names in (self.attributes, self.events, self.details)
        )
        return known, events, details, self.detail_of, self.likes


def scan(records: list[bytes], asked: Asked, max_spans: int) -> Scan:
    """Scan many serialized ExportTraceServiceRequests at once."""
    raw = b"".join(records) or b"\0"
    buffer = np.frombuffer(raw, np.uint8)
    bounds = np.concatenate(([0], np.cumsum([len(r) for r in records]))).astype(np.int64)
    spans, resources, scopes = _count(buffer, bounds, max_spans)
    k, shortest = len(asked.attributes.slots), min(asked.attributes.shortest, asked.details.shortest)
    found = (
        np.zeros(spans, SPAN),
        np.zeros(scopes, SCOPE),
        np.empty(len(buffer) // (KEY_VALUE_BYTES + shortest) + 1, ATTRIBUTE),
        np.empty((k, spans), np.int32),
        np.empty((k, resources), np.int32),
        np.zeros((2, k), np.bool_),
        np.zeros((spans, len(asked.events.slots)), np.uint64),
        np.empty((spans, len(asked.details.slots)), np.int32),
        np.zeros(len(records), np.int8),
    )
    n, s, r, a = _fill(buffer, bounds, max_spans, asked.tables(), *found)
    all_spans, all_scopes, attributes, of_span, of_resource, seen, events, of_event, failed = found
    return Scan(
        raw,
        buffer,
        all_spans[:n],
        all_scopes[:s],
        attributes[:a],
        of_span[:, :n],
        of_resource[:, :r],
        seen,
        events[:n],
        of_event[:n],
        failed,
    )


def count_spans(record: bytes) -> int:
    """How many spans a serialized request holds, at least as many as `scan` finds in it; cheap, for no span is read."""
    return int(_count_record(np.frombuffer(record or b"\0", np.uint8), 0, len(record))[0])


@compiled
def _count(buf: Bytes, bounds: NDArray[np.int64], max_spans: int) -> tuple[int, int, int]:
    """Upper bounds of spans, resources and scopes; the latter two hold at least one span each, but for one spare."""
    spans, resources, scopes = 0, 0, 0
    for record in range(len(bounds) - 1):
        found = _count_record(buf, bounds[record], bounds[record + 1])
        spans += min(found[0], max_spans)
        resources += min(found[1], max_spans)
        scopes += min(found[2], max_spans)
    return spans, resources + 1, scopes + 1


@compiled
def _count_record(buf: Bytes, pos: int, end: int) -> tuple[int, int, int]:
    """Spans of one record, resources and scopes that hold any. Malformed input ends the count early; filling says so."""
    spans, resources, scopes = 0, 0, 0
    while 0 <= pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            break
        if field != 1 or wire != LENGTH:
            pos = skip(buf, pos, end, field, wire)
            continue
        length, pos = size(buf, pos, end)
        if pos < 0:
            break
        inner_end, before = pos + length, spans
        while 0 <= pos < inner_end:
            field, wire, pos = tag(buf, pos, inner_end)
            if pos < 0:
                break
            if field != 2 or wire != LENGTH:
                pos = skip(buf, pos, inner_end, field, wire)
                continue
            length, pos = size(buf, pos, inner_end)
            if pos < 0:
                break
            scope_end, first_of_scope = pos + length, spans
            while 0 <= pos < scope_end:
                field, wire, pos = tag(buf, pos, scope_end)
                if pos < 0:
                    break
                spans += field == 2 and wire == LENGTH
                pos = skip(buf, pos, scope_end, field, wire)
            scopes += spans > first_of_scope
        resources += spans > before
    return spans, resources, scopes


@compiled
def _fill(  # type: ignore[no-untyped-def]
    buf, bounds, max_spans, tables, spans, scopes, attributes, of_span, of_resource, seen, events, of_event, failed
):
    """Fill the arrays, record by record; a failed record takes back all it wrote."""
    kv, in_spans, in_resources = np.zeros(6, np.int64), seen[0], seen[1]
    n, s, r, a = 0, 0, 0, 0
    for record in range(len(bounds) - 1):
        n0, s0, r0, a0 = n, s, r, a
        pos, end, ok = bounds[record], bounds[record + 1], True
        while ok and pos < end:
            field, wire, pos = tag(buf, pos, end)
            ok = pos >= 0
            if not ok:
                break
            if field != 1 or wire != LENGTH:
                pos = skip(buf, pos, end, field, wire)
                ok = pos >= 0
                continue
            length, pos = size(buf, pos, end)
            ok = pos >= 0
            if not ok:
                break
            resource_end, first_of_resource = pos + length, n
            _clear(of_resource, in_resources, r, r + 1)
            while ok and pos < resource_end:
                field, wire, pos = tag(buf, pos, resource_end)
                ok = pos >= 0
                if not ok:
                    break
                if wire != LENGTH:
                    pos = skip(buf, pos, resource_end, field, wire)
                    ok = pos >= 0
                    continue
                length, pos = size(buf, pos, resource_end)
                ok = pos >= 0
                if not ok:
                    break
                if field == 1:
                    stored = read_resource(buf, pos, pos + length, kv, tables, attributes, a, of_resource, r, in_resources)
                    ok = stored >= 0
                    a = max(stored, a)
                if field != 2:
                    pos += length
                    continue
                scope_end, first_of_scope = pos + length, n
                scopes[s].at, scopes[s].len = pos, 0
                while ok and pos < scope_end:
                    field, wire, pos = tag(buf, pos, scope_end)
                    ok = pos >= 0
                    if not ok:
                        break
                    if wire != LENGTH:
                        pos = skip(buf, pos, scope_end, field, wire)
                        ok = pos >= 0
                        continue
                    length, pos = size(buf, pos, scope_end)
                    ok = pos >= 0
                    if not ok:
                        break
                    if field == 1:
                        ok = read_scope(buf, pos, pos + length, scopes[s])
                    elif field == 2:
                        if n - n0 == max_spans:
                            failed[record] = TOO_MANY
                            ok = False
                            break
                        spans[n].record, spans[n].index, spans[n].resource, spans[n].scope = record, n - n0, r, s
                        spans[n].trace_id_len, spans[n].span_id_len, spans[n].parent_span_id_len = 0, 0, 0
                        spans[n].parent_span_id[:] = 0  # the row may hold what a failed record left
                        spans[n].start_ns, spans[n].end_ns, spans[n].status = 0, 0, 0
                        spans[n].name_at, spans[n].name_len = pos, 0
                        events[n, :] = 0
                        of_event[n, :] = -1
                        at = (of_span, n, in_spans, events[n], of_event[n])
                        stored = read_span(buf, pos, pos + length, kv, tables, attributes, a, spans[n], at)
                        ok = stored >= 0
                        a = max(stored, a)
                        n += 1
                    pos += length
                s += n > first_of_scope
            r += n > first_of_resource
        if not ok:
            failed[record] = max(failed[record], MALFORMED)
            _clear(of_span, in_spans, n0, n)
            n, s, r, a = n0, s0, r0, a0
    return n, s, r, a


@compiled
def _clear(table, seen, begin, end):  # type: ignore[no-untyped-def]
    """Take back what was stored in rows [begin, end)."""
    for slot in range(len(seen)):
        if seen[slot]:
            table[slot, begin:end] = -1
