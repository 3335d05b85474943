"""One attribute of the wire: a KeyValue and the AnyValue in it, read by compiled code into six integers.

Nothing is copied: names, texts and maps stay offsets into the buffer. What is malformed anywhere inside is told.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.wire import (
    ARRAY_VALUE,
    FIXED64,
    KEY_VALUE_LIST,
    LENGTH,
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

KEY_AT, KEY_LEN, TYPE, AT, LEN, VALUE = range(6)
"""What is known of the attribute being read. AT is -1 for an array without elements."""


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
