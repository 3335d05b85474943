"""What becomes of traces, in the plainest words: dictionaries and loops. In this world only response ids say that two spans
tell of one call, and those tell the same numbers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.model.log_time import WindowPolicy

NEVER = -(10**9)
Row = dict[str, Any]
Counted = list[tuple[int, Row, bool]]


@dataclass
class Span:
    """A span of an open trace; `counts` is None until it is decided."""

    row: Row
    window: int
    due: int
    final: int
    counts: bool | None = None

    @property
    def call(self) -> bool:
        return bool(self.row["kind"] == "llm")


@dataclass
class Trace:
    """One trace that is remembered."""

    first_offset: int
    spans: list[Span] = field(default_factory=list)
    closed: bool = False
    quiet: int = NEVER
    begun: int = NEVER
    full: bool = False
    heard: int = NEVER
    names: dict[str, str] = field(default_factory=dict)

    @property
    def rooted(self) -> bool:
        return any(not span.row["parent_span_id"] for span in self.spans)

    def name(self, column: str) -> str:
        """What the root says, else the first that says it."""
        said = [
            (bool(s.row["parent_span_id"]), s.row["start_ns"], s.row["span_id"], -s.row["end_ns"], s.row[column])
            for s in self.spans
            if s.row[column]
        ]
        return str(min(said)[-1]) if said else ""


@dataclass
class PlainTraces:
    """The traces of one log."""

    known: dict[str, Trace] = field(default_factory=dict)
    cut: list[Row] = field(default_factory=list)

    def touch(self, row: Row, at: int) -> None:
        if row["trace_id"] in self.known:
            trace = self.known[row["trace_id"]]
            trace.heard = max(trace.heard, row["end_ns"], at)

    def arrive(self, row: Row, window: tuple[int, int, int], offset: int, policy: WindowPolicy, at: int) -> Counted:
        trace = self.known.setdefault(row["trace_id"], Trace(offset))
        start, end, final = window
        self.touch(row, at)
        counted: Counted = []
        if not trace.closed and len(trace.spans) >= policy.max_trace_spans:
            trace.full = True
            counted = self.decide(NEVER, [row["trace_id"]])
            self.cut.append(self._close(row["trace_id"], policy, at))
        if trace.closed:
            return [*counted, (start, row | {c: row[c] or trace.names[c] for c in ("route", "cohort")}, True)]
        trace.begun = trace.begun if trace.spans else max(row["end_ns"], at)
        trace.quiet = max(trace.quiet, row["end_ns"], at)
        held = max(row["end_ns"], at + policy.call_hold_ns) if policy.call_hold_ns else at
        trace.spans.append(Span(row, start, min(held, end if end > at else final), final))
        return []

    def moment(self, policies: Sequence[WindowPolicy], before: int, at: int) -> tuple[Counted, list[Row]]:
        policy, remembered = policies[-1], _remembered(policies)
        over = [
            name
            for name, t in self.known.items()
            if not t.closed
            and (
                t.quiet + (policy.trace_settle_ns if t.rooted else policy.trace_idle_ns) <= at
                or t.quiet + policy.trace_idle_ns <= at
                or t.begun + policy.trace_longest_ns <= at
            )
        ]
        counted = self.decide(at, over)
        rows = [self._close(name, policy, at) for name in over]
        grain = max(1, remembered // 16)
        if at // grain != before // grain:
            self.known = {n: t for n, t in self.known.items() if not t.closed or t.heard + remembered > at}
        return counted, rows

    def decide(self, at: int, over: Collection[str]) -> Counted:
        counted: Counted = []
        for name, trace in self.known.items():
            calls = [span for span in trace.spans if span.call]
            for span in calls:
                if span.counts is None and (name in over or span.final <= at or (span.due <= at and not _waits(span, trace))):
                    group = [other for other in calls if other.row["response_id"] == span.row["response_id"]]
                    stood = any(other.counts for other in group)
                    for other in (other for other in group if other.counts is None):
                        other.counts = other is span and not stood
                    if span.counts:
                        row = span.row | {c: span.row[c] or trace.name(c) for c in ("route", "cohort")}
                        counted.append((span.window, row, False))
        return counted

    def _close(self, name: str, policy: WindowPolicy, at: int) -> Row:
        trace = self.known[name]
        calls = [span for span in trace.spans if span.counts]
        trace.names = {column: trace.name(column) for column in ("route", "cohort")}
        row = {
            **trace.names,
            "trace_id": name,
            "first_offset": trace.first_offset,
            "closed_ns": trace.quiet,
            "spans": len(trace.spans),
            "calls": len(calls),
            "told_twice": sum(span.counts is False for span in trace.spans),
            "cost_nusd": sum(span.row["cost_nusd"] for span in calls),
            "input_tokens": sum(span.row["input_tokens"] for span in calls),
            "incomplete": trace.full or not (trace.rooted and trace.quiet + policy.trace_settle_ns <= at),
        }
        trace.closed, trace.spans = True, []
        return row


def _remembered(policies: Sequence[WindowPolicy]) -> int:
    window, lateness = max(p.window_ns for p in policies), max(p.allowed_lateness_ns for p in policies)
    settle, idle = max(p.trace_settle_ns for p in policies), max(p.trace_idle_ns for p in policies)
    return 2 * window + max(idle, settle) + settle + lateness + max(p.call_hold_ns for p in policies)


def _waits(span: Span, trace: Trace) -> bool:
    lacks = {column for column in ("route", "cohort") if not span.row[column]}
    return not trace.rooted and any(not trace.name(column) for column in lacks)
