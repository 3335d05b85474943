"""Spans as `told_twice.py` is asked about them, and who stands for each, by span id."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import groupby
from random import Random

import numpy as np

from pipeline.operators.tellers import Layer
from pipeline.operators.told_twice import Calls, Rule, Told, stands

LLM, EMBEDDING, TOOL, CHAIN = 0, 1, 7, 4

MS = 1_000_000


@dataclass(frozen=True)
class Said:
    """A span as a test says it: `trace` and what `Told` has a column for. Times in ms."""

    span: int
    parent: int = 0
    start_ns: int = 0
    end_ns: int = 300 * MS
    kind: int = LLM
    teller: int = 1
    layer: int = Layer.FRAMEWORK
    model: int = 1
    response: int = 0
    input: int = 57
    output: int = 19
    reasoning: int = -1
    details: int = 0
    error: bool = False
    stream: bool = False
    ttft: bool = False
    cached: bool = False
    priced: bool = True
    trace: int = 0

    @property
    def call(self) -> bool:
        return self.kind <= EMBEDDING

    @property
    def silent(self) -> bool:
        return self.input < 0 and self.output < 0

    @property
    def through(self) -> bool:
        return self.kind == CHAIN


def said(span: int, start: float = 0, lasting: float = 300, layer: Layer = Layer.FRAMEWORK, **more: object) -> Said:
    """A span that starts and lasts so many ms, told by somebody of the layer."""
    start_ns = int(start * MS)
    given: dict[str, object] = {
        "teller": int(layer) + 1,
        "layer": layer,
        "start_ns": start_ns,
        "end_ns": start_ns + int(lasting * MS),
    }
    if more.get("error"):
        given |= {"input": -1, "output": -1, "priced": False}
    return Said(span, **(given | more))  # type: ignore[arg-type]


NOTHING = {"input": -1, "output": -1, "priced": False}
"""What a span says that knows no usage."""


def told_of(spans: Sequence[Said]) -> Told:
    """The columns of spans that stand together by trace."""
    bounds = [0]
    for _, group in groupby(spans, key=lambda s: s.trace):
        bounds.append(bounds[-1] + len(list(group)))
    types = {"span": np.uint64, "parent": np.uint64, "model": np.uint64, "response": np.uint64}
    types |= {"kind": np.uint8, "teller": np.uint32, "layer": np.uint8, "details": np.uint8}
    flags = ("call", "through", "error", "stream", "ttft", "cached", "priced")
    types |= dict.fromkeys(flags, np.bool_)
    columns = {
        field.name: np.array([getattr(s, field.name) for s in spans], types.get(field.name, np.int64))
        for field in fields(Told)
        if field.name != "first"
    }
    return Told(first=np.array(bounds, np.int64), **columns)


def decided(spans: Sequence[Said]) -> dict[int, tuple[int, Rule]]:
    """For each call, by its span id: the span id of what stands for it, and the rule. The same in any order."""
    answers = []
    for seed in (None, 1, 2):
        shuffled = sorted(spans, key=lambda s: s.trace)
        if seed is not None:
            Random(seed).shuffle(shuffled)
            shuffled.sort(key=lambda s: s.trace)
        calls = stands(told_of(shuffled))
        answers.append(
            {s.span: (shuffled[calls.row[i]].span, Rule(int(calls.rule[i]))) for i, s in enumerate(shuffled) if calls.row[i] >= 0}
        )
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


def as_rows(calls: Calls) -> list[tuple[object, ...]]:
    """All columns, row by row."""
    return list(zip(*(column.tolist() for column in astuple(calls)), strict=True))
