"""Spans that look like a call of a model in words that no table has: which names of attributes they hold.

Only names leave, never values, and of these only what can be a name: digits and what is no letter become one sign each,
so that an id or a text in the place of a name tells nothing.
"""

import re

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.key_values import AT, DOUBLE, INT, KEY_AT, KEY_LEN, LEN, STRING, TYPE, VALUE, key_value
from pipeline.operators.decode.names import same_letters
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.decode.wire import LENGTH, Bytes, size, skip, tag
from pipeline.operators.siphash import siphash

MAX_NAMES = 12
MAX_NAME_CHARS = 60
MAX_SHAPES = 100
"""Of a batch: names are looked up for so many different spans; more are told without names."""

TOO_MANY = "(too many kinds to name)"

TOKENS = np.frombuffer(b"tokens", np.uint8)
COUNT = np.frombuffer(b"token_count", np.uint8)
CAMEL = np.frombuffer(b"tokencount", np.uint8)
MODEL = np.frombuffer(b"model", np.uint8)


def unread(resolver: Resolver, wanted: NDArray[np.bool_], sure: NDArray[np.bool_]) -> Column:
    """Per row the names of its attributes, if it is `wanted` and looks like a call of a model, or is `sure` to; "" otherwise."""
    names = np.full(len(wanted), "", object)
    where = np.flatnonzero(wanted)
    if len(where) == 0:
        return names
    spans, rows = resolver.scanned.spans, resolver.rows[where]
    shapes = looks_like_call(
        resolver.scanned.buffer, spans["at"][rows], spans["len"][rows], sure[where], resolver.key[0], resolver.key[1]
    )
    known: dict[int, str] = {}
    for i, shape in zip(where[shapes != 0].tolist(), shapes[shapes != 0].tolist(), strict=True):
        if shape not in known:
            at, length = int(resolver.scanned.spans["at"][resolver.rows[i]]), int(resolver.scanned.spans["len"][resolver.rows[i]])
            known[shape] = named(bytes(resolver.scanned.buffer[at : at + length])) if len(known) < MAX_SHAPES else TOO_MANY
        names[i] = known[shape]
    return names


def named(span: bytes) -> str:
    """The names of a serialized span's attributes, those that look like a call's first."""
    try:
        keys = {attribute.key for attribute in Span.FromString(span).attributes}
    except DecodeError:
        return TOO_MANY
    told = sorted(
        {plain(key) for key in keys}, key=lambda key: (not re.search(r"token|model|llm|gen_?ai|prompt|complet", key), key)
    )
    return ", ".join(told[:MAX_NAMES]) + (f", … {len(told) - MAX_NAMES} more" if len(told) > MAX_NAMES else "")


def plain(key: str) -> str:
    """A name as it may be shown: letters, dots and underscores; a run of digits is N, anything else _."""
    return re.sub(r"[^A-Za-z._N-]", "_", re.sub(r"\d+", "N", key))[:MAX_NAME_CHARS]


@compiled
def looks_like_call(
    buf: Bytes, at: NDArray[np.int64], length: NDArray[np.int32], sure: NDArray[np.bool_], key0: np.uint64, key1: np.uint64
) -> NDArray[np.uint64]:
    """Per serialized span 0, or a hash of the names of its attributes if it is sure or one is a number of tokens or a model."""
    shapes = np.zeros(len(at), np.uint64)
    kv = np.zeros(6, np.int64)
    for i in range(len(at)):
        pos, end, found, shape = at[i], at[i] + length[i], sure[i], np.uint64(1)
        while pos < end:
            field, wire, pos = tag(buf, pos, end)
            if field != 9 or wire != LENGTH:
                pos = skip(buf, pos, end, field, wire)
                continue
            n, pos = size(buf, pos, end)
            key_value(buf, pos, pos + n, kv)
            pos += n
            shape = shape * np.uint64(31) + siphash(buf, kv[KEY_AT], kv[KEY_AT] + kv[KEY_LEN], key0, key1)
            found = found or _tells_call(buf, kv)
        if found:
            shapes[i] = shape | np.uint64(1)
    return shapes


@compiled
def _tells_call(buf: Bytes, kv: NDArray[np.int64]) -> bool:
    """Whether the attribute just read is a number of tokens, or a text where the last word of the name is `model`."""
    name, n = kv[KEY_AT], kv[KEY_LEN]
    digits = kv[TYPE] == STRING and kv[LEN] > 0 and buf[kv[AT]] >= 49 and buf[kv[AT]] <= 57
    number = ((kv[TYPE] == INT or kv[TYPE] == DOUBLE) and kv[VALUE] > 0) or digits
    if number and (_holds(buf, name, n, TOKENS) or _holds(buf, name, n, COUNT) or _holds(buf, name, n, CAMEL)):
        return True
    if kv[TYPE] != STRING or kv[LEN] == 0:
        return False
    for tail in (0, 5, 3):  # model, model_name, model_id
        if (
            n >= 5 + tail
            and same_letters(buf, name + n - 5 - tail, MODEL)
            and (n == 5 + tail or buf[name + n - 6 - tail] in (46, 95))
        ):
            return tail == 0 or buf[name + n - tail] in (46, 95)
    return False


@compiled
def _holds(buf: Bytes, at: int, n: int, word: Bytes) -> bool:
    """Whether the name holds `word`, in any case."""
    for i in range(n - len(word) + 1):  # noqa: SIM110 - compiled code knows no any
        if same_letters(buf, at + i, word):
            return True
    return False
