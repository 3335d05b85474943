"""Windows over one partition: what counts, what fires, what may be forgotten. Decided by the log alone.

A row is counted, a duplicate, too late or ahead of its clock as a function of what stands before it in its partition:
every row of a block is judged by the watermark before the block. On-time and final firings happen at the very block
that moves the watermark over their line, so they too repeat in every replay; only early and late firings follow the
wall clock, and they never decide anything.

Guarantee: `tests/laws/test_exactness.py` runs this with crashes and zombies; design and proof by simulation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import OVERFLOW, SCHEMA_VERSION, SERIES, Firing
from pipeline.operators.digest import SeriesDigests
from pipeline.operators.kernels import HashSet, add_rows, add_squares
from pipeline.operators.span_columns import SUMS, Ints, Series, SpanColumns

BEGINNING = -(1 << 62)
"""The watermark of a partition that has seen nothing."""

END_OF_TIME = 1 << 62
"""A watermark behind every event time: the log has ended."""

_OTHER: Series = (OVERFLOW,) * len(SERIES)


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """Durations in nanoseconds; `max_series` per partition and window."""

    window_ns: int
    allowed_lateness_ns: int
    out_of_orderness_ns: int
    max_ahead_ns: int
    max_series: int

    def start(self, end_ns: Ints) -> Ints:
        """Start of the window [start, start + window) of each event time."""
        return end_ns // self.window_ns * self.window_ns

    def is_final(self, start_ns: Any, watermark_ns: int) -> Any:
        """Has the watermark passed the window's end plus the allowed lateness?"""
        return start_ns + (self.window_ns + self.allowed_lateness_ns) <= watermark_ns


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many rows of one block ended how: rows = counted + duplicate + too_late + ahead_of_clock."""

    rows: int
    counted: int
    duplicate: int
    too_late: int
    ahead_of_clock: int


class Window:
    """One open window: who was seen, and per series what it adds up to."""

    __slots__ = ("_high", "_low", "_sums", "changed", "digests", "first_offset", "keys", "on_time", "overflow", "seen", "slots")

    def __init__(self, first_offset: int) -> None:
        self.first_offset = first_offset
        self.seen = HashSet()
        self.slots: dict[Series, int] = {}
        self.keys: list[Series] = []
        self.changed: set[int] = set()
        self.on_time = False
        self.overflow = 0
        self.digests = {name: SeriesDigests() for name in ("latency_digest", "ttft_digest", "tps_digest")}
        self._sums = np.zeros((8, len(SUMS)), np.int64)
        self._high = np.zeros((2, 8), np.uint64)
        self._low = np.zeros((2, 8), np.uint64)

    def fold(self, columns: SpanColumns, rows: NDArray[np.intp], max_series: int) -> None:
        """Add the requests among `rows`, none of them seen before."""
        requests = columns.request[rows]
        requests = requests[requests >= 0]
        if len(requests) == 0:
            return
        codes, inverse = np.unique(columns.code[requests], return_inverse=True)
        of_code = np.array([self._slot(columns.series[code], max_series) for code in codes.tolist()], np.int64)
        slots = of_code[inverse]
        self.overflow += int(np.count_nonzero(slots == self.slots.get(_OTHER, -1)))
        add_rows(self._sums, slots, columns.sums[requests])
        add_squares(self._high[0], self._low[0], slots, columns.cost[requests])
        add_squares(self._high[1], self._low[1], slots, columns.latency[requests].astype(np.int64))
        for name, values in (
            ("latency_digest", columns.latency),
            ("ttft_digest", columns.ttft),
            ("tps_digest", columns.tps),
        ):
            known = ~np.isnan(values[requests])
            self.digests[name].add(slots[known], values[requests][known])
        self.changed.update(of_code.tolist())

    def _slot(self, series: Series, max_series: int) -> int:
        """The series' slot; over the limit that of `__other__`."""
        if series not in self.slots:
            if len(self.slots) >= max_series:
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
        for i, name in enumerate(("cost_sq", "latency_sq")):
            columns[name] = [str((int(self._high[i, s]) << 64) + int(self._low[i, s])) for s in slots]
        for name, digests in self.digests.items():
            columns[name] = [digests.encode(s) for s in slots]
        return columns


@dataclass(slots=True)
class Windows:
    """The open windows of one partition. `position`: offset up to which the log was folded, exclusive."""

    policy: WindowPolicy
    position: int
    judged: int
    watermark_ns: int = BEGINNING
    open: dict[int, Window] = field(default_factory=dict)

    def fold(self, offset: int, append_ns: int, columns: SpanColumns) -> Verdicts | None:
        """Fold the block at `offset`. None below `judged`: its verdicts were given by an earlier owner."""
        ahead = columns.end_ns > append_ns + self.policy.max_ahead_ns
        starts = self.policy.start(columns.end_ns)
        too_late = ~ahead & self.policy.is_final(starts, self.watermark_ns)
        eligible = ~ahead & ~too_late
        counted = sum(
            self._fold_window(int(start), offset, columns, np.flatnonzero(eligible & (starts == start)))
            for start in np.unique(starts[eligible]).tolist()
        )
        self._advance(append_ns, columns.end_ns[~ahead] if len(columns) else None)
        self.position = offset + 1
        if offset < self.judged:
            return None
        fits = int(np.count_nonzero(eligible))
        late = int(np.count_nonzero(too_late))
        return Verdicts(len(columns), counted, fits - counted, late, len(columns) - fits - late)

    def _fold_window(self, start: int, offset: int, columns: SpanColumns, rows: NDArray[np.intp]) -> int:
        """Fold rows of one window; returns how many were not seen before."""
        window = self.open.get(start)
        if window is None:
            window = self.open[start] = Window(offset)
            window.on_time = start + self.policy.window_ns <= self.watermark_ns
        fresh = window.seen.add(columns.ids[rows])
        window.fold(columns, rows[fresh], self.policy.max_series)
        return int(np.count_nonzero(fresh))

    def _advance(self, append_ns: int, ends: Ints | None) -> None:
        """Move the watermark: by the spans, never past the append time; by the append time alone if the block is empty."""
        if ends is None:
            seen = append_ns
        elif len(ends):
            seen = min(int(ends.max()), append_ns)
        else:
            return
        self.watermark_ns = max(self.watermark_ns, seen - self.policy.out_of_orderness_ns)

    def due(self) -> Iterator[tuple[int, Window, Firing, list[int]]]:
        """On-time and final firings the watermark has reached, by rising window; final windows are closed."""
        if self.position < self.judged:
            return
        for start in sorted(self.open):
            window = self.open[start]
            if self.policy.is_final(start, self.watermark_ns):
                del self.open[start]
                yield start, window, Firing.FINAL, list(range(len(window.keys)))
            elif not window.on_time and start + self.policy.window_ns <= self.watermark_ns:
                window.on_time = True
                window.changed.clear()
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

    @property
    def committed(self) -> int:
        """First offset still held: the first row of the oldest open window."""
        return min((window.first_offset for window in self.open.values()), default=self.position)


def pane_columns(
    start_ns: int, window: Window, firing: Firing, slots: Sequence[int], policy: WindowPolicy, source: str, revision: int
) -> dict[str, list[Any]]:
    """Pane rows as columns; `revision` is the offset up to which the partition was folded."""
    n = len(slots)
    return {
        "window_start_ns": [start_ns] * n,
        "window_end_ns": [start_ns + policy.window_ns] * n,
        "source": [source] * n,
        "revision": [revision] * n,
        "firing": [firing.value] * n,
        "schema_version": [SCHEMA_VERSION] * n,
        **window.rows(slots),
    }
