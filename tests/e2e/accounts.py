"""What the pipeline says it did, read from Kafka and ClickHouse, and every difference from the truth in readable words."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition

from pipeline.connectors.clickhouse import query
from pipeline.connectors.kafka import connection, lag, sources
from pipeline.settings import Settings
from tests.e2e.ledger import MEASURES, Key, Ledger

VERDICTS = ("counted", "duplicate", "too_late", "ahead_of_clock")

PANES = f"""
SELECT window_start_ns, environment, route, model, release, cohort, language, {", ".join(f"sum({m})" for m in MEASURES)}
FROM panes FINAL GROUP BY ALL
"""

UNSTABLE = f"""
SELECT source, offset, count() AS verdicts FROM ledger WHERE stage = 'aggregate'
GROUP BY source, offset HAVING uniqExact({", ".join(VERDICTS)}) > 1
"""
"""Offsets that were judged differently by different owners, as far as the store has not yet merged their rows."""

QUANTILES = """
SELECT route, quantilesTDigestMerge(0.5, 0.99)(latency_digest) FROM performance GROUP BY route
"""


class _Block(msgspec.Struct):
    trace_id: list[str]


def rows(settings: Settings, sql: str) -> list[list[Any]]:
    """The rows of a statement."""
    return query(settings, sql)[1]


def number(settings: Settings, sql: str) -> int:
    """The only number of a statement."""
    return int(rows(settings, sql)[0][0])


def behind(settings: Settings, stage: str) -> int:
    """Records a stage has still to read."""
    return sum(part.lag for part in lag(settings, stage))


def block_rows(settings: Settings) -> dict[tuple[int, int], int]:
    """Rows of every block that has any, by partition and offset of `spans`."""
    topic, found, ends = settings.topic("spans"), dict[tuple[int, int], int](), set[int]()
    config = {"group.id": "-", "enable.auto.commit": False, "enable.partition.eof": True}
    reader = Consumer(connection(settings) | config)
    partitions = sources(settings, "spans")
    reader.assign([TopicPartition(topic, p, 0) for p in partitions])
    while len(ends) < len(partitions):
        record = reader.poll(30.0)
        assert record is not None, "the topic of spans is read to its end"
        if (error := record.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            ends.add(record.partition() or 0)
        elif record.key() is None and (n := len(msgspec.json.decode(record.value() or b"", type=_Block).trace_id)):
            found[record.partition() or 0, record.offset() or 0] = n
    reader.close()
    return found


def panes_differ(settings: Settings, truth: Mapping[Key, list[int]]) -> Iterator[str]:
    """Windows and series whose measures, summed over sources, are not the truth's."""
    stored = {(row[0], tuple(row[1:7])): [int(cell) for cell in row[7:]] for row in rows(settings, PANES)}
    for key in sorted(stored.keys() | truth.keys()):
        got, true = stored.get(key, [0] * len(MEASURES)), truth.get(key, [0] * len(MEASURES))
        if got != true:
            wrong = ", ".join(f"{m} {g} not {t}" for m, g, t in zip(MEASURES, got, true, strict=True) if g != t)
            yield f"{datetime.fromtimestamp(key[0] / 1e9, UTC):%H:%M:%S} {'/'.join(key[1])}: {wrong}"


def law_a_breaks(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Per offset of otlp_spans: spans in = rows out + dead, all three as they were sent."""
    sql = "SELECT source, offset, spans, rows, dead FROM ledger FINAL WHERE stage = 'decode'"
    said = {(int(source.split(":")[1]), offset): tuple(counts) for source, offset, *counts in rows(settings, sql)}
    sent = {(p, i): (n, n - dead, dead) for p, records in ledger.records.items() for i, (n, dead) in enumerate(records)}
    for at in sorted(said.keys() | sent.keys()):
        if said.get(at) != sent.get(at):
            yield f"otlp_spans {at}: (spans, rows, dead) {said.get(at)} not {sent.get(at)}"


def law_b_breaks(settings: Settings, blocks: Mapping[tuple[int, int], int]) -> Iterator[str]:
    """Per offset of spans: rows = counted + duplicate + too late + ahead of the clock; one verdict, always the same."""
    sql = f"SELECT source, offset, spans, {', '.join(VERDICTS)} FROM ledger FINAL WHERE stage = 'aggregate'"
    said = {(int(source.split(":")[1]), offset): counts for source, offset, *counts in rows(settings, sql)}
    for at in sorted(said.keys() | blocks.keys()):
        spans, *verdicts = said.get(at, [0])
        if not spans == sum(verdicts) == blocks.get(at, 0):
            yield f"spans {at}: {spans} rows, verdicts {verdicts}, the block has {blocks.get(at)}"
    for source, offset, verdicts in rows(settings, UNSTABLE):
        yield f"{source} {offset}: {verdicts} verdicts that differ"


def law_c_breaks(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Over distinct span ids: sent = counted + too late + dead, and every span that is not dead is kept."""
    counted = number(settings, "SELECT sum(counted) FROM ledger FINAL WHERE stage = 'aggregate'")
    true = len(ledger.sent) - len(ledger.too_late) - len(ledger.dead)
    if counted != true:
        yield f"counted {counted} not {true}: sent {len(ledger.sent)}, too late {len(ledger.too_late)}, dead {len(ledger.dead)}"
    kept = {identity for (identity,) in rows(settings, "SELECT trace_id || span_id FROM spans FINAL")}
    for wrong in sorted(kept ^ (ledger.sent - ledger.dead))[:10]:
        yield f"span {wrong}: {'kept though dead or never sent' if wrong in kept else 'lost'}"


def quantiles_differ(settings: Settings, ledger: Ledger, error: float = 0.01) -> Iterator[str]:
    """Routes whose p50 or p99 is further than `error` outside the calls that rank around it."""
    for route, found in rows(settings, QUANTILES):
        latencies = np.sort(np.array(ledger.latencies[route]))
        for q, value in zip((0.5, 0.99), found, strict=True):
            rank = q * (len(latencies) - 1)
            low, high = latencies[max(0, int(rank) - 1)], latencies[min(len(latencies) - 1, int(rank) + 2)]
            if not low * (1 - error) <= value <= high * (1 + error):
                yield f"{route} p{q * 100:g} {value / 1e6:.1f} ms, exactly {np.quantile(latencies, q) / 1e6:.1f} ms"
