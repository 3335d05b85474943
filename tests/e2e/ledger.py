"""What is true of the traffic sent, in the plainest words: written down while sending, without any of the pipeline's code.

Sums come from the calls as they were drawn, ids and spans from the bytes as they were sent, prices from a table
written by hand. Whoever wants to know whether the pipeline is exact compares it with this.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.operators.traffic import Call
from tests.e2e.retold import AGAIN

NUSD_PER_TOKEN = {
    "gpt-4o-mini-2024-07-18": (150, 75, 600),
    "gpt-4.1-2025-04-14": (2000, 500, 8000),
    "claude-sonnet-4-5": (3000, 300, 15000),
    "gemini-2.5-flash": (300, 30, 2500),
}
"""Nano-USD per prompt token, cached prompt token and answered token: the providers' list prices."""

MEASURES = (
    "requests",
    "errors",
    "streamed",
    "refusal_checked",
    "refusals",
    "citation_checked",
    "citations",
    "schema_checked",
    "schema_valid",
    "unknown_usage",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cost_nusd",
    "cost_sq",
    "latency_sum_ns",
    "latency_sq",
    "ttft_count",
    "ttft_sum_ns",
)
"""What is compared of every window and series, in order."""

TRACE = (
    *("environment", "route", "release", "cohort", "language", "first_ns", "last_ns", "spans", "calls", "errors", "refusals"),
    *("unknown_usage", "input_tokens", "output_tokens", "cache_read_tokens", "cost_nusd", "latency_ns", "ttft_ns"),
    *("unpriced", "told_twice", "failed", "incomplete"),
)
"""What is compared of every trace, in order."""

Key = tuple[int, tuple[str, ...]]
"""Window start and series."""


def measures(call: Call) -> tuple[int, ...]:
    """What one call adds to its window and series."""
    cost, latency = cost_nusd(call), call.end_ns - call.start_ns
    return (
        1,
        int(call.error != ""),
        int(call.stream),
        int(call.shows_refusal),
        int(call.shows_refusal and call.is_refused),
        int(call.is_to_cite),
        int(call.is_to_cite and not call.is_amiss),
        int(call.is_to_keep_schema),
        int(call.is_to_keep_schema and not call.is_amiss),
        int(call.input_tokens is None and call.error == ""),
        0,
        call.input_tokens or 0,
        call.output_tokens or 0,
        call.cache_read_tokens or 0,
        cost,
        cost * cost,
        latency,
        latency * latency,
        int(call.ttft_ns is not None),
        call.ttft_ns or 0,
    )


def is_broken(call: Call) -> bool:
    """Does it end before it begins?"""
    return call.start_ns > call.end_ns


def cost_nusd(call: Call) -> int:
    """What the provider bills. Cached prompt tokens lie inside the prompt."""
    prompt, cached, answer = NUSD_PER_TOKEN[call.model]
    read = call.cache_read_tokens or 0
    return ((call.input_tokens or 0) - read) * prompt + read * cached + (call.output_tokens or 0) * answer


def trace_row(spans: Sequence[Span], calls: Sequence[Call]) -> tuple[Any, ...]:
    """What is true of a trace: its spans that are not broken, the root among them, and its calls."""
    release, calls = calls[0].release, [call for call in calls if not is_broken(call)]
    (root,) = (span for span in spans if not span.parent_span_id)
    said = [measures(call) for call in sorted(calls, key=lambda call: call.start_ns)]
    of = {name: sum(one[MEASURES.index(name)] for one in said) for name in MEASURES}
    first_token = [call.ttft_ns for call in sorted(calls, key=lambda call: call.start_ns) if call.ttft_ns is not None]
    route, cohort = (attribute.value.string_value for attribute in root.attributes)
    language = calls[0].language if calls else ""  # the root does not say it
    return (
        *("demo", route, release, cohort, language),
        *(min(span.start_time_unix_nano for span in spans), max(span.end_time_unix_nano for span in spans)),
        *(len(spans), len(calls), of["errors"], of["refusals"], of["unknown_usage"]),
        *(of["input_tokens"], of["output_tokens"], of["cache_read_tokens"], of["cost_nusd"]),
        *(root.end_time_unix_nano - root.start_time_unix_nano, first_token[0] if first_token else None),
        *(0, sum(span.name == AGAIN for span in spans), False, False),
    )


@dataclass(slots=True)
class Ledger:
    """The truth. `records`: per otlp partition and in order of sending, (spans, of these broken) of each record."""

    window_ns: int
    panes: dict[Key, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * len(MEASURES)))
    traces: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    latencies: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    records: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    sent: set[str] = field(default_factory=set)
    too_late: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    told_again: set[str] = field(default_factory=set)
    late_for_trace: set[str] = field(default_factory=set)
    outside_nusd: int = 0
    nameless: int = 0

    def drawn(self, calls: Sequence[Call], too_late: Sequence[Call], value: bytes) -> None:
        """A new request of these calls was made, some of which nobody may count: too late, or ended before they began."""
        lost = {call.trace_id.hex() for call in too_late}
        for identity, broken in _spans(value):
            self.sent.add(identity)
            if broken:
                self.dead.add(identity)
            elif identity[:32] in lost:
                self.too_late.add(identity)
        for call in calls:
            if call.trace_id.hex() not in lost and not is_broken(call):
                self._counts(call)
        spans, of = defaultdict[str, list[Span]](list), defaultdict[str, list[Call]](list)
        for span in _spans_of(value):
            if span.name == AGAIN:
                self.told_again.add(span.trace_id.hex() + span.span_id.hex())
            if span.start_time_unix_nano <= span.end_time_unix_nano:
                spans[span.trace_id.hex()].append(span)
        for call in calls:
            of[call.trace_id.hex()].append(call)
        self.traces |= {trace: trace_row(spans[trace], of[trace]) for trace in of.keys() - lost}

    def forgotten(self, call: Call, value: bytes) -> None:
        """A call of a trace that is over."""
        for identity, _ in _spans(value):
            self.sent.add(identity)
            self.late_for_trace.add(identity)
        self.outside_nusd += cost_nusd(call)
        self._counts(call)

    def _counts(self, call: Call) -> None:
        key = (call.end_ns // self.window_ns * self.window_ns, call.series)
        self.panes[key] = [a + b for a, b in zip(self.panes[key], measures(call), strict=True)]
        self.latencies[call.route].append(call.end_ns - call.start_ns)

    def written(self, partition: int, value: bytes) -> None:
        """A request, new or a repeat, went into a partition of the log."""
        broken = [wrong for _, wrong in _spans(value)]
        self.records[partition].append((len(broken), sum(broken)))


def _spans(value: bytes) -> list[tuple[str, bool]]:
    """Per span of a request its trace id and span id in hex, and whether it ends before it begins."""
    return [
        (span.trace_id.hex() + span.span_id.hex(), span.end_time_unix_nano < span.start_time_unix_nano)
        for span in _spans_of(value)
    ]


def _spans_of(value: bytes) -> list[Span]:
    return [
        span
        for resource in ExportTraceServiceRequest.FromString(value).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
