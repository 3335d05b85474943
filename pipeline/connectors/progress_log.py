"""The progress topic: how far each partition has come, for whoever takes it over.

Partition p of a worker's input is spoken of in partition p % n of the topic, which has n. The key names the log, the
generation that owned it and the process (a static member that restarts inside its session keeps its generation), so that
compaction keeps the last word of every writer, a stale one's too: the successor takes the largest `folded` of them all,
and a stale writer can only add knowledge that is true of the log.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from confluent_kafka import Consumer, TopicPartition

from pipeline.connectors.kafka import connection, sources, translated
from pipeline.connectors.kafka_whole import READ_SECONDS, read_to_end
from pipeline.errors import SchemaError
from pipeline.model.log_time import NOTHING_SAID, Era, LogClock, LogTime
from pipeline.model.stream import Message, Progress, Source, Unending, joined
from pipeline.settings import Settings


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The value of one record of the progress topic (`schemas/json/progress.json`)."""

    committed: int
    folded: int
    watermark_ns: int
    generation: int
    clock: LogClock = NOTHING_SAID
    eras: tuple[Era, ...] = ()
    begin: LogTime | None = None
    unending: tuple[Unending, ...] = ()
    beside: str = ""
    stood: str = ""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a partition begins with.

    source: the log, in its present incarnation.
    progress: the largest any generation wrote, None if none did.
    begin: the offset redelivery begins at: the group's committed one, else the start of the log.
    start: the first offset the log still holds.
    overtaken: how many offsets from the committed one on retention took before.
    """

    source: Source
    progress: Progress | None
    begin: int
    start: int = 0
    overtaken: int = 0


def largest(source: Source, records: Iterable[tuple[bytes, bytes]]) -> Progress | None:
    """What (key, value) records of any generation say together of `source`; None if there is none.

    Raises: SchemaError if a record of this source cannot be read.
    """
    mine = f"{source}/".encode()
    try:
        found = [msgspec.json.decode(value, type=Entry) for key, value in records if value and key.startswith(mine)]
    except msgspec.DecodeError as error:
        raise SchemaError(f"a record of the progress topic of {source} cannot be read: {error}") from None
    return joined(
        Progress(e.committed, e.folded, e.watermark_ns, e.clock, e.eras, e.begin, e.unending, e.beside, e.stood) for e in found
    )


class ProgressLog:
    """Reads and words the progress of one worker's input topic. Every read blocks: call it off the event loop."""

    def __init__(self, settings: Settings, group: str, input_topic_key: str, writer: str, topic_key: str = "progress") -> None:
        self._settings = settings
        self._group = group
        self._input_key = input_topic_key
        self._input = settings.topic(input_topic_key)
        self._topic_key, self._topic = topic_key, settings.topic(topic_key)
        self._writer = writer
        self._among = 0

    def entry(self, source: Source, generation: int, progress: Progress) -> Message:
        """The record that says `progress`; for whoever has taken the partition over."""
        value = Entry(
            committed=progress.committed,
            folded=progress.folded,
            watermark_ns=progress.watermark_ns,
            generation=generation,
            clock=progress.clock,
            eras=progress.eras,
            begin=progress.begin,
            unending=progress.unending,
            beside=progress.beside,
            stood=progress.stood,
        )
        key = f"{source}/{generation}/{self._writer}".encode()
        return Message(self._topic, self._place(source.partition), msgspec.json.encode(value), key)

    def takeover(self, partition: int) -> Takeover:
        """All a new owner of `partition` must know. Raises Transient or Fatal if the broker does not say it."""
        source = sources(self._settings, self._input_key)[partition]
        self._among = len(sources(self._settings, self._topic_key))
        there = TopicPartition(self._input, partition)
        with self._reader() as reader:
            progress = largest(source, read_to_end(reader, self._topic, self._place(partition)))
            committed = reader.committed([there], timeout=READ_SECONDS)[0].offset
            start, _ = reader.get_watermark_offsets(there, timeout=READ_SECONDS)
        return Takeover(source, progress, max(committed, start), start, max(0, start - committed) if committed >= 0 else 0)

    def _place(self, partition: int) -> int:
        """The partition of the progress topic that speaks of `partition`; the input may have more than it."""
        return partition % self._among if self._among else partition

    def log_start(self, partition: int) -> int:
        """First offset the input topic still holds in `partition`."""
        with self._reader() as reader:
            start, _ = reader.get_watermark_offsets(TopicPartition(self._input, partition), timeout=READ_SECONDS)
        return int(start)

    @contextmanager
    def _reader(self) -> Iterator[Consumer]:
        """A short-lived reader that speaks for the group without joining it."""
        conf = {"group.id": self._group, "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 20}
        reader = Consumer({**connection(self._settings), **conf})
        try:
            with translated(f"read the progress of {self._input}"):
                yield reader
        finally:
            reader.close()
