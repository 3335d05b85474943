"""The attribute and event names somebody asks for, as a hash table that compiled code can look into.

A name has a slot: its position in the order it was asked for. Names nobody asked for cost one hash and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.wire import Bytes, same, word_hash

LIKE = "like:"
"""Begins the name of a slot that no attribute has by its own name."""


@dataclass(frozen=True, slots=True)
class Names:
    """Slots of `names`, an open-addressing table over them (at most half full) and the bytes of the shortest one."""

    slots: dict[str, int]
    hashes: NDArray[np.uint64]
    table: NDArray[np.int32]
    text: Bytes
    offsets: NDArray[np.int64]
    shortest: int

    @classmethod
    def of(cls, names: list[str], hashed: Callable[[Bytes, int, int], np.uint64] = word_hash) -> "Names":
        """Build the table; slots count the distinct names in order. hashed: by which it is looked into."""
        slots = {name: i for i, name in enumerate(dict.fromkeys(names))}
        encoded = [name.encode() for name in slots]
        offsets = np.concatenate(([0], np.cumsum([len(e) for e in encoded]))).astype(np.int64)
        text = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
        room = 1 << max(4, (2 * len(slots)).bit_length())
        hashes, table = np.zeros(room, np.uint64), np.full(room, -1, np.int32)
        for slot in (slot for name, slot in slots.items() if not name.startswith(LIKE)):
            value = hashed(text, offsets[slot], offsets[slot + 1])
            at = int(value) & (room - 1)
            while table[at] >= 0:
                at = (at + 1) & (room - 1)
            hashes[at], table[at] = value, slot
        return cls(slots, hashes, table, text, offsets, min(map(len, encoded), default=0))


@compiled
def slot_of(
    buf: Bytes,
    pos: int,
    length: int,
    hashes: NDArray[np.uint64],
    table: NDArray[np.int32],
    text: Bytes,
    offsets: NDArray[np.int64],
) -> int:
    """The slot of the name at buf[pos : pos + length], or -1."""
    value = word_hash(buf, pos, pos + length)
    mask = len(table) - 1
    at = np.int64(value & np.uint64(mask))
    while table[at] >= 0:
        slot = table[at]
        if hashes[at] == value and offsets[slot + 1] - offsets[slot] == length and same(buf, pos, text, offsets[slot], length):
            return int(slot)
        at = (at + 1) & mask
    return -1


@compiled
def same_letters(buf: Bytes, at: int, word: Bytes) -> bool:
    """Whether `word` stands at `at`, in any case."""
    for i in range(len(word)):
        if buf[at + i] | np.uint8(32) != word[i] | np.uint8(32):
            return False
    return True
