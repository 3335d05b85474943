"""Texts that lie in a buffer, and other values: which are equal, and what they say. Each distinct one is read once a batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.values import read_utf8
from pipeline.operators.decode.wire import Bytes, same
from pipeline.operators.siphash import Key, siphash

Found = tuple[NDArray[Any], NDArray[np.bool_]]
"""Values, and which of them are usable. (n,) each."""


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
        if i > 0 and offsets[i] == offsets[i - 1] and lengths[i] == lengths[i - 1]:  # of one resource, or scope
            codes[i] = codes[i - 1]
            continue
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


def decoded(raw: bytes, offsets: NDArray[np.int64], lengths: NDArray[np.int32], limit: int, whole: bool) -> list[str | None]:
    """The UTF-8 texts at these places, None for what is none. Of a longer one than `limit` bytes its head, None if it must be
    `whole`.
    """
    ends = (offsets + lengths).tolist()
    if not len(offsets) or int(lengths.max()) <= limit:
        try:
            return [raw[at:end].decode() for at, end in zip(offsets.tolist(), ends, strict=True)]
        except UnicodeDecodeError:
            pass  # rare: then each for itself
    return [head(raw, at, end - at, limit, whole) for at, end in zip(offsets.tolist(), ends, strict=True)]


def head(raw: bytes, at: int, length: int, limit: int, whole: bool) -> str | None:
    """The same of one text."""
    if whole and length > limit:
        return None
    return read_utf8(raw[at : at + min(length, limit)], length <= limit)


def spread(once: list[Any], codes: NDArray[Any]) -> Found:
    """Per code its value, and whether that is one. once: the values by code, None where there is none."""
    values = np.empty(len(once), object)
    values[:] = once
    return values[codes], np.array([value is not None for value in once], bool)[codes]


def pairs(ones: NDArray[Any], others: NDArray[Any], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """The distinct pairs of two codes, one array for either, and per row which pair it is. others: below `count`."""
    both, of_rows = np.unique(ones * np.int64(count) + others, return_inverse=True)
    return *np.divmod(both, count), of_rows


def coded(values: list[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Per value the index of one that equals it among the distinct ones, and these."""
    place = {value: i for i, value in enumerate(dict.fromkeys(values))}
    if len(place) <= 1:
        return np.zeros(len(values), np.int64), list(place)
    return np.fromiter(map(place.__getitem__, values), np.int64, len(values)), list(place)
