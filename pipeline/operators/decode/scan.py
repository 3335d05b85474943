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
from pipeline.operators.decode.names import Names, slot_of
from pipeline.operators.decode.wire import (
    ARRAY_VALUE,
    ENTITY_REF,
    FIXED64,
    KEY_VALUE,
    KEY_VALUE_LIST,
    LENGTH,
    LINK,
    VARINT,
    Bytes,
    fixed64,
    is_valid,
    size,
    skip,
    tag,
    varint,
)

NONE, STRING, BOOL, INT, DOUBLE, ARRAY, KVLIST, BYTES, INDEX = range(9)
"""Types of an attribute's value: AnyValue's field numbers."""

MALFORMED, TOO_MANY = 1, 2
"""Values of `Scan.failed` besides 0."""

KEY_AT, KEY_LEN, TYPE, AT, LEN, VALUE = range(6)
"""What is known of the attribute being read. AT is -1 for an array without elements."""

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

    buffer: the bytes everything points into.
    spans, scopes, attributes: structured arrays of the dtypes above. An ARRAY attribute points at its first element, a KVLIST
        at the whole KeyValue, which protobuf reads as it should.
    of_span: (n, k) index into `attributes` of the last attribute of that name, or -1; of_resource: (r, k) likewise.
    seen: (k,) whether any span or resource has an attribute of that name.
    events: (n, e) time of the first event of that name, 0 if none.
    of_event: (n, d) index of the attribute, of the first event of its event's name that has it, or -1.
    failed: per record 0, MALFORMED or TOO_MANY.
    """

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
    """The names somebody asks for: of attributes, of events, and of attributes of events (the event's slot for each)."""

    attributes: Names
    events: Names
    details: Names
    detail_of: NDArray[np.int32]

    @classmethod
    def of(cls, attributes: list[str], events: list[str], details: list[tuple[str, str]]) -> "Asked":
        """details: pairs of the names of an event and of an attribute of it; one name belongs to one event."""
        known = Names.of([*events, *(event for event, _ in details)])
        owner = {detail: known.slots[event] for event, detail in details}
        assert len(owner) == len({*details}), "an attribute's name is asked of one event only"
        return cls(Names.of(attributes), known, Names.of(list(owner)), np.array([*owner.values()], np.int32))


def scan(records: list[bytes], asked: Asked, max_spans: int) -> Scan:
    """Scan many serialized ExportTraceServiceRequests at once."""
    buffer = np.frombuffer(b"".join(records) or b"\0", np.uint8)
    bounds = np.concatenate(([0], np.cumsum([len(r) for r in records]))).astype(np.int64)
    spans, resources, scopes = _count(buffer, bounds, max_spans)
    k, shortest = len(asked.attributes.slots), min(asked.attributes.shortest, asked.details.shortest)
    found = (
        np.zeros(spans, SPAN),
        np.zeros(scopes, SCOPE),
        np.empty(len(buffer) // (KEY_VALUE_BYTES + shortest) + 1, ATTRIBUTE),
        np.empty((spans, k), np.int32),
        np.full((resources, k), -1, np.int32),
        np.zeros(k, np.bool_),
        np.zeros((spans, len(asked.events.slots)), np.uint64),
        np.empty((spans, len(asked.details.slots)), np.int32),
        np.zeros(len(records), np.int8),
    )
    known, happenings, details = (
        (names.hashes, names.table, names.text, names.offsets) for names in (asked.attributes, asked.events, asked.details)
    )
    n, s, r, a = _fill(buffer, bounds, max_spans, known, happenings, details, asked.detail_of, *found)
    all_spans, all_scopes, attributes, of_span, of_resource, seen, events, of_event, failed = found
    return Scan(
        buffer,
        all_spans[:n],
        all_scopes[:s],
        attributes[:a],
        of_span[:n],
        of_resource[:r],
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
def _first_element(buf: Bytes, pos: int, end: int) -> tuple[int, int]:
    """Where the first element of a well-formed ArrayValue lies and its length; (-1, 0) if it has none."""
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if field == 1 and wire == LENGTH:
            length, pos = size(buf, pos, end)
            return pos, length
        pos = skip(buf, pos, end, field, wire)
    return -1, 0


@compiled
def any_value(buf: Bytes, pos: int, end: int, kv: NDArray[np.int64]) -> bool:
    """Read an AnyValue into `kv`; a later member of the oneof replaces an earlier one, but arrays are joined."""
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return False
        if wire == LENGTH:
            length, pos = size(buf, pos, end)
            if pos < 0:
                return False
            if field in (ARRAY, KVLIST):
                message = ARRAY_VALUE if field == ARRAY else KEY_VALUE_LIST
                if not is_valid(buf, pos, pos + length, message):
                    return False
            if field in (STRING, BYTES, KVLIST):
                kv[TYPE], kv[AT], kv[LEN] = field, pos, length
            elif field == ARRAY and (kv[TYPE] != ARRAY or kv[AT] < 0):
                kv[TYPE] = ARRAY
                kv[AT], kv[LEN] = _first_element(buf, pos, pos + length)
            pos += length
        elif wire == VARINT:
            value, pos = varint(buf, pos, end)
            if pos < 0:
                return False
            if field == BOOL:
                kv[TYPE], kv[VALUE] = BOOL, value != np.uint64(0)
            elif field in (INT, INDEX):
                kv[TYPE], kv[VALUE] = field, np.int64(value)
        elif wire == FIXED64 and field == DOUBLE:
            if pos + 8 > end:
                return False
            kv[TYPE], kv[VALUE] = DOUBLE, np.int64(fixed64(buf, pos))
            pos += 8
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return False
    return True


@compiled
def key_value(buf: Bytes, pos: int, end: int, kv: NDArray[np.int64]) -> bool:
    """Read a KeyValue into `kv`."""
    kv[:] = 0
    kv[KEY_AT] = begin = pos
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return False
        if wire == LENGTH and field in (1, 2):
            length, pos = size(buf, pos, end)
            if pos < 0:
                return False
            if field == 1:
                kv[KEY_AT], kv[KEY_LEN] = pos, length
            elif not any_value(buf, pos, pos + length, kv):
                return False
            pos += length
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return False
    if kv[TYPE] == KVLIST:
        kv[AT], kv[LEN] = begin, end - begin
    return True


@compiled
def _keep(buf, kv, known, attributes, count, row, seen):  # type: ignore[no-untyped-def]
    """Store the attribute just read if somebody asked for its name. Returns how many are stored."""
    slot = slot_of(buf, kv[KEY_AT], kv[KEY_LEN], known[0], known[1], known[2], known[3])
    if slot < 0:
        return count
    row[slot] = count
    seen[slot] = True
    return _store(kv, attributes, count)


@compiled
def _store(kv, attributes, count):  # type: ignore[no-untyped-def]
    """Store the attribute just read. Returns how many are stored."""
    attributes[count].type = kv[TYPE]
    attributes[count].at = kv[AT]
    attributes[count].len = kv[LEN]
    attributes[count].value = kv[VALUE]
    return count + 1


@compiled
def _identifier(buf, pos, length, target):  # type: ignore[no-untyped-def]
    """Copy an id as far as it fits; its length tells whether it is one."""
    target[:] = 0
    for i in range(min(length, len(target))):
        target[i] = buf[pos + i]
    return length


@compiled
def _event(buf, pos, end, kv, happenings, times, details, detail_of, attributes, count, row):  # type: ignore[no-untyped-def]
    """Read an Event; keep its time if it is the first of a name somebody asked for, and what is asked of its attributes.

    Returns how many attributes are stored, or -1.
    """
    begin, when, name_at, name_len, holds = pos, np.uint64(0), pos, 0, False
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return -1
        if field == 1 and wire == FIXED64:
            if pos + 8 > end:
                return -1
            when = fixed64(buf, pos)
            pos += 8
        elif wire == LENGTH:
            length, pos = size(buf, pos, end)
            if pos < 0:
                return -1
            if field == 2:
                name_at, name_len = pos, length
            elif field == 3:
                holds = True
                if not key_value(buf, pos, pos + length, kv):
                    return -1
            pos += length
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return -1
    slot = slot_of(buf, name_at, name_len, happenings[0], happenings[1], happenings[2], happenings[3])
    if slot < 0:
        return count
    if times[slot] == 0:
        times[slot] = when
    if holds:
        count = _details(buf, begin, end, kv, slot, details, detail_of, attributes, count, row)
    return count


@compiled
def _details(buf, pos, end, kv, event, details, detail_of, attributes, count, row):  # type: ignore[no-untyped-def]
    """Store what is asked of the attributes of a well-formed Event, unless an earlier one of its name had it."""
    before = count
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if field != 3 or wire != LENGTH:
            pos = skip(buf, pos, end, field, wire)
            continue
        length, pos = size(buf, pos, end)
        key_value(buf, pos, pos + length, kv)
        pos += length
        slot = slot_of(buf, kv[KEY_AT], kv[KEY_LEN], details[0], details[1], details[2], details[3])
        if slot >= 0 and detail_of[slot] == event and (row[slot] < 0 or row[slot] >= before):
            row[slot] = count
            count = _store(kv, attributes, count)
    return count


@compiled
def _status(buf, pos, end, span):  # type: ignore[no-untyped-def]
    """Read a Status; its message may be user text and is not kept."""
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return False
        if field == 3 and wire == VARINT:
            value, pos = varint(buf, pos, end)
            if pos < 0:
                return False
            span.status = np.int32(np.int64(value))
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return False
    return True


@compiled
def _span(buf, pos, end, kv, known, happenings, details, detail_of, attributes, count, span, row, seen, times, told):  # type: ignore[no-untyped-def]
    """Read a Span. Returns how many attributes are stored, or -1."""
    span.at, span.len = pos, end - pos
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return -1
        if wire == FIXED64 and field in (7, 8):
            if pos + 8 > end:
                return -1
            if field == 7:
                span.start_ns = fixed64(buf, pos)
            else:
                span.end_ns = fixed64(buf, pos)
            pos += 8
            continue
        if wire != LENGTH:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return -1
            continue
        length, pos = size(buf, pos, end)
        if pos < 0:
            return -1
        if field == 9:
            if not key_value(buf, pos, pos + length, kv):
                return -1
            count = _keep(buf, kv, known, attributes, count, row, seen)
        elif field == 1:
            span.trace_id_len = _identifier(buf, pos, length, span.trace_id)
        elif field == 2:
            span.span_id_len = _identifier(buf, pos, length, span.span_id)
        elif field == 4:
            span.parent_span_id_len = _identifier(buf, pos, length, span.parent_span_id)
        elif field == 5:
            span.name_at, span.name_len = pos, length
        elif field == 11:
            count = _event(buf, pos, pos + length, kv, happenings, times, details, detail_of, attributes, count, told)
            if count < 0:
                return -1
        elif (field == 13 and not is_valid(buf, pos, pos + length, LINK)) or (
            field == 15 and not _status(buf, pos, pos + length, span)
        ):
            return -1
        pos += length
    return count


@compiled
def _scope(buf, pos, end, scope):  # type: ignore[no-untyped-def]
    """Read an InstrumentationScope's name."""
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return False
        if wire == LENGTH:
            length, pos = size(buf, pos, end)
            if pos < 0 or (field == 3 and not is_valid(buf, pos, pos + length, KEY_VALUE)):
                return False
            if field == 1:
                scope.at, scope.len = pos, length
            pos += length
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return False
    return True


@compiled
def _resource(buf, pos, end, kv, known, attributes, count, row, seen):  # type: ignore[no-untyped-def]
    """Read a Resource's attributes. Returns how many attributes are stored, or -1."""
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return -1
        if wire == LENGTH:
            length, pos = size(buf, pos, end)
            if pos < 0 or (field == 3 and not is_valid(buf, pos, pos + length, ENTITY_REF)):
                return -1
            if field == 1:
                if not key_value(buf, pos, pos + length, kv):
                    return -1
                count = _keep(buf, kv, known, attributes, count, row, seen)
            pos += length
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return -1
    return count


@compiled
def _fill(  # type: ignore[no-untyped-def]
    buf,
    bounds,
    max_spans,
    known,
    happenings,
    details,
    detail_of,
    spans,
    scopes,
    attributes,
    of_span,
    of_resource,
    seen,
    events,
    of_event,
    failed,
):
    """Fill the arrays, record by record; a failed record takes back all it wrote."""
    kv = np.zeros(6, np.int64)
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
            of_resource[r, :] = -1
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
                    stored = _resource(buf, pos, pos + length, kv, known, attributes, a, of_resource[r], seen)
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
                        ok = _scope(buf, pos, pos + length, scopes[s])
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
                        of_span[n, :] = -1
                        events[n, :] = 0
                        of_event[n, :] = -1
                        stored = _span(
                            buf,
                            pos,
                            pos + length,
                            kv,
                            known,
                            happenings,
                            details,
                            detail_of,
                            attributes,
                            a,
                            spans[n],
                            of_span[n],
                            seen,
                            events[n],
                            of_event[n],
                        )
                        ok = stored >= 0
                        a = max(stored, a)
                        n += 1
                    pos += length
                s += n > first_of_scope
            r += n > first_of_resource
        if not ok:
            failed[record] = max(failed[record], MALFORMED)
            n, s, r, a = n0, s0, r0, a0
    return n, s, r, a
