"""The whole pipeline in one process over files: the same stages, no Kafka, an embedded ClickHouse or the user's.

A file is a log with an end, so nothing is too late: windows close when the input does. Same input, same rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from pipeline.app.aggregate import aggregate_stage
from pipeline.app.decode import decode_stage
from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks, query
from pipeline.connectors.files import epoch_of, read_requests
from pipeline.connectors.local_engines import engines
from pipeline.connectors.local_setup import Say
from pipeline.errors import Fatal
from pipeline.model.log_time import BEGINNING, END_OF_TIME
from pipeline.model.stream import Message, Record, Source
from pipeline.settings import Settings

BATCH = 200
DEAD = "SELECT reason, sum(count) FROM dead_letters FINAL GROUP BY reason ORDER BY reason"
BATCH_BYTES = 8 << 20
FOREVER = END_OF_TIME / 1e9
"""Seconds: nothing in a file is late or ahead of its clock."""

Rows = tuple[list[str], list[list[Any]]]


def replay(settings: Settings, paths: Sequence[Path], say: Say) -> Rows:
    """Names and rows of the `performance` view over the files, by window and series. Leaves nothing behind."""
    epoch_of(paths)  # a file that cannot be read is told before anything is started
    nowhere = {"kafka_bootstrap": "none:0", "clickhouse_dsn": SecretStr(""), "clickhouse_reader_dsn": SecretStr("")}
    throwaway = settings.model_copy(update=nowhere)
    with engines(throwaway, say) as running:
        here = running.settings(throwaway)
        apply_schema(here)
        store(here, run(settings, read_requests(paths)))
        for reason, count in query(here, DEAD)[1]:
            say(f"dead letters: {count:,} {reason}")
        return performance(here)


def into_store(settings: Settings, paths: Sequence[Path]) -> int:
    """Put the files' spans, panes, ledger and dead letters into the user's ClickHouse. Returns how many spans."""
    apply_schema(settings)
    return store(settings, run(settings, read_requests(paths)))


def performance(settings: Settings) -> Rows:
    """All of the `performance` view but its digest states."""
    order = "window_start, environment, route, model, release, cohort, language"
    sql = f"SELECT * EXCEPT (latency_digest, ttft_digest, tps_digest) FROM performance ORDER BY {order}"  # noqa: S608
    return query(settings, sql)


def run(settings: Settings, records: Iterator[Record]) -> Iterator[Message]:
    """Everything decode and aggregate write about the records. No clock runs, so nothing fires early and no status is told."""
    decode = decode_stage(settings.model_copy(update={"sample_ceiling": 0.0}))  # nobody judges here
    aggregate = aggregate_stage(
        settings.model_copy(update=dict.fromkeys(("allowed_lateness", "out_of_orderness", "max_ahead"), FOREVER))
    )
    spans, states, offsets = settings.topic("spans"), {}, defaultdict[int, int](int)
    epoch = "0"
    for batch in _batches(records):
        epoch = batch[0].source.epoch
        for message in (m for part in decode.parts(batch) for m in decode.step(part, 0).messages):
            yield message
            if message.topic != spans:
                continue
            p = message.partition
            source = Source(spans, p, f"replay-{epoch}")
            if p not in states:
                states[p] = aggregate.open(source, None)
            record = Record(source, offsets[p], 0, message.value)
            offsets[p] += 1
            states[p], effects = aggregate.step(states[p], [record], BEGINNING)
            yield from (*effects.messages, *effects.then)
    for p in sorted(states):
        closed = aggregate.close(states[p])
        yield from (*closed.messages, *closed.then)


def store(settings: Settings, messages: Iterator[Message]) -> int:
    """Put every message that has a table into it. Returns how many spans that were."""
    tables = settings.tables()
    spans = 0
    with connect(settings) as client:
        pending: dict[str, list[bytes]] = defaultdict(list)
        for message in messages:
            table = tables.get((message.topic, message.key))
            if table is None:
                continue
            spans += len(orjson.loads(message.value)["trace_id"]) if table == "spans" else 0
            pending[table].append(message.value)
            if len(pending[table]) >= BATCH:
                _insert(client, table, pending.pop(table))
        for table, blocks in pending.items():
            _insert(client, table, blocks)
    return spans


def _insert(client: Any, table: str, blocks: list[bytes]) -> None:
    refused = insert_blocks(client, table, blocks)
    if refused:
        raise Fatal(f"ClickHouse refused a block of {table}: {next(iter(refused.values()))}")


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Cut by number and bytes, so always at the same places."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.value or b"")
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
