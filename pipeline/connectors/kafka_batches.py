"""The batch loop of a stage without state: read, step, carry out, commit.

At least once: a batch's offsets are committed after its effects are confirmed, and exactly those. A commit refused,
say because the group is being rebalanced, is kept and tried again while the partition is still ours; if it is not, its
next owner repeats the batch, which is why effects are idempotent.

While an effect cannot be carried out (Transient) the loop stays in the group: it pauses its partitions, keeps polling,
and tries again with growing pauses. So an engine may be away for an hour and nothing is lost, only late.
"""

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final, Protocol, cast

from confluent_kafka import OFFSET_BEGINNING, OFFSET_STORED, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Polled

from pipeline.connectors.clock import now_ns, steady, wait
from pipeline.connectors.kafka import ANSWER_WITHIN, HOPELESS, Heard, connection, sources, translate, translated
from pipeline.connectors.log_ids import LogIds
from pipeline.errors import EngineError, Transient
from pipeline.model.stream import Effects, Record, Source
from pipeline.settings import Settings

POLL: Final = 0.2
"""Longest wait of one poll, seconds: how soon a stop is noticed."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0
"""Seconds between two tries: doubled from the first up to the longest, less up to a half at random."""

QUEUED_BATCHES: Final = 2
"""Batches the client may hold fetched: one is being worked on while the next comes in."""

REFILL_AFTER_MS: Final = 10
"""How long fetching rests once that much is held. The client's own 1,000 ms left the loop idle for two thirds of the time."""

Step = Callable[[Sequence[Record], int], Effects]
Parts = Callable[[Sequence[Record]], Iterable[Sequence[Record]]]
CarryOut = Callable[[Effects], None]
Beat = Callable[[str], None]
Overtaken = Callable[[Source, int, int], None]
Partition = tuple[str, int]

log = logging.getLogger("tailrace.batches")

LAST_MS: Final = (1 << 62) // 1_000_000
"""The year 2116. Where senders may choose a record's time it can be anything that 64 bits hold, and no column takes that."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is full: so many records, so many bytes (passed by at most one record), or so old in seconds."""

    records: int
    size_bytes: int
    linger: float


class Watch(Protocol):
    """Is told what the loop owns and how far it is; see `source_ticks`."""

    def owns(self, owned: Iterable[Source], sizes: Mapping[str, int]) -> None:
        """These partitions are ours from now on; how many partitions their topics have."""
        ...

    def turn(self, positions: Mapping[Source, int]) -> None:
        """Once per turn of the loop: everything below these offsets was read and carried out. May raise Transient."""
        ...


def run_batches(
    settings: Settings,
    *,
    group: str,
    topic_keys: Sequence[str],
    step: Step,
    parts: Parts = lambda batch: (batch,),
    carry_out: CarryOut,
    stop: Event,
    limits: Limits,
    watch: Watch | None = None,
    overtaken: Overtaken = lambda *_: None,
    beat: Beat = lambda _: None,
) -> None:
    """Run until `stop` is set; what is read but not carried out then stays uncommitted.

    `parts` cuts a batch whose effects would be too much at once; each part is stepped and carried out before the next.
    `step(batch, now_ns)` is pure; `carry_out(effects)` returns when all is confirmed and raises Transient for another
    try. `overtaken(source, due, found)` is told when retention was faster than we: the offsets [due, found) are gone.
    `beat(waits_for)` is called at every turn, also while an effect is tried again; then it is told why.
    Raises EngineError when that goes on for longer than `retry_limit`, Fatal if a topic was made anew, and every Fatal of
    `carry_out` or Kafka.
    """
    reader = _Reader(settings, group, topic_keys, limits, watch, overtaken, beat)
    try:
        while not stop.is_set():
            batch = reader.gather(stop)
            for part in parts(batch) if batch else ():
                if stop.is_set() or not _persist(reader, carry_out, step(part, now_ns()), stop, settings.retry_limit):
                    break
                reader.finished(part)
            reader.commit()
            reader.refuse_other_logs()
            if not stop.is_set():  # else a batch may have been read and not carried out
                reader.tell()
    finally:
        reader.close()


def _persist(reader: "_Reader", carry_out: CarryOut, effects: Effects, stop: Event, limit: float) -> bool:
    """Carry out, trying again until `limit` seconds have passed. False: stopped before it succeeded."""
    deadline, pause = steady() + limit, FIRST_PAUSE
    while not stop.is_set():
        try:
            carry_out(effects)
        except Transient as error:
            if steady() >= deadline:
                raise EngineError(f"given up after {limit:g} s: {error}") from error
            log.warning("%s; trying again", error)
            reader.waits_for = str(error)
            reader.wait(pause * random.uniform(0.5, 1), stop)  # noqa: S311 - jitter is no secret
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            reader.resume()
            return True
    return False


class _Reader:
    """A member of a consumer group. Its callbacks run inside its own polls, so nothing here needs a lock."""

    def __init__(
        self,
        settings: Settings,
        group: str,
        topic_keys: Sequence[str],
        limits: Limits,
        watch: Watch | None,
        overtaken: Overtaken,
        beat: Beat,
    ) -> None:
        self.waits_for, self._beat = "", beat
        self._settings, self._limits, self._watch, self._overtaken = settings, limits, watch, overtaken
        self._keys = {settings.topic(key): key for key in topic_keys}
        self._ids = LogIds(settings, list(self._keys))
        self._owned: dict[Partition, Source] = {}
        self._sizes: dict[str, int] = {}
        self._read: list[Record] = []
        self._read_bytes = 0
        self._finished: dict[Partition, int] = {}
        self._position: dict[Partition, int] = {}
        self._heard = Heard(logging.INFO)  # until it is connected: what goes wrong before is raised
        config = {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(settings.session_timeout * 1000),
            "enable.partition.eof": watch is not None,  # tells where a log ends that ends in records nobody sees
            "queued.max.messages.kbytes": max(1024, QUEUED_BATCHES * limits.size_bytes // 1024),
            "fetch.queue.backoff.ms": REFILL_AFTER_MS,
            "error_cb": self._heard,
        }
        with translated("connect"):
            self._consumer = Consumer(connection(settings) | config)
        self._subscribe()

    def gather(self, stop: Event) -> list[Record]:
        """The next batch, in log order by partition; [] if nothing came within one poll."""
        deadline = steady() + self._limits.linger
        while not stop.is_set() and not self._full():
            wait = min(POLL, deadline - steady()) if self._read else POLL
            if wait <= 0:
                break
            first = not self._read
            if not self._poll(wait) and first:
                break
            if first:
                deadline = steady() + self._limits.linger
        batch, self._read, self._read_bytes = self._read, [], 0
        return batch

    def wait(self, seconds: float, stop: Event) -> None:
        """Stay in the group for so long without reading on. What still comes is kept for the next batch."""
        until = steady() + seconds
        while not stop.is_set() and (left := until - steady()) > 0:
            self._consumer.pause(self._consumer.assignment())
            self._poll(min(POLL, left))

    def resume(self) -> None:
        """Read on after `wait`."""
        self.waits_for = ""
        self._consumer.resume(self._consumer.assignment())

    def finished(self, batch: Sequence[Record]) -> None:
        """The batch's effects are confirmed: commit it next. Partitions lost meanwhile are their new owner's."""
        for record in batch:
            at = (record.source.topic, record.source.partition)
            if self._owned.get(at) == record.source:
                self._finished[at] = record.offset + 1

    def commit(self) -> None:
        """Commit what is finished; what is refused stays for the next time. Raises Fatal if there can be none."""
        if not self._finished:
            return
        offsets = [TopicPartition(*at, offset, metadata=self._owned[at].epoch) for at, offset in self._finished.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._refused(error.args[0])
            return
        for answer in answers:
            if answer.error is None:
                del self._finished[answer.topic, answer.partition]
            else:
                self._refused(answer.error)

    def tell(self) -> None:
        """Tell the watch how far everything was read and carried out; to be called with no batch in hand."""
        if self._watch is None:
            return
        reached = self._position | {(r.source.topic, r.source.partition): r.offset for r in reversed(self._read)}
        try:
            self._watch.turn({self._owned[at]: offset for at, offset in reached.items()})
        except Transient as error:
            log.warning("%s; trying again", error)

    def refuse_other_logs(self) -> None:
        """Raises Fatal if one of our topics was made anew."""
        self._ids.turn()
        for source in self._owned.values():
            self._ids.refuse_another(source)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _subscribe(self) -> None:
        try:
            known = self._consumer.list_topics(timeout=ANSWER_WITHIN).topics
        except KafkaException as error:
            self._consumer.poll(0)
            raise translate(self._heard.behind(error.args[0]), "connect") from error
        self._heard.level = logging.WARNING
        missing = sorted(self._keys.keys() - known.keys())
        if missing:
            raise EngineError(f"Kafka has no topic {', '.join(missing)}; run `tailrace topics apply`")
        self._consumer.subscribe(list(self._keys), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _full(self) -> bool:
        return len(self._read) >= self._limits.records or self._read_bytes >= self._limits.size_bytes

    def _poll(self, wait: float) -> bool:
        """Read at most one record. Rebalances happen in here."""
        self._beat(self.waits_for)
        with translated("poll"):
            polled = self._consumer.poll(wait)
        error = polled.error() if polled is not None else None
        if polled is not None and error is not None and error.code() == KafkaError._PARTITION_EOF:
            self._position[cast("Partition", (polled.topic(), polled.partition()))] = cast("int", polled.offset())
            return False
        if error is not None:
            self._heard(error)
        if self._heard.hopeless is not None:
            raise translate(self._heard.hopeless, "read")
        if polled is None or error is not None:
            return False
        record = as_record(self._owned[cast("Partition", (polled.topic(), polled.partition()))], polled)
        self._note_a_gap(record)
        self._read.append(record)
        self._position[record.source.topic, record.source.partition] = record.offset + 1
        self._read_bytes += len(record.value or b"")
        return True

    def _note_a_gap(self, record: Record) -> None:
        """Offsets may be missing for a reason (a transaction's marker is one); those before the log's start are lost."""
        at = (record.source.topic, record.source.partition)
        due = self._position.get(at, record.offset)
        if record.offset <= due + 1:
            return
        with translated("read"):
            start, _ = self._consumer.get_watermark_offsets(TopicPartition(*at), timeout=ANSWER_WITHIN)
        if start > due:
            self._overtaken(record.source, due, min(start, record.offset))

    def _refused(self, error: KafkaError) -> None:
        if error.code() in HOPELESS or error.fatal():
            raise translate(error, "commit")
        log.info("commit refused, tried again later: %s", error.str())

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for topic in {p.topic for p in partitions}:
            now = sources(self._settings, self._keys[topic])
            self._sizes[topic] = len(now)
            self._owned |= {(topic, p.partition): now[p.partition] for p in partitions if p.topic == topic}
        self._consumer.incremental_assign([self._beginning(p) for p in self._committed(partitions)])
        self._tell_owned()

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """With the offset the group committed, and the log it was committed of. A coordinator that is not ready is asked
        again: without its answer an offset of another log could be taken for one of this. Raises Transient in the end.
        """
        deadline = steady() + ANSWER_WITHIN
        while True:
            try:
                return self._consumer.committed(partitions, timeout=ANSWER_WITHIN)
            except KafkaException as error:
                if steady() > deadline:
                    raise translate(error.args[0], "committed offsets") from error
                wait(FIRST_PAUSE)

    def _beginning(self, committed: TopicPartition) -> TopicPartition:
        """Where to read on. An offset committed of a log that was there before means nothing."""
        at = (committed.topic, committed.partition)
        of_another = committed.metadata not in {None, "", self._owned[at].epoch}
        if of_another or committed.error is not None:
            return TopicPartition(*at, OFFSET_BEGINNING if of_another else OFFSET_STORED)
        if committed.offset >= 0:
            self._position[at] = committed.offset
        return TopicPartition(*at, committed.offset if committed.offset >= 0 else OFFSET_STORED)

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.commit()
        self._lost(_, partitions)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for at in [(p.topic, p.partition) for p in partitions]:
            self._owned.pop(at, None)
            self._finished.pop(at, None)
            self._position.pop(at, None)
        self._read = [r for r in self._read if (r.source.topic, r.source.partition) in self._owned]
        self._read_bytes = sum(len(r.value or b"") for r in self._read)
        self._tell_owned()

    def _tell_owned(self) -> None:
        if self._watch is not None:
            self._watch.owns(self._owned.values(), self._sizes)


def as_record(source: Source, polled: Polled) -> Record:
    """What was read of `source`, as a value."""
    headers = cast("list[tuple[str, bytes | None]]", polled.headers() or [])
    return Record(
        source,
        offset=cast("int", polled.offset()),
        timestamp_ns=min(polled.timestamp()[1], LAST_MS) * 1_000_000,
        value=polled.value(),
        key=polled.key(),
        headers=tuple((name, value or b"") for name, value in headers),
    )
