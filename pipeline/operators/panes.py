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

from pipeline.model.columns import OVERFLOW, SCHEMA_VERSION, SERIES, Firing
from pipeline.model.log_time import BEGINNING, LogTime, WindowPolicy
from pipeline.operators import eras
from pipeline.operators.digest import SeriesDigests
from pipeline.operators.kernels import HashSet, add_rows, add_squares, add_values
from pipeline.operators.log_marks import Ticks
from pipeline.operators.span_columns import SUMS, Ints, Series, SpanColumns
from pipeline.operators.watermark import Watermark

_OTHER: Series = (OVERFLOW,) * len(SERIES)

_WIDE = {
    "cost_nusd": (add_values, "cost"),
    "cost_sq": (add_squares, "cost"),
    "latency_sum_ns": (add_values, "latency"),
    "latency_sq": (add_squares, "latency"),
    "ttft_sum_ns": (add_values, "ttft"),
}
"""What a series adds up in 128 bits: how, and which of SpanColumns."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many rows of one block ended how: rows = counted + duplicate + too_late + ahead_of_clock."""

    rows: int
    counted: int
    duplicate: int
    too_late: int
    ahead_of_clock: int


class Window:
    """One open window [start, end): who was seen, and per series what it adds up to."""

    __slots__ = (
        *("_high", "_low", "_max_series", "_sums", "changed", "digests", "end_ns", "final_ns", "first_offset", "keys"),
        *("on_time", "overflow", "seen", "slots"),
    )

    def __init__(self, start_ns: int, policy: WindowPolicy, first_offset: int) -> None:
        self.end_ns = start_ns + policy.window_ns
        self.final_ns = self.end_ns + policy.allowed_lateness_ns
        self._max_series = policy.max_series
        self.first_offset = first_offset
        self.seen = HashSet()
        self.slots: dict[Series, int] = {}
        self.keys: list[Series] = []
        self.changed: set[int] = set()
        self.on_time = False
        self.overflow = 0
        self.digests = {name: SeriesDigests() for name in ("latency_digest", "ttft_digest", "tps_digest")}
        self._sums = np.zeros((8, len(SUMS)), np.int64)
        self._high = np.zeros((len(_WIDE), 8), np.uint64)
        self._low = np.zeros((len(_WIDE), 8), np.uint64)

    def fold(self, columns: SpanColumns, rows: NDArray[np.intp]) -> None:
        """Add the requests among `rows`, none of them seen before."""
        requests = columns.request[rows]
        requests = requests[requests >= 0]
        if len(requests) == 0:
            return
        codes, inverse = np.unique(columns.code[requests], return_inverse=True)
        of_code = np.array([self._slot(columns.series[code]) for code in codes.tolist()], np.int64)
        slots = of_code[inverse]
        self.overflow += int(np.count_nonzero(slots == self.slots.get(_OTHER, -1)))
        add_rows(self._sums, slots, columns.sums[requests])
        whole = {name: _whole(getattr(columns, name)[requests]) for name in ("cost", "latency", "ttft")}
        for i, (add, name) in enumerate(_WIDE.values()):
            add(self._high[i], self._low[i], slots, whole[name])
        for name, values in (
            ("latency_digest", columns.latency),
            ("ttft_digest", columns.ttft),
            ("tps_digest", columns.tps),
        ):
            known = ~np.isnan(values[requests])
            self.digests[name].add(slots[known], values[requests][known])
        self.changed.update(of_code.tolist())

    def _slot(self, series: Series) -> int:
        """The series' slot; over the limit that of `__other__`."""
        if series not in self.slots:
            if len(self.slots) >= self._max_series:
                series = _OTHER
            if series not in self.slots:
                self.slots[series] = len(self.keys)
                self.keys.append(series)
                self._make_room()
        return self.slots[series]

    def _make_room(self) -> None:
        if len(self.keys) > len(self._sums):
            self._sums = np.concatenate((self._sums, np.zeros_like(self._sums)))
            self._high, self._low = (np.concatenate((a, np.zeros_like(a)), axis=1) for a in (self._high, self._low))

    def rows(self, slots: Sequence[int]) -> dict[str, list[Any]]:
        """The measures of some series as columns of a pane block."""
        columns: dict[str, list[Any]] = {name: [self.keys[s][i] for s in slots] for i, name in enumerate(SERIES)}
        columns |= {name: self._sums[slots, j].tolist() for j, name in enumerate(SUMS)}
        for i, name in enumerate(_WIDE):
            columns[name] = [str((int(self._high[i, s]) << 64) + int(self._low[i, s])) for s in slots]
        for name, digests in self.digests.items():
            columns[name] = [digests.encode(s) for s in slots]
        return columns


def _whole(values: NDArray[Any]) -> Ints:
    """The values as integers, 0 for nan."""
    return np.where(np.isnan(values), 0, values).astype(np.int64)


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
        self._marks = deque([(position, begin)])

    @property
    def watermark_ns(self) -> int:
        """The event time everything has passed."""
        return self.watermark.ns

    def fold(self, offset: int, append_ns: int, columns: SpanColumns) -> Verdicts | None:
        """Fold the block at `offset`. None below `judged`: its verdicts were given by an earlier owner."""
        self._catch_up(offset)
        known = columns.recorded_ns > 0  # a row that does not know when it was recorded moves no watermark
        recorded = np.where(known, np.minimum(columns.recorded_ns, append_ns), append_ns)
        starts, ahead, too_late = self._judged(offset, columns.end_ns, recorded)
        eligible = ~ahead & ~too_late
        counted = sum(
            self._fold_window(int(start), offset, columns, np.flatnonzero(eligible & (starts == start)))
            for start in np.unique(starts[eligible]).tolist()
        )
        self.watermark.appended(append_ns)
        self.watermark.rows(_reached(columns, np.minimum(columns.end_ns, recorded), known & ~ahead))
        self._advance()
        self.position = offset + 1
        if offset < self.judged:
            return None
        fits = int(np.count_nonzero(eligible))
        late = int(np.count_nonzero(too_late))
        return Verdicts(len(columns), counted, fits - counted, late, len(columns) - fits - late)

    def tick(self, offset: int, append_ns: int, ticks: Ticks) -> None:
        """Fold what decode says of its sources."""
        self._catch_up(offset)
        self.watermark.appended(append_ns)
        self.watermark.ticks(ticks)
        self._advance()
        self.position = offset + 1

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

    def _judged(self, offset: int, ends: Ints, recorded: Ints) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """Per row the start of its window, is it ahead of its clock, is it too late; each by the policy of its era."""
        starts, ahead, final = np.empty_like(ends), np.zeros(len(ends), bool), np.zeros(len(ends), bool)
        for i, era in enumerate(self.eras):
            rows = ends >= era.from_ns if i else np.ones(len(ends), bool)  # a later era overwrites
            starts[rows] = era.policy.start(ends[rows])
            ahead[rows] = (offset < era.since) | (ends[rows] > recorded[rows] + era.policy.max_ahead_ns)
            final[rows] = era.policy.is_final(starts[rows], self.watermark_ns)
        return starts, ahead, final & ~ahead

    def _fold_window(self, start: int, offset: int, columns: SpanColumns, rows: NDArray[np.intp]) -> int:
        """Fold rows of one window; returns how many were not seen before."""
        window = self.open.get(start)
        if window is None:
            self._mark(offset)
            window = self.open[start] = Window(start, eras.policy_at(self.eras, start), offset)
            window.on_time = window.end_ns <= self.watermark_ns
        fresh = window.seen.add(columns.ids[rows])
        window.fold(columns, rows[fresh])
        return int(np.count_nonzero(fresh))

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
        return LogTime(self.watermark_ns, self.watermark.snapshot(), self.eras)

    def _advance(self) -> None:
        self.watermark.advance()
        self.eras = eras.current(self.eras, self.watermark_ns)

    def due(self) -> Iterator[tuple[int, Window, Firing, list[int]]]:
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

    def close(self) -> Iterator[tuple[int, Window, Firing, list[int]]]:
        """The log has ended: every window is final."""
        for start in sorted(self.open):
            window = self.open.pop(start)
            yield start, window, Firing.FINAL, list(range(len(window.keys)))

    def changed(self) -> Iterator[tuple[int, Window, Firing, list[int]]]:
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
        """First offset still held, the first row of the oldest open window, and what stood there."""
        held = min((window.first_offset for window in self.open.values()), default=self.position)
        if held == self.position:
            self._mark(held)
        while len(self._marks) > 1 and self._marks[1][0] <= held:
            self._marks.popleft()
        return self._marks[0]


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
        **window.rows(slots),
    }
