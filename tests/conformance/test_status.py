"""Status against a real Kafka and ClickHouse: what it says of lag, watermarks and freshness is so."""

import uuid
from pathlib import Path

from pipeline.app.compose import window_policy
from pipeline.app.status import DEAD, NEWEST, NOT_COUNTED, OUTSIDE, PARTITIONS, ROWS, look, worded
from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.connectors.clock import now_ns
from pipeline.connectors.kafka import Producer, apply_topics
from pipeline.connectors.progress_log import ProgressLog
from pipeline.model.columns import DEAD_LETTERS, LEDGER, SPANS, STATUS
from pipeline.model.stream import Message, Progress, Source
from pipeline.operators.blocks import empty_block, encode_rows
from pipeline.operators.eras import first
from pipeline.settings import SECOND, Settings
from pipeline.topics import STAGES
from tests.e2e.stages import Stages
from tests.panes import pane, panes
from tests.spans import span

DAY = 86_400 * SECOND


def said(source: str, time_ns: int, metric: str, value: float) -> dict[str, object]:
    return {"time_ns": time_ns, "stage": "aggregate", "source": source, "metric": metric, "value": value}


def test_status_says_what_is(with_schema: Settings) -> None:
    settings = with_schema
    apply_topics(settings)
    now, log = now_ns(), settings.topic("spans")
    rows = [span(1, now - 30 * SECOND), span(2, now - 20 * SECOND), span(3, now + 365 * DAY)]
    spoken = [
        said(f"{log}:0", now - 9 * SECOND, "watermark_delay_ns", 1.0),
        said(f"{log}:0", now - 5 * SECOND, "watermark_delay_ns", 12e9),
        said(f"{log}:0", now - 5 * SECOND, "open_windows", 3.0),
        said(f"{log}:0", now - 5 * SECOND, "unending_traces", 256.0),
        said(f"{log}:0", now - 5 * SECOND, "unending_traces_held", 2.0),
        said(f"{log}:1", now - 5 * SECOND, "watermark_delay_ns", -1.0),
        said(f"{log}:1", now - 5 * SECOND, "open_windows", 0.0),
    ]
    letter = dict.fromkeys((c.name for c in DEAD_LETTERS), "") | {
        "reason": "bad_trace_id",
        "source": f"{settings.otlp_topic}:0:e",
    }
    letter |= dict.fromkeys(("offset", "index", "size_bytes"), 0) | {"count": 1, "time_ns": now}
    verdict = dict.fromkeys((c.name for c in LEDGER), 0) | {"stage": "aggregate", "too_late": 4, "time_ns": now}
    verdict |= {"late_for_trace": 3, "outside_nusd": 4500}
    verdicts = [verdict | {"source": f"{topic}:0:e"} for topic in (log, "another.spans.v1")]
    verdicts.append(verdicts[0] | {"offset": 1, "time_ns": now - DAY})
    with connect(settings) as client:
        for table, block in (
            ("spans", encode_rows(SPANS, rows)),
            ("spans", encode_rows(SPANS, rows[:1])),
            ("status", encode_rows(STATUS, spoken)),
            ("dead_letters", encode_rows(DEAD_LETTERS, [letter])),
            ("ledger", encode_rows(LEDGER, verdicts)),
        ):
            assert insert_blocks(client, table, [block]) == {}
    producer = Producer(settings)
    producer.send([Message(settings.topic("spans"), 0, empty_block(SPANS))] * 5)
    producer.confirm()

    seen = look(settings)

    assert seen.members == dict.fromkeys(STAGES, 0)
    assert [problem.partition(":")[0] for problem in seen.problems] == [f"no process runs {stage}" for stage in STAGES]
    assert seen.span_rows == 4
    assert seen.freshness_ns is not None
    assert 20 * SECOND <= seen.freshness_ns < 60 * SECOND
    assert seen.dead_letters == {"bad_trace_id": 1}
    assert seen.not_counted == {"duplicate": 0, "too_late": 4, "ahead_of_clock": 0}
    assert (seen.late_for_trace, seen.outside_nusd) == (3, 4500)
    first, second = seen.partitions
    assert 17e9 <= first["delay_ns"] < 60e9
    assert (first["open_windows"], first["unending"], first["unending_held"]) == (3, 256, 2)
    assert second["delay_ns"] is None
    assert {part.partition: part.lag for part in seen.lag["aggregate"]} == {0: 5, 1: 0, 2: 0, 3: 0}

    log = ProgressLog(settings, settings.group("aggregate"), "spans", uuid.uuid4().hex)
    source: Source = log.takeover(0).source
    producer.send([log.entry(source, 1, Progress(committed=1, folded=4, watermark_ns=now))])
    producer.confirm()
    assert next(part.lag for part in look(settings).lag["aggregate"] if part.partition == 0) == 1


def test_partitions_under_different_settings_are_a_problem(with_schema: Settings) -> None:
    """Workers that were not all started anew: each partition is folded as its owner was told, and nobody else would say so."""
    apply_topics(with_schema)
    log, producer = ProgressLog(with_schema, with_schema.group("aggregate"), "spans", uuid.uuid4().hex), Producer(with_schema)

    def told(windows: list[float]) -> list[str]:
        for partition, window in enumerate(windows):
            rules = first(window_policy(with_schema.model_copy(update={"window": window})))
            source = log.takeover(partition).source
            producer.send([log.entry(source, 1, Progress(committed=1, folded=int(window), watermark_ns=0, eras=rules))])
        producer.confirm()
        return [problem for problem in look(with_schema).problems if "settings" in problem]

    assert told([60.0, 60.0]) == []
    said = "TAILRACE_WINDOW is 120 and 300; give all its workers the same"
    assert told([120.0, 300.0]) == [f"partitions of aggregate are folded under different settings: {said}"]


def test_an_engine_that_does_not_answer_is_a_problem_not_an_error(fresh_prefix: Settings) -> None:
    seen = look(fresh_prefix)
    assert seen.problems
    assert seen.span_rows is None


OLD = """
INSERT INTO ledger (stage, source, offset, time_ns) SELECT 'aggregate', '{spans}:0:e', number, {then} FROM numbers(1000000);
INSERT INTO dead_letters (source, offset, `index`, reason, time_ns, count)
SELECT '{otlp}:0:e', number, 0, 'bad_trace_id', {then}, 1 FROM numbers(1000000);
INSERT INTO spans (trace_id, span_id, route, end_ns, source, offset)
SELECT toString(number), 'a', toString(number % 50), {then}, '{otlp}:0:e', number FROM numbers(500000);
INSERT INTO status (stage, metric, source, time_ns, value)
SELECT 'aggregate', m, '{spans}:0:e', {then} + number * 1000000, 1 FROM numbers(100000)
ARRAY JOIN ['open_windows', 'series', 'x'] AS m;
"""
"""Rows of two days ago, one statement a line that ends in a semicolon."""

MOST_ROWS_READ = 40_000
"""Of 2,800,000: a few granules of 8,192 rows of each table."""


def test_what_is_long_over_costs_nothing(with_schema: Settings) -> None:
    settings = with_schema
    then = now_ns() - 2 * DAY
    with connect(settings) as client:
        for statement in worded(settings, OLD.replace("{then}", str(then))).split(";\n"):
            if statement.strip():
                client.command(statement)
        for sql in (PARTITIONS, NEWEST, ROWS, DEAD, NOT_COUNTED, OUTSIDE):
            answer = client.query(worded(settings, sql))
            assert int(answer.summary["read_rows"]) <= MOST_ROWS_READ, sql


def test_a_stage_that_does_not_run_is_a_problem(with_schema: Settings, tmp_path: Path) -> None:
    settings = with_schema.model_copy(update={"session_timeout": 6.0})
    apply_topics(settings)

    def told() -> list[str]:
        return [problem.split()[3] for problem in look(settings).problems]

    with Stages(settings, tmp_path, {name: name for name in STAGES}) as stages:
        stages.until(lambda: all(look(settings).members.values()), "all have joined", 60)
        assert look(settings).problems == []
        for stage in STAGES:
            stages.kill(stage)
            stages.until(told, f"the absence of {stage} is told", 30)
            assert told() == [f"{stage}:"]
            stages.start(stage)
            stages.until(lambda: not told(), f"{stage} is back", 60)


def test_ids_of_users_in_a_series_are_told_by_their_shape_alone(with_schema: Settings) -> None:
    apply_topics(with_schema)
    minute = now_ns() // 60_000_000_000 * 60_000_000_000
    log = f"{with_schema.topic('spans')}:0:e"
    users = [f"ann.{n}@example.org" for n in range(200)] + [str(uuid.UUID(int=n)) for n in range(100)]
    window = {"source": log, "window_start_ns": minute, "window_end_ns": minute + 1}
    rows = [pane(cohort=user, route=f"/r{n % 3}", **window) for n, user in enumerate(users)]
    with connect(with_schema) as client:
        assert insert_blocks(client, "panes", [panes(*rows)]) == {}
    told = {row["column"]: row for row in look(with_schema).series_values}
    assert (told["cohort"]["values"], told["cohort"]["like_ids"]) == (300, True)
    assert set(told["cohort"]["examples"]) == {"a.N@a.a", "#"}
    assert (told["route"]["values"], told["route"]["like_ids"]) == (3, False)
