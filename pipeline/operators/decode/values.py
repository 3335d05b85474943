"""The rules for one value: what of the things people write into attributes is usable, and as what.

A value of the wrong type, a number out of range, text that means nothing: None. Decode and its slow twin in the tests
share these functions and the tables of paths, and nothing else.
"""

import codecs
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from pipeline.operators.dialects.vocabulary import CLASSES, IDS

MAX_COUNT = 1_000_000_000
"""Tokens of one call beyond this are nobody's: a value above is not usable, and the next path is asked."""

MAX_JSON_BYTES = 1 << 16
"""A longer text or map is not searched for keys and patterns."""

MAX_MAP_BYTES = 1 << 20
"""A map that takes more, with what is written over in it, is not looked at."""

CLASS = re.compile(r"\*?[A-Za-z_]\w*(?:(?:::|[.:/$+-])\w+)*|-?\d{1,5}", re.ASCII)
MAX_CLASS_CHARS = 80
"""What names a class of things: words without blanks (`openai.RateLimitError`, `*url.Error`, `tool_calls`), or a code (`429`)."""

COUNT = re.compile(r"(\d{1,13})(?:\.0{1,9})?", re.ASCII)

NO_NAME = frozenset({"none", "null", "undefined", "nan", "unknown", "n/a", "_other", "<unknown>"})
"""Words that libraries write where they have no name to tell."""

NO_ERROR = frozenset({"none", "null", "undefined", "nan", "n/a", "false", "0", "ok", "success"})
"""Words that libraries write where nothing failed. `_OTHER` and `unknown` are errors, of a class nobody knows."""

OTHER = "other"

Value = str | bool | int | float
Reader = Callable[[Value, int], Any]


def read_utf8(raw: bytes | memoryview, final: bool = True) -> str | None:
    """Text, None if it is not UTF-8. If not `final`, `raw` is a head whose last character may be cut."""
    try:
        return codecs.utf_8_decode(raw, "strict", final)[0]
    except UnicodeDecodeError:
        return None


def read_text(value: Value, limit: int) -> str | None:
    """A name: text or an integer; control characters out, cut to `limit` UTF-8 bytes; empty is no name."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | float):
        return None
    else:
        text = str(value)
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable())
    text = text.strip()
    if 4 * len(text) > limit:
        text = text.encode()[:limit].decode(errors="ignore")
    return text or None


def read_name(value: Value, limit: int) -> str | None:
    """A name of a model or of who serves it; a word that says there is none is none."""
    text = read_text(value, limit)
    return None if text is None or text.lower() in NO_NAME else text


def read_word(value: Value, limit: int) -> str | None:
    """A name that is compared: in lower case."""
    text = read_text(value, limit)
    return None if text is None else text.lower()


def read_id(value: Value, limit: int) -> str | None:
    """A name in ASCII without blanks. Anything else is no id: a place for ids that holds a sentence holds nothing."""
    text = read_text(value, limit)
    return text if text is not None and text.isascii() and " " not in text else None


def read_class(value: Value, limit: int) -> str | None:
    """A word for a class of things, `other` for any other text: a sentence may be what a user said. Never cut."""
    text = read_text(value, 4 * limit)
    if text is None:
        return None
    return text if len(text) <= min(limit, MAX_CLASS_CHARS) and CLASS.fullmatch(text) else OTHER


def read_error(value: Value, limit: int) -> str | None:
    """A class of errors; a word that says there was none is none."""
    text = read_class(value, limit)
    return None if text is None or text.lower() in NO_ERROR else text


def read_count(value: Value, _limit: int = 0) -> int | None:
    """A number of tokens: an integer, or an integral double or decimal string, from 0 to MAX_COUNT."""
    if isinstance(value, str):
        number = COUNT.fullmatch(value)
        value = int(number[1]) if number else -1
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return None
    return int(value) if 0 <= value <= MAX_COUNT else None


def read_flag(value: Value, _limit: int = 0) -> bool | None:
    """A truth value: a bool, 0 or 1, or their names in any case."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return bool(value) if value in (0, 1) else None


def read_number(value: Value, _limit: int = 0) -> float | None:
    """A finite number that is not negative; decimal strings too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 else math.nan
        except ValueError:
            return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def read_instant(value: Value, _limit: int = 0) -> int | None:
    """Nanoseconds since 1970 of a time in ISO 8601, however often it was quoted; without an offset it is UTC."""
    if not isinstance(value, str) or len(value) > MAX_CLASS_CHARS:
        return None
    try:
        when = datetime.fromisoformat(value.replace("\\", "").strip('" '))
        since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def reader_of(field: str) -> Reader:
    """How the values of a string field are read."""
    if field == "error_type":
        return read_error
    if field in ("model", "model_requested", "provider"):
        return read_name
    return read_class if field in CLASSES else read_id if field in IDS else read_text


def captured(value: Value, pattern: re.Pattern[str]) -> str | None:
    """What `pattern` captures in a value as text, `true` for one without groups; None if it does not match.

    Truth values are `true` and `false`, integers their digits; a float is no text.
    """
    if isinstance(value, float):
        return None
    found = pattern.search(str(value).lower() if isinstance(value, bool) else str(value))
    if found is None:
        return None
    return found[1] if pattern.groups else "true"


def document(text: str) -> Any:
    """`text` as a JSON object or list, {} if it is neither."""
    if text.lstrip()[:1] not in ("{", "["):
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict | list) else {}


def _lenient() -> Any:
    """The class KeyValue with bytes in place of texts: one that is written over later may be no UTF-8 and does not matter."""
    copied = FileDescriptorProto()
    KeyValue.DESCRIPTOR.file.CopyToProto(copied)
    for message in copied.message_type:
        for of_message in message.field:
            if of_message.type == FieldDescriptorProto.TYPE_STRING:
                of_message.type = FieldDescriptorProto.TYPE_BYTES
    pool = DescriptorPool()
    pool.Add(copied)
    return GetMessageClass(pool.FindMessageTypeByName(KeyValue.DESCRIPTOR.full_name))


_LenientKeyValue = _lenient()


def map_document(raw: bytes) -> Any:
    """The value of a serialized KeyValue that holds a map, as `document` would give it.

    {} if a text in it is not UTF-8, or if what counts of it (the last of what is written over) is too long.
    """
    try:
        value = _LenientKeyValue.FromString(raw).value
        return _plain(value) if value.ByteSize() <= MAX_JSON_BYTES else {}
    except (DecodeError, UnicodeDecodeError):
        return {}


def _plain(value: Any) -> Any:
    """What JSON would have said. Bytes and references into tables say nothing."""
    match value.WhichOneof("value"):
        case "kvlist_value":
            return {pair.key.decode(): _plain(pair.value) for pair in value.kvlist_value.values}
        case "array_value":
            return [_plain(element) for element in value.array_value.values]
        case "string_value":
            return value.string_value.decode()
        case "bool_value" | "int_value" | "double_value" as kind:
            return getattr(value, kind)
        case _:
            return None


def under(found: Any, keys: tuple[str, ...]) -> Value | None:
    """The scalar under `keys`, None if there is none."""
    for key in keys:
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and len(key) < 6:
            found = found[int(key)] if int(key) < len(found) else None
        else:
            return None
    return found if isinstance(found, str | bool | int | float) else None
