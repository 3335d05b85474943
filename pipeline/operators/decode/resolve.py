"""From scanned arrays to columns: for every field the first path that holds a usable value, whole batches at a time.

A value that is not usable (`values.py` says what is) is as none: the next path is asked, and at the end the field is null.
A path nobody in the batch wrote costs nothing. Text is decoded and read once per distinct value of a batch; JSON inside a
text, and a map, are parsed once per distinct bytes.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.held import Held, held
from pipeline.operators.decode.key_values import ARRAY, AT, BOOL, DOUBLE, INT, LEN, STRING, TYPE, any_value
from pipeline.operators.decode.scan import Asked, Scan
from pipeline.operators.decode.texts import Found, decoded, head, intern, spread
from pipeline.operators.decode.values import MAX_COUNT, MAX_JSON_BYTES, Reader, Value, captured, read_count, read_text, under
from pipeline.operators.dialects.paths import Path
from pipeline.operators.siphash import Key

Column = NDArray[Any]
Rows = NDArray[np.intp]

FIRST = ("0",)
"""The keys of a path that means the first element of an array too."""

compiled_pattern = cache(re.compile)
"""Patterns come from our tables and the operator's file, so there are few."""


@dataclass(slots=True)
class Resolver:
    """Resolves fields over one scan.

    rows: the spans (indices into the scan) that columns are made for, in order. text_limit: of a name, in bytes.
    key: of the tables of strings, secret.
    """

    scanned: Scan
    asked: Asked
    rows: Rows
    text_limit: int
    key: Key
    _resource_rows: NDArray[np.int32] = field(init=False)
    _scope_rows: NDArray[np.int32] = field(init=False)
    _seen: list[bool] = field(init=False)
    _seen_in_resources: list[bool] = field(init=False)
    _distinct_scopes: set[str] = field(init=False)
    _scope_names: list[str] | None = None
    _held: dict[tuple[bool, str], Held] = field(default_factory=dict)
    _within: dict[tuple[str, ...], NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._resource_rows = self.scanned.spans["resource"][self.rows]
        self._scope_rows = self.scanned.spans["scope"][self.rows]
        self._seen, self._seen_in_resources = self.scanned.seen.tolist()
        self._distinct_scopes = set(self.scope_names())

    def resolve(self, candidates: Iterable[Path], read: Reader, missing: Any = None) -> Column:
        """An object column: the first usable value of each row, `missing` where there is none."""
        return self.resolve_told(candidates, read, missing)[0]

    def resolve_told(self, candidates: Iterable[Path], read: Reader, missing: Any = None) -> tuple[Column, NDArray[np.int16]]:
        """The same, and per row the position of the path that held the value, -1 where there is none."""
        column, told = np.full(len(self.rows), missing, object), np.full(len(self.rows), -1, np.int16)
        left = np.ones(len(self.rows), bool)
        for i, path in enumerate(candidates):
            if path.is_time_of_event or not self.is_seen(path):
                continue
            found = self.values(path, read, left)
            if found is None:
                continue
            where, values = found
            column[where], told[where], left[where] = values, i, False
            if not np.count_nonzero(left):
                break
        return column, told

    def counts(self, candidates: Iterable[Path]) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """As `resolve_told` with `read_count`, -1 where there is none; integers are looked at all at once."""
        column, told = np.full(len(self.rows), -1, np.int64), np.full(len(self.rows), -1, np.int16)
        for i, path in enumerate(candidates):
            if not self.is_seen(path):
                continue
            wanted = told < 0
            if path.where in ("span", "resource", "like") and not (path.keys or path.pattern or path.scopes):
                where, others = self._integers(path, wanted)
                column[where[0]], told[where[0]] = where[1], i
                if not np.count_nonzero(others):
                    continue
                wanted = others
            found = self.values(path, read_count, wanted)
            if found is not None:
                column[found[0]], told[found[0]] = found[1].astype(np.int64), i
        return column, told

    def _integers(self, path: Path, wanted: NDArray[np.bool_]) -> tuple[tuple[Rows, NDArray[np.int64]], NDArray[np.bool_]]:
        """Rows among `wanted` with an integer at `path` that is a usable count, with these; and rows with something else."""
        attribute = self.attribute(path)
        where = (wanted & (attribute >= 0)).nonzero()[0]
        types, values = (self.scanned.attributes[name][attribute[where]] for name in ("type", "value"))
        usable = (types == INT) & (values >= 0) & (values <= MAX_COUNT)
        others = np.zeros(len(wanted), bool)
        others[where[types != INT]] = True
        return (where[usable], values[usable]), others

    def is_seen(self, path: Path) -> bool:
        """Whether any span of the scan may hold something at `path`."""
        if path.where == "span":
            seen = self._seen[self.asked.attributes.slots[path.name]]
        elif path.where == "event":
            seen = bool(self.asked.details.slots)
        elif path.where in ("name", "scope"):
            seen = True
        else:
            had = self._seen_in_resources if path.where == "resource" else self._seen
            seen = had[self.asked.attributes.slots[path.attribute]]
        return seen and (not path.scopes or any(name.startswith(path.scopes) for name in self._distinct_scopes))

    def within(self, scopes: Sequence[str]) -> NDArray[np.bool_]:
        """Per row whether the name of its instrumentation scope begins with one of `scopes`."""
        key = tuple(scopes)
        if key not in self._within:
            fits = {name for name in self._distinct_scopes if name.startswith(key)}
            self._within[key] = np.zeros(len(self.rows), bool)
            if fits:
                self._within[key] = np.array([name in fits for name in self.scope_names()], bool)[self._scope_rows]
        return self._within[key]

    def scope_names(self) -> list[str]:
        """Names of all scopes of the scan, "" for none."""
        if self._scope_names is None:
            s = self.scanned.scopes
            texts = decoded(self.scanned.raw, s["at"], s["len"], 4 * self.text_limit, False)
            self._scope_names = [(text and read_text(text, self.text_limit)) or "" for text in texts]
        return self._scope_names

    def scopes(self) -> Column:
        """Name of the instrumentation scope per row."""
        return np.array(self.scope_names(), object)[self._scope_rows] if len(self.rows) else np.empty(0, object)

    def first_event(self, path: Path) -> Column:
        """Time of the path's event per row, 0 where there was none."""
        times: Column = self.scanned.events[self.rows, self.asked.events.slots[path.name]]
        return times

    def values(self, path: Path, read: Reader, wanted: NDArray[np.bool_]) -> tuple[Rows, Column] | None:
        """Rows among `wanted` that hold a usable value at `path`, with these values; None if there are none."""
        if path.scopes:
            wanted = wanted & self.within(path.scopes)
        if path.where in ("name", "scope"):
            where = wanted.nonzero()[0]
            return _usable(where, self._texts(path, *self._place(path, where), read))
        within = self._within_documents(path, read, wanted) if path.is_in_document else None
        if path.is_in_document and path.keys != FIRST:
            return within
        attribute = self.attribute(path)
        where = (wanted & (attribute >= 0)).nonzero()[0]
        whole = _usable(where, self._of_kinds(path, attribute[where], read)) if len(where) else None
        if within is None or whole is None:
            return within or whole
        return np.concatenate([within[0], whole[0]]), np.concatenate([within[1], whole[1]])

    def _within_documents(self, path: Path, read: Reader, wanted: NDArray[np.bool_]) -> tuple[Rows, Column] | None:
        """The same of a path with keys: each document of its attribute is asked once, however many rows hold it."""
        key = (path.where == "resource", path.attribute)
        if key not in self._held:
            self._held[key] = held(self.scanned, self.attribute(path), self.asked.keys, self.key)
        there = self._held[key]
        if path.keys[0] not in there.keys:
            return None
        once = self._read_all(path, [under(document, path.keys) for document in there.documents], read)
        if all(value is None for value in once):
            return None
        values, usable = spread(once, there.codes)
        return _usable(there.rows, (values, usable & wanted[there.rows]))

    def _of_kinds(self, path: Path, attribute: NDArray[Any], read: Reader) -> Found:
        """What is read of attributes of any kinds; mostly they are all of one."""
        types = self.scanned.attributes["type"][attribute]
        if not np.count_nonzero(types != types[0]):
            return self._read(path, int(types[0]), attribute, read)
        values, usable = np.full(len(attribute), None, object), np.zeros(len(attribute), bool)
        for kind in np.unique(types):
            of_kind = types == kind
            values[of_kind], usable[of_kind] = self._read(path, int(kind), attribute[of_kind], read)
        return values, usable

    def _place(self, path: Path, where: Rows) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Where the names of the spans, or of their scopes, stand."""
        if path.where == "name":
            spans, rows = self.scanned.spans, self.rows[where]
            return spans["name_at"][rows], spans["name_len"][rows]
        scopes, of_rows = self.scanned.scopes, self._scope_rows[where]
        return scopes["at"][of_rows], scopes["len"][of_rows]

    def attribute(self, path: Path) -> Column:
        """Index of the attribute at `path` per row, or -1."""
        if path.where == "event":
            details: Column = self.scanned.of_event[self.rows, self.asked.details.slots[path.keys[0]]]
            return details
        if not self.is_seen(path):
            return np.full(len(self.rows), -1, np.int32)
        slot = self.asked.attributes.slots[path.attribute]
        indices: Column
        if path.where == "resource":
            indices = self.scanned.of_resource[slot][self._resource_rows]
        else:
            indices = self.scanned.of_span[slot]
            indices = indices if len(self.rows) == len(indices) else indices[self.rows]  # mostly every span is a row
        return indices

    def _read(self, path: Path, kind: int, attribute: NDArray[Any], read: Reader) -> Found:
        """What is read of attributes that are all of one kind, each distinct value once. Documents are read elsewhere."""
        found = self.scanned.attributes
        keys = path.is_in_document
        if kind == STRING and not keys:
            return self._texts(path, *self._at(attribute), read)
        if kind == ARRAY and (not keys or path.keys == FIRST):
            return self._firsts(path, attribute, read)
        if keys or kind not in (BOOL, INT, DOUBLE):
            return np.full(len(attribute), None, object), np.zeros(len(attribute), bool)
        distinct, codes = np.unique(found["value"][attribute], return_inverse=True)
        typed = distinct.view(np.float64) if kind == DOUBLE else distinct != 0 if kind == BOOL else distinct
        return spread(self._read_all(path, typed.tolist(), read), codes)

    def _at(self, attribute: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Where the values of attributes stand."""
        found = self.scanned.attributes
        return found["at"][attribute], found["len"][attribute]

    def _texts(self, path: Path, offsets: NDArray[np.int64], lengths: NDArray[np.int32], read: Reader) -> Found:
        """What is read of the texts at these places, each distinct one once."""
        codes, firsts = intern(self.scanned.buffer, offsets, lengths, self.key)
        whole = bool(path.pattern)
        limit = MAX_JSON_BYTES if whole else 4 * self.text_limit
        texts = decoded(self.scanned.raw, offsets[firsts], lengths[firsts], limit, whole)
        return spread(self._read_all(path, texts, read), codes)

    def _read_all(self, path: Path, values: Sequence[Value | None], read: Reader) -> list[Any]:
        """What is read of each value, or of what the path's pattern captures in it; None if that is nothing."""
        limit = self.text_limit
        if path.pattern:
            pattern = compiled_pattern(path.pattern)
            values = [None if value is None else captured(value, pattern) for value in values]
        return [None if value is None else read(value, limit) for value in values]

    def _firsts(self, path: Path, attribute: NDArray[Any], read: Reader) -> Found:
        """The first element of each array, where it is text; equal arrays are read once."""
        offsets, lengths = self._at(attribute)
        codes, firsts = intern(self.scanned.buffer, offsets, lengths, self.key)
        texts = [self._first(int(offsets[i]), int(lengths[i])) for i in firsts]
        return spread(self._read_all(path, texts, read), codes)

    def _first(self, at: int, length: int) -> str | None:
        """The first element of an array, if it is text."""
        element = np.zeros(6, np.int64)
        if at < 0 or not any_value(self.scanned.buffer, at, at + length, element) or element[TYPE] != STRING:
            return None
        return head(self.scanned.raw, int(element[AT]), int(element[LEN]), 4 * self.text_limit, False)


def _usable(rows: Rows, found: Found) -> tuple[Rows, Column] | None:
    """The rows whose values are usable, with these; None if there are none."""
    values, usable = found
    count = np.count_nonzero(usable)
    if count == len(rows):
        return (rows, values) if count else None
    return (rows[usable], values[usable]) if count else None


def one_of(column: Column, words: Container[str]) -> NDArray[np.bool_]:
    """Which rows of a column of texts are one of `words`."""
    return np.array([text in words for text in column.tolist()], bool)


def nullable(counts: NDArray[np.int64]) -> Column:
    """Integers with null for what is negative."""
    column: Column = np.full(len(counts), None, object)
    known = (counts >= 0).nonzero()[0]
    column[known] = counts[known].astype(object)
    return column
