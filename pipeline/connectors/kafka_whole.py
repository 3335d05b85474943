"""A partition read whole, once: what a compacted topic holds."""

from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.connectors.clock import steady
from pipeline.errors import EngineError

READ_SECONDS = 30.0
"""Deadline of one answer of the broker, and of a partition."""


def read_to_end(reader: Consumer, topic: str, partition: int) -> Iterator[tuple[bytes, bytes]]:
    """Every (key, value) of one partition, from its start to the end it has when the reader gets there.

    The reader is one with `enable.partition.eof`. Raises EngineError if that takes longer than READ_SECONDS.
    """
    reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    deadline = steady() + READ_SECONDS
    while steady() < deadline:
        if (record := reader.poll(0.2)) is None:
            continue
        if (error := record.error()) is None:
            yield record.key() or b"", record.value() or b""
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        else:
            raise KafkaException(error)
    raise EngineError(f"partition {partition} of {topic} was not read to its end within {READ_SECONDS:.0f} s")
