"""The topic of alerts, read as they come, and where groups of readers begin: at its end."""

from collections.abc import Callable, Iterator
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from pipeline.connectors.clock import steady, wait
from pipeline.connectors.kafka import ANSWER_WITHIN, connection, sources, translate, translated
from pipeline.errors import Fatal, Transient
from pipeline.model.alerts import Alert
from pipeline.operators.alerts.cloud_event import NoAlertError, decode
from pipeline.settings import Settings

TOPIC = "alerts"
POLL_SECONDS = 0.25


def follow(settings: Settings, complain: Callable[[str], None], going_on: Callable[[], bool] = lambda: True) -> Iterator[Alert]:
    """Every alert that is told from now on, while `going_on`; what is no alert is complained of. Raises Transient, Fatal.

    No consumer group is left behind. A broker that goes away is waited for.
    """
    partitions = sources(settings, TOPIC)
    conf = {"group.id": f"{settings.topic_prefix}.alerts", "enable.auto.commit": False, "fetch.wait.max.ms": 100}
    reader = Consumer(connection(settings) | conf)
    try:
        with translated("follow the alerts"):
            # Where it ends now: left to the consumer, that would be asked when the first poll gets there.
            parts = [TopicPartition(settings.topic(TOPIC), partition) for partition in range(len(partitions))]
            for part in parts:
                part.offset = reader.get_watermark_offsets(part, timeout=ANSWER_WITHIN)[1]
            reader.assign(parts)
        while going_on():
            record = reader.poll(POLL_SECONDS)
            if record is None:
                continue
            if (error := record.error()) is not None:
                if isinstance(hopeless := translate(error, "follow the alerts"), Fatal):
                    raise hopeless
                continue
            try:
                yield decode(record.value() or b"")
            except NoAlertError as error:
                complain(f"message {record.offset()} of {record.topic()} is left out: {error}")
    finally:
        reader.close()


def begin_at_the_end(settings: Settings, group: str) -> None:
    """Let a group that never committed begin with what is told from now on. Raises Transient, Fatal.

    Written down before anything is read: a process that dies before its first commit begins there and not later.
    """
    deadline = steady() + ANSWER_WITHIN
    while True:
        try:
            return _begin_at_the_end(settings, group)
        except Transient:  # of a group nobody knows yet, the coordinator is found by and by
            if steady() > deadline:
                raise
        wait(POLL_SECONDS)


def _begin_at_the_end(settings: Settings, group: str) -> None:
    logs = sources(settings, TOPIC)
    with translated(f"begin as {group}"), closing(Consumer(connection(settings) | {"group.id": group})) as asking:
        wanted = [TopicPartition(source.topic, partition) for partition, source in logs.items()]
        new = [part for part in asking.committed(wanted, timeout=ANSWER_WITHIN) if part.offset < 0]
        ends = [
            TopicPartition(part.topic, part.partition, end, metadata=logs[part.partition].epoch)
            for part in new
            for _, end in [asking.get_watermark_offsets(part, timeout=ANSWER_WITHIN)]
        ]
        if ends:
            asking.commit(offsets=ends, asynchronous=False)
