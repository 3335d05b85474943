"""Columns of numbers as few bytes, exactly: the narrowest kind of number that holds them all, byte by byte.

Counts of an hour fit into a byte or two, and the first bytes of all numbers of a column resemble each other, so they stand
together. Nothing is rounded: what is read again is what was written.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONSTANT = "="
NARROW = ("u1", "<u2", "<u4", "<f4")


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """data: of `shape` numbers of a kind, their first bytes, then their second ones; of a constant one number. "": plain <f8."""

    data: bytes
    shape: tuple[int, ...]
    kind: str = ""


def packed(array: NDArray[Any]) -> Packed:
    """Written down."""
    wide = np.ascontiguousarray(array.T, "<f8")
    flat = wide.ravel()
    if len(flat) and (np.isnan(flat).all() if np.isnan(flat[0]) else (flat == flat[0]).all()):
        return Packed(flat[:1].tobytes(), array.shape, CONSTANT)
    kind = next((kind for kind in NARROW if _holds(flat, kind)), "<f8")
    narrow = flat.astype(kind)
    width = narrow.dtype.itemsize
    return Packed(narrow.view(np.uint8).reshape(-1, width).T.tobytes(), array.shape, kind)


def unpacked(of: Packed) -> Floats:
    """The numbers, of one's own."""
    if not of.kind:  # as they were written before they had kinds
        return np.frombuffer(of.data, "<f8").reshape(of.shape).copy()
    if of.kind == CONSTANT:
        return np.full(of.shape, np.frombuffer(of.data, "<f8")[0])
    width = np.dtype(of.kind).itemsize
    flat = np.ascontiguousarray(np.frombuffer(of.data, np.uint8).reshape(width, -1).T).view(of.kind).ravel()
    return np.ascontiguousarray(flat.astype(np.float64).reshape(of.shape[::-1]).T)


def _holds(flat: Floats, kind: str) -> bool:
    """Whether these numbers are the same as numbers of that kind."""
    if kind == "<f4":
        with np.errstate(over="ignore"):
            return bool(np.array_equal(flat, flat.astype(kind), equal_nan=True))
    least, most = flat.min(initial=0), flat.max(initial=0)
    return bool(least >= 0 and most <= np.iinfo(kind).max and (flat == np.floor(flat)).all())
