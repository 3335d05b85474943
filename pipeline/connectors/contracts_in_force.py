"""The topic of contracts: what is in force, and how a contract gets there."""

from collections.abc import Iterable

import orjson
from confluent_kafka import Consumer

from pipeline.connectors.kafka import Producer, connection, sources, translated
from pipeline.connectors.kafka_whole import read_to_end
from pipeline.errors import SchemaError
from pipeline.model.contract_columns import CONTRACTS, Applied
from pipeline.model.stream import Message
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings

TOPIC = "contracts"


def contracts_in_force(settings: Settings) -> dict[str, Applied]:
    """By name: what the topic's last message of each name says, read once to its end.

    Takes no longer than an answer of the broker and 30 s a partition. Raises Transient, EngineError, SchemaError.
    """
    conf = {"group.id": f"{settings.topic_prefix}.contracts", "enable.auto.commit": False, "enable.partition.eof": True}
    partitions = sources(settings, TOPIC)
    reader = Consumer({**connection(settings), **conf, "fetch.wait.max.ms": 20})
    try:
        with translated("read the contracts"):
            records = [record for p in partitions for record in read_to_end(reader, settings.topic(TOPIC), p)]
    finally:
        reader.close()
    return in_force(value for _, value in records)


def in_force(values: Iterable[bytes]) -> dict[str, Applied]:
    """Of messages in the order of their log; the last of a name counts. Raises SchemaError for one that cannot be read."""
    found: dict[str, Applied] = {}
    for value in values:
        for one in applied_in(value):
            if one.removed:
                found.pop(one.name, None)
            else:
                found[one.name] = one
    return found


def applied_in(value: bytes) -> list[Applied]:
    """The rows of a message."""
    try:
        block = orjson.loads(value)
        n = len(block["name"])
        rows = zip(
            *(block[one.name] if one.absent is None else block.get(one.name, [one.absent] * n) for one in CONTRACTS), strict=True
        )
        return [Applied(*row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(f"a message of the contracts' topic cannot be read: {error!r:.120}") from None


def put(settings: Settings, applied: Iterable[Applied]) -> None:
    """Write them; they are in the log when this returns. Raises Transient, Fatal."""
    producer = Producer(settings)
    producer.send(message(settings, one) for one in applied)
    producer.confirm()


def message(settings: Settings, one: Applied) -> Message:
    """The message that says it."""
    row = {column.name: getattr(one, column.name) for column in CONTRACTS}
    return Message(settings.topic(TOPIC), 0, encode_rows(CONTRACTS, [row]), one.name.encode())
