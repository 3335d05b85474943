"""Where Faust reads on after a rebalance: at the committed offset, and where there is none at the start of the log.

A fetch that waits through a rebalance takes messages of the new generation, and Faust drops them because they do not flow
yet; then, and before they flow again, it has all positions set back to the committed offsets. aiokafka leaves those alone
that have none, or 0: there what was dropped never came again, and the worker ended because of the hole.

Source: `Consumer.getmany` of faust-streaming 0.15.3, `AIOKafkaConsumer.seek_to_committed` of aiokafka 0.14.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer


async def seek_to_committed(consumer: AIOKafkaConsumer) -> Mapping[TopicPartition, int | None]:
    """Set the positions of all partitions in hand back to where reading is due. Returns the committed offsets."""
    committed: Mapping[TopicPartition, int | None] = await consumer.seek_to_committed()
    if never := [tp for tp, offset in committed.items() if not offset and tp in consumer.assignment()]:
        await consumer.seek_to_beginning(*never)
    return committed


class SeekingConsumer(Consumer):
    """Faust's consumer, which seeks so."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _SeekingThread(self, loop=self.loop, beacon=self.beacon)


class _SeekingThread(AIOKafkaConsumerThread):
    async def seek_to_committed(self) -> Mapping[Any, Any]:
        committed: Mapping[Any, Any] = await self.call_thread(seek_to_committed, self._ensure_consumer())
        return committed
