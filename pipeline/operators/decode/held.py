"""The documents inside an attribute, JSON texts and maps: each parsed once, and of each only what somebody asks for is kept.

A parsed document takes up to thirty times its bytes (`[{},{},…]`), so only one is ever held whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.documents import Keys, json_document, pruned
from pipeline.operators.decode.key_values import KVLIST, STRING
from pipeline.operators.decode.scan import Scan
from pipeline.operators.decode.texts import intern
from pipeline.operators.decode.values import MAX_JSON_BYTES, MAX_MAP_BYTES, map_document
from pipeline.operators.decode.wire import Bytes
from pipeline.operators.siphash import Key


@dataclass(frozen=True, slots=True)
class Held:
    """Documents that hold anything somebody asks for.

    rows: (h,) where; codes: (h,) index into documents, per row; keys: the outermost of all documents.
    """

    rows: NDArray[np.intp]
    codes: NDArray[np.int64]
    documents: list[Any]
    keys: frozenset[str]

    @classmethod
    def of(cls, rows: NDArray[np.intp], codes: NDArray[np.int64], documents: list[Any]) -> "Held":
        return cls(rows, codes, documents, frozenset().union(*documents))


def held(scanned: Scan, attribute: NDArray[np.int32], keys: Keys, key: Key) -> Held:
    """The JSON texts and maps among attributes, of each what is under `keys`.

    attribute: (n,) index into the scan's attributes, -1 for none. key: of the tables of strings.
    """
    found: list[Held] = []
    there = np.flatnonzero(attribute >= 0)
    types, lengths = (scanned.attributes[name][attribute[there]] for name in ("type", "len"))
    for kind, longest in ((STRING, MAX_JSON_BYTES), (KVLIST, MAX_MAP_BYTES)):
        rows = there[(types == kind) & (lengths <= longest)]
        if len(rows):
            found.append(_of_kind(scanned, attribute, rows, kind, keys, key))
    before = np.cumsum([0, *(len(some.documents) for some in found)])
    return Held.of(
        np.concatenate([there[:0], *(some.rows for some in found)]),
        np.concatenate([there[:0], *(some.codes + n for some, n in zip(found, before, strict=False))]),
        [document for some in found for document in some.documents],
    )


def _of_kind(scanned: Scan, attribute: NDArray[np.int32], rows: NDArray[np.intp], kind: int, keys: Keys, key: Key) -> Held:
    """The documents of rows whose attributes are all texts, or all maps."""
    places = scanned.attributes[attribute[rows]]
    offsets, lengths = np.ascontiguousarray(places["at"]), np.ascontiguousarray(places["len"])
    if kind == STRING:
        may = opens(scanned.buffer, offsets, lengths)
        rows, offsets, lengths = rows[may], offsets[may], lengths[may]
    codes, firsts = intern(scanned.buffer, offsets, lengths, key)
    read = map_document if kind == KVLIST else json_document
    once = [
        pruned(read(scanned.raw[at : at + length]), keys)
        for at, length in zip(offsets[firsts].tolist(), lengths[firsts].tolist(), strict=True)
    ]
    something = np.array([bool(document) for document in once], bool)
    place = np.cumsum(something) - 1
    kept = something[codes]
    return Held.of(rows[kept], place[codes[kept]], [document for document in once if document])


@compiled
def opens(buf: Bytes, offsets: NDArray[np.int64], lengths: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which texts begin, after what JSON has for blanks, as an object or a list does."""
    may = np.zeros(len(offsets), np.bool_)
    for i in range(len(offsets)):
        at, end = offsets[i], offsets[i] + lengths[i]
        while at < end and (buf[at] == 32 or buf[at] == 9 or buf[at] == 10 or buf[at] == 13):
            at += 1
        may[i] = at < end and (buf[at] == 123 or buf[at] == 91)
    return may
