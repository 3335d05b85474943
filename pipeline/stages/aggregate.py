"""aggregate: span blocks in; panes, verdicts, status and progress out.

The state of a partition is its open windows and traces; it is dropped with its generation and rebuilt from the log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipeline.model.columns import DEAD_LETTERS, LEDGER, PANES, REPEATS, STATUS, TRACE_PANES, TRACES
from pipeline.model.log_time import BEGINNING, END_OF_TIME, LogTime, WindowPolicy
from pipeline.model.reasons import Reason
from pipeline.model.stream import Effects, Message, Progress, Record, Source
from pipeline.operators import eras
from pipeline.operators.blocks import blank, by_column, encode_bounded, encode_rows
from pipeline.operators.by_route import Columns, by_route
from pipeline.operators.decode.accounts import DeadSpan, dead_letter
from pipeline.operators.frontiers import Family, Frontiers, ended, final
from pipeline.operators.log_marks import SETTINGS_KEY, TICKS_KEY, encode_settings, read_settings, read_ticks
from pipeline.operators.panes import Fired, Verdicts, Windows, pane_columns
from pipeline.operators.siphash import Key, key_of
from pipeline.operators.span_columns import SpanColumns, read_span_block
from pipeline.operators.trace_rows import repeat_columns, trace_columns
from pipeline.topics import partition_of

STATUS_EVERY_NS = 10_000_000_000
ASK_EVERY_NS = 60_000_000_000
MOST_NAMED = 20
"""Sources left out that a status names."""

TRACES_KEY = b"traces"
"""Of a message of panes: it holds panes of traces."""
FAMILIES: tuple[Family, ...] = ("calls", "traces")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names and partition counts of what aggregate writes. spans_partitions: of what it reads, for frontiers."""

    panes: str
    ledger: str
    dead_letters: str
    status: str
    panes_partitions: int
    traces: str = "traces"
    repeats: str = "repeats"
    spans_partitions: int = 1


@dataclass(slots=True)
class Partition:
    """State of one partition in one generation.

    key: of the ids' hashes, one for the log. asked_at_ns: when the log was last asked for our settings.
    """

    source: Source
    windows: Windows
    key: Key
    frontiers: Frontiers
    early_at_ns: int = BEGINNING
    status_at_ns: int = BEGINNING
    progress_at_ns: int = BEGINNING
    progress: Progress | None = None
    asked_at_ns: int = 2 * BEGINNING
    ledger: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    panes: list[Columns] = field(default_factory=list)
    trace_panes: list[Columns] = field(default_factory=list)
    traces: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The stage, as the worker connector runs it. Durations in nanoseconds of wall clock.

    `policy` is what the settings ask for. What a log is judged by stands in the log and its progress (`operators/eras.py`).
    finest_ns: no log is judged by windows that are no multiple of it, whoever asks.
    """

    policy: WindowPolicy
    outputs: Outputs
    early_every_ns: int
    progress_every_ns: int
    finest_ns: int = 1_000_000_000
    name: str = "aggregate"

    def first(self) -> Progress:
        """A log nobody has read is judged by our settings from its start."""
        return Progress(0, 0, BEGINNING, eras=eras.first(self.policy))

    def open(self, source: Source, progress: Progress | None) -> Partition:
        """An empty partition that continues from `progress`."""
        known = progress or self.first()
        rules = known.eras or eras.first(self.policy)
        reached = LogTime(known.watermark_ns, known.clock, rules)
        windows, key = Windows(known.begin or reached, known.committed, known.folded, reached), key_of(str(source))
        windows.traces.recall(known.unending, key)
        to = self.outputs
        frontiers = Frontiers(to.panes, to.panes_partitions, str(source), to.spans_partitions)
        return Partition(source, windows, key, frontiers, progress=progress)

    def step(self, state: Partition, batch: Sequence[Record], now_ns: int) -> tuple[Partition, Effects]:
        """Fold the batch block by block, fire what is due, and say how far the partition has come."""
        for record in batch:
            self._fold(state, record)
            self._told(state)
            self._fire(state, state.windows.due())
            self._fire_traces(state, state.windows.due_traces())
        if now_ns - state.early_at_ns >= self.early_every_ns:
            state.early_at_ns = now_ns
            self._fire(state, state.windows.changed())
        messages = (*self._out(state), *self._status(state, now_ns), *self._ask(state, now_ns))
        then = self._frontiers(state)
        return state, Effects(messages=messages, progress=self._progress(state, now_ns, bool(messages or then)), then=then)

    def close(self, state: Partition) -> Effects:
        """The log of a replayed file has ended: everything becomes final."""
        state.windows.end()
        self._told(state)
        self._fire(state, state.windows.close())
        self._fire_traces(state, state.windows.close_traces())
        over, position = (END_OF_TIME, END_OF_TIME), state.windows.position
        said = [message for family in FAMILIES for message in state.frontiers.passed(family, *over, position)]
        return Effects(messages=self._out(state), then=tuple(said))

    def _fold(self, state: Partition, record: Record) -> None:
        windows, value = state.windows, record.value or b""
        if record.offset < windows.begin:
            return
        try:
            if record.key == TICKS_KEY:
                windows.tick(record.offset, record.timestamp_ns, read_ticks(value))
                return
            if record.key == SETTINGS_KEY:
                windows.change(record.offset, record.timestamp_ns, read_settings(value, self.finest_ns))
                return
            columns = _block(record, state.key)
        except ValueError as error:
            windows.skip(record.offset, record.timestamp_ns)
            if record.offset >= windows.judged:
                state.dead.append(dead_letter(DeadSpan(record, -1, Reason.MALFORMED_BLOCK, str(error)[:200]), False))
            return
        verdicts = windows.fold(record.offset, record.timestamp_ns, columns)
        if verdicts is not None and verdicts.rows:
            state.ledger.append(_ledger_row(record, verdicts))

    def _ask(self, state: Partition, now_ns: int) -> list[Message]:
        """Once an owner has caught up: the wish for our settings, while the log is judged by others."""
        windows = state.windows
        if windows.position < windows.judged or windows.eras[-1].policy == self.policy:
            return []
        if now_ns - state.asked_at_ns < ASK_EVERY_NS:
            return []
        state.asked_at_ns = now_ns
        return [Message(state.source.topic, state.source.partition, encode_settings(self.policy), SETTINGS_KEY)]

    def _fire(self, state: Partition, firings: Iterable[Fired]) -> None:
        for start, window, firing, slots in firings:
            if slots:
                source, revision = str(state.source), state.windows.position
                state.panes.append(pane_columns(start, window, firing, slots, source, revision))

    def _fire_traces(self, state: Partition, firings: Iterable[Fired]) -> None:
        for start, window, firing, slots in firings:
            state.trace_panes.append(pane_columns(start, window, firing, slots, str(state.source), state.windows.position))

    def _told(self, state: Partition) -> None:
        """Rows of the traces that are over, and of spans that repeat a call."""
        repeats, closed = state.windows.told()
        source, revision = state.source, state.windows.position
        written = [(self.outputs.traces, TRACES, trace_columns(k, str(source), revision)) for k in closed]
        written += [(self.outputs.repeats, REPEATS, repeat_columns(k, str(source), revision)) for k in repeats]
        for topic, columns, values in written:
            state.traces += [Message(topic, source.partition, block) for block in encode_bounded(columns, values)]

    def _out(self, state: Partition) -> tuple[Message, ...]:
        """All that this step has to write."""
        to = (self.outputs.panes, self.outputs.panes_partitions)
        panes = by_route(*to, PANES, state.panes, None)
        trace_panes = by_route(*to, TRACE_PANES, state.trace_panes, TRACES_KEY)
        messages = (*state.traces, *panes, *trace_panes, *self._side(state))
        state.panes, state.trace_panes, state.traces = [], [], []
        return messages

    def _frontiers(self, state: Partition) -> tuple[Message, ...]:
        """How far the windows have come; nothing while they are folded again, when others have said more."""
        windows, say = state.windows, state.frontiers.passed
        if windows.position <= windows.judged:
            return ()
        watermark_ns, whole = windows.watermark_ns, ended(windows.eras, windows.whole_ns)
        calls = say("calls", ended(windows.eras, watermark_ns), final(windows.eras, watermark_ns), windows.position)
        return (*calls, *say("traces", whole, whole, windows.position))

    def _side(self, state: Partition) -> list[Message]:
        """The verdicts and dead letters of this step."""
        side = partition_of(str(state.source), self.outputs.panes_partitions)
        written = ((self.outputs.ledger, LEDGER, state.ledger), (self.outputs.dead_letters, DEAD_LETTERS, state.dead))
        messages = [
            Message(topic, side, block)
            for topic, columns, rows in written
            for block in encode_bounded(columns, by_column(columns, rows))
        ]
        state.ledger, state.dead = [], []
        return messages

    def _status(self, state: Partition, now_ns: int) -> list[Message]:
        """What the Operations board shows of this partition; nothing while its windows are being folded again."""
        windows = state.windows
        if now_ns - state.status_at_ns < STATUS_EVERY_NS or windows.position < windows.judged:
            return []
        state.status_at_ns = now_ns
        metrics = {
            "watermark_delay_ns": float(now_ns - windows.watermark_ns) if windows.watermark_ns > BEGINNING else -1.0,
            "open_windows": float(len(windows.open)),
            "series": float(sum(len(w.keys) for w in windows.open.values())),
            "overflow": float(sum(w.overflow for w in windows.open.values())),
            "open_traces": float(len(windows.traces)),
            "trace_spans": float(windows.traces.spans),
            "held_offsets": float(windows.position - windows.held()[0]),
            "unending_traces": float(len(windows.traces.unending())),
            "unending_traces_held": float(windows.traces.holding_on),
        }
        where = f"{state.source.topic}:{state.source.partition}"
        told = [(where, metric, value) for metric, value in metrics.items()]
        left_out = islice(windows.watermark.left_out(), MOST_NAMED)
        told += [(source, "left_out_source_ns", float(silent)) for source, silent in left_out]
        if slowest := windows.watermark.slowest():
            told.append((slowest[0], "slowest_source_delay_ns", float(now_ns - slowest[1]) if slowest[1] > BEGINNING else -1.0))
        rows = [
            {"time_ns": now_ns, "stage": self.name, "source": source, "metric": metric, "value": value}
            for source, metric, value in told
        ]
        return [Message(self.outputs.status, 0, encode_rows(STATUS, rows))]

    def _progress(self, state: Partition, now_ns: int, wrote: bool) -> Progress | None:
        """How far the partition has come, at most once per `progress_every_ns`; None while replaying or unchanged."""
        windows = state.windows
        if windows.position < windows.judged or (not wrote and now_ns - state.progress_at_ns < self.progress_every_ns):
            return None
        folded = max(windows.position, windows.judged)
        committed, begin = windows.held()
        clock, unending = windows.watermark.snapshot(), windows.traces.unending()
        progress = Progress(committed, folded, windows.watermark_ns, clock, windows.eras, begin, unending)
        if progress == state.progress:
            return None
        state.progress_at_ns, state.progress = now_ns, progress
        return progress


def _block(record: Record, key: Key) -> SpanColumns:
    """The span block of a message. Raises ValueError; also under a key nobody knows, where the store takes it for none."""
    if record.key is not None:
        raise ValueError("a key nobody knows")
    return read_span_block(record.value or b"", key)


def _ledger_row(record: Record, verdicts: Verdicts) -> dict[str, Any]:
    return blank(LEDGER) | {
        "stage": "aggregate",
        "source": str(record.source),
        "offset": record.offset,
        "time_ns": record.timestamp_ns,
        "spans": verdicts.rows,
        "counted": verdicts.counted,
        "duplicate": verdicts.duplicate,
        "too_late": verdicts.too_late,
        "ahead_of_clock": verdicts.ahead_of_clock,
        "late_for_trace": verdicts.late_for_trace,
        "outside_nusd": verdicts.outside_nusd,
    }
