"""Kafka's edges on a real broker: topics, log ids, writing, the batch loop, lag."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from pipeline.connectors.clock import now_ns
from pipeline.connectors.kafka import Change, Producer, apply_topics, connection, lag, sources
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.connectors.log_ids import LogIds
from pipeline.errors import EngineError, Fatal, SchemaError, SettingsError, Transient
from pipeline.model.stream import Effects, Message, Record, Source
from pipeline.settings import Settings
from pipeline.topics import topics

DEADLINE = 60.0
HOUR_NS = 3600 * 10**9


@pytest.fixture
def topic_settings(fresh_prefix: Settings) -> Settings:
    """Topics of this test alone."""
    apply_topics(fresh_prefix)
    return fresh_prefix


def admin(settings: Settings) -> AdminClient:
    return AdminClient(connection(settings))


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, or fail."""
    deadline, never = monotonic() + DEADLINE, Event()
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        never.wait(0.05)


def numbers(settings: Settings, key: str, wanted: range, partitions: int = 4) -> list[Message]:
    """Messages that hold a number each."""
    return [Message(settings.topic(key), n % partitions, str(n).encode()) for n in wanted]


class Worker:
    """A member of a group in a thread of this process: notes what it carried out, fails when told to."""

    def __init__(self, settings: Settings, *, key: str = "spans", limits: Limits | None = None) -> None:
        self.settings, self.key = settings, key
        self.limits = limits or Limits(100, 1 << 20, 0.05)
        self.done: list[Record] = []
        self.batches: list[int] = []
        self.fail: Exception | None = None
        self.tries = 0
        self.stop = Event()
        self.error: BaseException | None = None
        self.overtaken: list[tuple[Source, int, int]] = []
        self._batch: Sequence[Record] = ()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "does not stop"

    def numbers(self) -> list[int]:
        return [int(record.value or b"") for record in self.done]

    def _run(self) -> None:
        try:
            run_batches(
                self.settings,
                group=self.settings.group("sink"),
                topic_keys=[self.key],
                step=self._step,
                carry_out=self._carry_out,
                stop=self.stop,
                limits=self.limits,
                overtaken=lambda *gone: self.overtaken.append(gone),
            )
        except Fatal as error:
            self.error = error

    def _step(self, batch: Sequence[Record], now_ns: int) -> Effects:
        assert now_ns > 1_600_000_000 * 10**9
        self._batch = batch
        return Effects()

    def _carry_out(self, _: Effects) -> None:
        self.tries += 1
        if self.fail is not None:
            raise self.fail
        self.batches.append(len(self._batch))
        self.done += self._batch


@contextmanager
def writing(settings: Settings) -> Iterator[Producer]:
    producer = Producer(settings)
    yield producer
    producer.confirm()


def send(settings: Settings, messages: Sequence[Message]) -> None:
    with writing(settings) as producer:
        producer.send(messages)


def behind(settings: Settings, key: str = "spans") -> int:
    """Lag of the workers' group in one topic; -1 while its coordinator is not up."""
    try:
        rows = lag(settings, "sink")
    except Transient:
        return -1
    return sum(row.lag for row in rows if row.topic == settings.topic(key))


# Topics.


def test_topics_are_created_once_as_their_files_say(fresh_prefix: Settings) -> None:
    created = apply_topics(fresh_prefix)
    assert {c.topic for c in created} == {fresh_prefix.topic(key) for key in topics()}
    assert {c.action for c in created} == {"created"}
    assert apply_topics(fresh_prefix) == []
    resource = ConfigResource(ResourceType.TOPIC, fresh_prefix.topic("spans"))
    client = admin(fresh_prefix)
    config = client.describe_configs([resource])[resource].result()
    assert config["message.timestamp.type"].value == "LogAppendTime"


def test_what_differs_is_told_and_left(topic_settings: Settings) -> None:
    name = topic_settings.topic("ledger")
    configure(topic_settings, "ledger", "retention.ms", "60000")
    wanted = [Change(name, "differs", "retention.ms is 60000, not 259200000")]
    until(lambda: apply_topics(topic_settings) == wanted)
    fewer = topic_settings.model_copy(update={"spans_partitions": 2})
    assert Change(topic_settings.topic("spans"), "differs", "4 partitions, not 2") in apply_topics(fewer)


def test_spans_not_stamped_by_the_broker_are_refused(fresh_prefix: Settings) -> None:
    name, client = fresh_prefix.topic("spans"), admin(fresh_prefix)
    client.create_topics([NewTopic(name, 4)])[name].result()
    until(lambda: name in client.list_topics().topics)
    with pytest.raises(SchemaError, match=r"message\.timestamp\.type is CreateTime, not LogAppendTime"):
        apply_topics(fresh_prefix)


def test_a_time_that_a_sender_chose_fits_every_column(fresh_prefix: Settings) -> None:
    name, client = fresh_prefix.topic("spans"), admin(fresh_prefix)
    anything = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str((1 << 63) - 1)}
    client.create_topics([NewTopic(name, 1, config=anything)])[name].result()
    until(lambda: name in client.list_topics().topics)
    raw = RawProducer(connection(fresh_prefix))
    for time_ms in (5, (1 << 63) - 1):
        raw.produce(name, b"1", timestamp=time_ms)
    assert raw.flush(DEADLINE) == 0
    with Worker(fresh_prefix) as worker:
        until(lambda: len(worker.done) == 2)
    first, last = (record.timestamp_ns for record in worker.done)
    assert first == 5_000_000
    assert (1 << 62) - 1_000_000 < last <= 1 << 62


def configure(settings: Settings, key: str, name: str, value: str) -> None:
    """A configuration of a topic that exists."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource, client = ConfigResource(ResourceType.TOPIC, settings.topic(key), incremental_configs=[entry]), admin(settings)
    client.incremental_alter_configs([resource])[resource].result()


def test_time_of_panes_is_the_brokers_and_of_a_topic_of_before_once_it_is_told(topic_settings: Settings) -> None:
    """What stands in the log keeps the time it has."""
    raw, ahead_ms = RawProducer(connection(topic_settings)), (now_ns() + HOUR_NS) // 10**6

    def write(number: int) -> None:
        raw.produce(topic_settings.topic("panes"), str(number).encode(), timestamp=ahead_ms, partition=0)
        assert raw.flush(DEADLINE) == 0

    write(0)
    configure(topic_settings, "panes", "message.timestamp.type", "CreateTime")
    wanted = [Change(topic_settings.topic("panes"), "differs", "message.timestamp.type is CreateTime, not LogAppendTime")]
    until(lambda: apply_topics(topic_settings) == wanted)
    write(1)
    configure(topic_settings, "panes", "message.timestamp.type", "LogAppendTime")
    until(lambda: apply_topics(topic_settings) == [])
    write(2)
    with Worker(topic_settings, key="panes") as worker:
        until(lambda: len(worker.done) == 3)
    assert worker.numbers() == [0, 1, 2]
    is_ahead = [record.timestamp_ns > now_ns() + HOUR_NS // 2 for record in worker.done]
    assert is_ahead == [False, True, False]


def test_a_recreated_topic_is_another_log(topic_settings: Settings) -> None:
    before = sources(topic_settings, "spans")
    assert sorted(before) == [0, 1, 2, 3]
    assert sources(topic_settings, "spans") == before
    name, client = topic_settings.topic("spans"), admin(topic_settings)
    client.delete_topics([name])[name].result()
    until(lambda: name not in client.list_topics().topics)
    apply_topics(topic_settings)
    assert {s.epoch for s in before.values()}.isdisjoint(s.epoch for s in sources(topic_settings, "spans").values())


def test_a_topic_that_grows_while_it_is_read_is_refused(topic_settings: Settings) -> None:
    """Else a worker goes on taking for its own what comes to another partition now. Also before the broker is asked first."""
    name, client = topic_settings.topic("panes"), admin(topic_settings)

    def grown() -> str:
        ids.turn()
        try:
            ids.refuse_more(name)
        except Fatal as error:
            return str(error)
        return ""

    ids = LogIds(topic_settings, [name], {name: 4})
    until(lambda: not grown() and bool(ids._ids))
    client.create_partitions([NewPartitions(name, 6)])[name].result()
    until(lambda: bool(grown()))
    assert grown() == f"topic {name} has 6 partitions, 4 when this process began: start again to read it as it is"
    ids = LogIds(topic_settings, [name], {name: 4})
    until(lambda: bool(grown()))


# Errors in one line.


def test_a_missing_topic_is_fatal_and_says_what_to_do(fresh_prefix: Settings) -> None:
    with pytest.raises(EngineError, match="tailrace topics apply"):
        sources(fresh_prefix, "spans")
    with Worker(fresh_prefix) as worker:
        worker.join()
    assert isinstance(worker.error, EngineError)
    assert "tailrace topics apply" in str(worker.error)


def test_wrong_security_is_fatal(topic_settings: Settings) -> None:
    sasl = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "p"}
    wrong = topic_settings.model_copy(update={"kafka_security": sasl})
    with pytest.raises(EngineError, match="TAILRACE_KAFKA_SECURITY"):
        apply_topics(wrong)
    with Worker(wrong) as worker:
        worker.join()
    assert isinstance(worker.error, EngineError)
    with pytest.raises(EngineError, match="TAILRACE_KAFKA_SECURITY"):
        apply_topics(topic_settings.model_copy(update={"kafka_security": {"no.such.setting": "x"}}))


def test_no_broker(topic_settings: Settings) -> None:
    with pytest.raises(SettingsError, match="TAILRACE_KAFKA_BOOTSTRAP"):
        apply_topics(topic_settings.model_copy(update={"kafka_bootstrap": ""}))
    with pytest.raises(Transient, match="Connection refused"):
        sources(topic_settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"}), "spans")


# Writing.


def test_a_write_that_cannot_be_is_told_at_confirm(topic_settings: Settings) -> None:
    producer = Producer(topic_settings)
    producer.send([Message(topic_settings.topic("spans"), 99, b"x")])
    with pytest.raises(EngineError, match="fewer partitions"):
        producer.confirm()
    producer.send([Message(topic_settings.topic("spans"), 0, b"x")])
    producer.confirm()
    with pytest.raises(EngineError, match=r"max\.message\.bytes"):
        producer.send([Message(topic_settings.topic("spans"), 0, bytes(20 << 20))])


def test_more_than_the_queue_holds_is_waited_for(topic_settings: Settings) -> None:
    """80 MB through a queue of 64 MB: nothing lost, and in order."""
    blocks = [Message(topic_settings.topic("spans"), 0, n.to_bytes(4) + bytes(1 << 20)) for n in range(80)]
    send(topic_settings, blocks)
    with Worker(topic_settings, limits=Limits(1000, 8 << 20, 0.2)) as worker:
        until(lambda: len(worker.done) == 80)
    assert [int.from_bytes((r.value or b"")[:4]) for r in worker.done] == list(range(80))
    assert max(worker.batches) <= 8


# The batch loop.


def test_every_record_once_and_everything_committed(topic_settings: Settings) -> None:
    send(topic_settings, numbers(topic_settings, "spans", range(1000)))
    until(lambda: behind(topic_settings) == 1000)
    with Worker(topic_settings) as worker:
        until(lambda: len(worker.done) == 1000 and behind(topic_settings) == 0)
    assert sorted(worker.numbers()) == list(range(1000))
    assert max(worker.batches) <= 100
    rows = [r for r in lag(topic_settings, "sink") if r.topic == topic_settings.topic("spans")]
    assert [(r.partition, r.committed, r.end, r.lag) for r in rows] == [(p, 250, 250, 0) for p in range(4)]
    first = worker.done[0]
    assert first.source == sources(topic_settings, "spans")[first.source.partition]
    assert abs(first.timestamp_ns / 1e9 - 1_600_000_000) < 1e9


def test_headers_keys_and_empty_values_arrive(topic_settings: Settings) -> None:
    import confluent_kafka  # noqa: PLC0415 - only here as a foreign writer

    foreign = confluent_kafka.Producer(connection(topic_settings))
    foreign.produce(topic_settings.topic("panes"), None, b"k", 1, headers=[("a", b"1"), ("b", None)])
    assert foreign.flush(DEADLINE) == 0
    with Worker(topic_settings, key="panes") as worker:
        until(lambda: len(worker.done) == 1)
    record = worker.done[0]
    assert (record.value, record.key, record.headers) == (None, b"k", (("a", b"1"), ("b", b"")))


def test_what_is_not_carried_out_is_not_committed(topic_settings: Settings) -> None:
    send(topic_settings, numbers(topic_settings, "spans", range(40)))
    with Worker(topic_settings) as first:
        first.fail = Transient("the store is away")
        until(lambda: first.tries >= 3)
    assert first.error is None
    until(lambda: behind(topic_settings) == 40)
    with Worker(topic_settings) as second:
        until(lambda: len(second.done) == 40 and behind(topic_settings) == 0)


def test_an_outage_is_waited_out_without_losing_the_group(topic_settings: Settings) -> None:
    """Longer than the session: the member stays, reads no further, and carries everything out once."""
    settings = topic_settings.model_copy(update={"session_timeout": 6.0})
    send(settings, numbers(settings, "spans", range(40)))
    with Worker(settings, limits=Limits(10, 1 << 20, 0.05)) as worker:
        worker.fail = Transient("the store is away")
        until(lambda: worker.tries >= 1)
        send(settings, numbers(settings, "spans", range(40, 80)))
        started = monotonic()
        until(lambda: monotonic() - started > 8)
        worker.fail = None
        until(lambda: len(worker.done) == 80 and behind(settings) == 0)
    assert sorted(worker.numbers()) == list(range(80))
    assert max(worker.batches) <= 10 + 4, "one more of each partition may have been under way"


def test_an_outage_beyond_the_limit_is_fatal(topic_settings: Settings) -> None:
    send(topic_settings, numbers(topic_settings, "spans", range(4)))
    with Worker(topic_settings.model_copy(update={"retry_limit": 0.5})) as worker:
        worker.fail = Transient("the store is away")
        worker.join()
    assert isinstance(worker.error, EngineError)
    assert str(worker.error) == "given up after 0.5 s: the store is away"
    until(lambda: behind(topic_settings) == 4)


def test_members_join_and_leave_and_nothing_is_missed(topic_settings: Settings) -> None:
    settings = topic_settings.model_copy(update={"session_timeout": 6.0})
    with Worker(settings) as first, writing(settings) as producer:
        producer.send(numbers(settings, "spans", range(400)))
        producer.confirm()
        until(lambda: len(first.done) >= 400)
        with Worker(settings) as second:
            sent = 400
            while not second.done:
                producer.send(numbers(settings, "spans", range(sent, sent + 40)))
                producer.confirm()
                sent += 40
                second.stop.wait(0.05)
        producer.send(numbers(settings, "spans", range(sent, sent + 40)))
        producer.confirm()
        sent += 40
        until(lambda: behind(settings) == 0)
    assert first.error is None
    assert second.error is None
    assert set(first.numbers()) | set(second.numbers()) == set(range(sent))


def test_a_stage_reads_its_own_topics(topic_settings: Settings) -> None:
    def read(stage: str) -> set[Any]:
        return {row.topic for row in lag(topic_settings, stage)}

    assert read("decode") == {topic_settings.topic("otlp_spans")}
    assert read("aggregate") == {topic_settings.topic("spans")}
    assert topic_settings.topic("panes") in read("sink")
    assert topic_settings.topic("progress") not in read("sink")
