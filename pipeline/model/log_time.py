"""What a log has said about time and about the rules it is judged by: everything finality rests on, as frozen values.

Durations and times are integer nanoseconds. Event time is the end of a span; log time is the append time of messages.
"""

from dataclasses import dataclass
from typing import Any

BEGINNING = -(1 << 62)
"""An event time before every other: nothing was seen yet."""

MOST_SOURCES = 2048
"""Sources one log knows, twice the partitions `otlp_spans` can be given: with them progress still fits its topic (1 MiB)."""

LONGEST_SOURCE = 300
"""Characters of a log id: a topic's name has up to 249."""

MOST_UNENDING = 256
"""Traces that never fall silent a log lets go of, and the bytes their names may have together: progress has to fit its topic."""

UNENDING_NAMES_BYTES = 1 << 16

END_OF_TIME = 1 << 62
"""A watermark behind every event time: the log has ended."""


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """What is promised for a window; `max_series` per partition and window.

    source_patience_ns: log time a source may hold finality back without a word, while others are heard.
    outage_ns: a log silent for longer had nobody to tick it; then ticks wait an allowed lateness before they count.
    call_hold_ns: how long, in event time, a call waits for others that tell of it.
    trace_settle_ns, trace_idle_ns: a trace is over so long after its last span, its root seen or not.
    trace_longest_ns: a trace is cut so long after its first span. max_trace_spans: a trace of more is cut.
    max_open_spans, max_traces: per partition; beyond, the oldest are cut and forgotten.
    """

    window_ns: int
    allowed_lateness_ns: int
    out_of_orderness_ns: int
    max_ahead_ns: int
    max_series: int
    source_patience_ns: int = 3_600_000_000_000
    outage_ns: int = 30_000_000_000
    call_hold_ns: int = 0
    trace_settle_ns: int = 60_000_000_000
    trace_idle_ns: int = 900_000_000_000
    max_trace_spans: int = 10_000
    max_open_spans: int = 1_000_000
    max_traces: int = 1_000_000
    trace_longest_ns: int = 3_600_000_000_000

    def start(self, end_ns: Any) -> Any:
        """Start of the window [start, start + window) of each event time."""
        return end_ns // self.window_ns * self.window_ns

    def is_final(self, start_ns: Any, watermark_ns: int) -> Any:
        """Has the watermark passed the window's end plus the allowed lateness?"""
        return start_ns + (self.window_ns + self.allowed_lateness_ns) <= watermark_ns


@dataclass(frozen=True, slots=True)
class Era:
    """A policy and the event time from which it holds, up to the next era. Every era begins where a window begins.

    since: the offset that asked for it. What stands before and ends in this era was ahead of its clock.
    """

    from_ns: int
    policy: WindowPolicy
    since: int = 0


@dataclass(frozen=True, slots=True)
class SourceMark:
    """What one source (a partition of `otlp_spans`) has said: the event time it has reached, and when it was heard."""

    event_ns: int
    heard_ns: int


@dataclass(frozen=True, slots=True)
class LogClock:
    """What the messages of one log have said about time.

    appended_ns: append time of the last message, its running maximum.
    lived_ns: log time that has passed, silences longer than `outage_ns` counted as `outage_ns`.
    ticks_from_ns: append time from which ticks count again after an outage.
    sources: by log id, as far as they were announced or seen.
    """

    appended_ns: int = BEGINNING
    lived_ns: int = 0
    ticks_from_ns: int = BEGINNING
    sources: tuple[tuple[str, SourceMark], ...] = ()


@dataclass(frozen=True, slots=True)
class LogTime:
    """All that time and rules depend on at one offset of a log: who folds on from there finds what everybody finds.

    whole_ns: windows of traces that end by then are whole.
    """

    watermark_ns: int
    clock: LogClock
    eras: tuple[Era, ...]
    whole_ns: int = BEGINNING


NOTHING_SAID = LogClock()
"""The clock of a log nobody has read."""
