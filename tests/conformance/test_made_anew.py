"""Logs that are made anew under running stages, what retention took before it was read, members that own nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns
from pipeline.connectors.kafka import apply_topics, connection, sources, unowned
from pipeline.errors import EngineError, Fatal
from pipeline.operators.traffic import draw, encode
from pipeline.settings import SECOND, Settings
from tests.conformance.test_kafka import DEADLINE, Worker, admin, behind, numbers, send, topic_settings, until
from tests.conformance.worker_group import Group
from tests.conformance.worker_group import until as group_until
from tests.e2e.stages import Stages
from tests.e2e.test_judge_chaos import settled
from tests.e2e.test_judging import QUICK, counted

__all__ = ["topic_settings"]


@pytest.fixture
def group(fresh_prefix: Settings, tmp_path: Path) -> Iterator[Group]:
    made = Group(fresh_prefix.model_copy(update={"session_timeout": 6.0}), "faust_worker", tmp_path)
    try:
        yield made
    finally:
        made.kill()


def make_anew(settings: Settings, key: str) -> None:
    """Delete the topic and create it again. Its name is free once the broker tells of it no more."""
    name, broker = settings.topic(key), admin(settings)
    before = sources(settings, key)[0].epoch
    broker.delete_topics([name])[name].result(DEADLINE)
    until(lambda: name not in broker.list_topics(timeout=10).topics)
    until(lambda: any(change.topic == name for change in apply_topics(settings)))
    assert sources(settings, key)[0].epoch != before


def commit_as_of_before(settings: Settings, stage: str, epoch: str) -> None:
    """What a member that has not noticed may still commit. Refused while another is in the group."""
    offsets = [TopicPartition(settings.topic("spans"), p, 1, metadata=epoch) for p in range(4)]

    def committed() -> bool:
        consumer = Consumer(connection(settings) | {"group.id": settings.group(stage)})
        try:
            return all(answer.error is None for answer in consumer.commit(offsets=offsets, asynchronous=False) or ())
        except KafkaException:
            return False
        finally:
            consumer.close()

    until(committed)


def test_a_reader_of_a_topic_made_anew_ends_and_its_successor_begins_at_the_start(topic_settings: Settings) -> None:
    send(topic_settings, numbers(topic_settings, "spans", range(40)))
    with Worker(topic_settings) as first:
        until(lambda: len(first.done) == 40 and behind(topic_settings) == 0)
        make_anew(topic_settings, "spans")
        first.join()
    assert isinstance(first.error, Fatal)
    assert "made anew" in str(first.error) or isinstance(first.error, EngineError), "gone for a moment is told, too"
    commit_as_of_before(topic_settings, "sink", first.done[0].source.epoch)
    send(topic_settings, numbers(topic_settings, "spans", range(100, 140)))
    with Worker(topic_settings) as second:
        until(lambda: len(second.done) == 40)
    assert sorted(second.numbers()) == list(range(100, 140))


def test_what_retention_took_is_named(topic_settings: Settings) -> None:
    send(topic_settings, numbers(topic_settings, "spans", range(40)))
    with Worker(topic_settings) as first:
        until(lambda: len(first.done) == 40 and behind(topic_settings) == 0)
    assert first.overtaken == []
    send(topic_settings, numbers(topic_settings, "spans", range(40, 80)))
    gone = TopicPartition(topic_settings.topic("spans"), 2, 15)
    broker = admin(topic_settings)
    broker.delete_records([gone])[gone].result(DEADLINE)
    with Worker(topic_settings) as second:
        until(lambda: len(second.done) == 35)
    assert [(source.partition, due, found) for source, due, found in second.overtaken] == [(2, 10, 15)]


def test_a_worker_of_a_topic_made_anew_ends_and_its_successor_begins_at_the_start(group: Group) -> None:
    group.send(range(3))
    group.start("a")
    group.settled()
    make_anew(group.settings, "spans")
    assert group.ended("a", 90) != 0, "three session time-outs, and one more if the group has overlooked it"
    send(group.settings, numbers(group.settings, "spans", range(4)))
    commit_as_of_before(group.settings, "tally", "")
    before = len(group.journal("a"))

    def folded() -> set[int]:
        if group.processes["a"].poll() is not None:
            group.start("a")
        return {e["partition"] for e in group.journal("a")[before:] if e["at"] == "step" and e["offsets"][0] == 0}

    group_until(lambda: folded() == {0, 1, 2, 3}, "all folded anew", 120, lambda: group.log("a")[-8000:])
    assert "made anew" in group.log("a") or "of a log before it" in group.log("a")


def test_samples_and_scores_made_anew_under_running_stages(with_schema: Settings, tmp_path: Path) -> None:
    """What was judged stays as it was; what comes afterwards is judged and counted once, in the new logs."""
    settings = with_schema.model_copy(update=QUICK | {"session_timeout": 6.0, "sample_ceiling": 1.0})
    apply_topics(settings)
    rng, producer, sent = Random(7), Producer(connection(settings)), set[str]()
    names = {name: name for name in ("decode", "evaluate", "scores", "sink")}

    def send_traces() -> None:
        for partition in range(settings.otlp_partitions):
            calls = [draw(rng, now_ns() - rng.randrange(SECOND), 0.5) for _ in range(10)]
            sent.update(call.trace_id.hex() for call in calls)
            producer.produce(settings.otlp_topic, encode(calls), partition=partition)
        assert producer.flush(30) == 0

    def table() -> Any:
        return query(settings, "SELECT * EXCEPT inserted_at FROM scores FINAL ORDER BY ALL")[1]

    def judged() -> bool:
        """Four scores of each trace are in the table, and they add up."""
        found = query(settings, "SELECT trace_id, count() FROM scores FINAL GROUP BY trace_id")[1]
        ((total,),) = query(settings, "SELECT sum(scores) FROM score_panes FINAL")[1]
        return {trace for trace, n in found if n == 4} == sent and int(total) == 4 * len(sent)

    with Stages(settings, tmp_path, names) as stages:
        stages.until(lambda: all(stages.members(name) for name in names), "all have joined", 120)
        for key, reader in (("samples", "evaluate"), ("scores", "scores")):
            send_traces()
            stages.until(lambda: judged() and settled(settings), f"{len(sent)} traces are judged", 180, revive=True)
            before = table()
            make_anew(settings, key)
            stages.until(lambda r=reader: r in stages.revived, f"{reader} notices and ends", 120, revive=True)  # type: ignore[misc]
            assert table() == before
        send_traces()
        stages.until(judged, f"{len(sent)} traces are judged", 180, revive=True)
        assert len(counted(settings)) == 4 * 20, "the last stand in the new log"


def test_partitions_nobody_has_are_seen(group: Group) -> None:
    spans = group.settings.topic("spans")
    assert unowned(group.settings, "tally", spans) == 0, "no group, nobody to blame"
    other = Consumer(connection(group.settings) | {"group.id": group.settings.group("tally")})
    other.subscribe([group.settings.topic("panes")])
    until(lambda: bool(other.poll(0.1) or other.assignment()))
    assert unowned(group.settings, "tally", spans) == 4
    other.close()
    group.start("a")
    until(lambda: group.owners() == {"a": {0, 1, 2, 3}})
    assert unowned(group.settings, "tally", spans) == 0


def test_a_member_beyond_the_partitions_waits_for_its_turn(group: Group) -> None:
    """Five members for four partitions: the fifth waits, and says nothing, for as long as nothing is free."""
    for name in "abcde":
        group.start(name)
    until(lambda: sorted(map(len, group.owners().values())) == [0, 1, 1, 1, 1])
    idle = next(name for name, owned in group.owners().items() if not owned)
    waited = json.dumps(group.owners(), default=list)
    until(lambda: "asked whether partitions are free" in group.log(idle))
    assert group.processes[idle].poll() is None, waited
