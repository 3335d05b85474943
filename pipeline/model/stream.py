"""What flows between the world and a stage: records in, effects out.

A stage is `step(state, batch, now_ns) -> (state, effects)` and never touches the world; a connector reads the batch,
carries the effects out and acknowledges last. The offset travels with the value, so acknowledging needs no memory
of its own: `Progress.committed` says what may be forgotten.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pipeline.model.asks import Answered, Ask
from pipeline.model.log_time import NOTHING_SAID, Era, LogClock, LogTime

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Source:
    """One partition of one incarnation of a log. Offsets mean something only together with it.

    `epoch` tells a recreated topic from its predecessor (Kafka's topic id), or a replayed file from another.
    """

    topic: str
    partition: int
    epoch: str

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.epoch}"


@dataclass(frozen=True, slots=True)
class Record:
    """One message read from a log."""

    source: Source
    offset: int
    timestamp_ns: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message to write. `partition` is always chosen by us: clients' default partitioners differ."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unending:
    """A trace that is over and never falls silent, and that no offset is held for any more.

    trace_id: 32 hex digits. route, cohort: what its late calls take from it. heard_ns: event time of its last span so far.
    """

    trace_id: str
    route: str
    cohort: str
    heard_ns: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition has come: everything a successor must know.

    committed: first offset still held (exclusive end of what may be acknowledged).
    folded: offset up to which every row has had its verdict; never decreases, also during replay.
    watermark_ns: event time the partition has passed; never decreases.
    clock: what the log had said about time up to `folded`.
    eras: the rules in force up to `folded`; without any, the owner's own (progress written before there were eras).
    begin: what stood at `committed`, from where a successor folds everything again; without it, what stands at `folded`.
    unending: traces that are over for whoever folds from `committed` on, though they began before it.
    beside, stood: what else a stage must know of `folded`, and what else stood at `committed`, in words of its own.
    """

    committed: int
    folded: int
    watermark_ns: int
    clock: LogClock = NOTHING_SAID
    eras: tuple[Era, ...] = ()
    begin: LogTime | None = None
    unending: tuple[Unending, ...] = ()
    beside: str = ""
    stood: str = ""


def joined(written: Iterable[Progress]) -> Progress | None:
    """What writers of one log's progress know together: who folded furthest, beginning where least is held; None without any.

    written: in the order of writing. Of those that folded equally far the last knows best what stands beside.

    All of it is true of the log, and the further a log is folded, the later begins what is held.
    """
    known = list(written)
    if not known:
        return None
    furthest = max(reversed(known), key=lambda p: (p.folded, p.watermark_ns))
    last = max(known, key=lambda p: (p.committed, p.folded))
    return replace(furthest, committed=last.committed, begin=last.begin, unending=last.unending, stood=last.stood)


@dataclass(frozen=True, slots=True)
class Insert:
    """Blocks to put into one table, as they came from the log.

    `origins`, where given, has the record of each block, so that a block the store refuses becomes a dead letter.
    """

    table: str
    blocks: tuple[bytes, ...]
    origins: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """What a step wants done, in this order: inserts and messages confirmed, then those whose truth needs these, progress
    confirmed, offsets acknowledged.

    asks: what is to be judged; the answers come to `Judging.heard`, in any order.
    """

    messages: tuple[Message, ...] = ()
    inserts: tuple[Insert, ...] = ()
    progress: Progress | None = None
    asks: tuple[Ask, ...] = ()
    then: tuple[Message, ...] = ()


class Worker(Protocol[State]):
    """A stage with state that belongs to (partition, generation): rebuilt from the log, never saved."""

    @property
    def name(self) -> str:
        """Of the stage; its consumer group is called after it."""
        ...

    def first(self) -> Progress:
        """The progress of a log nobody has read: where, and by which rules, its first owner begins."""
        ...

    def open(self, source: Source, progress: Progress | None) -> State:
        """State of a partition just taken over, given the largest progress any generation wrote (None: never)."""
        ...

    def step(self, state: State, batch: Sequence[Record], now_ns: int) -> tuple[State, Effects]:
        """Fold `batch` (may be empty: time has passed) and say what to do. Raises only for what nobody expected."""
        ...


class Judging(Worker[State], Protocol[State]):
    """A worker that asks, and is told the answers."""

    def is_full(self, state: State) -> bool:
        """Whether so many answers are awaited that nothing more is to be read."""
        ...

    def heard(self, state: State, answers: Sequence[Answered]) -> None:
        """Take the answers in; the next step says what becomes of them."""
        ...
