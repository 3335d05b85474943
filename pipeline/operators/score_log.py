"""One partition of scores folded: which of them count, the window they count in, and what a successor must know.

A score counts in the window of the time at which it became known, the append time of its message. That never goes back, so one
window is open at a time, no score is too late for it, and it is final at the first message of a later one. Settings stand in the
log and take effect where windows of the old and the new begin.

What holds an offset: a score counts in the open window because none like it stood before. Who folds the window again must find
so too, and therefore knows what was remembered when the window opened.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.model.columns import Firing
from pipeline.model.log_time import Era, LogClock, LogTime, WindowPolicy
from pipeline.operators import eras
from pipeline.operators.first_scores import FirstScores, Heard
from pipeline.operators.panes import Fired
from pipeline.operators.score_columns import SCORE_FAMILY, ScoreBlock, measured
from pipeline.operators.window import Window

MARK_EVERY_NS = 10_000_000_000
"""Of log time: how closely what stood at an offset is remembered. A successor begins at most so much earlier than it must."""


@dataclass(frozen=True, slots=True)
class Stood:
    """What stood before the message at `offset`: time, rules, and what is known of the sources of scores."""

    offset: int
    time: LogTime
    heard: Sequence[Heard]


class ScoreLog:
    """State of one partition. `position`: offset up to which it was folded, exclusive.

    Below `judged` the log is only folded again, and comes to what it came to the first time: nothing of that is told again.
    `reached` is what stood there; the messages in between may have expired.
    """

    def __init__(self, begin: Stood, judged: int, reached: LogTime) -> None:
        self.position = self.begin = begin.offset
        self.judged = judged
        self.eras: tuple[Era, ...] = begin.time.eras
        self.appended_ns = begin.time.clock.appended_ns
        self.first = FirstScores(begin.heard)
        self.open: Window | None = None
        self.start_ns = 0
        self.rows = self.repeats = 0
        self._reached: LogTime | None = reached
        self._held_at_open = begin.offset
        self._closed: list[Fired] = []
        self._marks = deque([begin])

    @property
    def policy(self) -> WindowPolicy:
        """The policy of the window that holds the present of the log."""
        return eras.policy_at(self.eras, self.appended_ns)

    def fold(self, offset: int, append_ns: int, block: ScoreBlock) -> list[int]:
        """Fold the block at `offset`. Returns the rows that count; none below `judged`: an earlier owner has told them."""
        self._pass(offset, append_ns)
        said = zip(block.columns["source"], block.columns["offset"], block.columns["settled"], block.identities(), strict=True)
        first, now_ns = self.first, self.appended_ns
        counting = [i for i, (of, at, settled, one) in enumerate(said) if first.is_first(of, at, settled, one, offset, now_ns)]
        if self.open is None:
            policy = self.policy
            self.start_ns = policy.start(self.appended_ns)
            self.open = Window(SCORE_FAMILY, self.start_ns, policy, self.start_ns + policy.window_ns, offset)
        if counting:
            self.open.fold(measured(block, counting))
        self.position = offset + 1
        if offset < self.judged:
            return []
        self.rows += len(block)
        self.repeats += len(block) - len(counting)
        return counting

    def change(self, offset: int, append_ns: int, policy: WindowPolicy) -> None:
        """Fold a message that asks for another policy."""
        self._pass(offset, append_ns)
        self.eras = eras.changed(self.eras, policy, offset, self.appended_ns)
        self.position = offset + 1

    def skip(self, offset: int, append_ns: int) -> None:
        """Fold a message that says nothing."""
        self._pass(offset, append_ns)
        self.position = offset + 1

    def _pass(self, offset: int, append_ns: int) -> None:
        """The message at `offset` says what time it is: a window that ends by then is over."""
        if self._reached is not None and offset >= self.judged:
            self.appended_ns = max(self.appended_ns, self._reached.clock.appended_ns)
            self.eras, self._reached = self._reached.eras, None
        before = self.now()
        self.appended_ns = max(self.appended_ns, append_ns)
        if self.open is not None and self.open.end_ns <= self.appended_ns:
            if self.open.keys and offset >= self.judged:
                self._closed.append((self.start_ns, self.open, Firing.FINAL, list(range(len(self.open.keys)))))
            self.open = None
        if self.open is None:
            self._held_at_open = self.first.held(offset)
        if self.open is None or self.appended_ns - self._marks[-1].time.clock.appended_ns >= MARK_EVERY_NS:
            self._mark(offset, before)
        self.eras = eras.current(self.eras, self.appended_ns, self.appended_ns)
        self.first.passed(self.appended_ns)

    def due(self) -> Iterator[Fired]:
        """The windows that are final."""
        closed, self._closed = self._closed, []
        yield from closed

    def changed(self) -> Iterator[Fired]:
        """Early firings: the series of the open window that changed since they last fired."""
        if self.open is not None and self.open.changed and self.position >= self.judged:
            slots = sorted(self.open.changed)
            self.open.changed.clear()
            yield self.start_ns, self.open, Firing.EARLY, slots

    def held(self) -> Stood:
        """Where a successor begins, and what stood there."""
        held = self.first.held(self.position) if self.open is None else self._held_at_open
        if held == self.position:
            self._mark(held, self.now())
        while len(self._marks) > 1 and self._marks[1].offset <= held:
            self._marks.popleft()
        return self._marks[0]

    def now(self) -> LogTime:
        """What stands at the position."""
        return LogTime(self.appended_ns, LogClock(self.appended_ns), self.eras)

    def _mark(self, offset: int, time: LogTime) -> None:
        if self._marks[-1].offset < offset:
            self._marks.append(Stood(offset, time, self.first.snapshot()))
