"""The chosen traces of one partition of samples: which spans belong together, and when a trace is whole and may be judged.

A trace is closed by the watermark, as in `traces.py`: `trace_settle_ns` after its last span if its root was seen, else after
`trace_idle_ns`, `trace_longest_ns` after its first one; and at once when it holds more spans or text than it may, or all open
ones hold more than there is room for: then the oldest. A span that comes later changes nothing while its trace is remembered.

All of it is a function of the log. A trace is remembered until `remembered_ns` after its last span, late ones included, which is
longer than it can stay open. So who folds the log again from a later offset, and takes the late spans of a trace it has not seen
for a trace, has closed and forgotten that one when everybody forgets the true one. Until then a trace holds back what may be
acknowledged; at most `trace_longest_ns` longer, for ids that never fall silent: such a one may be judged again after a restart.

What is remembered is bounded too: of more than `max_traces` the one nobody spoke of for longest is over, and forgotten. Who folds
the log again from a later offset forgets it at the same message: whatever was spoken of since, it has seen as well.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pipeline.model.log_time import WindowPolicy
from pipeline.operators.sample_rows import SampleRow

ROW_SIZE = 500
"""What a row counts for beside its texts."""

ROW_HELD = 1500
"""Bytes of memory that a row takes beside its texts, as measured."""


@dataclass(slots=True)
class Open:
    """A trace that is not over. rows: by span id, the first of each. heard_ns: of its last span, one that came again included."""

    trace_id: str
    begun_ns: int
    quiet_ns: int
    heard_ns: int
    rooted: bool = False
    size: int = 0
    held: int = 0
    rows: dict[str, SampleRow] = field(default_factory=dict)

    def due_ns(self, policy: WindowPolicy) -> int:
        """When it is over if nothing more comes."""
        wait = policy.trace_settle_ns if self.rooted else policy.trace_idle_ns
        return min(self.quiet_ns + wait, self.begun_ns + policy.trace_longest_ns)


@dataclass(frozen=True, slots=True)
class Closed:
    """A trace that is over. rows: in the order of their start. incomplete: without its root, or cut."""

    trace_id: str
    rows: tuple[SampleRow, ...]
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What traces may hold. of_one: characters of text, a row counting for ROW_SIZE more. of_all: bytes of memory."""

    of_one: int = 1 << 20
    of_all: int = 256 << 20


@dataclass(slots=True)
class Over:
    """A trace that is closed and remembered."""

    closed_ns: int
    heard_ns: int

    def until_ns(self, policies: Sequence[WindowPolicy]) -> int:
        """When it is forgotten."""
        remembered = remembered_ns(policies)
        return min(self.heard_ns, self.closed_ns + max(policy.trace_longest_ns for policy in policies)) + remembered


class SampledTraces:
    """State of one partition."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._open: dict[str, Open] = {}
        self._due: list[tuple[int, str]] = []
        self._over: dict[str, Over] = {}
        self._forget: list[tuple[int, str]] = []
        self._first: OrderedDict[str, int] = OrderedDict()  # offset at which each trace began, by that offset
        self._spoken: OrderedDict[str, None] = OrderedDict()  # the same traces by their last span
        self._fading: deque[tuple[int, int]] = deque()  # until when, first offset; both rise
        self.size = 0
        self.late = 0
        self.forgotten = 0
        """Traces forgotten before their time, because too many others were spoken of since."""

    def __len__(self) -> int:
        """Open traces."""
        return len(self._open)

    @property
    def known(self) -> int:
        """Traces that are open or remembered."""
        return len(self._first)

    @property
    def began(self) -> dict[str, int]:
        """Those traces, and the offset at which each began."""
        return dict(self._first)

    def arrive(self, offset: int, row: SampleRow, policy: WindowPolicy, at_ns: int, latest_ns: int) -> Closed | None:
        """A span comes at watermark `at_ns`. Returns its trace if that is full now.

        latest_ns: what a span may say of its end at most; one from next week would hold its trace, and the offset, until then.
        """
        heard = max(min(row.end_ns, latest_ns), at_ns)
        self._spoken[row.trace_id] = None
        self._spoken.move_to_end(row.trace_id)
        if over := self._over.get(row.trace_id):
            over.heard_ns = max(over.heard_ns, heard)
            self.late += 1
            return None
        trace = self._open.get(row.trace_id)
        if trace is None:
            trace = self._open[row.trace_id] = Open(row.trace_id, heard, heard, heard)
            self._first[row.trace_id] = offset
            heappush(self._due, (trace.due_ns(policy), row.trace_id))
        trace.heard_ns = max(trace.heard_ns, heard)
        if row.span_id in trace.rows:
            return None
        trace.rows[row.span_id] = row
        trace.begun_ns, trace.quiet_ns = min(trace.begun_ns, heard), max(trace.quiet_ns, heard)
        if row.is_root and not trace.rooted:
            trace.rooted = True
            heappush(self._due, (trace.due_ns(policy), row.trace_id))
        trace.size += row.size + ROW_SIZE
        trace.held += row.held + ROW_HELD
        self.size += row.held + ROW_HELD
        if len(trace.rows) >= policy.max_trace_spans or trace.size > self._room.of_one:
            return self._close(trace, at_ns, cut=True)
        return None

    def due(self, policy: WindowPolicy, at_ns: int) -> Iterator[Closed]:
        """Traces that are over at watermark `at_ns`, by when they were."""
        while self._due and self._due[0][0] <= at_ns:
            _, trace_id = heappop(self._due)
            trace = self._open.get(trace_id)
            if trace is None:
                continue
            if (due := trace.due_ns(policy)) > at_ns:
                heappush(self._due, (due, trace_id))
            else:
                yield self._close(trace, at_ns, cut=not trace.rooted or trace.quiet_ns + policy.trace_settle_ns > at_ns)

    def forget(self, policies: Sequence[WindowPolicy], at_ns: int) -> Iterator[Closed]:
        """Forget the traces whose time is over at watermark `at_ns`, and those over the bound; yields what of these was open.
        policies: all that are in force.
        """
        most = max(policy.max_traces for policy in policies)
        while len(self._spoken) > most:
            oldest = next(iter(self._spoken))
            if trace := self._open.get(oldest):
                yield self._close(trace, at_ns, cut=True)
            self.forgotten += 1
            self._let_go(oldest, at_ns + 1)  # it was still known to whoever stands at this watermark, before this message
        while self._forget and self._forget[0][0] <= at_ns:
            _, trace_id = heappop(self._forget)
            over = self._over.get(trace_id)
            if over is None:
                continue
            if (until := over.until_ns(policies)) > at_ns:
                heappush(self._forget, (until, trace_id))
            else:
                self._let_go(trace_id, until)

    def _let_go(self, trace_id: str, until_ns: int) -> None:
        """Know a trace no more; it fades until nobody asks what was known before."""
        del self._over[trace_id], self._spoken[trace_id]
        first, until = self._first.pop(trace_id), max(until_ns, self._fading[-1][0] if self._fading else until_ns)
        while self._fading and self._fading[-1][1] >= first:
            self._fading.pop()  # it holds no more than this one, and not for longer
        self._fading.append((until, first))

    def too_many(self, at_ns: int) -> Iterator[Closed]:
        """The oldest traces, cut until there is room again."""
        while self.size > self._room.of_all and self._open:
            yield self._close(next(iter(self._open.values())), at_ns, cut=True)

    def end(self) -> Iterator[Closed]:
        """The log has ended: every trace is over."""
        for trace in list(self._open.values()):
            del self._open[trace.trace_id]
            yield _closed(trace, cut=not trace.rooted)

    def held(self, position: int, settled_ns: int) -> int:
        """First offset of a trace that is open or remembered, or was when the watermark was at `settled_ns`; else `position`."""
        while self._fading and self._fading[0][0] <= settled_ns:
            self._fading.popleft()
        known, fading = next(iter(self._first.values()), position), self._fading[0][1] if self._fading else position
        return min(position, known, fading)

    def _close(self, trace: Open, at_ns: int, cut: bool) -> Closed:
        del self._open[trace.trace_id]
        self.size -= trace.held
        self._over[trace.trace_id] = Over(at_ns, trace.heard_ns)
        heappush(self._forget, (trace.heard_ns, trace.trace_id))
        if len(self._forget) > 64 + 2 * len(self._over):  # of many forgotten before their time
            self._forget = sorted((over.heard_ns, trace_id) for trace_id, over in self._over.items())
        return _closed(trace, cut)


def _closed(trace: Open, cut: bool) -> Closed:
    rows = sorted(trace.rows.values(), key=lambda row: (row.start_ns, -row.end_ns, row.span_id))
    return Closed(trace.trace_id, tuple(rows), cut or any(row.cut for row in rows))


def remembered_ns(policies: Sequence[WindowPolicy]) -> int:
    """How long after its last span a trace is remembered under these rules together."""
    longest = max(max(policy.trace_idle_ns, policy.trace_settle_ns) for policy in policies)
    return longest + max(policy.allowed_lateness_ns for policy in policies)
