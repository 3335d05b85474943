"""One call told by several spans of a trace counts once: which span stands for it, and which rule decided.

Wrappers repeat the usage of what they wrap, a framework and the client under it are both instrumented, a gateway tells again what
its caller told. The rules, in order: the same response id; one call under another that says the same, or sums up what lies under
it; a record of no length after a streamed request; else the same kind, model, outcome and tokens, one within the other in time,
by tellers of different layers (`tellers.py`). Spans of one layer beside each other are calls of their own without a response id:
two true calls taken for one are worse than one counted twice. What is not caught: docs/adr/0020.

All is a function of the spans of the trace, in whatever order they come. Cost: n log n, and nothing for traces of one call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators import told_kernels as kernels
from pipeline.operators.tellers import Layer

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SLACK_NS = 5_000_000
"""How far a span may stand out of the one that holds it: clocks of milliseconds, callbacks that come late."""

FAR_NS = 1 << 61
"""How much later the one that holds another may end, if no other ends with it."""

RECORD_NS = 1_000_000
"""A streamed answer cannot be shorter: such a span records what came of a request told before."""

ABOVE: tuple[tuple[Layer, Layer], ...] = (
    (Layer.CLIENT, Layer.LIBRARY),
    (Layer.LIBRARY, Layer.GATEWAY),
    (Layer.CLIENT, Layer.GATEWAY),
    (Layer.FRAMEWORK, Layer.CLIENT),
    (Layer.FRAMEWORK, Layer.LIBRARY),
    (Layer.FRAMEWORK, Layer.GATEWAY),
    (Layer.OWN_CLIENT, Layer.GATEWAY),
)
"""Which layer's calls may run through which: neighbours first."""


class Rule(IntEnum):
    """Why a span is taken to tell of the call that another stands for, or why another is taken to tell of its own."""

    ALONE = kernels.ALONE
    RESPONSE_ID = kernels.RESPONSE_ID
    PARENT = kernels.PARENT
    STEPS = kernels.STEPS
    """A wrapper that sums up several calls."""
    RECORD = kernels.RECORD
    BESIDE = kernels.BESIDE


@dataclass(frozen=True, slots=True)
class Told:
    """n spans of k traces, those of a trace together.

    first: (k+1,) bounds of each trace's rows. All others (n,):
    span, parent: 64-bit ids, parent 0 for none. start_ns, end_ns: since 1970.
    call: a request by itself. kind: code of the kind, the same for what may be one call. through: a span that calls nothing
    of its own, so that what lies under it may tell of what lies above it.
    teller: code of who tells. layer: a `Layer`. model, response: hashes of comparable name and response id, 0 unknown.
    input, output, reasoning: tokens, -1 unknown. details: how many other counts the span says.
    error; stream: said to be streamed; ttft: says its time to first token; cached: answered from a gateway's cache;
    priced: its cost is known.
    """

    first: Ints
    span: NDArray[np.uint64]
    parent: NDArray[np.uint64]
    start_ns: Ints
    end_ns: Ints
    call: Flags
    kind: NDArray[np.uint8]
    through: Flags
    teller: NDArray[np.uint32]
    layer: NDArray[np.uint8]
    model: NDArray[np.uint64]
    response: NDArray[np.uint64]
    input: Ints
    output: Ints
    reasoning: Ints
    details: NDArray[np.uint8]
    error: Flags
    stream: Flags
    ttft: Flags
    cached: Flags
    priced: Flags


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of n spans. All (n,); rows are those of `Told`.

    row: the row that stands for the call of this one, itself if it counts, -1 for spans that are no calls.
    rule: a `Rule`. For those that stand: by which others tell of their call.
    usage: the row whose tokens say most of the call. ttft: the one that knows the time to first token, -1 for none.
    stream: did any row say that it was streamed? began_ns: when the call began, which for a record is before itself.
    """

    row: Ints
    rule: NDArray[np.uint8]
    usage: Ints
    ttft: Ints
    stream: Flags
    began_ns: Ints


def stands(told: Told) -> Calls:
    """Which row stands for the call of each row. Does not depend on the order of rows within a trace."""
    n = len(told.span)
    itself = np.where(told.call, np.arange(n), -1)
    calls = Calls(
        itself,
        np.zeros(n, np.uint8),
        itself.copy(),
        np.where(told.call & told.ttft, itself, -1),
        told.call & told.stream,
        told.start_ns.copy(),
    )
    trace = np.repeat(np.arange(len(told.first) - 1), np.diff(told.first))
    several = may_join(told.first, {name: getattr(told, name) for name in JOINED_BY})
    rows = np.flatnonzero(several[trace]) if n else np.zeros(0, np.int64)
    if len(rows):
        rows = rows[np.lexsort((told.span[rows], told.end_ns[rows], told.start_ns[rows], trace[rows]))]
        _Trace(trace[rows], {name: getattr(told, name)[rows] for name in Told.__slots__[1:]}).decide(rows, calls)
    return calls


JOINED_BY = ("call", "span", "parent", "layer", "response", "stream", "start_ns", "end_ns")
"""Columns of `Told` that say whether a trace may hold two spans of one call."""


def may_join(first: Ints, of: Mapping[str, NDArray[Any]]) -> Flags:
    """(k,) which traces may hold two spans of one call by any rule; most do not."""
    out = np.empty(len(first) - 1, np.bool_)
    short = of["stream"] & (of["end_ns"] - of["start_ns"] <= RECORD_NS)
    kernels.may_join(first, *(of[name] for name in JOINED_BY[:5]), short, out)
    return out


def _beginnings(rows: Ints, columns: Sequence[NDArray[Any]]) -> Flags:
    """Where, in rows sorted by these columns, one of them changes."""
    first = np.ones(len(rows), np.bool_)
    if len(rows):
        first[1:] = False
        for column in columns:
            first[1:] |= column[rows[1:]] != column[rows[:-1]]
    return first


class _Trace:
    """The rows of traces with several calls, in order of trace, start, end and span id: m of them."""

    def __init__(self, trace: Ints, of: dict[str, NDArray[Any]]) -> None:
        m = len(trace)
        self.trace, self.of, self.calls = trace, of, np.flatnonzero(of["call"])
        self.one, self.rule = np.arange(m), np.zeros(m, np.uint8)
        self.up, self.above, self.depth = (np.full(m, -1, np.int64) for _ in range(3))
        self.free = np.ones(m, np.bool_)
        self.began = of["start_ns"].copy()
        self.use = (of["input"], of["output"])

    def decide(self, rows: Ints, calls: Calls) -> None:
        """Join what is one call and write down what stands, for rows[i] what is known of row i here."""
        of = self.of
        kernels.parents_of(self.trace, of["span"], of["parent"], np.lexsort((of["span"], self.trace)), self.up)
        kernels.calls_above(self.up, of["call"], of["through"], self.above, self.free, self.depth)
        self._by_response()
        self._by_parent()
        self._by_record()
        self._by_time()
        self._stand(rows, calls)

    def _sorted(self, rows: Ints, columns: Sequence[NDArray[Any]], start: Ints | None = None) -> tuple[Ints, Flags]:
        """Rows by these columns and then by start, and where other values of the columns begin."""
        then = () if start is None else (start[rows],)
        rows = rows[np.lexsort((*then, *(column[rows] for column in columns)))]
        return rows, _beginnings(rows, columns)

    def _by_response(self) -> None:
        of = self.of
        rows, first = self._sorted(self.calls[of["response"][self.calls] != 0], (of["response"], of["kind"], self.trace))
        if len(rows) > 1:
            told = (of["teller"], of["start_ns"], of["end_ns"], *self.use, of["cached"])
            kernels.by_response(rows, first, *told, self.one, self.rule)

    def _by_parent(self) -> None:
        of, under = self.of, self.calls[self.above[self.calls] >= 0]
        if len(under):
            rows = under[np.lexsort((self.above[under], -self.depth[under]))]
            told = (of["kind"], of["model"], of["teller"], *self.use, of["reasoning"], of["error"])
            kernels.by_parent(rows, self.above, self.free, *told, np.arange(len(self.one)), self.one, self.rule)

    def _by_record(self) -> None:
        of = self.of
        silent = (of["input"] < 0) & (of["output"] < 0)
        short = of["end_ns"] - of["start_ns"] <= RECORD_NS
        record = of["call"] & ~of["error"] & of["stream"] & short & (~silent | (of["response"] != 0))
        if record.any():
            request = of["call"] & ~of["error"] & silent & (of["response"] == 0)
            alike = (of["model"], of["kind"], of["teller"], of["parent"], self.trace)
            rows, first = self._sorted(np.flatnonzero(record | request), alike)
            kernels.by_record(rows, first, of["start_ns"], of["end_ns"], record, request, self.one, self.rule, self.began)

    def _by_time(self) -> None:
        of, layer = self.of, self.of["layer"]
        there = set(np.unique(layer[self.calls]).tolist())
        pairs = [(high, low) for high, low in ABOVE if high in there and low in there]
        if not pairs:
            return
        layers = np.zeros(len(layer), np.int64)
        roots = kernels.roots_of(self.one)[self.calls]
        np.bitwise_or.at(layers, roots, (1 << layer[self.calls].astype(np.int64)) & ~1)
        alike = (of["kind"], of["error"], self.trace)
        said = (of["input"] >= 0) | (of["output"] >= 0)
        for high, low in pairs:
            rows = self.calls[(layer[self.calls] == high) | (layer[self.calls] == low)]
            named, outer = rows[of["model"][rows] != 0], layer == high
            among = [(named, (*self.use, of["model"], *alike)), (named, (of["model"], *alike))]
            if low == Layer.GATEWAY:
                among.insert(1, (rows[said[rows]], (*self.use, *alike)))
            begins = of["start_ns"] - SLACK_NS * outer
            found = [self._sorted(some, columns, begins) for some, columns in among]
            told = (of["start_ns"], of["end_ns"], self.up, of["response"], *self.use)
            for reach in (SLACK_NS, FAR_NS):
                for some, first in found:
                    kernels.by_time(some, first, outer, 1 << low, SLACK_NS, reach, *told, layers, self.one, self.rule)

    def _stand(self, rows: Ints, calls: Calls) -> None:
        """Of each call: the row that stands for it, and those that know its parts best."""
        of, m = self.of, len(self.one)
        roots = kernels.roots_of(self.one)
        said = (of["input"] >= 0) | (of["output"] >= 0)
        near = (self.depth, of["layer"].astype(np.int64))
        closest = self._best(roots, (said, *near))
        agrees = said & (of["input"] == of["input"][closest]) & (of["output"] == of["output"][closest])
        agrees |= ~said[closest]
        row = self._best(roots, (agrees, of["cached"], of["priced"], of["details"].astype(np.int64), *near))
        usage = self._best(roots, (agrees, of["details"].astype(np.int64), *near))
        ttft = self._best(roots, (of["ttft"], *near))
        stream = np.zeros(m, np.bool_)
        np.logical_or.at(stream, roots, of["stream"] & of["call"])
        here, of_call = rows[self.calls], self.calls
        calls.row[here], calls.usage[here] = rows[row[of_call]], rows[usage[of_call]]
        calls.ttft[here] = np.where(of["ttft"][ttft[of_call]], rows[ttft[of_call]], -1)
        calls.stream[here] = stream[roots[of_call]]
        calls.rule[here], calls.began_ns[here] = self.rule[of_call], self.began[of_call]

    def _best(self, roots: Ints, wanted: Sequence[NDArray[Any]]) -> Ints:
        """(m,) the row of the same call that has most of what is wanted, the first named counting most; then the smallest id."""
        calls = self.calls
        order = calls[
            np.lexsort((self.of["span"][calls], *(-column[calls].astype(np.int64) for column in wanted[::-1]), roots[calls]))
        ]
        first = _beginnings(order, (roots,))
        best = np.arange(len(roots))
        best[roots[order[first]]] = order[first]
        return best[roots]
