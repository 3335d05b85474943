"""scores on real Kafka and ClickHouse: killed at random, table and panes are those of one plain pass over the log of scores."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.connectors.clickhouse import query
from pipeline.connectors.kafka import Producer, apply_topics, connection, sources
from pipeline.model.columns import SCORES
from pipeline.model.score_columns import SCORE_SERIES
from pipeline.model.stream import Message, Record
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings
from pipeline.topics import partition_of, route_key
from tests.databases import Databases
from tests.e2e.stages import Stages
from tests.laws.scores_world import identity, measures, plain_panes, plain_rows
from tests.scores import score, skipped

QUICK = {
    "spans_partitions": 2,
    "panes_partitions": 3,
    "window": 5.0,
    "early_every": 0.5,
    "sink_linger": 0.2,
    "session_timeout": 6.0,
}
"""More partitions of scores than of the progress they share."""

ROUTES = ("chat", "search", "support", "faq")
WITHIN = 90.0


@pytest.fixture
def settings(databases: Databases) -> Iterator[Settings]:
    with databases.lent() as named:
        made = named.model_copy(update=QUICK)
        apply_topics(made)
        yield made


def rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, found = query(settings, sql)
    return [dict(zip(names, row, strict=True)) for row in found]


def log_of(settings: Settings) -> dict[str, list[Record]]:
    """All that stands in the topic of scores, by source."""
    found: dict[str, list[Record]] = {}
    consumer = Consumer({**connection(settings), "group.id": "reader"})
    for p, source in sources(settings, "scores").items():
        _, end = consumer.get_watermark_offsets(TopicPartition(source.topic, p), timeout=30)
        consumer.assign([TopicPartition(source.topic, p, 0)])
        log = found[str(source)] = []
        while len(log) < end:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            log.append(Record(source, message.offset(), message.timestamp()[1] * 10**6, message.value(), message.key()))
    consumer.close()
    return found


def sent(settings: Settings, rng: random.Random, begin: int) -> list[Message]:
    """Some messages of scores; what is not settled comes again now and then, as after a crash of evaluate."""
    told = []
    for n in range(begin, begin + 20):
        for trace in {n, max(begin, n - rng.randint(0, 3))}:
            route = ROUTES[trace % len(ROUTES)]
            given = {"route": route, "settled": begin, "value": trace % 11 / 10, "inclusion_probability": 0.3}
            block = [score(trace, **given), skipped(trace, evaluator="other", route=route, settled=begin)]
            place = partition_of(route_key("prod", route), settings.panes_partitions)
            told.append(Message(settings.topic("scores"), place, encode_rows(SCORES, block)))
    return told


def test_killed_at_random_scores_count_as_in_one_plain_pass(settings: Settings, tmp_path: Path) -> None:
    rng, producer, traces = random.Random(15), Producer(settings), 0
    counting = "SELECT uniqExact(trace_id) AS n FROM scores"
    with Stages(settings, tmp_path, {"scores": "scores", "sink": "sink"}) as stages:
        for wave in range(6):
            messages = sent(settings, rng, traces)
            traces += 20
            producer.send(messages[:10])
            producer.confirm()
            if wave in (1, 2, 4):
                stages.kill("scores")
            producer.send(messages[10:])
            producer.confirm()
            if wave in (1, 2, 4):
                stages.start("scores")
            stages.until(lambda n=traces: rows(settings, counting)[0]["n"] == n, f"{traces} traces count", WITHIN)  # type: ignore[misc]
        logs = log_of(settings)
        expected = {source: plain_rows(log) for source, log in logs.items()}
        total = sum(len(truth) for truth in expected.values())
        stages.until(
            lambda: rows(settings, "SELECT sum(scores) AS n FROM score_panes FINAL")[0]["n"] == total, "all add up", WITHIN
        )
    assert total == 2 * traces
    for source, truth in expected.items():
        known = {
            identity(row): row["known_ns"] for row in rows(settings, f"SELECT * FROM scores FINAL WHERE source = '{source}'")
        }
        assert known == {key: at for key, (at, _) in truth.items()}
        panes = rows(settings, f"SELECT * FROM score_panes FINAL WHERE source = '{source}'")
        found = {(p["window_start_ns"], p["window_end_ns"], *(p[name] for name in SCORE_SERIES)): measures(p) for p in panes}
        assert found == plain_panes(truth.values(), 5 * 10**9)
    assert all(logs.values()), "every partition has scores"
