"""Where on a span its answer stands: at the first place that says something, with what documents behind it tell of it.

Answers are looked at where they lie, each distinct one of a batch once, and no further than anything could come of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.conversation import (
    MAX_ANSWER_BYTES,
    MAX_WHOLE_BYTES,
    Answer,
    answer_in,
    answer_of,
    is_conversation,
    read_answer,
    read_beside,
    read_plain,
    read_whole,
)
from pipeline.operators.decode.key_values import ARRAY, KVLIST, STRING
from pipeline.operators.decode.resolve import Resolver, Rows
from pipeline.operators.decode.texts import intern, pairs
from pipeline.operators.decode.values import MAX_JSON_BYTES, MAX_MAP_BYTES, map_document, read_flag
from pipeline.operators.decode.wire import Bytes
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import ANSWER_TEXTS

Flags = NDArray[np.bool_]
Codes = NDArray[Any]
Coded = tuple[Codes, Sequence[Any]]
"""Per row which of some values, and these."""

Reader = Callable[[bytes], Answer | None]
Read = TypeVar("Read")
Tell = Callable[[Rows, Codes, Sequence[Answer | None]], None]

FLAGS = (("called_tools", Answer(tools=True)), ("refused", Answer(refused=True)))
"""Fields that tell of an answer, and what."""

NOTHING = Answer()

WORTH_BYTES = 2048
"""To find out whether longer texts are equal takes longer than to read each."""

OPENS = np.isin(np.arange(256), np.frombuffer(b'{["', np.uint8))
BLANK = np.isin(np.arange(256), np.frombuffer(b" \t\r\n", np.uint8))
"""By a text's first byte: a document may begin with it, or be behind it."""


@dataclass(slots=True)
class Answers:
    """The answers of some rows.

    codes: (n,) per row the index of its answer, -1 for none. found: the answers, each distinct one at least once.
    """

    codes: Codes
    found: list[Answer]

    def told(self, rows: Rows) -> Flags:
        """Of which rows something is known."""
        known = np.array([*(answer.is_told for answer in self.found), False], bool)
        return known[self.codes[rows]]

    def cites(self) -> Flags:
        """Of which rows a field says that the answer cites."""
        return np.array([*(answer.cites for answer in self.found), False], bool)[self.codes]

    def of(self, rows: Rows) -> Coded:
        """The answers of rows, None for none."""
        return self.codes[rows] + 1, [None, *self.found]

    def put(self, rows: Rows, codes: Codes, once: Sequence[Answer | None]) -> None:
        """Give rows their answers, where there is one. codes: per row which of `once`."""
        place = np.array([-1 if answer is None else 1 for answer in once], np.int64)
        place[place > 0] = len(self.found) + np.arange(np.count_nonzero(place > 0))
        kept = place[codes] >= 0
        self.codes[rows[kept]] = place[codes[kept]]
        self.found += [answer for answer in once if answer is not None]

    def add(self, rows: Rows, codes: Codes, once: Sequence[Answer | None]) -> None:
        """Tell more of the answers of rows. codes: as above."""
        says = np.array([answer is not None for answer in once], bool)[codes]
        rows, codes = rows[says], codes[says]
        if len(rows):
            before, which, of_rows = pairs(self.codes[rows] + 1, codes, len(once))
            both = [(at - 1, once[of]) for at, of in zip(before.tolist(), which.tolist(), strict=True)]
            self.put(rows, of_rows, [(self.found[at] if at >= 0 else NOTHING).with_more(more) for at, more in both if more])


def answers(resolver: Resolver, fields: Mapping[str, Sequence[Path]], wanted: Flags, whole: bool = False) -> Answers:
    """The answers of the rows that are `wanted`. whole: all of each text, not its head, and JSON in a place for text as it is."""
    told = Answers(np.full(len(wanted), -1, np.int64), [])
    for path in filter(resolver.is_seen, fields["answer"]):
        attribute = resolver.attribute(path)
        rows = (wanted & (attribute >= 0) & (resolver.within(path.scopes) if path.scopes else True)).nonzero()[0]
        if len(rows):
            look = _Look(resolver, told, rows, resolver.scanned.attributes[attribute[rows]])
            look.at_all(read_plain if path in ANSWER_TEXTS else read_whole) if whole else look.at_heads()
    for name, more in FLAGS:
        rows = (wanted & resolver.resolve(fields[name], read_flag, False).astype(bool)).nonzero()[0]
        told.add(rows, np.zeros(len(rows), np.int64), [more])
    return told


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at one place: the answer, where none is known yet, else what a document says beside it.

    rows: (h,) where something stands there; places: (h,) of the scan's attributes.
    """

    resolver: Resolver
    told: Answers
    rows: Rows
    places: NDArray[Any]

    def at_heads(self) -> None:
        """No further than refusals and citations are looked for."""
        known, texts = self.told.told(self.rows), self.places["type"] == STRING
        self._read(self.told.add, known & texts & (self.places["len"] <= MAX_JSON_BYTES), read_beside)
        lengths = _looked_at(self.resolver.scanned.buffer, self.places[texts])
        self.places["len"][texts] = lengths
        self._read(self.told.put, ~known & texts & (self.places["len"] > 0), read_answer)
        self._documents(~known)

    def at_all(self, reader: Reader) -> None:
        """At all of it, nothing if it is too long."""
        unknown = ~self.told.told(self.rows)
        texts = (self.places["type"] == STRING) & (self.places["len"] <= MAX_WHOLE_BYTES)
        self._read(self.told.put, unknown & texts, reader)
        self._documents(unknown)

    def _documents(self, which: Flags) -> None:
        for kind, reader in ((KVLIST, _in_map), (ARRAY, _in_list)):
            of_kind = which & (self.places["type"] == kind) & (self.places["len"] <= MAX_MAP_BYTES) & (self.places["at"] >= 0)
            self._read(self.told.put, of_kind, reader)

    def _read(self, tell: Tell, which: Flags, reader: Reader) -> None:
        """Read each distinct value among the places once, long ones as they come."""
        if np.count_nonzero(which):
            tell(self.rows[which], *read_each(self.resolver, self.places[which], reader))


def _looked_at(buffer: Bytes, places: NDArray[Any]) -> NDArray[Any]:
    """How much of texts is looked at: one byte more than is read, so that it shows what is longer; no longer document."""
    lengths = places["len"]
    first = buffer[np.where(lengths > 0, places["at"], 0)]
    document = OPENS[first]
    most = np.where(document | BLANK[first], MAX_JSON_BYTES, MAX_ANSWER_BYTES)
    return np.where(document & (lengths > most), 0, np.minimum(lengths, most + 1))


def read_each(resolver: Resolver, places: NDArray[Any], reader: Callable[[bytes], Read]) -> tuple[Codes, list[Read]]:
    """What is read at places of the scan, and per place which of these; equal values are mostly read once."""
    offsets, lengths = np.ascontiguousarray(places["at"]), np.ascontiguousarray(places["len"])
    codes = firsts = np.arange(len(offsets))
    if lengths.mean() <= WORTH_BYTES:
        codes, firsts = intern(resolver.scanned.buffer, offsets, lengths, resolver.key)
    whole, bounds = resolver.scanned.raw, zip(offsets[firsts].tolist(), lengths[firsts].tolist(), strict=True)
    return codes, [reader(whole[at : at + length]) for at, length in bounds]


def _in_map(raw: bytes) -> Answer | None:
    """The answer in a serialized KeyValue that holds a map."""
    return answer_in_value(map_document(raw))


def _in_list(raw: bytes) -> Answer | None:
    """The answer in a serialized AnyValue that is the first element of a list."""
    return answer_in_value(map_document(as_key_value(raw)))


def answer_in_value(value: Any) -> Answer | None:
    """The answer in a value that was no text on the wire."""
    if isinstance(value, str):
        return answer_in(value) if len(value) <= MAX_JSON_BYTES else None
    return answer_of(value) if is_conversation(value) else None


def as_key_value(raw: bytes) -> bytes:
    """A serialized AnyValue as the value of a KeyValue without a name."""
    length, size = len(raw), bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\x12" + bytes((*size, length)) + raw
