"""watch on real Kafka and ClickHouse: killed at random, it alerts of what one plain pass over its log says, each once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.app.check import check, contract_named
from pipeline.app.contracts import apply, read_files, remove
from pipeline.connectors.clickhouse import query
from pipeline.connectors.kafka import Producer, apply_topics, connection, sources
from pipeline.model.stream import Message, Record, Source
from pipeline.operators.frontiers import FRONTIER_KEY
from pipeline.settings import Settings
from pipeline.stages.watch import CONTRACTS_KEY
from pipeline.topics import partition_of, route_key
from tests.databases import Databases
from tests.e2e.stages import Stages
from tests.panes import MINUTE_NS, NOON_NS, counted, panes
from tests.watched import POLICY, Log, folded, stage, traffic

QUICK = {"panes_partitions": 2, "watch_hour": 600.0, "snapshot_every": 0.1, "session_timeout": 6.0, "sink_linger": 0.2}
WITHIN = 90.0
MINUTES, WORSE_FROM, WAVES = 900, 760, 6

CONTRACT = """
name: errors
version: 1
owner: us
environment: prod
routes: [chat, search, serach]
slices: [cohort]
objectives:
  - {metric: error.ratio, at_most: 4%, window: 15m, minimum: 100, severity: page}
  - {metric: latency.p95, at_most: 4s, window: 15m, minimum: 100, severity: page}
regression: {baseline: previous_release, metrics: [error.ratio], severity: page}
"""


@pytest.fixture
def settings(databases: Databases) -> Iterator[Settings]:
    with databases.lent() as named:
        made = named.model_copy(update=QUICK)
        apply_topics(made)
        yield made


def read(settings: Settings, topic: str) -> dict[Source, list[Record]]:
    """All that stands in a topic, by source."""
    found: dict[Source, list[Record]] = {}
    consumer = Consumer({**connection(settings), "group.id": "reader"})
    for p, source in sources(settings, topic).items():
        _, end = consumer.get_watermark_offsets(TopicPartition(source.topic, p), timeout=30)
        consumer.assign([TopicPartition(source.topic, p, 0)])
        log = found[source] = []
        while len(log) < end:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            log.append(Record(source, message.offset(), message.timestamp()[1] * 10**6, message.value(), message.key()))
    consumer.close()
    return found


def made_up(settings: Settings) -> list[list[Message]]:
    """Messages of panes in waves: cohort pro of chat gets worse, release 2 of search too; the rest stays."""
    log = Log()
    for minute, (chat, search) in enumerate(
        zip(traffic(1, MINUTES, WORSE_FROM, 0.08), traffic(2, MINUTES, 700, 0.09), strict=True)
    ):
        for rows in (
            [timed(row, minute) for row in chat],
            [row | {"route": "search", "release": "2" if minute >= 700 else "1"} for row in search],
        ):
            log.put(None, panes(*rows), minute)
        log.window(minute, [])
    messages: list[Message] = []
    for record in log.records:
        routes = (
            [b"chat", b"search"]
            if record.key == FRONTIER_KEY
            else [b"search" if b'"search"' in (record.value or b"") else b"chat"]
        )
        for route in routes:
            place = partition_of(route_key("prod", route.decode()), settings.panes_partitions)
            messages.append(Message(settings.topic("panes"), place, record.value or b"", record.key))
    share = len(messages) // WAVES + 1
    return [messages[at : at + share] for at in range(0, len(messages), share)]


def timed(row: dict[str, Any], minute: int) -> dict[str, Any]:
    """Of one cohort one call in five takes 8 s once it is worse; else one in fifty does."""
    n = row["requests"]
    slow = n // (5 if row["cohort"] == "pro" and minute >= WORSE_FROM else 50)
    return row | counted(latency=[2 * 10**9] * (n - slow) + [8 * 10**9] * slow)


def broken(settings: Settings, path: Path) -> set[tuple[str, str, str]]:
    """Rule, route and cohort of what `tailrace check` says of the stored panes."""
    contract = contract_named(settings, str(path))
    done = check(settings, contract, (NOON_NS, NOON_NS + 2 * MINUTES * MINUTE_NS), "", 100, lambda _: None)
    found = [one.alert for one in done.standing.findings if one.verdict == "broken"]
    assert all(one.estimate is None or 7.9e9 < one.estimate < 8.1e9 for one in found if one.metric == "latency.p95")
    return {(one.rule, one.route, dict(one.slice).get("cohort", "")) for one in found}


def ids(settings: Settings) -> list[str]:
    return [orjson.loads(record.value or b"")["id"] for log in read(settings, "alerts").values() for record in log]


def plain(settings: Settings) -> dict[str, dict[str, Any]]:
    """What a pass over the log as it stands says."""
    watch = stage(replace(POLICY, partitions=settings.panes_partitions))
    told = [m for log in read(settings, "panes").values() for m in folded(watch, Log(log)) if m.topic == "alerts"]
    return {event["id"]: event["data"] for event in (orjson.loads(m.value) for m in told)}


def test_killed_at_random_it_alerts_as_in_one_plain_pass(settings: Settings, tmp_path: Path) -> None:
    producer = Producer(settings)
    path = tmp_path / "errors.yaml"
    path.write_text(CONTRACT)
    with Stages(settings, tmp_path, {"watch": "watch", "sink": "sink"}) as stages:
        apply(settings, read_files(settings, [path]), "test")
        stages.until(
            lambda: all(any(r.key == CONTRACTS_KEY for r in log) for log in read(settings, "panes").values()),
            "the contract stands in the log",
            WITHIN,
        )
        for n, wave in enumerate(made_up(settings)):
            producer.send(wave[: len(wave) // 2])
            producer.confirm()
            if n in (1, 4, 5):
                stages.kill("watch")
            producer.send(wave[len(wave) // 2 :])
            producer.confirm()
            if n in (1, 4, 5):
                stages.start("watch")
        expected = plain(settings)
        stages.until(lambda: set(ids(settings)) >= set(expected), f"{len(expected)} alerts are told", WITHIN)
        firing = "SELECT id FROM latest_alerts WHERE state = 'firing'"
        stages.until(lambda: {row[0] for row in query(settings, firing)[1]} == _firing(expected), "they are stored", WITHIN)
        bounds = {(one["rule"], one["route"], one["slice"].get("cohort", "")) for one in expected.values() if one["bound"]}
        stages.until(lambda: broken(settings, path) == bounds, "check says the same of what is stored", WITHIN)
        assert set(ids(settings)) == set(expected)
        remove(settings, "errors", "test")
        stages.until(lambda: not query(settings, firing)[1], "what fired has ended with its contract", WITHIN)
        stages.kill("watch")
        stages.start("watch")
    assert set(ids(settings)) == set(plain(settings))
    assert ("latency.p95.at_most.15m", "chat", "pro") in bounds
    about = {(one["kind"], one["route"], one["slice"].get("cohort")) for one in expected.values()}
    assert {("objective", "chat", "pro"), ("regression", "search", "pro")} <= about
    assert ("no_data", "serach", None) in about, "a route nobody sends"
    assert not any(cohort in ("free", "team") for _, _, cohort in about)


def _firing(told: dict[str, dict[str, Any]]) -> set[str]:
    last = {one["fingerprint"]: one for one in sorted(told.values(), key=lambda one: one["at_ns"])}
    return {one["id"] for one in last.values() if one["state"] == "firing"}
