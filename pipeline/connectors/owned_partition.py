"""The life of one partition in the hands of a worker, from its first delivery to its loss.

The idea: a *session* is one uninterrupted delivery, from the committed offset on. It begins with the state the stage
opens from the largest progress known, and ends without a word: another generation, or redelivery from an older offset,
begins the next one. Within a session every offset reaches the stage once and in order.

A step's effects are carried out in the only order that loses nothing: messages confirmed, then those that speak of them,
progress confirmed, offset committed. Whoever is interrupted in between leaves work for a successor to repeat, never a gap.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

from pipeline.connectors.clock import now_ns
from pipeline.connectors.evaluating import Asking
from pipeline.connectors.progress_log import Takeover
from pipeline.errors import Fatal
from pipeline.model.stream import Effects, Message, Progress, Record, Source, State, Worker

PULSE = 0.2
"""Seconds an answer is waited for before the partition steps without one."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message as it came, with the generation of the group it was fetched in."""

    generation: int
    offset: int
    timestamp_ns: int
    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Delivery(Protocol):
    """How messages of one partition come in: what a client library must offer."""

    def owned(self) -> tuple[int, int] | None:
        """(partition, generation) of the ownership in force; None before the first, during a rebalance, after the last."""
        ...

    async def gather(self) -> Sequence[Delivered] | None:
        """What has arrived, in order; empty after a pulse of silence; None once the partition is lost for good."""
        ...

    def turn(self) -> None:
        """The partition turns, though it asks for nothing."""
        ...

    async def commit(self, partition: int, offset: int) -> None:
        """Commit `offset` as this member, in its present generation. A refusal after a rebalance is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Outside(Generic[State]):
    """What all partitions of one worker share. The awaitables raise Fatal if Kafka does not answer in time.

    overtaken: is told the offsets [due, found) that retention took before they were read.
    refuse_another: raises Fatal if the broker holds another log under the source's name, or more partitions beside it.
    asking: for a worker that asks, begins what one session asks.
    """

    worker: Worker[State]
    topic: str
    takeover: Callable[[int], Awaitable[Takeover]]
    log_start: Callable[[int], Awaitable[int]]
    entry: Callable[[Source, int, Progress], Message]
    confirm: Callable[[Sequence[Message]], Awaitable[None]]
    overtaken: Callable[[Source, int, int], Awaitable[None]]
    refuse_another: Callable[[Source], None]
    asking: Callable[[], Asking] | None = None


@dataclass(slots=True)
class Session(Generic[State]):
    """One uninterrupted delivery: the state, and `next`, the offset it has been folded up to."""

    generation: int
    source: Source
    state: State
    next: int
    committed: int
    asking: Asking | None = None


class OwnedPartition(Generic[State]):
    """Folds one partition until it is lost."""

    def __init__(self, outside: Outside[State], delivery: Delivery) -> None:
        self._outside = outside
        self._delivery = delivery
        self._session: Session[State] | None = None

    async def run(self) -> None:
        """Until the partition is lost. Raises what a step raises, and Fatal."""
        try:
            while (batch := await self._next()) is not None:
                await self._advance(batch)
        finally:
            self._end()

    async def _next(self) -> Sequence[Delivered] | None:
        """What has arrived; nothing is read while as many answers are awaited as may be."""
        session = self._session
        if session is None or session.asking is None or not self._outside.worker.is_full(session.state):  # type: ignore[attr-defined]
            return await self._delivery.gather()
        self._delivery.turn()
        await session.asking.some(PULSE)
        return ()

    def _end(self) -> None:
        """The session is over: what it asked is not heard any more."""
        if self._session is not None and self._session.asking is not None:
            self._session.asking.end()
        self._session = None

    async def _advance(self, batch: Sequence[Delivered]) -> None:
        """One step. What was not delivered in the ownership in force is dropped: it will be delivered again."""
        owned = self._delivery.owned()
        if owned is None:
            return
        fresh = unbroken(batch, owned[1])
        session = self._session
        if session is None or session.generation != owned[1] or (fresh and fresh[0].offset < session.next):
            session = self._session = await self._open(*owned, fresh)
            if self._delivery.owned() != owned:
                return
        self._outside.refuse_another(session.source)
        await self._refuse_a_hole(session, fresh)
        records = [Record(session.source, m.offset, m.timestamp_ns, m.value, m.key, m.headers) for m in fresh]
        if session.asking is not None and (heard := session.asking.heard()):
            self._outside.worker.heard(session.state, heard)  # type: ignore[attr-defined]
        session.state, effects = self._outside.worker.step(session.state, records, now_ns())
        await self._carry_out(session, effects)
        if session.asking is not None:
            session.asking.ask(effects.asks)
        if fresh:
            session.next = fresh[-1].offset + 1

    async def _open(self, partition: int, generation: int, fresh: Sequence[Delivered]) -> Session[State]:
        """Drop what there was, acknowledging nothing, and begin again from what any generation wrote."""
        self._end()
        found = await self._outside.takeover(partition)
        if found.progress is None:
            # Of several first owners with different settings the first entry in the topic decides for all of them.
            await self._outside.confirm([self._outside.entry(found.source, generation, self._outside.worker.first())])
            found = await self._outside.takeover(partition)
        held = max(found.start, found.progress.committed if found.progress else 0)
        if found.begin > held:
            # A commit follows its progress, so this one was of the log that was here before.
            await self._delivery.commit(partition, held)
            raise Fatal(f"{found.source}: the offset committed is of a log before it; set back: start again to begin with it")
        if found.overtaken:
            await self._outside.overtaken(found.source, found.start - found.overtaken, found.start)
        state = self._outside.worker.open(found.source, found.progress)
        begin = min(found.begin, fresh[0].offset) if fresh else found.begin
        asking = self._outside.asking() if self._outside.asking is not None else None
        return Session(generation, found.source, state, begin, found.begin, asking)

    async def _refuse_a_hole(self, session: Session[State], fresh: Sequence[Delivered]) -> None:
        """Offsets follow one another; they may only jump to where the log now starts (retention was faster than we), or to what
        this session has committed before it was delivered: an owner whose progress says more than the group's offset does so,
        and after the next rebalance delivery begins there.

        So the input is neither compacted nor written in transactions. Raises Fatal.
        """
        expected = session.next
        for message in fresh:
            if message.offset != expected and not expected < message.offset <= session.committed:
                if await self._outside.log_start(session.source.partition) < message.offset:
                    raise Fatal(f"{session.source}: offset {message.offset} came where {expected} was due; nothing acknowledged")
                await self._outside.overtaken(session.source, expected, message.offset)
            expected = message.offset + 1

    async def _carry_out(self, session: Session[State], effects: Effects) -> None:
        assert not effects.inserts, "a worker writes to topics only: the sink inserts"
        for messages in filter(None, (effects.messages, effects.then)):
            await self._outside.confirm(messages)
        progress = effects.progress
        if progress is None:
            return
        await self._outside.confirm([self._outside.entry(session.source, session.generation, progress)])
        if progress.committed > session.committed and self._delivery.owned() == (session.source.partition, session.generation):
            await self._delivery.commit(session.source.partition, progress.committed)
            session.committed = progress.committed


def unbroken(batch: Sequence[Delivered], generation: int) -> Sequence[Delivered]:
    """What of `batch` belongs to `generation` and to one delivery: all after the last step back to an older offset."""
    fresh = [message for message in batch if message.generation == generation]
    for i in range(len(fresh) - 1, 0, -1):
        if fresh[i].offset <= fresh[i - 1].offset:
            return fresh[i:]
    return fresh
