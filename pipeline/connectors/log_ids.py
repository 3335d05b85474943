"""Notices, while a topic is read, that it was deleted and made anew: offsets then mean other records. Or that it has more
partitions: then keys come to other ones, and a worker knows by their number what is its own.

The broker is asked every few seconds and never waited for. A stage that reads a log that is gone ends with one clear line;
started again it begins with the new log. Nothing is carried over: progress, panes and ledger name the log they speak of.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection

from pipeline.connectors.clock import steady
from pipeline.connectors.kafka import ANSWER_WITHIN, NO_TOPIC_ID, admin
from pipeline.errors import Fatal
from pipeline.model.stream import Source
from pipeline.settings import Settings

ASK_EVERY: Final = 2.0
"""Seconds between two questions."""


class LogIds:
    """What the broker last said of some topics. For one thread.

    partitions: by topic how many it had when that was last asked for; whoever knows them by their number names it here.
    """

    def __init__(self, settings: Settings, topics: list[str], partitions: Mapping[str, int] = MappingProxyType({})) -> None:
        self._topics = topics
        self._admin = admin(settings)
        self._asking: dict[str, Future[Any]] = {}
        self._ids: dict[str, str] = {}
        self._began, self._partitions = partitions, dict(partitions)
        self._next = 0.0

    def turn(self) -> None:
        """Note what was answered, ask when it is due."""
        for topic in [topic for topic, answer in self._asking.items() if answer.done()]:
            try:
                found = self._asking.pop(topic).result()
            except KafkaException:  # away, or deleted and not made anew yet: whoever reads it finds out
                continue
            self._ids[topic], self._partitions[topic] = str(found.topic_id), len(found.partitions)
        if not self._asking and steady() >= self._next:
            self._next = steady() + ASK_EVERY
            self._asking = self._admin.describe_topics(TopicCollection(self._topics), request_timeout=ANSWER_WITHIN)

    def refuse_another(self, source: Source) -> None:
        """Raises Fatal if the broker holds another log under this name."""
        now = self._ids.get(source.topic, source.epoch)
        if now != source.epoch and now not in NO_TOPIC_ID:
            raise Fatal(
                f"topic {source.topic} was made anew (id {source.epoch}, now {now}): start again to begin with the new one"
            )

    def refuse_more(self, topic: str) -> None:
        """Raises Fatal if it has more partitions than it had."""
        before, now = self._began[topic], self._partitions[topic]
        if now > before:
            raise Fatal(f"topic {topic} has {now} partitions, {before} when this process began: start again to read it as it is")
