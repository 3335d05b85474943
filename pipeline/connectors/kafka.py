"""Kafka: topics, log ids, lag, and writing with confirmation. The batch loop is in `kafka_batches`.

Writing is idempotent and acknowledged by all replicas: what `confirm` returned from is in the log, once per `send`.
Topics are created as `schemas/topics` says and then left alone: growing a topic moves keys, and what an operator set
is the operator's. `otlp_spans` belongs to the user.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Message as Delivered
from confluent_kafka import Producer as Client
from confluent_kafka.admin import AdminClient, ConfigResource, ConsumerGroupDescription, NewTopic, OffsetSpec, ResourceType

from pipeline.connectors.clock import steady
from pipeline.errors import EngineError, Fatal, SchemaError, SettingsError, Transient
from pipeline.model.stream import Message, Source
from pipeline.settings import Settings
from pipeline.topics import inputs, topics

log = logging.getLogger("tailrace.kafka")

ANSWER_WITHIN: Final = 10.0
"""Seconds an administrative request may take."""

DELIVER_WITHIN: Final = 60.0
"""Seconds a message may take to be acknowledged."""

NO_TOPIC_ID: Final = frozenset({"", "AAAAAAAAAAAAAAAAAAAAAA"})
"""Topic ids of brokers that have none: the zero UUID."""

HOPELESS: Final[dict[int, str]] = {
    KafkaError._AUTHENTICATION: "check TAILRACE_KAFKA_SECURITY",
    KafkaError._SSL: "check TAILRACE_KAFKA_SECURITY",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check TAILRACE_KAFKA_SECURITY",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "check TAILRACE_KAFKA_SECURITY",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the user lacks rights on the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the user lacks rights on the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the user lacks rights on the cluster",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "run `tailrace topics apply`",
    KafkaError._UNKNOWN_TOPIC: "run `tailrace topics apply`",
    KafkaError._UNKNOWN_PARTITION: "the topic has fewer partitions than the settings say",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic",
    KafkaError.TOPIC_EXCEPTION: "the topic's name is not allowed",
    KafkaError.POLICY_VIOLATION: "a policy of the cluster forbids it",
    KafkaError.INVALID_REPLICATION_FACTOR: "check TAILRACE_REPLICATION_FACTOR",
    KafkaError._INVALID_ARG: "check TAILRACE_KAFKA_SECURITY",
    KafkaError._FATAL: "the client cannot go on",
}
"""Errors no retry mends, and what to do about them. All others are worth another try."""


def connection(settings: Settings) -> dict[str, Any]:
    """librdkafka's settings common to every client. Raises SettingsError if no broker is known."""
    if not settings.kafka_bootstrap:
        raise SettingsError("no Kafka: run `tailrace local up` or set TAILRACE_KAFKA_BOOTSTRAP")
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": "tailrace",
        "reconnect.backoff.ms": 250,
        "log_level": 2,  # it would write a line per try to connect; Heard tells each kind of error once
        **settings.kafka_security,
    }


def translate(error: KafkaError, doing: str) -> Transient | Fatal:
    """Our error for Kafka's, in one line."""
    text = f"Kafka, {doing}: {error.str()}"
    if error.code() in HOPELESS:
        return EngineError(f"{text}; {HOPELESS[error.code()]}")
    return Fatal(text) if error.fatal() else Transient(text)


class Heard:
    """What a client says of its connections, where it only reports a time-out: the `error_cb` of every client.

    `level`: how loudly. A client that lives on tells people at once; one that is asked once raises what it heard.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        self.level = level
        self.hopeless: KafkaError | None = None
        self._last: KafkaError | None = None
        self._told: set[int] = set()

    def __call__(self, error: KafkaError) -> None:
        if error.code() not in self._told:
            log.log(self.level, "%s", error.str())
        self._told.add(error.code())
        if error.code() in HOPELESS or error.fatal():
            self.hopeless = error
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last = error

    def behind(self, error: KafkaError) -> KafkaError:
        """The reason for `error`, if it is only a symptom."""
        symptom = error.code() in {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT}
        return (self.hopeless or self._last or error) if symptom else error


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise ours instead of Kafka's errors."""
    try:
        yield
    except KafkaException as error:
        raise translate(error.args[0], doing) from error


def cluster_id(settings: Settings) -> str:
    """The id the cluster was formatted with. Raises Transient, Fatal."""
    with _admin(settings, "ask for the cluster's id") as client:
        return str(client.list_topics(timeout=ANSWER_WITHIN).cluster_id or "")


def admin(settings: Settings) -> AdminClient:
    """An administrative client that lives as long as it is held; its answers are futures."""
    with translated("connect"):
        return AdminClient(connection(settings) | {"error_cb": Heard()})


@contextmanager
def _admin(settings: Settings, doing: str) -> Iterator[AdminClient]:
    """An administrative client for some requests that are waited for."""
    heard = Heard(logging.INFO)
    with translated("connect"):
        admin = AdminClient(connection(settings) | {"error_cb": heard})
    try:
        yield admin
    except KafkaException as error:
        admin.poll(0)
        raise translate(heard.behind(error.args[0]), doing) from error


# Topics.


@dataclass(frozen=True, slots=True)
class Change:
    """What `apply_topics` did to a topic, or found and left."""

    topic: str
    action: Literal["created", "differs"]
    detail: str


def apply_topics(settings: Settings) -> list[Change]:
    """Create what is missing, report what differs. Raises SchemaError if `spans` is not stamped by the broker."""
    changes: list[Change] = []
    with _admin(settings, "apply topics") as admin:
        existing = admin.list_topics(timeout=ANSWER_WITHIN).topics
        for key in topics():
            known = existing.get(settings.topic(key))
            if known is None:
                changes.append(_create(admin, settings, key))
            else:
                changes += _differences(admin, settings, key, len(known.partitions))
        _await(admin, {change.topic for change in changes if change.action == "created"})
    for change in changes:
        if change.topic == settings.topic("spans") and "message.timestamp.type" in change.detail:
            raise SchemaError(f"topic {change.topic}: {change.detail}; set it, verdicts on late spans depend on it")
    return changes


def _create(admin: AdminClient, settings: Settings, key: str) -> Change:
    name, partitions = settings.topic(key), settings.partitions(key)
    new = NewTopic(name, partitions, settings.replication_factor, config=topics()[key].config)
    try:
        admin.create_topics([new], operation_timeout=ANSWER_WITHIN)[name].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    return Change(name, "created", f"{partitions} partitions")


def _await(admin: AdminClient, created: set[str]) -> None:
    """Return when the broker tells of them: it creates topics before it knows them."""
    deadline = steady() + ANSWER_WITHIN
    while missing := created - admin.list_topics(timeout=ANSWER_WITHIN).topics.keys():
        if steady() > deadline:
            raise Transient(f"Kafka, create topics: {', '.join(sorted(missing))} still unknown")
        admin.poll(0.05)


def _differences(admin: AdminClient, settings: Settings, key: str, partitions: int) -> list[Change]:
    name, wanted = settings.topic(key), topics()[key].config
    resource = ConfigResource(ResourceType.TOPIC, name)
    actual = admin.describe_configs([resource], request_timeout=ANSWER_WITHIN)[resource].result()
    found = [f"{k} is {actual[k].value}, not {v}" for k, v in wanted.items() if k in actual and _differ(actual[k].value, v)]
    if partitions != settings.partitions(key):
        found.append(f"{partitions} partitions, not {settings.partitions(key)}")
    return [Change(name, "differs", text) for text in found]


def _differ(actual: str | None, wanted: str) -> bool:
    """Numbers by value, lists as sets, everything else as text."""
    if wanted.replace(".", "", 1).isdigit() and actual:
        return float(actual) != float(wanted)
    return set((actual or "").split(",")) != set(wanted.split(","))


def sources(settings: Settings, topic_key: str) -> dict[int, Source]:
    """The log id of every partition of a topic. A recreated topic has another epoch: its topic id."""
    name = settings.topic(topic_key)
    with _admin(settings, f"describe topic {name}") as admin:
        described = admin.describe_topics(TopicCollection([name]), request_timeout=ANSWER_WITHIN)
        topic = described[name].result()
    epoch = "0" if str(topic.topic_id) in NO_TOPIC_ID else str(topic.topic_id)
    return {p.id: Source(name, p.id, epoch) for p in topic.partitions}


# Lag.


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a consumer group is behind in one partition. `committed` is None if it never committed."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


def lag(settings: Settings, stage: str) -> list[Lag]:
    """What a stage has still to read, by partition; never committed counts from the oldest record kept.

    A consumer that never joins asks for the committed offsets: librdkafka's administrative request for them dies
    (SIGSEGV, 2.16.0) where the group's coordinator is just loading.
    """
    group = settings.group(stage)
    wanted = [TopicPartition(source.topic, p) for key in inputs(stage) for p, source in sources(settings, key).items()]
    with translated(f"lag of {group}"):
        consumer = Consumer(connection(settings) | {"group.id": group})
        found = {(p.topic, p.partition): p.offset for p in consumer.committed(wanted, timeout=ANSWER_WITHIN)}
        consumer.close()
    with _admin(settings, f"lag of {group}") as admin:
        starts, ends = _offsets(admin, wanted, OffsetSpec.earliest()), _offsets(admin, wanted, OffsetSpec.latest())
    rows = []
    for at in sorted(ends):
        committed = found[at] if found[at] >= 0 else None
        rows.append(Lag(*at, committed, ends[at], max(0, ends[at] - max(committed or 0, starts[at]))))
    return rows


def members(settings: Settings, stage: str) -> int:
    """How many members of a stage's group have partitions to read; 0 while the group is being rebalanced."""
    group = settings.group(stage)
    with _admin(settings, f"members of {group}") as admin:
        described = admin.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN)[group].result()
    if described.state != ConsumerGroupState.STABLE:
        return 0
    return len(described.members)


def unowned(settings: Settings, stage: str, topic: str) -> int:
    """How many partitions of `topic` no member of the stage's group has; 0 while the group is being rebalanced."""
    group = settings.group(stage)
    with _admin(settings, f"members of {group}") as admin:
        described = admin.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN)[group].result()
        there = set(admin.list_topics(topic, timeout=ANSWER_WITHIN).topics[topic].partitions)
    if described.state != ConsumerGroupState.STABLE:
        return 0
    owned = {p.partition for member in described.members for p in member.assignment.topic_partitions if p.topic == topic}
    return len(there - owned)


def membership(settings: Settings, stages: Sequence[str]) -> dict[str, int]:
    """How many members each stage's group has, whatever it is doing; 0 for a group nobody has joined yet.

    A process that was killed stays a member for `session_timeout`.
    """
    with _admin(settings, "members of the stages") as admin:
        groups = {settings.group(stage): stage for stage in stages}
        answers = admin.describe_consumer_groups(list(groups), request_timeout=ANSWER_WITHIN)
        return {groups[group]: _members(answer) for group, answer in answers.items()}


def _members(answer: "Future[ConsumerGroupDescription]") -> int:
    try:
        return len(answer.result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise


def _offsets(admin: AdminClient, wanted: Sequence[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    answers = admin.list_offsets(
        dict.fromkeys(wanted, spec), isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_WITHIN
    )
    return {(p.topic, p.partition): answer.result().offset for p, answer in answers.items()}


# Writing.


class Producer:
    """Writes messages where they say. `send` may block for room; only `confirm` says that they are in the log."""

    def __init__(self, settings: Settings) -> None:
        self._failed: KafkaError | None = None
        self._heard = Heard()
        config = {
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.size": 1 << 20,
            "message.max.bytes": 16 << 20,
            "queue.buffering.max.kbytes": 64 << 10,
            "queue.buffering.max.messages": 100_000,
            "message.timeout.ms": int(DELIVER_WITHIN * 1000),
            "error_cb": self._heard,
        }
        with translated("connect"):
            self._client = Client(connection(settings) | config)

    def send(self, messages: Iterable[Message]) -> None:
        """Hand messages over, in order. A full queue is waited for. Raises Transient or Fatal."""
        for message in messages:
            deadline = steady() + DELIVER_WITHIN
            while not self._accepted(message):
                if steady() > deadline:
                    raise Transient("Kafka, send: the queue stays full; is the broker there?")
                self._client.poll(0.1)
            self._client.poll(0)

    def confirm(self) -> None:
        """Wait until everything sent is acknowledged by all replicas. Raises Transient or Fatal if anything is not."""
        waiting = self._client.flush(DELIVER_WITHIN + ANSWER_WITHIN)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise translate(self._heard.behind(failed), "deliver")
        if waiting:
            raise Transient(f"Kafka, deliver: {waiting} messages unacknowledged")

    def _accepted(self, message: Message) -> bool:
        try:
            with translated(f"send to {message.topic}"):
                self._client.produce(message.topic, message.value, message.key, message.partition, on_delivery=self._delivered)
        except BufferError:
            return False
        return True

    def _delivered(self, error: KafkaError | None, _: Delivered) -> None:
        if error is not None and (self._failed is None or error.code() in HOPELESS):
            self._failed = error
