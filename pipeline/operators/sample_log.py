"""One partition of samples folded: its time, its traces, what of them is still being judged, and what a successor must know.

`settled` is the offset below which every score is in the log. A successor folds from the first trace that is held, comes to what
it came to the first time, and has judged again what stands from `settled` on; whoever reads the scores knows by it which of them
are repeats. Settings stand in the log: another policy holds from the message on that asks for it, for everybody who folds it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.model.log_time import BEGINNING, Era, LogTime, WindowPolicy
from pipeline.operators.eras import MOST_ERAS
from pipeline.operators.log_marks import Ticks
from pipeline.operators.rates import Rates, Snapshot
from pipeline.operators.sample_rows import SampleRow
from pipeline.operators.sampled_traces import Closed, Room, SampledTraces
from pipeline.operators.watermark import Watermark

MARK_EVERY_NS = 10_000_000_000
"""Of log time: how closely what stood at an offset is remembered. A successor begins at most so much earlier than it must."""


@dataclass(slots=True)
class Waiting:
    """Traces closed by one message that are not all judged: how many, and what the shares were before it."""

    left: int
    rates: Snapshot


class SampleLog:
    """State of one partition. `position`: offset up to which it was folded, exclusive."""

    def __init__(self, begin: LogTime, position: int, judged: int, reached: LogTime, room: Room) -> None:
        self.eras = begin.eras
        self.position = self.begin = position
        self.judged = judged
        self._reached: LogTime | None = reached
        self.watermark = Watermark(self.policy, begin.clock, begin.watermark_ns)
        self.traces = SampledTraces(room)
        self.waiting: dict[int, Waiting] = {}
        self._marks = deque([(position, begin)])

    @property
    def policy(self) -> WindowPolicy:
        """The policy in force at the position."""
        return next((era.policy for era in reversed(self.eras) if era.since <= self.position), self.eras[0].policy)

    @property
    def is_telling(self) -> bool:
        """Whether what is closed at the position is judged; below `judged` it was."""
        return self.position >= self.judged

    def fold(self, offset: int, append_ns: int, rows: Sequence[SampleRow]) -> Iterator[Closed]:
        """Fold a block. Yields the traces that are over."""
        self._open(offset)
        policy, at_ns = self.policy, self.watermark.ns
        reached: dict[str, int] = {}
        for row in rows:
            if row.recorded_ns:
                event = min(row.end_ns, row.recorded_ns, append_ns)
                reached[row.source] = max(reached.get(row.source, BEGINNING), event)
            full = self.traces.arrive(offset, row, policy, at_ns, append_ns + policy.max_ahead_ns)
            if full is not None:
                yield full
        yield from self.traces.too_many(at_ns)
        self.watermark.appended(append_ns)
        self.watermark.rows(reached)
        yield from self._advance(offset)

    def tick(self, offset: int, append_ns: int, ticks: Ticks) -> Iterator[Closed]:
        """Fold what decode says of its sources."""
        self._open(offset)
        self.watermark.appended(append_ns)
        self.watermark.ticks(ticks)
        yield from self._advance(offset)

    def skip(self, offset: int, append_ns: int) -> None:
        """Fold a message that says nothing."""
        self._open(offset)
        self.watermark.appended(append_ns)
        self.position = offset + 1

    def change(self, offset: int, append_ns: int, policy: WindowPolicy) -> None:
        """Fold a message that asks for another policy."""
        self.skip(offset, append_ns)
        if policy != self.eras[-1].policy and len(self.eras) < MOST_ERAS:
            self.eras = (*self.eras, Era(BEGINNING, policy, offset + 1))

    def asked(self, position: int, rates: Snapshot) -> None:
        """A trace closed by the message at `position` is being judged; `rates`: what they were before that message."""
        self.waiting.setdefault(position, Waiting(0, rates)).left += 1

    def answered(self, position: int) -> None:
        """It is judged."""
        waiting = self.waiting[position]
        waiting.left -= 1
        if waiting.left == 0:
            del self.waiting[position]

    @property
    def settled(self) -> int:
        """Offset below which everything is judged."""
        return min(self.waiting, default=max(self.position, self.judged))

    def settled_rates(self, rates: Rates) -> Snapshot:
        """What the shares were there; `rates` are those of the position."""
        return self.waiting[min(self.waiting)].rates if self.waiting else rates.snapshot()

    def stood(self, offset: int) -> tuple[int, LogTime]:
        """What stood at `offset` or a little before it, and where."""
        found = self._marks[0]
        for mark in self._marks:
            if mark[0] > offset:
                break
            found = mark
        return found

    def held(self) -> tuple[int, LogTime]:
        """Where a successor begins, and what stood there."""
        settled = self.settled
        settled_ns = self.watermark.ns if settled >= self.position else self.stood(settled)[1].watermark_ns
        held = min(self.traces.held(self.position, settled_ns), settled)
        if held == self.position:
            self._mark(held, force=True)
        while len(self._marks) > 1 and self._marks[1][0] <= held:
            self._marks.popleft()
        committed, stood = self._marks[0]
        while len(self.eras) > 1 and self.eras[1].since <= committed:
            self.eras = self.eras[1:]
        return committed, stood

    def _open(self, offset: int) -> None:
        if self._reached is not None and offset >= self.judged:
            self.watermark.at_least(self._reached.watermark_ns, self._reached.clock)
            self.eras, self._reached = self._reached.eras, None
        self._mark(offset)
        self.watermark.policy = self.policy

    def _mark(self, offset: int, force: bool = False) -> None:
        at, stood = self._marks[-1]
        if at < offset and (force or self.watermark.appended_ns - stood.clock.appended_ns >= MARK_EVERY_NS):
            self._marks.append((offset, self.now()))

    def now(self) -> LogTime:
        """What stands at the position."""
        return LogTime(self.watermark.ns, self.watermark.snapshot(), self.eras)

    def _advance(self, offset: int) -> Iterator[Closed]:
        self.watermark.advance()
        yield from self.traces.due(self.policy, self.watermark.ns)
        yield from self.traces.forget([era.policy for era in self.eras], self.watermark.ns)
        self.position = offset + 1
