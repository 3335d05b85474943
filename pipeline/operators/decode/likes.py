"""Names nobody told us, known by their letters: compiled, with the tables of `dialects/alike.py` as constants.

Nearly every name is ruled out by its last four letters.
"""

import numpy as np

from pipeline.operators.compiled import compiled
from pipeline.operators.decode.names import Names, same_letters
from pipeline.operators.decode.wire import Bytes, fnv1a
from pipeline.operators.dialects.alike import FORMS, NO_USAGE

DOT = 46
USAGE = np.frombuffer(b"usage", np.uint8)

MOST_ALIKE = 100
"""Bytes: a longer name is like no other."""

LETTERS = 4

# The tables are made without machine code: its first call takes 0.4 s, which a process that reads no spans need not spend.
with np.errstate(over="ignore"):  # the hash wraps around
    FORM_NAMES = Names.of([form for forms in FORMS.values() for form in forms], getattr(fnv1a, "py_func", fnv1a))
HASHES, TABLE, TEXT, OFFSETS = FORM_NAMES.hashes, FORM_NAMES.table, FORM_NAMES.text, FORM_NAMES.offsets
MEANINGS = np.array([meaning for meaning, forms in enumerate(FORMS.values()) for _ in forms], np.int32)
"""Per form the place of its meaning in FORMS."""

NO_TEXT = np.frombuffer("".join(NO_USAGE).encode(), np.uint8)
NO_WORDS = np.concatenate(([0], np.cumsum([len(word) for word in NO_USAGE]))).astype(np.int64)


@compiled
def _letter(byte: np.uint8) -> np.uint8:
    """A letter in lower case or a digit; 0 for anything else."""
    if np.uint8(65) <= byte <= np.uint8(90):
        return byte + np.uint8(32)
    return byte if np.uint8(97) <= byte <= np.uint8(122) or np.uint8(48) <= byte <= np.uint8(57) else np.uint8(0)


@compiled
def _one_more(ending: int, letter: int) -> int:
    """The place of an ending of one letter more, the one before it."""
    return ((ending << 3) ^ (letter * 11)) & 0xFFF


@compiled
def _ending(buf: Bytes, pos: int, end: int) -> int:
    """The last four letters as a place of twelve bits, which some share; -1 if there are fewer."""
    ending, letters = 0, 0
    for i in range(end - 1, pos - 1, -1):
        letter = _letter(buf[i])
        if letter:
            ending = _one_more(ending, int(letter))
            letters += 1
            if letters == LETTERS:
                return int(ending)
    return -1


def _endings() -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where `_ending` finds those of the forms, which are letters alone."""
    ends, one_more = np.zeros(1 << 12, bool), getattr(_one_more, "py_func", _one_more)
    for form in FORM_NAMES.slots:
        ending = 0
        for letter in reversed(form.encode()[-LETTERS:]):
            ending = one_more(ending, letter)
        ends[ending] = True
    return ends


ENDS = _endings()


@compiled
def like_of(buf: Bytes, pos: int, length: int) -> int:
    """The place in FORMS of what the name at buf[pos : pos + length] means by its letters, or -1."""
    end = pos + length
    ending = _ending(buf, pos, end)
    if ending < 0 or length > MOST_ALIKE or not ENDS[ending]:
        return -1
    begin = _telling_part(buf, pos, end)
    if begin < 0:
        return -1
    value, letters = np.uint64(0xCBF29CE484222325), 0
    for i in range(begin, end):
        letter = _letter(buf[i])
        if letter:
            value = (value ^ np.uint64(letter)) * np.uint64(0x100000001B3)
            letters += 1
    mask = len(TABLE) - 1
    at = np.int64(value & np.uint64(mask))
    while TABLE[at] >= 0:
        form = TABLE[at]
        if HASHES[at] == value and OFFSETS[form + 1] - OFFSETS[form] == letters and _spells(buf, begin, end, OFFSETS[form]):
            return -1 if _speaks_of_more(buf, pos, end) else int(MEANINGS[form])
        at = (at + 1) & mask
    return -1


@compiled
def _telling_part(buf: Bytes, pos: int, end: int) -> int:
    """Where the part of a name that tells begins: behind `usage.`, else behind the last dot; -1 for another's usage."""
    begin = pos
    for i in range(pos, end):
        if buf[i] != DOT:
            continue
        if i - pos >= len(USAGE) and same_letters(buf, i - len(USAGE), USAGE):
            before = i - len(USAGE) - 1
            return i + 1 if before < pos or buf[before] == DOT else -1
        begin = i + 1
    return begin


@compiled
def _spells(buf: Bytes, begin: int, end: int, at: int) -> bool:
    """Whether the letters of buf[begin : end] are those of TEXT at `at`, as many as there are."""
    for i in range(begin, end):
        letter = _letter(buf[i])
        if letter:
            if letter != TEXT[at]:
                return False
            at += 1
    return True


@compiled
def _speaks_of_more(buf: Bytes, pos: int, end: int) -> bool:
    """Whether one of NO_USAGE stands in the name."""
    for word in range(len(NO_WORDS) - 1):
        length = NO_WORDS[word + 1] - NO_WORDS[word]
        for i in range(pos, end - length + 1):
            if same_letters(buf, i, NO_TEXT[NO_WORDS[word] : NO_WORDS[word + 1]]):
                return True
    return False
