"""What only the spans of one record tell together: which of them are the calls, what each used, whether it was streamed.

Only within a record, so that what comes out depends on nothing else, and only for the instrumentors in `dialects/records.py`:
rows of others are not looked at.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import REQUEST_KINDS, TOKENS
from pipeline.operators.decode.resolve import Column, Resolver, Rows, one_of
from pipeline.operators.decode.usage import DOUBTFUL, Usage
from pipeline.operators.decode.values import read_flag
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.records import (
    CLIENT_STREAMS,
    CUMULATES,
    MAX_CLIENTS,
    MAX_DEPTH,
    STEPS,
    TOOLS_CALLED,
    WRAPPED_KINDS,
    WRAPPING_SCOPES,
)

CUMULATIVE = "cumulative"
"""The rule of usage from which that of the calls before it was taken off."""

Flags = NDArray[np.bool_]
Id = tuple[int, bytes]
"""A record, and the id of a span in it."""

NOBODY: Id = (-1, bytes(8))

SUMMED = ("input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Together:
    """n rows. kind, used: as the record tells them. start: when the call began, in ns, else that of the span.

    streamed: what the client around the call says, None if nothing does.
    """

    kind: Column
    used: Usage
    start: NDArray[np.int64]
    streamed: Column


@dataclass(frozen=True, slots=True)
class _Kin:
    """Some rows of a scan as families: per row the id of its parent, per id its row. Of spans of one id the last counts."""

    parents: dict[int, Id]
    rows: dict[Id, int]

    @classmethod
    def of(cls, spans: NDArray[Any], marked: Flags) -> "_Kin":
        """The families of all records that hold a marked row."""
        rows = _in_records_of(spans, marked)
        records = spans["record"][rows].tolist()
        ids, parents = (zip(records, map(bytes, spans[name][rows]), strict=True) for name in ("span_id", "parent_span_id"))
        return cls(dict(zip(rows.tolist(), parents, strict=True)), dict(zip(ids, rows.tolist(), strict=True)))

    def parent(self, i: int) -> int:
        """Row of the parent, -1 if the record does not hold it."""
        return self.rows.get(self.parents.get(i, NOBODY), -1)

    def ancestors(self, i: int) -> Iterator[int]:
        """Rows of the parent, its parent and so on, as far as the record holds them."""
        for _ in range(MAX_DEPTH):
            i = self.parent(i)
            if i < 0:
                return
            yield i

    def siblings(self, wanted: Flags) -> dict[Id, list[int]]:
        """The wanted rows by their parents, whether the record holds these or not."""
        found = defaultdict(list)
        for i in np.flatnonzero(wanted).tolist():
            if any(self.parents.get(i, NOBODY)[1]):
                found[self.parents[i]].append(i)
        return found


def _in_records_of(spans: NDArray[Any], marked: Flags) -> Rows:
    """The rows of all records that hold a marked one."""
    holds = np.zeros(int(spans["record"].max(initial=-1)) + 1, bool)
    holds[spans["record"][marked]] = True
    return np.flatnonzero(holds[spans["record"]])


def together(resolver: Resolver, kind: Column, used: Usage, model: Column, finish_reason: Column) -> Together:
    """Kind, usage and times of every row, by its record. Nothing is changed in place, and nothing copied that stays as it is."""
    start, unsaid = resolver.scanned.spans["start_ns"][resolver.rows].astype(np.int64), np.full(len(kind), None, object)
    steps, clients, adding = (_flags(resolver, paths) for paths in (STEPS, CLIENT_STREAMS, CUMULATES))
    twice = resolver.within(WRAPPING_SCOPES)
    if twice.any():
        twice = twice & one_of(kind, WRAPPED_KINDS)
    marked = (steps > 0) | twice | (clients >= 0) | (adding > 0)
    told = Together(kind, used, start, unsaid)
    if marked.any():
        spans = resolver.scanned.spans[resolver.rows]
        tokens = {name: found.copy() for name, found in used.tokens.items()}
        told = Together(kind.copy(), Usage(tokens, used.rule.copy()), start, unsaid)
        kin = _Kin.of(spans, marked)
        _steps(told, kin, spans, steps > 0)
        _wrappers(told, kin, twice, model)
        _streams(told, kin, spans, clients)
        _cumulative(told, kin, spans, adding > 0, finish_reason)
    return told


def _flags(resolver: Resolver, candidates: tuple[Path, ...]) -> NDArray[np.int8]:
    """1 for yes, 0 for no, -1 for nothing said."""
    return resolver.resolve(candidates, read_flag, -1).astype(np.int8)


def _by_start(rows: list[int], spans: NDArray[Any]) -> list[int]:
    return sorted(rows, key=lambda i: (int(spans["start_ns"][i]), i))


def _steps(told: Together, kin: _Kin, spans: NDArray[Any], steps: Flags) -> None:
    """Several steps of a call are calls of their own if their usage is its: then it only sums them up."""
    for children in kin.siblings(steps).values():
        parent = kin.parent(children[0])
        if len(children) < 2 or parent < 0 or told.kind[parent] != "llm" or steps[parent]:
            continue
        if any(sum(_known(told, name, i) for i in children) != _known(told, name, parent) for name in SUMMED):
            continue
        began = int(told.start[parent])
        for i in _by_start(children, spans):
            told.kind[i], told.start[i] = "llm", min(began, int(told.start[i]))
            began = int(spans["end_ns"][i])
        told.kind[parent] = "chain"


def _known(told: Together, name: str, i: int) -> int:
    """Tokens of a row, 0 if unknown."""
    return max(int(told.used.tokens[name][i]), 0)


def _wrappers(told: Together, kin: _Kin, twice: Flags, model: Column) -> None:
    """A call without usage around one of its kind and model is the same call."""
    kind = told.kind.copy()
    unused = (told.used.tokens["input_tokens"] < 0) & (told.used.tokens["output_tokens"] < 0)
    for i in np.flatnonzero(twice).tolist():
        parent = kin.parent(i)
        if parent >= 0 and twice[parent] and unused[parent] and (kind[parent], model[parent]) == (kind[i], model[i]):
            told.kind[parent] = "chain"


def _streams(told: Together, kin: _Kin, spans: NDArray[Any], clients: NDArray[np.int8]) -> None:
    """A call is streamed as the client says that is its ancestor, else as those say under its parent that were at work."""
    beside, rows = kin.siblings(clients >= 0), _in_records_of(spans, clients >= 0)
    for i in rows[one_of(told.kind[rows], REQUEST_KINDS)].tolist():
        said = [clients[j] for j in kin.ancestors(i) if clients[j] >= 0][:1]
        near = beside.get(kin.parents.get(i, NOBODY), [])
        if not said and len(near) <= MAX_CLIENTS:
            start = spans["start_ns"][i]
            said = [clients[j] for j in near if spans["start_ns"][j] <= start <= spans["end_ns"][j]]
        if len(set(said)) == 1:
            told.streamed[i] = bool(said[0])


def _cumulative(told: Together, kin: _Kin, spans: NDArray[Any], adding: Flags, finish_reason: Column) -> None:
    """Of a call after a call of a tool, what it added: its prompt holds the one before it, so a sum at least doubles that."""
    tokens = {name: found.copy() for name, found in told.used.tokens.items()}
    calls = (told.kind == "llm") & ((tokens["input_tokens"] >= 0) & (tokens["output_tokens"] >= 0))
    for siblings in kin.siblings(calls).values():
        parent, last, added = kin.parent(siblings[0]), -1, 0
        if parent < 0 or not adding[parent]:
            continue
        for i in _by_start(siblings, spans):
            prompt = int(tokens["input_tokens"][i])
            follows = (
                last >= 0
                and finish_reason[last].lower() in TOOLS_CALLED
                and spans["end_ns"][last] <= spans["start_ns"][i]
                and prompt - int(tokens["input_tokens"][last]) >= added > 0
                and tokens["output_tokens"][i] > tokens["output_tokens"][last]
                and told.used.rule[i] not in DOUBTFUL
            )
            added = prompt
            if follows:
                added = prompt - int(tokens["input_tokens"][last])
                for name in TOKENS:
                    if tokens[name][i] >= tokens[name][last] >= 0:
                        told.used.tokens[name][i] = tokens[name][i] - tokens[name][last]
                told.used.rule[i] = CUMULATIVE
            last = i
