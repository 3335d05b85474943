"""scores: scores in; panes of the family `scores` and the scores that count out.

Of the scores in the log the first of each trace, evaluator, version and scorer counts, in the window of the time at which it
became known. The panes and the rows are made of the same decision, so they agree. The state of a partition is its open window
and what it remembers of scores; it is dropped with its generation and rebuilt from the log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.model.columns import DEAD_LETTERS, STATUS
from pipeline.model.log_time import BEGINNING, LogTime, WindowPolicy
from pipeline.model.reasons import Reason
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_PANES
from pipeline.model.stream import Effects, Message, Progress, Record, Source
from pipeline.operators import eras
from pipeline.operators.blocks import encode_bounded, encode_rows
from pipeline.operators.by_route import Columns, by_route
from pipeline.operators.decode.accounts import DeadSpan, dead_letter
from pipeline.operators.first_scores import Heard
from pipeline.operators.frontiers import Frontiers, ended
from pipeline.operators.log_marks import SETTINGS_KEY, TIME_KEY, encode_settings, read_settings
from pipeline.operators.panes import Fired, pane_columns
from pipeline.operators.score_columns import ScoreBlock, read_scores
from pipeline.operators.score_log import ScoreLog, Stood
from pipeline.topics import partition_of

STATUS_EVERY_NS = 10_000_000_000
ASK_EVERY_NS = 60_000_000_000
TIME_EVERY_NS = 1_000_000_000
"""Of wall clock: how soon a silent log is told the time again, where the last word came too early to end its window."""

SCORES_KEY = b"scores"
"""Of a message of panes: it holds panes of scores."""

_heard = msgspec.json.Decoder(list[Heard])


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names and partition counts of what scores writes. scores_partitions: of what it reads, for frontiers."""

    panes: str
    counted: str
    dead_letters: str
    status: str
    panes_partitions: int
    scores_partitions: int = 1


@dataclass(slots=True)
class Partition:
    """State of one partition in one generation. asked_at_ns, told_at_ns: when the log was last asked for our settings, told the
    time.
    """

    source: Source
    log: ScoreLog
    frontiers: Frontiers
    panes: list[Columns] = field(default_factory=list)
    counted: list[Message] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)
    early_at_ns: int = BEGINNING
    status_at_ns: int = BEGINNING
    progress_at_ns: int = BEGINNING
    asked_at_ns: int = 2 * BEGINNING
    told_at_ns: int = BEGINNING
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The stage, as the worker connector runs it. Durations in nanoseconds of wall clock.

    policy: what the settings ask for; of it a window's length and its series count here. finest_ns: no log is judged by windows
    that are no multiple of it, whoever asks.
    """

    policy: WindowPolicy
    outputs: Outputs
    early_every_ns: int
    progress_every_ns: int
    finest_ns: int = 1_000_000_000
    name: str = "scores"

    def first(self) -> Progress:
        """A log nobody has read is judged by our settings from its start."""
        return Progress(0, 0, BEGINNING, eras=eras.first(self.policy))

    def open(self, source: Source, progress: Progress | None) -> Partition:
        """An empty partition that continues from `progress`."""
        known = progress or self.first()
        reached = LogTime(known.watermark_ns, known.clock, known.eras or eras.first(self.policy))
        heard = _heard.decode(known.stood) if known.stood else ()
        log = ScoreLog(Stood(known.committed, known.begin or reached, heard), known.folded, reached)
        to = self.outputs
        return Partition(
            source, log, Frontiers(to.panes, to.panes_partitions, str(source), to.scores_partitions), progress=progress
        )

    def step(self, state: Partition, batch: Sequence[Record], now_ns: int) -> tuple[Partition, Effects]:
        """Fold the batch block by block, fire what is due, and say how far the partition has come."""
        for record in batch:
            self._fold(state, record)
            self._fire(state, state.log.due())
        if now_ns - state.early_at_ns >= self.early_every_ns:
            state.early_at_ns = now_ns
            self._fire(state, state.log.changed())
        time = self._time(state, now_ns) if not batch else ()
        messages = (*self._out(state), *self._status(state, now_ns), *self._ask(state, now_ns), *time)
        then = self._frontiers(state)
        return state, Effects(messages=messages, progress=self._progress(state, now_ns, bool(messages or then)), then=then)

    def _fold(self, state: Partition, record: Record) -> None:
        log, value = state.log, record.value or b""
        if record.offset < log.begin:
            return
        try:
            if record.key == SETTINGS_KEY:
                log.change(record.offset, record.timestamp_ns, read_settings(value, self.finest_ns))
                return
            if record.key == TIME_KEY:
                log.skip(record.offset, record.timestamp_ns)
                return
            block = _block(record)
        except ValueError as error:
            log.skip(record.offset, record.timestamp_ns)
            if record.offset >= log.judged:
                state.dead.append(self._dead(record, str(error)[:200]))
            return
        counting = log.fold(record.offset, record.timestamp_ns, block)
        columns = block.counted(counting, log.appended_ns, str(state.source), record.offset)
        state.counted += [
            Message(self.outputs.counted, state.source.partition, told) for told in encode_bounded(COUNTED_SCORES, columns)
        ]

    def _dead(self, record: Record, detail: str) -> Message:
        letter = dead_letter(DeadSpan(record, -1, Reason.MALFORMED_BLOCK, detail), False)
        side = partition_of(str(record.source), self.outputs.panes_partitions)
        return Message(self.outputs.dead_letters, side, encode_rows(DEAD_LETTERS, [letter]))

    def _fire(self, state: Partition, firings: Iterable[Fired]) -> None:
        for start, window, firing, slots in firings:
            state.panes.append(pane_columns(start, window, firing, slots, str(state.source), state.log.position))

    def _out(self, state: Partition) -> tuple[Message, ...]:
        """All that this step has to write."""
        panes = by_route(self.outputs.panes, self.outputs.panes_partitions, SCORE_PANES, state.panes, SCORES_KEY)
        messages = (*state.counted, *panes, *state.dead)
        state.counted, state.panes, state.dead = [], [], []
        return messages

    def _frontiers(self, state: Partition) -> tuple[Message, ...]:
        """How far the windows have come; nothing while they are folded again, when others have said more."""
        log = state.log
        if log.position <= log.judged:
            return ()
        over = ended(log.eras, log.appended_ns)
        return tuple(state.frontiers.passed("scores", over, over, log.position))

    def _ask(self, state: Partition, now_ns: int) -> list[Message]:
        """Once an owner has caught up: the wish for our settings, while the log is judged by others."""
        log = state.log
        if log.position < log.judged or log.eras[-1].policy == self.policy or now_ns - state.asked_at_ns < ASK_EVERY_NS:
            return []
        state.asked_at_ns = now_ns
        return [Message(state.source.topic, state.source.partition, encode_settings(self.policy), SETTINGS_KEY)]

    def _time(self, state: Partition, now_ns: int) -> list[Message]:
        """Where nothing is scored: a word that a window is over, so that it fires, and watch does not wait for this partition.

        No clock is believed: the window ends when the broker says so of that message.
        """
        log = state.log
        if log.position < log.judged or now_ns - state.told_at_ns < TIME_EVERY_NS:
            return []
        if log.policy.start(now_ns) <= log.appended_ns:
            return []
        state.told_at_ns = now_ns
        return [Message(state.source.topic, state.source.partition, b"", TIME_KEY)]

    def _status(self, state: Partition, now_ns: int) -> list[Message]:
        """What the Operations board shows of this partition; nothing while it is folded again."""
        log = state.log
        if now_ns - state.status_at_ns < STATUS_EVERY_NS or log.position < log.judged:
            return []
        state.status_at_ns = now_ns
        metrics = {
            "series": len(log.open.keys) if log.open is not None else 0,
            "overflow": log.open.overflow if log.open is not None else 0,
            "held_offsets": log.position - log.held().offset,
            "scores": log.rows,
            "repeated_scores": log.repeats,
        }
        where = f"{state.source.topic}:{state.source.partition}"
        rows = [
            {"time_ns": now_ns, "stage": self.name, "source": where, "metric": metric, "value": float(value)}
            for metric, value in metrics.items()
        ]
        return [Message(self.outputs.status, 0, encode_rows(STATUS, rows))]

    def _progress(self, state: Partition, now_ns: int, wrote: bool) -> Progress | None:
        """How far the partition has come, at most once per `progress_every_ns`; None while it is folded again or unchanged."""
        log = state.log
        if log.position < log.judged or (not wrote and now_ns - state.progress_at_ns < self.progress_every_ns):
            return None
        stood, now = log.held(), log.now()
        said = msgspec.json.encode(stood.heard).decode()
        folded = max(log.position, log.judged)
        progress = Progress(stood.offset, folded, now.watermark_ns, now.clock, log.eras, stood.time, stood=said)
        if progress == state.progress:
            return None
        state.progress_at_ns, state.progress = now_ns, progress
        return progress


def _block(record: Record) -> ScoreBlock:
    """The scores of a message. Raises ValueError; also under a key nobody knows."""
    if record.key is not None:
        raise ValueError("a key nobody knows")
    return read_scores(record.value or b"")
