"""Partitions of which nobody has committed anything yet: whatever a rebalance drops comes again, from the start of the log."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from pipeline.connectors.faust_seeking import seek_to_committed
from pipeline.connectors.kafka import Producer, apply_topics, connection
from pipeline.model.stream import Message
from pipeline.settings import Settings
from tests.conformance.test_worker_faults import WITHIN, one_partition, worker

pytestmark = pytest.mark.engines

SENT = 5
PARTITIONS = range(4)


def send(settings: Settings) -> None:
    """As many messages to each partition."""
    producer = Producer(settings)
    partitions = range(settings.spans_partitions)
    producer.send([Message(settings.topic("spans"), partition, b"0") for partition in partitions for _ in range(SENT)])
    producer.confirm()


def test_what_faust_drops_comes_again_though_nothing_is_committed(fresh_prefix: Settings) -> None:
    settings = one_partition(fresh_prefix)
    with worker(settings, "drops") as process:
        assert process.stdout is not None
        send(settings)
        assert any(line == "dropped\n" for line in process.stdout)
        send(settings)
        output, _ = process.communicate(timeout=WITHIN)
    assert output.splitlines()[0] == "0", output


async def positions(settings: Settings) -> list[int]:
    """Where reading goes on, of all partitions: after all was read and nothing committed, with an offset committed, with 0
    committed, with a log that begins later.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=settings.group("aggregate"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    places = [TopicPartition(settings.topic("spans"), partition) for partition in PARTITIONS]
    await reader.start()
    try:
        reader.assign(places)
        await reader.commit({places[1]: OffsetAndMetadata(3, ""), places[2]: OffsetAndMetadata(0, "")})
        async with asyncio.timeout(WITHIN):
            while min([await reader.position(place) for place in places]) < SENT:
                await reader.getmany(timeout_ms=500)
        assert await seek_to_committed(reader) == dict(zip(places, [None, 3, 0, None], strict=True))
        return [await reader.position(place) for place in places]
    finally:
        await reader.stop()


def test_reading_goes_on_where_it_is_due_also_where_nothing_is_committed(fresh_prefix: Settings) -> None:
    settings = fresh_prefix.model_copy(update={"spans_partitions": len(PARTITIONS)})
    apply_topics(settings)
    send(settings)
    admin = AdminClient(connection(settings))
    for deleted in admin.delete_records([Place(settings.topic("spans"), 3, 2)]).values():
        deleted.result(10)
    assert asyncio.run(positions(settings)) == [0, 3, 0, 2]
