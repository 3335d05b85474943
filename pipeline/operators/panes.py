"""Windows over one partition: what counts, what fires, what may be forgotten. Decided by the log alone.

A row is counted, a duplicate, too late or ahead of its clock as a function of what stands before it in its partition:
every row of a block is judged by the watermark before the block, and by the policy of its era. On-time and final
firings happen at the very message that moves the watermark over their line, so they too repeat in every replay; only
early and late firings follow the wall clock, and they never decide anything.

Guarantee: `tests/laws/test_exactness.py` runs this with crashes and zombies; design and proof by simulation.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SCHEMA_VERSION, Firing
from pipeline.model.log_time import BEGINNING, LogTime, WindowPolicy
from pipeline.operators import eras
from pipeline.operators.log_marks import Ticks
from pipeline.operators.span_columns import CALLS, Ints, SpanColumns
from pipeline.operators.trace_decisions import ClosedTraces, Decided, Outcome, Repeats
from pipeline.operators.trace_rows import TRACES, measured
from pipeline.operators.traces import Traces, remembered_ns
from pipeline.operators.watermark import Watermark
from pipeline.operators.window import Window

MOMENTS = 12
"""Moments in a window at which it is decided what calls and traces are due; each end of a window is one more."""

Fired = tuple[int, Window, Firing, list[int]]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many rows of one block ended how: rows = counted + duplicate + too_late + ahead_of_clock.

    late_for_trace: of those counted, rows whose trace was over. outside_nusd: cost of the calls among them.
    """

    rows: int
    counted: int
    duplicate: int
    too_late: int
    ahead_of_clock: int
    late_for_trace: int
    outside_nusd: int


class Windows:
    """The open windows of one partition. `position`: offset up to which the log was folded, exclusive.

    Below `judged` the log is only folded again, and comes to what it came to the first time: nothing of that is told again.
    `reached` is what stood there; the messages in between may have expired.
    """

    def __init__(self, begin: LogTime, position: int, judged: int, reached: LogTime) -> None:
        self.eras = begin.eras
        self.position = self.begin = position
        self.judged = judged
        self._reached: LogTime | None = reached
        self.watermark = Watermark(begin.eras[-1].policy, begin.clock, begin.watermark_ns)
        self.open: dict[int, Window] = {}
        self.traces = Traces()
        self.open_traces: dict[int, Window] = {}
        self._whole_ns = begin.whole_ns
        self._repeats: list[Repeats] = []
        self._closed: list[ClosedTraces] = []
        self._marks = deque([(position, begin)])

    @property
    def watermark_ns(self) -> int:
        """The event time everything has passed."""
        return self.watermark.ns

    @property
    def whole_ns(self) -> int:
        """Windows of traces that end by then are whole."""
        return self._whole_ns

    def fold(self, offset: int, append_ns: int, columns: SpanColumns) -> Verdicts | None:
        """Fold the block at `offset`. None below `judged`: its verdicts were given by an earlier owner."""
        self._catch_up(offset)
        known = columns.recorded_ns > 0  # a row that does not know when it was recorded moves no watermark
        recorded = np.where(known, np.minimum(columns.recorded_ns, append_ns), append_ns)
        before, judged = self.watermark_ns, self._judged(offset, columns.end_ns, recorded)
        fresh = np.zeros(len(columns), np.bool_)
        for start in np.unique(judged.starts[judged.eligible]).tolist():
            rows = np.flatnonzero(judged.eligible & (judged.starts == start))
            fresh[rows] = self._window(start, offset).seen.add(columns.ids[rows])
        self.position = offset + 1
        outside = self._arrive(offset, columns, judged, fresh)
        self.watermark.appended(append_ns)
        self.watermark.rows(_reached(columns, np.minimum(columns.end_ns, recorded), known & ~judged.ahead))
        self._advance(offset, before)
        if offset < self.judged:
            return None
        counted, fits = int(np.count_nonzero(fresh)), int(np.count_nonzero(judged.eligible))
        late = int(np.count_nonzero(judged.too_late))
        return Verdicts(len(columns), counted, fits - counted, late, len(columns) - fits - late, *outside)

    def _arrive(self, offset: int, columns: SpanColumns, judged: "_Judged", fresh: NDArray[np.bool_]) -> tuple[int, int]:
        """Spans come to their traces; returns how many came too late for them, and what the calls among these cost."""
        rows, again = np.flatnonzero(fresh), np.flatnonzero(judged.eligible & ~fresh)
        policy, at_ns = self.eras[-1].policy, self.watermark_ns
        if len(again):
            self.traces.touch(columns.trace_hash[again], columns.end_ns[again], at_ns)
        if len(rows) == 0:
            return 0, 0
        late = self.traces.arrive(offset, columns, rows, judged.windows(rows), policy, at_ns)
        if len(late) or self.traces.too_many(policy):
            self._take(self.traces.cut(policy, at_ns))
        if len(late) == 0:
            return 0, 0
        decided = self.traces.late(columns, late, judged.starts[late])
        self._count(decided)
        return len(late), int(decided.measured.values["cost"].sum())

    def tick(self, offset: int, append_ns: int, ticks: Ticks) -> None:
        """Fold what decode says of its sources."""
        self._catch_up(offset)
        before = self.watermark_ns
        self.watermark.appended(append_ns)
        self.watermark.ticks(ticks)
        self._advance(offset, before)

    def change(self, offset: int, append_ns: int, policy: WindowPolicy) -> None:
        """Fold a message that asks for another policy."""
        self._catch_up(offset)
        self.watermark.appended(append_ns)
        self.eras = eras.changed(self.eras, policy, offset, self.watermark.appended_ns)
        self.watermark.policy = self.eras[-1].policy
        self.position = offset + 1

    def skip(self, offset: int, append_ns: int) -> None:
        """Fold a message that says nothing."""
        self._catch_up(offset)
        self.watermark.appended(append_ns)
        self.position = offset + 1

    def _judged(self, offset: int, ends: Ints, recorded: Ints) -> "_Judged":
        """What becomes of each row, by the policy of its era."""
        starts, window_ends, finals = np.empty_like(ends), np.empty_like(ends), np.empty_like(ends)
        ahead = np.zeros(len(ends), np.bool_)
        for i, era in enumerate(self.eras):
            rows = ends >= era.from_ns if i else np.ones(len(ends), np.bool_)  # a later era overwrites
            starts[rows] = era.policy.start(ends[rows])
            window_ends[rows] = starts[rows] + era.policy.window_ns
            finals[rows] = window_ends[rows] + era.policy.allowed_lateness_ns
            ahead[rows] = (offset < era.since) | (ends[rows] > recorded[rows] + era.policy.max_ahead_ns)
        return _Judged(starts, window_ends, finals, ahead, ~ahead & (finals <= self.watermark_ns))

    def _window(self, start: int, offset: int) -> Window:
        """The open window that begins at `start`, opened by the message at `offset` if there is none."""
        window = self.open.get(start)
        if window is None:
            self._mark(offset)
            policy = eras.policy_at(self.eras, start)
            final_ns = start + policy.window_ns + policy.allowed_lateness_ns
            window = self.open[start] = Window(CALLS, start, policy, final_ns, offset)
            window.on_time = window.end_ns <= self.watermark_ns
        return window

    def _count(self, decided: Decided) -> None:
        """Calls count, each in its window."""
        for start in np.unique(decided.window_ns).tolist():
            if start in self.open:  # a final one that a replay finds again was told long ago
                self.open[start].fold(decided.of(start))

    def _catch_up(self, offset: int) -> None:
        """At the first message nobody has judged: what stood there holds, whatever expired on the way."""
        if self._reached is not None and offset >= self.judged:
            self.watermark.at_least(self._reached.watermark_ns, self._reached.clock)
            self.eras, self._reached = self._reached.eras, None
            self.watermark.policy = self.eras[-1].policy

    def _mark(self, offset: int) -> None:
        """Remember what stands before the message at `offset`: who begins with it folds as we do."""
        if self._marks[-1][0] < offset:
            self._marks.append((offset, self._now()))

    def _now(self) -> LogTime:
        return LogTime(self.watermark_ns, self.watermark.snapshot(), self.eras, self._whole_ns)

    def _advance(self, offset: int, before_ns: int) -> None:
        """The message at `offset` has said what it had to say of time: the watermark moves, and what is due is decided."""
        self.watermark.advance()
        self.position = offset + 1
        policy, at_ns = self.eras[-1].policy, self.watermark_ns
        if self._is_moment(policy, before_ns, at_ns):
            remembered = remembered_ns([era.policy for era in self.eras])
            self._take(self.traces.moment(policy, before_ns, at_ns, remembered))
            self._whole_ns = max(self._whole_ns, at_ns - policy.trace_settle_ns)
        elif policy.call_hold_ns == 0:
            self._take(self.traces.decide(at_ns))
        self.eras = eras.current(self.eras, at_ns, self._whole_ns)

    def _is_moment(self, policy: WindowPolicy, before_ns: int, at_ns: int) -> bool:
        grain = max(1, policy.window_ns // MOMENTS)
        if at_ns // grain != before_ns // grain:
            return True
        return any(before_ns < line <= at_ns for w in self.open.values() for line in (w.end_ns, w.final_ns))

    def _take(self, outcome: Outcome) -> None:
        """Count what was decided. Traces that are over count in the window of the time at which they had gone quiet; it is
        final when whatever went quiet in it is over, so none comes too late for it.
        """
        for decided in outcome.decided:
            self._count(decided)
        told = self.position <= self.judged
        if not told:
            self._repeats += outcome.repeats
            self._closed += outcome.closed
        for closed in outcome.closed:
            np.maximum(closed.columns["closed_ns"], self._whole_ns, out=closed.columns["closed_ns"])
            starts = self._trace_windows(closed.columns["closed_ns"])
            for start in np.unique(starts).tolist():
                self.open_traces[start].fold(measured(closed, starts == start))

    def _trace_windows(self, closed_ns: Ints) -> Ints:
        """The window of each time, opened if it is not."""
        starts = self._judged(self.position, closed_ns, closed_ns).starts
        for start in np.unique(starts).tolist():
            if start not in self.open_traces:
                policy = eras.policy_at(self.eras, start)
                self.open_traces[start] = Window(TRACES, start, policy, start + policy.window_ns, self.position)
        return starts

    def told(self) -> tuple[list[Repeats], list[ClosedTraces]]:
        """What was decided since this was last asked."""
        told = self._repeats, self._closed
        self._repeats, self._closed = [], []
        return told

    def due(self) -> Iterator[Fired]:
        """On-time and final firings the watermark has reached, by rising window; final windows are closed.

        What was due up to `judged` was fired by whoever judged it, and may not be whole here.
        """
        told = self.position <= self.judged
        for start in sorted(self.open):
            window = self.open[start]
            if window.final_ns <= self.watermark_ns:
                del self.open[start]
                if not told:
                    yield start, window, Firing.FINAL, list(range(len(window.keys)))
            elif not window.on_time and window.end_ns <= self.watermark_ns:
                window.on_time = True
                window.changed.clear()
                if not told:
                    yield start, window, Firing.ON_TIME, list(range(len(window.keys)))

    def due_traces(self) -> Iterator[Fired]:
        """Windows of traces that are whole, by rising window; they are closed."""
        for start in sorted(self.open_traces):
            window = self.open_traces[start]
            if window.end_ns <= self._whole_ns:
                del self.open_traces[start]
                if self.position > self.judged:
                    yield start, window, Firing.FINAL, list(range(len(window.keys)))

    def end(self) -> None:
        """The log has ended: every call is decided, every trace is over."""
        self._take(self.traces.end())

    def close(self) -> Iterator[Fired]:
        """The log has ended: every window is final."""
        return _emptied(self.open)

    def close_traces(self) -> Iterator[Fired]:
        """The same of traces."""
        return _emptied(self.open_traces)

    def changed(self) -> Iterator[Fired]:
        """Early and late firings: the series that changed since they last fired."""
        if self.position < self.judged:
            return
        for start in sorted(self.open):
            window = self.open[start]
            if window.changed:
                slots = sorted(window.changed)
                window.changed.clear()
                yield start, window, Firing.LATE if window.on_time else Firing.EARLY, slots

    def held(self) -> tuple[int, LogTime]:
        """First offset still held, the first row of the oldest open window or trace, and what stood there."""
        held = min((window.first_offset for window in self.open.values()), default=self.position)
        held = min(held, self.traces.held(self.position))
        if held == self.position:
            self._mark(held)
        while len(self._marks) > 1 and self._marks[1][0] <= held:
            self._marks.popleft()
        return self._marks[0]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What becomes of n rows: the window of each, when it is final; is the row ahead of its clock, is it too late."""

    starts: Ints
    ends: Ints
    finals: Ints
    ahead: NDArray[np.bool_]
    too_late: NDArray[np.bool_]

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Rows that count if they were not seen before."""
        return ~self.ahead & ~self.too_late

    def windows(self, rows: NDArray[np.intp]) -> tuple[Ints, Ints, Ints]:
        """Start, end and finality of the windows of some rows."""
        return self.starts[rows], self.ends[rows], self.finals[rows]


def _emptied(windows: dict[int, Window]) -> Iterator[Fired]:
    for start in sorted(windows):
        window = windows.pop(start)
        yield start, window, Firing.FINAL, list(range(len(window.keys)))


def _reached(columns: SpanColumns, event_ns: Ints, rows: NDArray[np.bool_]) -> dict[str, int]:
    """Per source the largest event time of `rows`."""
    most = np.full(len(columns.sources), BEGINNING, np.int64)
    np.maximum.at(most, columns.source_code[rows], event_ns[rows])
    return {source: event for source, event in zip(columns.sources, most.tolist(), strict=True) if event > BEGINNING}


def pane_columns(
    start_ns: int, window: Window, firing: Firing, slots: Sequence[int], source: str, revision: int
) -> dict[str, list[Any]]:
    """Pane rows as columns; `revision` is the offset up to which the partition was folded."""
    n = len(slots)
    return {
        "window_start_ns": [start_ns] * n,
        "window_end_ns": [window.end_ns] * n,
        "source": [source] * n,
        "revision": [revision] * n,
        "firing": [firing.value] * n,
        "schema_version": [SCHEMA_VERSION] * n,
        **window.rows(slots, firing),
    }
