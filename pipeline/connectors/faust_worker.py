"""Runs a stage with state over the partitions of one topic, with Faust: membership, fetching and little else.

One actor per partition gathers what has arrived, lets the stage fold it, and carries its effects out in the order that
makes them exact: messages confirmed, progress confirmed, offsets committed. State belongs to what was delivered in one
go: it is dropped, and opened anew from the progress topic, at the first message of another generation and whenever
redelivery begins again at an older offset (a member may rejoin within its generation). Nothing is flushed at the end.

Faust's acknowledgements are switched off (`acks=False`). They need every message since the committed offset kept in
memory, forget what they tried to commit during a rebalance, and may pass a message that was never acknowledged after a
gap in the log. `Progress.committed` already is the offset to commit, so it is committed as it stands, and no message
outlives its step: what a partition holds is bounded by one batch, Faust's buffer of 16 messages and one fetch.

Guarantee: within one session of a partition every offset from the committed one on reaches the stage once, in order; a
hole that the log's own start does not explain stops the process. A stale owner (stopped, then continued after others
took over) may repeat messages and progress, both harmless by their meaning, but its commit is refused by the broker.

Source: faust-streaming 0.15.3, aiokafka 0.14; `tests/conformance/test_worker.py` holds all of this on real Kafka.
"""

import asyncio
import faulthandler
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

import faust
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust import streams
from faust.transport.conductor import Conductor
from mode.supervisors import CrashingSupervisor

from pipeline.connectors.clock import steady, wait
from pipeline.connectors.evaluating import Asking
from pipeline.connectors.faust_security import credentials
from pipeline.connectors.faust_seeking import SeekingConsumer
from pipeline.connectors.kafka import Producer, unowned
from pipeline.connectors.log_ids import LogIds
from pipeline.connectors.owned_partition import Delivered, Outside, OwnedPartition
from pipeline.connectors.progress_log import ProgressLog
from pipeline.errors import EngineError, Fatal, Transient
from pipeline.model.stream import Message, Source, State, Worker
from pipeline.settings import Settings

BATCH_RECORDS = 256
BATCH_BYTES = 16 << 20
PULSE = 0.2
"""Seconds a partition waits for a message before it steps with an empty batch."""
GRACE = 0.001
"""Seconds a batch waits for one more message: enough for one already in Faust's buffer."""
FOREVER = 1e9
BEAT_EVERY = 1.0
"""Seconds between two heartbeats."""
STILL = 10.0
"""Seconds after which a partition that has not turned counts as standing still; from then on the heartbeat ages."""
END_WITHIN = 15.0
"""Seconds a worker has to end once it stops or has crashed; then it ends as if it were killed, and says where it stood."""
IDLE_CHECK = 1.0
"""Seconds between two looks whether this process owns anything."""
IDLE_SESSIONS = 3
"""Session time-outs a member may own nothing before it asks whether partitions are free."""

log = logging.getLogger("tailrace.worker")

P = ParamSpec("P")
R = TypeVar("R")


def run_worker(
    settings: Settings,
    worker: Worker[State],
    input_topic_key: str = "spans",
    *,
    instance: str,
    partitions: int,
    overtaken: Callable[[Source, int, int], None] = lambda *_: None,
    beat: Callable[[], None] = lambda: None,
    asking: Callable[[], Asking] | None = None,
    progress_topic_key: str = "progress",
) -> None:
    """Run `worker` over the partitions this process is given, until SIGTERM or SIGINT. Call it in the main thread.

    Args:
        instance: name of this member that survives its restarts; no two live processes of a group may share one.
        partitions: how many its topic had when it was made: with more, those it knows by their number are others.
        overtaken: is told the offsets [due, found) of a partition that retention took before they were read. May block.
        progress_topic_key: where its progress stands.
        asking: for a worker that asks, begins what one session of a partition asks.
        beat: is called every second while the event loop and every partition in hand turn.

    Raises: what a step raised, or Fatal; then nothing of that step was acknowledged. SystemExit if Faust gave up.
    """
    if getattr(streams, "_CStreamIterator", None) is None:
        raise EngineError("faust-streaming is installed without its compiled iterator; install its binary wheel")
    group, topic = settings.group(worker.name), settings.topic(input_topic_key)
    log = ProgressLog(settings, group, input_topic_key, uuid4().hex, progress_topic_key)
    ids = LogIds(settings, [topic], {topic: partitions})

    def refuse_another(source: Source) -> None:
        ids.turn()
        ids.refuse_another(source)
        ids.refuse_more(topic)

    outside = Outside(
        worker,
        topic,
        _aside(log.takeover),
        _aside(log.log_start),
        log.entry,
        _aside(Outbox(settings).confirm),
        _aside(overtaken),
        refuse_another,
        asking,
    )
    app = _app(settings, group, instance)
    channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False)

    in_hand: set[Deliveries] = set()

    async def own(stream: Any) -> None:
        await _own(outside, Deliveries(app, topic, stream), in_hand)

    app.agent(channel, name=worker.name, isolated_partitions=True, supervisor_strategy=CrashingSupervisor)(own)
    app.task(_idle_watch(settings, worker.name, topic, app))
    app.task(_pulse_of(in_hand, beat))
    try:
        _execute(app)
    except _OverlookedError:
        # A static member that returns within its session gets back what it had: nothing. So the session ends first.
        wait(settings.session_timeout + 1)
        raise


class _OverlookedError(EngineError):
    """A member owns nothing though partitions are free."""


def _idle_watch(settings: Settings, stage: str, topic: str, app: Any) -> Callable[[], Awaitable[None]]:
    """A task that ends the process if it owns nothing for long though partitions are free: the group has lost sight of it."""

    async def watch() -> None:
        idle_since = steady()
        while True:
            await asyncio.sleep(IDLE_CHECK)
            if app.consumer.assignment():
                idle_since = steady()
            elif steady() - idle_since > IDLE_SESSIONS * settings.session_timeout:
                try:
                    free = await asyncio.to_thread(unowned, settings, stage, topic)
                except Transient:
                    continue
                if free:
                    raise _OverlookedError(
                        f"member of {settings.group(stage)} without a partition, though {free} of {topic} are free"
                    )
                log.warning("this member has owned nothing for long; asked whether partitions are free: none is")
                idle_since = steady()

    return watch


def _pulse_of(in_hand: "set[Deliveries]", beat: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A task that beats unless a partition stands still: it is alive only if all of them are."""

    async def pulse() -> None:
        while True:
            now = steady()
            if all(now - partition.turned < STILL for partition in in_hand):
                beat()
            await asyncio.sleep(BEAT_EVERY)

    return pulse


def _aside(blocking: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """The same, off the event loop."""
    return lambda *args, **kwargs: asyncio.to_thread(blocking, *args, **kwargs)


class Outbox:
    """One producer for all partitions of a process, one call at a time: `Producer.confirm` speaks of all that was sent."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(settings)
        self._lock = Lock()

    def confirm(self, messages: Sequence[Message]) -> None:
        """Send `messages` and wait until the log has them all. Raises Transient or Fatal."""
        with self._lock:
            self._producer.send(messages)
            self._producer.confirm()


async def _own(outside: Outside[State], deliveries: "Deliveries", in_hand: "set[Deliveries]") -> None:
    """An actor's life. Faust cancels the actor of a lost partition if it is busy, and takes a raised cancellation for a
    crash of the program; so this outermost coroutine ends quietly instead.

    An error while the worker stops ends the actor alone. Nothing of its step is acknowledged, so whoever is next meets it
    again; raised, it would find Faust's supervisor gone, and an AttributeError would hide it and why the worker stops.
    """
    in_hand.add(deliveries)
    try:
        try:
            await OwnedPartition(outside, deliveries).run()
        finally:
            in_hand.discard(deliveries)
            await deliveries.close()
    except asyncio.CancelledError:
        return
    except Exception as error:
        if not deliveries.stopping():
            log.warning("a partition ended with %r; the worker stops", error)
            _end_soon()
            raise
        log.exception("a partition ended with an error while the worker was stopping; nothing of its step is acknowledged")


class Deliveries:
    """The messages of one actor's stream. One request for the next message is always under way and never cancelled
    while the partition is ours: cancelling it would lose the message.
    """

    def __init__(self, app: Any, topic: str, stream: Any) -> None:
        self._app = app
        self._topic = topic
        # The set of the first actor is filled at the first assignment; the clone below shares it.
        self._stream = stream.noack()
        self._values = aiter(self._stream)
        self._coming: asyncio.Task[Any] | None = None
        self.turned = steady()

    def owned(self) -> tuple[int, int] | None:
        """(partition, generation) while messages flow. They stop before a rebalance takes anything away, and flow again
        after all positions were set back to the committed offsets.
        """
        for tp in self._stream.active_partitions:
            if self._app.flow_control.is_active() and tp in self._app.consumer.assignment():
                return tp.partition, self._app.consumer_generation_id
        return None

    def stopping(self) -> bool:
        """The worker has been told to stop, or has crashed."""
        return bool(self._app.should_stop)

    def turn(self) -> None:
        """As the protocol says."""
        self.turned = steady()

    async def gather(self) -> Sequence[Delivered] | None:
        """At most a batch of what is there, in order; empty after a pulse of silence; None once the stream has ended."""
        self.turned = steady()
        batch: list[Delivered] = []
        size = 0
        while len(batch) < BATCH_RECORDS and size < BATCH_BYTES:
            self._coming = self._coming or asyncio.create_task(self._next())
            done, _ = await asyncio.wait({self._coming}, timeout=GRACE if batch else PULSE)
            if not done:
                break
            message, self._coming = self._coming.result(), None
            if message is None:
                return None
            batch.append(_delivered(message))
            size += len(message.value or b"")
        return batch

    async def _next(self) -> Any:
        """The next message; None if the partition is lost. The event must be asked for before the stream moves on."""
        async for _ in self._values:
            return self._stream.current_event.message
        return None

    async def commit(self, partition: int, offset: int) -> None:
        """Commit in the consumer's own thread, as long as it has the partition: it may have lost it since it was asked.

        Not by Faust's own commit, which asks aiokafka to commit nothing then, and takes the refusal for a crash.
        """
        thread = self._app.consumer._thread
        await thread.call_thread(_commit, thread, TopicPartition(self._topic, partition), offset)

    async def close(self) -> None:
        """Take the stream out of Faust's books now: one found there at the next assignment would stop the process."""
        if self._coming is not None:
            self._coming.cancel()
            with suppress(asyncio.CancelledError):
                await self._coming
        await self._values.aclose()


async def _commit(thread: Any, tp: TopicPartition, offset: int) -> None:
    """A partition or membership that is gone is no error: its next owner commits. Raises Fatal if Kafka forbids it."""
    consumer = thread._ensure_consumer()
    if tp not in consumer.assignment():
        return
    try:
        await consumer.commit({tp: OffsetAndMetadata(offset, "")})
    except (CommitFailedError, IllegalStateError) as error:
        log.info("%s was taken away before %d was committed: %s", tp, offset, type(error).__name__)
    except KafkaError as error:
        raise Fatal(f"cannot commit {tp.topic}-{tp.partition}: {error}") from error


def _delivered(message: Any) -> Delivered:
    time_ns = round(message.timestamp * 1000) * 1_000_000
    return Delivered(message.generation_id, message.offset, time_ns, message.value, message.key, tuple(message.headers or ()))


class _Conductor(Conductor):
    """Forgets a lost partition's stream without subscribing anew to the one topic there is.

    Faust would do so 45 s later, which is one more rebalance of the whole group; and if the process ends before, it asks
    a consumer that is gone and waits for ever: of 15 crashes 3 never ended.
    """

    def discard(self, topic: Any) -> None:
        self._topics.discard(topic)


def _end_soon() -> None:
    """From now on the process has END_WITHIN seconds. Nothing is lost by its end: what it had not acknowledged comes again.

    Faust waits in some places for what will not come any more; one crash in some hundred never ended.
    """
    faulthandler.dump_traceback_later(END_WITHIN, exit=True)


class _App(faust.App):
    def _new_transport(self) -> Any:
        transport: Any = super()._new_transport()
        transport.Consumer = SeekingConsumer
        return transport

    def _new_conductor(self) -> Conductor:
        return _Conductor(app=self, beacon=None)

    async def on_stop(self) -> None:
        _end_soon()
        await super().on_stop()

    def _crash(self, reason: BaseException) -> None:
        _end_soon()
        super()._crash(reason)

    def _create_directories(self) -> None:
        """Faust keeps nothing on disk for us, so it needs no directory to keep it in."""


def _app(settings: Settings, group: str, instance: str) -> Any:
    session = settings.session_timeout
    return _App(
        group,
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        broker_credentials=credentials(settings.kafka_security),
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 5,
        broker_request_timeout=max(90.0, 2 * session),
        consumer_group_instance_id=instance,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        # What Faust would take for a stuck stream is a window that is still open.
        broker_commit_livelock_soft_timeout=FOREVER,
        stream_processing_timeout=FOREVER,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
        worker_redirect_stdouts=False,
    )


def _execute(app: Any) -> None:
    """Run until a signal. Raises the error that crashed the app instead of Faust's exit."""
    process = faust.Worker(app, quiet=True, override_logging=False)
    process.spinner = None
    try:
        process.execute_from_commandline()
    except SystemExit as end:
        if process.crash_reason is not None:
            raise process.crash_reason from None
        if end.code:
            raise
    finally:
        faulthandler.cancel_dump_traceback_later()
