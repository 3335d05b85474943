"""SipHash-1-3, compiled: a hash whose collisions nobody can make who does not know its key.

Senders choose trace ids, span ids and every string, so a hash without a key could be aimed: at one slot of a table, which
then takes quadratic time, or at somebody else's span, which then is a duplicate. Python's own strings are hashed the same way.

Source: Aumasson and Bernstein, SipHash: a fast short-input PRF (2012); one and three rounds as in CPython and Rust.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled

Key = tuple[np.uint64, np.uint64]


def key_of(name: str) -> Key:
    """The key that belongs to a name: the same in every process, unknown to whoever does not know the name."""
    return key_from(blake2b(name.encode(), digest_size=16, person=b"tailrace-siphash").digest())


def key_from(secret: bytes) -> Key:
    """16 bytes as a key."""
    k0, k1 = np.frombuffer(secret, "<u8", 2)
    return k0, k1


@compiled
def _start(k0, k1):  # type: ignore[no-untyped-def]
    return (
        k0 ^ np.uint64(0x736F6D6570736575),
        k1 ^ np.uint64(0x646F72616E646F6D),
        k0 ^ np.uint64(0x6C7967656E657261),
        k1 ^ np.uint64(0x7465646279746573),
    )


@compiled
def _round(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    v0 += v1
    v1 = ((v1 << np.uint64(13)) | (v1 >> np.uint64(51))) ^ v0
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 += v3
    v3 = ((v3 << np.uint64(16)) | (v3 >> np.uint64(48))) ^ v2
    v0 += v3
    v3 = ((v3 << np.uint64(21)) | (v3 >> np.uint64(43))) ^ v0
    v2 += v1
    v1 = ((v1 << np.uint64(17)) | (v1 >> np.uint64(47))) ^ v2
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3


@compiled
def _word(v0, v1, v2, v3, word):  # type: ignore[no-untyped-def]
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
    return v0 ^ word, v1, v2, v3


@compiled
def _finish(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    v0, v1, v2, v3 = _round(v0, v1, v2 ^ np.uint64(0xFF), v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@compiled
def siphash(buf: NDArray[np.uint8], pos: int, end: int, k0: np.uint64, k1: np.uint64) -> np.uint64:
    """The hash of buf[pos : end]; the caller has checked that it is there."""
    v0, v1, v2, v3 = _start(k0, k1)
    last = np.uint64(end - pos) << np.uint64(56)
    while pos + 8 <= end:
        word = np.uint64(0)
        for i in range(8):
            word |= np.uint64(buf[pos + i]) << np.uint64(8 * i)
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, word)
        pos += 8
    for i in range(end - pos):
        last |= np.uint64(buf[pos + i]) << np.uint64(8 * i)
    v0, v1, v2, v3 = _word(v0, v1, v2, v3, last)
    hashed: np.uint64 = _finish(v0, v1, v2, v3)
    return hashed


@compiled
def siphash_rows(words: NDArray[np.uint64], k0: np.uint64, k1: np.uint64) -> NDArray[np.uint64]:
    """The hash of each row's little-endian bytes."""
    out = np.empty(len(words), np.uint64)
    last = np.uint64(8 * words.shape[1]) << np.uint64(56)
    for i in range(len(words)):
        v0, v1, v2, v3 = _start(k0, k1)
        for j in range(words.shape[1]):
            v0, v1, v2, v3 = _word(v0, v1, v2, v3, words[i, j])
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, last)
        out[i] = _finish(v0, v1, v2, v3)
    return out
