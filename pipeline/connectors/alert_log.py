"""The topic of alerts, read as they come: from its end on, without a consumer group that would be left behind."""

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, TopicPartition

from pipeline.connectors.kafka import ANSWER_WITHIN, connection, sources, translate, translated
from pipeline.errors import Fatal
from pipeline.model.alerts import Alert
from pipeline.operators.alerts.cloud_event import NoAlertError, decode
from pipeline.settings import Settings

TOPIC = "alerts"
POLL_SECONDS = 0.25


def follow(settings: Settings, complain: Callable[[str], None], going_on: Callable[[], bool] = lambda: True) -> Iterator[Alert]:
    """Every alert that is told from now on, while `going_on`; what is no alert is complained of. Raises Transient, Fatal.

    A broker that goes away is waited for.
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
