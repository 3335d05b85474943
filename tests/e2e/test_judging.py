"""evaluate on real Kafka: killed at random every trace is judged once, as undisturbed; what users said stays in the samples."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.app.evaluate import evaluate_stage
from pipeline.app.evaluators import evaluators
from pipeline.connectors.clickhouse import query
from pipeline.connectors.evaluating import Bench
from pipeline.connectors.kafka import apply_topics, connection, sources
from pipeline.model.stream import Record
from pipeline.operators.first_scores import FirstScores
from pipeline.operators.sampling import is_in, randomness_of, sampling_key
from pipeline.operators.traffic import draw, encode
from pipeline.settings import Settings
from pipeline.topics import topics
from tests.databases import Databases
from tests.e2e.stages import Stages
from tests.otlp import Told, request_of

QUICK = {
    "otlp_partitions": 2,
    "spans_partitions": 2,
    "panes_partitions": 2,
    "trace_settle": 1.0,
    "out_of_orderness": 1.0,
    "tick_every": 0.2,
    "early_every": 0.5,
    "sink_linger": 0.2,
    "session_timeout": 10.0,
    "sample_ceiling": 0.5,
}
SEEN = 240.0
"""Seconds in which what was sent must be judged."""

PLANTED = "My daughter Ottilie swallowed a thimble yesterday"
"""What a user said; nobody else says so."""


@pytest.fixture
def pipeline(databases: Databases, tmp_path: Path) -> Iterator[tuple[Settings, Stages]]:
    """All stages over topics and tables of this test alone."""
    with databases.lent() as named:
        settings = named.model_copy(update=QUICK)
        apply_topics(settings)
        stages = ("decode", "aggregate", "evaluate", "sink")
        with Stages(settings, tmp_path, dict(zip(stages, stages, strict=True))) as running:
            yield settings, running


def at(end_ns: int, number: int, request: bytes) -> bytes:
    """The same spans, ending now, in a trace of their own."""
    moved = ExportTraceServiceRequest.FromString(request)
    for span in moved.resource_spans[0].scope_spans[0].spans:
        span.trace_id = number.to_bytes(16, "big", signed=False) if number else b"t" * 16
        lasting = span.end_time_unix_nano - span.start_time_unix_nano
        span.start_time_unix_nano, span.end_time_unix_nano = end_ns - lasting, end_ns
    moved_bytes: bytes = moved.SerializeToString()
    return moved_bytes


def read(settings: Settings, key: str) -> list[Record]:
    """All that stands in a topic now, by partition."""
    found = []
    consumer = Consumer({**connection(settings), "group.id": "reader"})
    try:
        for p, source in sorted(sources(settings, key).items()):
            begin, end = consumer.get_watermark_offsets(TopicPartition(source.topic, p), timeout=30)
            consumer.assign([TopicPartition(source.topic, p, begin)])
            at = begin
            while at < end:
                message = consumer.poll(10)
                assert message is not None, f"{source} does not answer"
                assert message.error() is None, message.error()
                time_ns = message.timestamp()[1] * 1_000_000
                found.append(Record(source, message.offset(), time_ns, message.value(), message.key()))
                at = message.offset() + 1
    finally:
        consumer.close()
    return found


def rows(records: list[Record]) -> list[dict[str, Any]]:
    found = []
    for record in records:
        block = orjson.loads(record.value or b"{}")
        found += [dict(zip(block, row, strict=True)) | {"at": record} for row in zip(*block.values(), strict=True)]
    return found


def counted(settings: Settings) -> dict[tuple[str, str], Any]:
    """The scores that count, as they stand in the topic."""
    readers: dict[int, FirstScores] = {}
    found = {}
    for row in rows(read(settings, "scores")):
        reader = readers.setdefault(row["at"].source.partition, FirstScores())
        identity = (row["trace_id"], row["evaluator"])
        if reader.is_first(row["source"], row["offset"], row["settled"], identity, row["at"].offset):
            assert identity not in found, f"{identity} counts twice"
            found[identity] = (row["status"], row["value"], row["inclusion_probability"], row["incomplete"], row["offset"])
    return found


def expected(settings: Settings) -> dict[tuple[str, str], Any]:
    """What comes of the samples if nobody is ever killed: the stage itself over the same log."""
    chosen = evaluators(settings)
    stage, bench, found = evaluate_stage(settings, chosen), Bench(chosen, 60, 60), {}
    states: dict[int, Any] = {}

    async def all_of(asks: Any) -> list[Any]:
        return list(await asyncio.gather(*map(bench.answer, asks)))

    for record in read(settings, "samples"):
        p = record.source.partition
        state = states.get(p) or stage.open(record.source, None)
        states[p], effects = stage.step(state, [record], 0)
        stage.heard(states[p], asyncio.run(all_of(effects.asks)))
        for row in states[p].rows:
            values = (row["status"], row["value"], row["inclusion_probability"], row["incomplete"], row["offset"])
            found[row["trace_id"], row["evaluator"]] = values
        states[p].rows.clear()
    return found


def test_killed_at_random_every_trace_is_judged_once_and_as_undisturbed(pipeline: tuple[Settings, Stages]) -> None:
    settings, stages = pipeline
    rng = random.Random(11)
    producer, chosen = Producer(connection(settings)), set()
    stages.until(lambda: stages.members("decode") and stages.members("evaluate"), "the stages have joined", SEEN)
    for i in range(40):
        now = time.time_ns()
        calls = [draw(rng, now - rng.randrange(10**9), 0.5) for _ in range(20)]
        traces = (call.trace_id.hex() for call in calls)
        chosen |= {trace for trace in traces if is_in(randomness_of(trace, sampling_key("")), settings.sample_ceiling)}
        producer.produce(settings.otlp_topic, encode(calls), partition=i % 2)
        assert producer.flush(30) == 0
        if i % 10 == 5:
            stages.kill("evaluate")
            stages.start("evaluate")
        time.sleep(0.3)
    stages.kill("evaluate")
    stages.start("evaluate")
    stages.until(lambda: {trace for trace, _ in counted(settings)} >= chosen, f"{len(chosen)} traces are judged", SEEN)
    assert 200 < len(chosen) < 600
    found, wanted = counted(settings), expected(settings)
    assert {identity: wanted[identity] for identity in found} == found
    assert len(found) == 4 * len(chosen)
    assert {"ok", "skipped"} == {status for status, *_ in found.values()}


def test_what_users_said_stands_in_the_samples_and_nowhere_else(pipeline: tuple[Settings, Stages]) -> None:
    settings, stages = pipeline
    said = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-mini",
        "input.value": PLANTED,
        "output.value": f"I am sorry. {PLANTED}.",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": PLANTED,
        "llm.invocation_parameters": orjson.dumps({"user": PLANTED, "response_format": {"type": "json_object"}}).decode(),
        "metadata": orjson.dumps({"route": "support", "note": PLANTED}).decode(),
        "error.type": PLANTED,
        "session.id": PLANTED,
    }
    found = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": PLANTED, "input.value": PLANTED}
    tool = {"openinference.span.kind": "TOOL", "tool.name": "look", "input.value": PLANTED, "output.value": PLANTED}
    told = [
        Told(attributes, name=PLANTED, events=[(PLANTED, 1, {"exception.message": PLANTED})])
        for attributes in (said, found, tool)
    ]
    producer = Producer(connection(settings))
    for i in range(12):
        now = time.time_ns()
        producer.produce(settings.otlp_topic, at(now, i, request_of(*told)), partition=i % 2)
        producer.produce(settings.otlp_topic, f'{{"resourceSpans": "{PLANTED}"}}'.encode(), partition=i % 2)
    assert producer.flush(30) == 0
    stages.until(lambda: any(status == "ok" for status, *_ in counted(settings).values()), "a score", SEEN)
    where = {}
    for key in topics():
        values = [record.value or b"" for record in read(settings, key)]
        where[key] = sum(b"thimble" in value for value in values)
    assert {key for key, times in where.items() if times} == {"otlp_spans", "samples"}
    tables = [
        name
        for (name,) in query(
            settings, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%Tree'"
        )[1]
    ]
    assert len(tables) > 10
    stored = "table = '{table}' AND type LIKE '%String%' AND default_kind IN ('', 'DEFAULT')"
    of_table = "SELECT name FROM system.columns WHERE database = currentDatabase() AND " + stored
    for table in tables:
        columns = query(settings, of_table.format(table=table))[1]
        for (column,) in columns:
            held = query(settings, f"SELECT count() FROM {table} WHERE position(toString({column}), 'thimble') > 0")[1][0][0]
            assert held == 0, f"{table}.{column}"
