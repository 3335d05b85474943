"""One value of OTLP/JSON as the bytes of its protobuf field, however exporters write it.

Beside protobuf's JSON mapping: ids in hex or base64, enums by short names in any case, times as RFC 3339. Raises
ValueError with the name of the field, never with the value.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Write = Callable[[Any, int], bytes]
"""Encodes one JSON value that stands at the given depth. Raises ValueError, never with the value in its text."""

ONE_BYTE = [bytes((value,)) for value in range(0x80)]

ID_BYTES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}

STATUS_WORDS = {
    0: "unset unspecified none unknown undefined",
    1: "ok success succeeded successful completed complete",
    2: (
        "error err fail failed failure exception statuserror fault "
        "cancelled canceled invalidargument deadlineexceeded notfound alreadyexists permissiondenied "
        "resourceexhausted failedprecondition aborted outofrange unimplemented internal internalerror unavailable "
        "dataloss unauthenticated timeout"
    ),
}
"""Status by names that are not OTLP's: words of exporters, and the codes of gRPC that OTLP had before 0.6."""

SCALARS = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
ANY_VALUES = frozenset({*SCALARS.values(), "arrayValue", "kvlistValue", "bytesValue"})
"""Members of an AnyValue, one of which it has."""

MAX_NAME = 64
"""Characters of a name of an enum that are looked at."""

RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d{0,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte."""
    return ONE_BYTE[value] if value < 0x80 else bytes((value & 0x7F | 0x80,)) + varint(value >> 7)


def varints(what: str, low: int, high: int) -> Write:
    """Integers of [low, high)."""

    def write(value: Any, _: int) -> bytes:
        found = _integer(value, what)
        if not low <= found < high:
            raise ValueError(f"{what} is out of range")
        return varint(found % (1 << 64))

    return write


def fixed(what: str, width: int) -> Write:
    """Integers of `width` bytes; of 8 bytes all are times."""

    def write(value: Any, _: int) -> bytes:
        time = _time(value) if width == 8 and type(value) is str and "-" in value[1:] else None
        found = _integer(value, what) if time is None else time
        if not 0 <= found < 1 << 8 * width:
            raise ValueError(f"{what} is out of range")
        return found.to_bytes(width, "little")

    return write


def enum(what: str, numbers: Mapping[str, int]) -> Write:
    """By number, OTLP's name or its last part; a name nobody knows is 0, unspecified."""
    known = _enum_names(numbers)
    write_number = varints(what, -(1 << 31), 1 << 31)

    def write(value: Any, depth: int) -> bytes:
        if isinstance(value, str) and not value.removeprefix("-").isdigit():
            value = known.get(_letters(value), 0)
        return write_number(value, depth)

    return write


def status(what: str, numbers: Mapping[str, int]) -> Write:
    """As `enum`, but a name nobody knows is refused: it may say that the call failed."""
    words = {word: number for number, names in STATUS_WORDS.items() for word in names.split()}
    known = {"": 0} | words | _enum_names(numbers)
    write_number = varints(what, -(1 << 31), 1 << 31)

    def write(value: Any, depth: int) -> bytes:
        if isinstance(value, str) and not value.removeprefix("-").isdigit():
            name = _letters(value)
            if name not in known or (value and not name):
                raise ValueError(f"{what} is a name nobody knows")
            value = known[name]
        return write_number(value, depth)

    return write


def double(what: str) -> Write:
    """Numbers, also as text."""

    def write(value: Any, _: int) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{what} is not a number")  # noqa: TRY004 - the caller counts bad values, it does not debug types
        try:
            return struct.pack("<d", float(value))
        except ValueError:
            raise ValueError(f"{what} is not a number") from None

    return write


def boolean(what: str) -> Write:
    """True or false."""

    def write(value: Any, _: int) -> bytes:
        if value is not True and value is not False:
            raise ValueError(f"{what} is neither true nor false")
        return b"\1" if value else b"\0"

    return write


def text(what: str) -> Write:
    """Text with its length."""

    def write(value: Any, _: int) -> bytes:
        if type(value) is not str:
            raise ValueError(f"{what} is not text")
        raw = value.encode()
        return varint(len(raw)) + raw

    return write


def identifier(what: str, width: int) -> Write:
    """Ids of `width` bytes in hex, or base64 as protobuf's mapping has it; else empty, so that the span dies of a bad id."""

    def write(value: Any, _: int) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{what} is not text")  # noqa: TRY004
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raw = _base64_of(value, width)
        return varint(len(raw)) + raw

    return write


def binary(what: str) -> Write:
    """Bytes in base64 of either alphabet."""

    def write(value: Any, _: int) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{what} is not text")  # noqa: TRY004
        try:
            raw = base64.b64decode(value.replace("-", "+").replace("_", "/") + "==")
        except ValueError:
            raise ValueError(f"{what} is not base64") from None
        return varint(len(raw)) + raw

    return write


def plain(value: Any, depth: int, deepest: int) -> dict[str, Any]:
    """A JSON value as the AnyValue it means; what it holds is made as it is asked for, so that no tree stands beside the value.

    Raises ValueError if it is nested deeper than `deepest`.
    """
    if depth > deepest:
        raise ValueError("AnyValue is nested too deep")
    if isinstance(value, list):
        return {"arrayValue": {"values": (plain(item, depth + 1, deepest) for item in value)}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": key_values(value, depth + 1, deepest)}}
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        value = float(value)
    return {} if value is None else {SCALARS[type(value)]: value}


def key_values(values: dict[str, Any], depth: int, deepest: int) -> Iterator[Any]:
    """A plain object as the KeyValues it means; a value may be an AnyValue already."""
    return (
        {"key": key, "value": value if _is_any_value(value) else plain(value, depth, deepest)}
        for key, value in values.items()
        if value is not None
    )


def _is_any_value(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and not ANY_VALUES.isdisjoint(value)


def _integer(value: Any, what: str) -> int:
    """An integer, given as a number or as text."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"{what} is not an integer")


def _time(value: str) -> int | None:
    """Nanoseconds since 1970 of a time in RFC 3339; None if it is none."""
    found = RFC3339.fullmatch(value)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        second = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return round(second.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def _base64_of(value: str, width: int) -> bytes:
    """So many bytes in base64 of either alphabet; empty if it is anything else."""
    bare = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True) if len(bare) <= 2 * width else b""
    except (binascii.Error, ValueError):
        return b""
    return raw if len(raw) == width else b""


def _enum_names(numbers: Mapping[str, int]) -> dict[str, int]:
    """Numbers by the letters of their names, whole and without what all have in common."""
    pairs = enumerate(zip(min(numbers), max(numbers), strict=False))
    common = next(at for at, (a, b) in pairs if a != b)
    return {_letters(name[cut:]): number for name, number in numbers.items() for cut in (0, common)}


def _letters(name: str) -> str:
    """A name without case and punctuation: `StatusCode.ERROR`, `STATUS_CODE_ERROR` and `status code error` are one."""
    return "".join(c for c in name[:MAX_NAME].lower() if c.isalpha())
