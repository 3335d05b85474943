"""decode tells every partition of what it writes which sources there are, and how far each of its own is read.

Without it a silent source would hold every window open, and a backlog would meet a watermark that had run ahead of it.
The sources are announced before the first row of theirs is written; after that a tick goes out every `tick_every`
seconds, with the claims that have come true (`operators/claims.py`). The broker is asked where the sources end, records
of open transactions included; the question is never waited for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.kafka import ANSWER_WITHIN, admin
from pipeline.model.stream import Message, Source
from pipeline.operators.claims import Claims
from pipeline.operators.log_marks import TICKS_KEY, Ticks, encode_ticks
from pipeline.settings import Settings

Ends = dict[Source, "Future[Any]"]


class SourceTicks:
    """One decode process and the sources it owns.

    logs: topics that are told, and how many partitions each has.
    `told`: writes messages and returns when they are in the log; may raise Transient, then the same is tried again.
    """

    def __init__(self, settings: Settings, logs: Mapping[str, int], told: Callable[[Sequence[Message]], None]) -> None:
        self._logs, self._told = dict(logs), told
        self._every = settings.tick_every
        self._admin = admin(settings)
        self._claims = Claims()
        self._owned: frozenset[Source] = frozenset()
        self._sizes: dict[str, int] = {}
        self._asking: tuple[int, Ends] | None = None
        self._true: dict[Source, int] = {}
        self._next = 0.0
        self._announce: tuple[Message, ...] = ()

    @property
    def announcement(self) -> tuple[Message, ...]:
        """What must stand in the log before any row of a source just taken over; nothing once it was `announced`."""
        return self._announce

    def announced(self, announcement: tuple[Message, ...]) -> None:
        """It is in the log."""
        if announcement is self._announce:
            self._announce = ()

    def owns(self, owned: Iterable[Source], sizes: Mapping[str, int]) -> None:
        """These sources are ours from now on; `sizes`: how many partitions their topics have."""
        self._owned = frozenset(owned)
        self._sizes = dict(sizes)
        self._claims.keep(self._owned)
        self._true = {source: at for source, at in self._true.items() if source in self._owned}
        self._asking = None
        self._announce = tuple(self._messages({}))

    def turn(self, positions: Mapping[Source, int]) -> None:
        """Ask, note the answer, tell; each when it is due. `positions`: all below is read and confirmed."""
        self._hear_answer()
        self._true.update(self._claims.come_true(positions))
        if steady() < self._next:
            return
        if self._true or self._announce:
            announcement = self._announce
            self._told((*announcement, *self._messages(self._true)))
            self.announced(announcement)
            self._true = {}
        self._next = steady() + self._every
        self._ask()

    def _ask(self) -> None:
        if self._asking is not None or not self._owned:
            return
        at = now_ns()
        wanted = {TopicPartition(s.topic, s.partition): OffsetSpec.latest() for s in self._owned}
        # Records of an open transaction are appended but cannot be read yet: the source is not read to its end.
        answers = self._admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ANSWER_WITHIN)
        by_place = {(s.topic, s.partition): s for s in self._owned}
        self._asking = at, {by_place[p.topic, p.partition]: answer for p, answer in answers.items()}

    def _hear_answer(self) -> None:
        """An answer that failed is none: the source is asked again."""
        if self._asking is None or not all(answer.done() for answer in self._asking[1].values()):
            return
        at, answers = self._asking
        self._asking = None
        ends = {}
        for source, answer in answers.items():
            try:
                ends[source] = int(answer.result().offset)
            except KafkaException:
                continue
        self._claims.asked(at, ends)

    def _messages(self, true: Mapping[Source, int]) -> list[Message]:
        """The same words for every partition of every log."""
        by_log: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        for source in self._owned:
            claims = by_log[source.topic, source.epoch]
            if source in true:
                claims[source.partition] = true[source]
        values = [
            encode_ticks(
                Ticks(
                    topic=topic,
                    epoch=epoch,
                    partitions=self._sizes[topic],
                    partition=list(claims),
                    read_to_ns=list(claims.values()),
                )
            )
            for (topic, epoch), claims in by_log.items()
        ]
        places = [(topic, p) for topic, partitions in self._logs.items() for p in range(partitions)]
        return [Message(topic, p, value, TICKS_KEY) for value in values for topic, p in places]
