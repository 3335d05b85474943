"""Single records of a topic, looked up by where they stand: for people's questions, not for stages."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline.connectors.clock import steady
from pipeline.connectors.kafka import connection, sources, translated
from pipeline.connectors.kafka_batches import as_record
from pipeline.errors import EngineError
from pipeline.model.stream import Record, Source
from pipeline.settings import Settings

READ_SECONDS = 10.0


def records_at(settings: Settings, topic_key: str, places: Iterable[tuple[str, int]]) -> Iterator[Record]:
    """The records at these (log id, offset), in this order.

    Raises EngineError for one that is gone: the topic was made anew, or retention has taken it.
    """
    logs = {str(source): source for source in sources(settings, topic_key).values()}
    with _reader(settings) as reader:
        for log, offset in places:
            if log not in logs:
                raise EngineError(f"{log} is no log of {settings.topic(topic_key)}: the topic was made anew since")
            yield _record_at(reader, logs[log], offset)


def _record_at(reader: Consumer, source: Source, offset: int) -> Record:
    there = TopicPartition(source.topic, source.partition, offset)
    start, end = reader.get_watermark_offsets(there, timeout=READ_SECONDS)
    if not start <= offset < end:
        raise EngineError(f"offset {offset} of {source} is gone: the log holds {start} to {end - 1} (retention)")
    reader.assign([there])
    deadline = steady() + READ_SECONDS
    while steady() < deadline:
        if (found := reader.poll(0.2)) is None:
            continue
        if (error := found.error()) is not None:
            raise KafkaException(error)
        if found.offset() != offset:
            raise EngineError(f"offset {offset} of {source} holds no record any more")
        return as_record(source, found)
    raise EngineError(f"offset {offset} of {source} was not read within {READ_SECONDS:.0f} s")


@contextmanager
def _reader(settings: Settings) -> Iterator[Consumer]:
    """A reader that joins no group and commits nothing."""
    conf = {"group.id": f"{settings.topic_prefix}.look", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
    reader = Consumer({**connection(settings), **conf})
    try:
        with translated("look a record up"):
            yield reader
    finally:
        reader.close()
