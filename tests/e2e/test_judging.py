"""evaluate and scores on real Kafka, both killed at random: every trace is judged once, and tables and views say of it what they
would have said undisturbed. What users said stays in the samples."""

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
from pipeline.model.columns import SERIES
from pipeline.model.stream import Record
from pipeline.operators.first_scores import FirstScores
from pipeline.operators.sampling import is_in, randomness_of, sampling_key
from pipeline.operators.traffic import draw, encode
from pipeline.settings import Settings
from pipeline.topics import topics
from tests.conformance.test_store_scores import close
from tests.databases import Databases
from tests.e2e.stages import Stages
from tests.otlp import Told, request_of
from tests.scores import score_pane

QUICK = {
    "otlp_partitions": 2,
    "spans_partitions": 2,
    "panes_partitions": 2,
    "trace_settle": 1.0,
    "out_of_orderness": 1.0,
    "window": 5.0,
    "tick_every": 0.2,
    "early_every": 0.5,
    "sink_linger": 0.2,
    "session_timeout": 10.0,
    "sample_ceiling": 0.5,
}
SEEN = 240.0
"""Seconds in which what was sent must be judged."""

BOTH = ("evaluate", "scores")
KILLED_AT = {5: BOTH[:1], 10: BOTH[1:], 15: BOTH, 24: BOTH[1:], 27: BOTH[:1], 39: BOTH}
"""Who is killed after so many records."""

CONTROL = "groundedness_lexical"

PLANTED = "My daughter Ottilie swallowed a thimble yesterday"
"""What a user said; nobody else says so."""


@pytest.fixture
def pipeline(databases: Databases, tmp_path: Path) -> Iterator[tuple[Settings, Stages]]:
    """All stages over topics and tables of this test alone."""
    with databases.lent() as named:
        settings = named.model_copy(update=QUICK)
        apply_topics(settings)
        stages = ("decode", "aggregate", "evaluate", "scores", "sink")
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
    """What the scores that count say, as they stand in the topic."""
    readers: dict[int, FirstScores] = {}
    found = {}
    for row in rows(read(settings, "scores")):
        reader = readers.setdefault(row["at"].source.partition, FirstScores())
        identity = (row["trace_id"], row["evaluator"])
        if reader.is_first(row["source"], row["offset"], row["settled"], identity, row["at"].offset):
            assert identity not in found, f"{identity} counts twice"
            found[identity] = said_by(row)
    return found


def said_by(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a score says, in short."""
    return tuple(row[name] for name in ("status", "value", "inclusion_probability", "incomplete", "offset"))


def expected(settings: Settings) -> dict[tuple[str, str], dict[str, Any]]:
    """The scores that come of the samples if nobody is ever killed: the stage itself over the same log."""
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
            found[row["trace_id"], row["evaluator"]] = row
        states[p].rows.clear()
    return found


def stored(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, found = query(settings, sql)
    return [dict(zip(names, row, strict=True)) for row in found]


def view_agrees(found: list[dict[str, Any]], panes: list[dict[str, Any]], of: tuple[str, ...], pool: tuple[str, ...]) -> None:
    """Whether a view of quality has a row for each evaluator and series `of`, and says what Python says of these sums."""
    by = {tuple(row[name] for name in (*of, "evaluator")): row for row in found}
    assert len(by) == len(found)
    assert by.keys() == {tuple(pane[name] for name in (*of, "evaluator")) for pane in panes}
    for row in found:
        series = [pane for pane in panes if all(pane[name] == row[name] for name in of)]
        mine, control = ([pane for pane in series if pane["evaluator"] == who] for who in (row["evaluator"], CONTROL))
        beside = [pane for pane in panes if all(pane[name] == row[name] for name in (*pool, "evaluator"))]
        close(row, mine, control, [pane for pane in beside if pane not in mine])
        assert row["scores"] == len(mine)


def test_killed_at_random_every_trace_is_judged_once_and_as_undisturbed(pipeline: tuple[Settings, Stages]) -> None:
    settings, stages = pipeline
    rng, begun = random.Random(11), time.time_ns()
    producer, chosen = Producer(connection(settings)), set()
    joined = ("decode", "evaluate", "scores")
    stages.until(lambda: all(stages.members(stage) for stage in joined), "the stages have joined", SEEN)
    for i in range(40):
        now = time.time_ns()
        calls = [draw(rng, now - rng.randrange(10**9), 0.5) for _ in range(20)]
        traces = (call.trace_id.hex() for call in calls)
        chosen |= {trace for trace in traces if is_in(randomness_of(trace, sampling_key("")), settings.sample_ceiling)}
        producer.produce(settings.otlp_topic, encode(calls), partition=i % 2)
        assert producer.flush(30) == 0
        for stage in KILLED_AT.get(i, ()):
            stages.kill(stage)
        for stage in KILLED_AT.get(i, ()):
            stages.start(stage)
        time.sleep(0.3)
    stages.until(lambda: {trace for trace, _ in counted(settings)} >= chosen, f"{len(chosen)} traces are judged", SEEN)
    total, adding = 4 * len(chosen), "SELECT sum(scores) AS n FROM score_panes FINAL"
    stages.until(lambda: int(stored(settings, adding)[0]["n"]) == total, f"{total} scores add up", SEEN)
    assert 200 < len(chosen) < 600
    found, wanted = counted(settings), expected(settings)
    assert {identity: said_by(row) for identity, row in wanted.items() if identity in found} == found
    assert len(found) == total
    assert {"ok", "skipped"} == {status for status, *_ in found.values()}
    table = stored(settings, "SELECT * FROM scores FINAL")
    assert len(table) == total
    of_samples = {identity: values[:-1] for identity, values in found.items()}  # the table's offset is that of the score
    assert {(row["trace_id"], row["evaluator"]): said_by(row)[:-1] for row in table} == of_samples
    undisturbed = [score_pane([wanted[identity]]) for identity in found]
    sql = f"SELECT * FROM quality_between(since = {begun // 10**9 - 60}, until = {time.time_ns() // 10**9 + 60})"
    view_agrees(stored(settings, sql), undisturbed, ("environment", "route", "release", "cohort"), ("environment", "route"))
    window, known = int(settings.window), {(row["trace_id"], row["evaluator"]): row["known_ns"] // 10**9 for row in table}
    sql = "SELECT *, toUnixTimestamp(window_start) AS begin FROM quality_by_cohort"
    panes = [score_pane([wanted[identity]], begin=known[identity] // window * window) for identity in found]
    view_agrees(stored(settings, sql), panes, ("begin", *SERIES), ("begin", "environment", "route"))


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
