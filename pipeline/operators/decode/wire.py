"""Protobuf's wire format, compiled: the few moves the span scanner is made of.

Every read is checked against `end`, so hostile bytes can make a scan fail but not leave its record. A function that
returns a position returns -1 for malformed input. What is malformed is what protobuf's own parser (upb) refuses,
except that text is not checked for UTF-8 here: one bad string must not cost its whole record.

Source: protobuf.dev/programming-guides/encoding; limits (5-byte tags and sizes, 10-byte varints) as in upb.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled

Bytes = NDArray[np.uint8]

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
MAX_DEPTH = 90

KEY_VALUE, ANY_VALUE, ARRAY_VALUE, KEY_VALUE_LIST, LINK, ENTITY_REF = range(6)
"""Messages that are only walked to see whether they are well-formed."""

CHILDREN = np.full((6, 8), -1, np.int8)
"""CHILDREN[message, field] = the message that field holds, or -1."""
CHILDREN[KEY_VALUE, 2] = ANY_VALUE
CHILDREN[ANY_VALUE, 5] = ARRAY_VALUE
CHILDREN[ANY_VALUE, 6] = KEY_VALUE_LIST
CHILDREN[ARRAY_VALUE, 1] = ANY_VALUE
CHILDREN[KEY_VALUE_LIST, 1] = KEY_VALUE
CHILDREN[LINK, 4] = KEY_VALUE


@compiled
def varint(buf: Bytes, pos: int, end: int) -> tuple[np.uint64, int]:
    """A varint of at most ten bytes."""
    value = np.uint64(0)
    for i in range(10):
        if pos >= end:
            return value, -1
        byte = np.uint64(buf[pos])
        pos += 1
        value |= (byte & np.uint64(0x7F)) << np.uint64(7 * i)
        if byte < np.uint64(0x80):
            return value, pos
    return value, -1


@compiled
def tag(buf: Bytes, pos: int, end: int) -> tuple[int, int, int]:
    """Field number, wire type and the position behind a tag: at most five bytes, 32 bits, field number not 0."""
    if pos < end and buf[pos] < 0x80:
        value: Any = np.int64(buf[pos])
        after = pos + 1
    else:
        wide, after = varint(buf, pos, min(end, pos + 5))
        if after < 0 or wide > np.uint64(0xFFFFFFFF):
            return 0, 0, -1
        value = np.int64(wide)
    if value >> 3 == 0:
        return 0, 0, -1
    return value >> 3, value & 7, after


@compiled
def size(buf: Bytes, pos: int, end: int) -> tuple[int, int]:
    """A length that fits into what is left: at most five bytes and 2^31 - 1."""
    if pos < end and buf[pos] < 0x80:
        length: Any = np.int64(buf[pos])
        after = pos + 1
    else:
        wide, after = varint(buf, pos, min(end, pos + 5))
        if after < 0 or wide > np.uint64(0x7FFFFFFF):
            return 0, -1
        length = np.int64(wide)
    if length > end - after:
        return 0, -1
    return length, after


@compiled
def skip(buf: Bytes, pos: int, end: int, field: int, wire: int) -> int:
    """The position behind a field whose tag was just read; groups are walked with their field numbers matched."""
    if wire == VARINT:
        _, pos = varint(buf, pos, end)
        return pos
    if wire == LENGTH:
        length, pos = size(buf, pos, end)
        return pos + length if pos >= 0 else -1
    open_groups = [field]
    open_groups.clear()
    while True:
        if wire == VARINT:
            _, pos = varint(buf, pos, end)
        elif wire == FIXED64:
            pos = pos + 8 if pos + 8 <= end else -1
        elif wire == FIXED32:
            pos = pos + 4 if pos + 4 <= end else -1
        elif wire == LENGTH:
            length, pos = size(buf, pos, end)
            if pos >= 0:
                pos += length
        elif wire == START_GROUP and len(open_groups) < MAX_DEPTH:
            open_groups.append(field)
        elif wire == END_GROUP and len(open_groups) > 0 and open_groups[-1] == field:
            open_groups.pop()
        else:
            return -1
        if pos < 0 or len(open_groups) == 0:
            return pos
        field, wire, pos = tag(buf, pos, end)
        if pos < 0:
            return -1


@compiled
def is_valid(buf: Bytes, pos: int, end: int, message: int) -> bool:
    """Is [pos, end) a well-formed `message`, all the way down?"""
    ends = np.empty(MAX_DEPTH, np.int64)
    kinds = np.empty(MAX_DEPTH, np.int64)
    ends[0], kinds[0], depth = end, message, 0
    while True:
        while pos == ends[depth]:
            if depth == 0:
                return True
            depth -= 1
        field, wire, pos = tag(buf, pos, ends[depth])
        if pos < 0:
            return False
        child = CHILDREN[kinds[depth], field] if wire == LENGTH and field < 8 else -1
        if child < 0:
            pos = skip(buf, pos, ends[depth], field, wire)
            if pos < 0:
                return False
            continue
        length, pos = size(buf, pos, ends[depth])
        if pos < 0 or depth + 1 == MAX_DEPTH:
            return False
        depth += 1
        ends[depth], kinds[depth] = pos + length, child


@compiled
def fixed64(buf: Bytes, pos: int) -> np.uint64:
    """Eight little-endian bytes; the caller has checked that they are there."""
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(buf[pos + i]) << np.uint64(8 * i)
    return value


@compiled
def fnv1a(buf: Bytes, pos: int, end: int) -> np.uint64:
    """FNV-1a, 64 bits, without a key: for tables whose members nobody but us chooses. Equal hashes are compared byte by byte."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(pos, end):
        value = (value ^ np.uint64(buf[i])) * np.uint64(0x100000001B3)
    return value


@compiled
def word_hash(buf: Bytes, pos: int, end: int) -> np.uint64:
    """A hash like `fnv1a`, eight bytes at a time."""
    value = np.uint64(0xCBF29CE484222325) ^ np.uint64(end - pos)
    while pos + 8 <= end:
        value = (value ^ fixed64(buf, pos)) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(32)
        pos += 8
    tail = np.uint64(0)
    for i in range(pos, end):
        tail = (tail << np.uint64(8)) | np.uint64(buf[i])
    value = (value ^ tail) * np.uint64(0x9E3779B97F4A7C15)
    return value ^ (value >> np.uint64(32))


@compiled
def same(a: Bytes, a_pos: int, b: Bytes, b_pos: int, length: int) -> bool:
    """Are two stretches of bytes equal?"""
    for i in range(length):
        if a[a_pos + i] != b[b_pos + i]:
            return False
    return True
