"""Status against a real Kafka and ClickHouse: what it says of lag, watermarks and freshness is so."""

import uuid

from pipeline.app.status import look
from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks
from pipeline.connectors.clock import now_ns
from pipeline.connectors.kafka import Producer, apply_topics
from pipeline.connectors.progress_log import ProgressLog
from pipeline.model.columns import DEAD_LETTERS, LEDGER, SPANS, STATUS
from pipeline.model.stream import Message, Progress, Source
from pipeline.operators.blocks import empty_block, encode_rows
from pipeline.settings import SECOND, Settings
from tests.spans import span

DAY = 86_400 * SECOND


def said(source: str, time_ns: int, metric: str, value: float) -> dict[str, object]:
    return {"time_ns": time_ns, "stage": "aggregate", "source": source, "metric": metric, "value": value}


def test_status_says_what_is(fresh_prefix: Settings) -> None:
    settings = fresh_prefix
    apply_topics(settings)
    apply_schema(settings)
    now = now_ns()
    rows = [span(1, now - 30 * SECOND), span(2, now - 20 * SECOND), span(3, now + 365 * DAY)]
    spoken = [
        said("spans:0", now - 9 * SECOND, "watermark_delay_ns", 1.0),
        said("spans:0", now - 5 * SECOND, "watermark_delay_ns", 12e9),
        said("spans:0", now - 5 * SECOND, "open_windows", 3.0),
        said("spans:1", now - 5 * SECOND, "watermark_delay_ns", -1.0),
    ]
    letter = dict.fromkeys((c.name for c in DEAD_LETTERS), "") | {"reason": "bad_trace_id", "source": "s"}
    letter |= dict.fromkeys(("offset", "index", "time_ns", "size_bytes"), 0) | {"count": 1}
    verdict = dict.fromkeys((c.name for c in LEDGER), 0) | {"stage": "aggregate", "source": "s", "too_late": 4}
    with connect(settings) as client:
        for table, block in (
            ("spans", encode_rows(SPANS, rows)),
            ("spans", encode_rows(SPANS, rows[:1])),
            ("status", encode_rows(STATUS, spoken)),
            ("dead_letters", encode_rows(DEAD_LETTERS, [letter])),
            ("ledger", encode_rows(LEDGER, [verdict])),
        ):
            assert insert_blocks(client, table, [block]) == {}
    producer = Producer(settings)
    producer.send([Message(settings.topic("spans"), 0, empty_block(SPANS))] * 5)
    producer.confirm()

    seen = look(settings)

    assert seen.problems == []
    assert seen.spans == 3
    assert seen.freshness_ns is not None
    assert 20 * SECOND <= seen.freshness_ns < 60 * SECOND
    assert seen.dead_letters == {"bad_trace_id": 1}
    assert seen.not_counted == {"duplicate": 0, "too_late": 4, "ahead_of_clock": 0}
    first, second = seen.partitions
    assert 17e9 <= first["delay_ns"] < 60e9
    assert first["open_windows"] == 3
    assert second["delay_ns"] is None
    assert {part.partition: part.lag for part in seen.lag["aggregate"]} == {0: 5, 1: 0, 2: 0, 3: 0}

    log = ProgressLog(settings, settings.group("aggregate"), "spans", uuid.uuid4().hex)
    source: Source = log.takeover(0).source
    producer.send([log.entry(source, 1, Progress(committed=1, folded=4, watermark_ns=now))])
    producer.confirm()
    assert next(part.lag for part in look(settings).lag["aggregate"] if part.partition == 0) == 1


def test_an_engine_that_does_not_answer_is_a_problem_not_an_error(fresh_prefix: Settings) -> None:
    seen = look(fresh_prefix)
    assert seen.problems
    assert seen.spans is None
