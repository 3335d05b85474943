"""From scanned arrays to columns: for every field the first path that holds a usable value, whole batches at a time.

A value of the wrong type, text that is no UTF-8, a number out of range: not usable, so the next path is asked, and at
the end the field is null. Strings are decoded once per distinct value of a batch; JSON inside a string is parsed once
per distinct string. The rules for one value are the `read_*` functions, which the reference decoder shares.
"""

import codecs
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.scan import ARRAY, AT, BOOL, DOUBLE, INT, LEN, STRING, TYPE, Scan, any_value
from pipeline.operators.decode.wire import Bytes, same
from pipeline.operators.dialects.paths import NS_PER, Path
from pipeline.operators.dialects.vocabulary import CLASSES, IDS
from pipeline.operators.siphash import Key, siphash

MAX_COUNT = 1_000_000_000
"""Tokens of one call beyond this are nobody's: a value above is not usable, and the next path is asked."""

MAX_JSON_BYTES = 1 << 16
"""A longer string is not searched for keys."""

CLASS = re.compile(r"\*?[A-Za-z_]\w*(?:(?:::|[.:/$+-])\w+)*|-?\d{1,5}", re.ASCII)
MAX_CLASS_CHARS = 80
"""What names a class of things: words without blanks (`openai.RateLimitError`, `*url.Error`, `tool_calls`), or a code (`429`)."""

OTHER = "other"

Value = str | bool | int | float
Column = NDArray[Any]


def read_utf8(raw: bytes, final: bool = True) -> str | None:
    """Text, None if it is not UTF-8. If not `final`, `raw` is a head whose last character may be cut."""
    try:
        return codecs.utf_8_decode(raw, "strict", final)[0]
    except UnicodeDecodeError:
        return None


def read_text(value: Value, limit: int) -> str | None:
    """A name: text or an integer; control characters out, cut to `limit` UTF-8 bytes; empty is no name."""
    if isinstance(value, bool | float):
        return None
    text = str(value)
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable())
    text = text.strip()
    if 4 * len(text) > limit:
        text = text.encode()[:limit].decode(errors="ignore")
    return text or None


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


def read_count(value: Value, _limit: int = 0) -> int | None:
    """A number of tokens: an integer, or an integral double or decimal string, from 0 to MAX_COUNT."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 13 else -1
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


Reader = Callable[[Value, int], Any]


def reader_of(field: str) -> Reader:
    """How the values of a string field are read."""
    return read_class if field in CLASSES else read_id if field in IDS else read_text


@dataclass(slots=True)
class Resolver:
    """Resolves fields over one scan.

    rows: the spans (indices into the scan) that columns are made for, in order. key: of the tables of strings, secret.
    """

    scanned: Scan
    slots: dict[str, int]
    event_slots: dict[str, int]
    rows: NDArray[np.intp]
    text_limit: int
    key: Key
    _resource_rows: NDArray[np.int32] = field(init=False)
    _documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._resource_rows = self.scanned.spans["resource"][self.rows]

    def resolve(self, candidates: Iterable[Path], read: Reader, missing: Any = None) -> Column:
        """An object column: the first usable value of each row, `missing` where there is none."""
        column = np.full(len(self.rows), missing, object)
        unresolved = np.ones(len(self.rows), bool)
        for path in candidates:
            if path.where == "event":
                continue
            found = self._values(path, read, unresolved)
            if found is None:
                continue
            where, values = found
            column[where] = values
            unresolved[where] = False
            if not unresolved.any():
                break
        return column

    def first_event(self, path: Path) -> Column:
        """Time of the path's event per row, 0 where there was none."""
        times: Column = self.scanned.events[self.rows, self.event_slots[path.name]]
        return times

    def _values(self, path: Path, read: Reader, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Column] | None:
        """Rows among `wanted` that hold a usable value at `path`, with these values; None if there are none."""
        attribute = self._attribute(path)
        where = np.flatnonzero(wanted & (attribute >= 0))
        if len(where) == 0:
            return None
        attribute = attribute[where]
        types = self.scanned.attributes["type"][attribute]
        values = np.full(len(where), None, object)
        for kind in np.unique(types):
            of_kind = types == kind
            values[of_kind] = self._read(path, int(kind), attribute[of_kind], read)
        usable = np.array([v is not None for v in values.tolist()], bool)
        return (where[usable], values[usable]) if usable.any() else None

    def _attribute(self, path: Path) -> Column:
        """Index of the attribute per row, or -1."""
        slot = self.slots[path.name]
        table, rows = (
            (self.scanned.of_resource, self._resource_rows) if path.where == "resource" else (self.scanned.of_span, self.rows)
        )
        indices: Column = table[rows, slot]
        return indices

    def _read(self, path: Path, kind: int, attribute: NDArray[Any], read: Reader) -> list[Any] | None:
        """Usable values of attributes that are all of one kind; None for a kind that is never usable."""
        if kind == ARRAY:
            return None if path.key else self._firsts(attribute, read)
        if kind == STRING:
            codes, texts = self._strings(path, attribute)
            found = [_under(self._document(t), path.key) for t in texts] if path.key else texts
            read_once = [None if v is None else read(v, self.text_limit) for v in found]
            return [read_once[code] for code in codes.tolist()]
        numbers = self.scanned.attributes["value"][attribute]
        if path.key or kind not in (BOOL, INT, DOUBLE):
            return None
        converted: Sequence[Value] = (
            numbers.view(np.float64).tolist() if kind == DOUBLE else (numbers != 0).tolist() if kind == BOOL else numbers.tolist()
        )
        return [read(value, self.text_limit) for value in converted]

    def _strings(self, path: Path, attribute: NDArray[Any]) -> tuple[NDArray[np.int32], list[str | None]]:
        """Code per row and the distinct strings (None: not UTF-8, or too long to be searched for a key)."""
        codes, firsts, offsets, lengths = self._interned(attribute)
        limit = MAX_JSON_BYTES if path.key else 4 * self.text_limit
        return codes, [_text(self.scanned.buffer, offsets[i], lengths[i], limit, bool(path.key)) for i in firsts]

    def _interned(self, attribute: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        """Code per attribute of equal bytes, position of each code's first, and where all of them stand."""
        offsets = np.ascontiguousarray(self.scanned.attributes["at"][attribute])
        lengths = np.ascontiguousarray(self.scanned.attributes["len"][attribute])
        return *intern(self.scanned.buffer, offsets, lengths, self.key), offsets, lengths

    def _document(self, text: str | None) -> dict[str, Any]:
        """`text` as a JSON object ({} if it is none), parsed once per scan."""
        if text is None:
            return {}
        if text not in self._documents:
            self._documents[text] = _object(text)
        return self._documents[text]

    def _firsts(self, attribute: NDArray[Any], read: Reader) -> list[Any]:
        """The first element of each array, where it is text; equal arrays are read once."""
        codes, firsts, _, _ = self._interned(attribute)
        read_once = [self._first(int(attribute[i]), read) for i in firsts]
        return [read_once[code] for code in codes.tolist()]

    def _first(self, index: int, read: Reader) -> Any:
        """The first element of an array, if it is text."""
        at, length = (int(self.scanned.attributes[name][index]) for name in ("at", "len"))
        element = np.zeros(6, np.int64)
        if at < 0 or not any_value(self.scanned.buffer, at, at + length, element) or element[TYPE] != STRING:
            return None
        text = _text(self.scanned.buffer, int(element[AT]), int(element[LEN]), 4 * self.text_limit, False)
        return None if text is None else read(text, self.text_limit)


def scope_names(scanned: Scan, rows: NDArray[np.intp], limit: int) -> Column:
    """Name of the instrumentation scope per row."""
    texts = [_text(scanned.buffer, s["at"], s["len"], 4 * limit, False) for s in scanned.scopes]
    named = np.array([(t and read_text(t, limit)) or "" for t in texts], object)
    return named[scanned.spans["scope"][rows]] if len(rows) else np.empty(0, object)


def _text(buffer: Bytes, at: int, length: int, limit: int, whole: bool) -> str | None:
    """The UTF-8 text at [at, at + length), None if it is not UTF-8. Longer than `limit`: its head, None if it must be `whole`."""
    if whole and length > limit:
        return None
    return read_utf8(bytes(buffer[at : at + min(length, limit)]), bool(length <= limit))


def _object(text: str) -> dict[str, Any]:
    """`text` as a JSON object, {} if it is none."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _under(document: dict[str, Any], key: str) -> Any:
    """The scalar under `key`, None if there is none."""
    value = document.get(key)
    return value if isinstance(value, str | bool | int | float) else None


@compiled
def intern(
    buf: Bytes, offsets: NDArray[np.int64], lengths: NDArray[np.int32], key: Key
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """A code per string and the position of each code's first string: equal codes if and only if equal bytes."""
    n = len(offsets)
    room = 16
    while room < 2 * n:
        room *= 2
    table, codes, firsts, distinct = np.full(room, -1, np.int32), np.empty(n, np.int32), np.empty(n, np.int64), 0
    for i in range(n):
        at = np.int64(siphash(buf, offsets[i], offsets[i] + lengths[i], key[0], key[1]) & np.uint64(room - 1))
        while True:
            code = table[at]
            if code < 0:
                table[at] = codes[i] = distinct
                firsts[distinct] = i
                distinct += 1
                break
            first = firsts[code]
            if lengths[first] == lengths[i] and same(buf, offsets[first], buf, offsets[i], lengths[i]):
                codes[i] = code
                break
            at = (at + 1) & (room - 1)
    return codes, firsts[:distinct]


def nullable(counts: NDArray[np.int64]) -> Column:
    """Integers with null for what is negative."""
    column = counts.astype(object)
    column[counts < 0] = None
    return column


def durations(
    resolver: Resolver, candidates: Iterable[Path], start_ns: NDArray[np.int64], latency_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Time to first token per row, -1 if unknown. A value outside [0, latency] is not usable, so the next path is asked."""
    ttft = np.full(len(latency_ns), -1, np.int64)
    for path in candidates:
        if path.where == "event":
            when = resolver.first_event(path)
            value = np.where(when > 0, when.astype(np.int64) - start_ns, -1)
        else:
            seconds = resolver.resolve((path,), read_number, -1.0).astype(np.float64)
            value = np.where(seconds >= 0, np.rint(np.minimum(seconds, 1e9) * NS_PER[path.unit or "s"]), -1).astype(np.int64)
        use = (ttft < 0) & (value >= 0) & (value <= latency_ns)
        ttft[use] = value[use]
    return ttft
