"""The messages around attributes, read by compiled code into the rows of a `Scan`: resources, scopes, spans, events, statuses.

`tables` everywhere: what is asked for, as `Asked.tables` gives it. Attributes nobody asked for are read, for they may be
malformed, and forgotten.
"""

import numpy as np

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.key_values import AT, KEY_AT, KEY_LEN, LEN, TYPE, VALUE, key_value
from pipeline.operators.decode.likes import like_of
from pipeline.operators.decode.names import slot_of
from pipeline.operators.decode.wire import (
    ENTITY_REF,
    FIXED64,
    KEY_VALUE,
    LENGTH,
    LINK,
    VARINT,
    fixed64,
    is_valid,
    size,
    skip,
    tag,
    varint,
)


@compiled
def _keep(buf, kv, known, likes, attributes, count, table, at, seen):  # type: ignore[no-untyped-def]
    """Store the attribute just read if somebody asked for its name, or for one like it. Returns how many are stored.

    table: by slot and row; nothing of a slot nobody saw is ever touched.
    """
    slot = slot_of(buf, kv[KEY_AT], kv[KEY_LEN], known[0], known[1], known[2], known[3])
    if slot < 0:
        meaning = like_of(buf, kv[KEY_AT], kv[KEY_LEN])
        if meaning < 0 or likes[meaning] < 0:
            return count
        slot = likes[meaning]
    if not seen[slot]:
        table[slot, :] = -1
        seen[slot] = True
    table[slot, at] = count
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
def _event(buf, pos, end, kv, tables, times, attributes, count, row):  # type: ignore[no-untyped-def]
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
    happenings = tables[1]
    slot = slot_of(buf, name_at, name_len, happenings[0], happenings[1], happenings[2], happenings[3])
    if slot < 0:
        return count
    if times[slot] == 0:
        times[slot] = when
    if holds:
        count = _details(buf, begin, end, kv, slot, tables, attributes, count, row)
    return count


@compiled
def _details(buf, pos, end, kv, event, tables, attributes, count, row):  # type: ignore[no-untyped-def]
    """Store what is asked of the attributes of a well-formed Event, unless an earlier one of its name had it."""
    details, detail_of, before = tables[2], tables[3], count
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
def read_span(buf, pos, end, kv, tables, attributes, count, span, into):  # type: ignore[no-untyped-def]
    """Read a Span. into: `Scan.of_span`, the row, `seen`, and the row's part of `events` and `of_event`.

    Returns how many attributes are stored, or -1.
    """
    table, at, seen, times, told = into
    known, likes = tables[0], tables[4]
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
            count = _keep(buf, kv, known, likes, attributes, count, table, at, seen)
        elif field == 1:
            span.trace_id_len = _identifier(buf, pos, length, span.trace_id)
        elif field == 2:
            span.span_id_len = _identifier(buf, pos, length, span.span_id)
        elif field == 4:
            span.parent_span_id_len = _identifier(buf, pos, length, span.parent_span_id)
        elif field == 5:
            span.name_at, span.name_len = pos, length
        elif field == 11:
            count = _event(buf, pos, pos + length, kv, tables, times, attributes, count, told)
            if count < 0:
                return -1
        elif (field == 13 and not is_valid(buf, pos, pos + length, LINK)) or (
            field == 15 and not _status(buf, pos, pos + length, span)
        ):
            return -1
        pos += length
    return count


@compiled
def read_scope(buf, pos, end, scope):  # type: ignore[no-untyped-def]
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
def read_resource(buf, pos, end, kv, tables, attributes, count, table, at, seen):  # type: ignore[no-untyped-def]
    """Read a Resource's attributes. Returns how many attributes are stored, or -1."""
    known, likes = tables[0], tables[4]
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
                count = _keep(buf, kv, known, likes, attributes, count, table, at, seen)
            pos += length
        else:
            pos = skip(buf, pos, end, field, wire)
            if pos < 0:
                return -1
    return count
