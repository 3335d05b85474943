"""A protobuf record without a span that is no empty request: another message, or one whose spans stand in a field we do not know.

Source: opentelemetry-proto, trace.proto; the three messages above spans have no other fields.
"""

import numpy as np

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.wire import LENGTH, Bytes, size, tag


def is_strange(record: bytes) -> bool:
    """Does a well-formed request hold a field above its spans that OTLP does not have? Bounded by one pass."""
    return bool(_request_is(np.frombuffer(record, np.uint8), 0, len(record)))


@compiled
def _request_is(buf: Bytes, pos: int, end: int) -> bool:
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if field != 1 or wire != LENGTH:
            return True
        length, pos = size(buf, pos, end)
        if _resource_is(buf, pos, pos + length):
            return True
        pos += length
    return False


@compiled
def _resource_is(buf: Bytes, pos: int, end: int) -> bool:
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if field > 3 or wire != LENGTH:
            return True
        length, pos = size(buf, pos, end)
        if field == 2 and _scope_is(buf, pos, pos + length):
            return True
        pos += length
    return False


@compiled
def _scope_is(buf: Bytes, pos: int, end: int) -> bool:
    while pos < end:
        field, wire, pos = tag(buf, pos, end)
        if field > 3 or wire != LENGTH:
            return True
        length, pos = size(buf, pos, end)
        pos += length
    return False
