"""decode as a stage: every row in the block of its trace's partition, every record in the ledger, every death a letter."""

import tracemalloc
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from pipeline.model.stream import Message
from pipeline.stages.decode import Decode, Outputs
from pipeline.topics import partition_of
from tests.otlp import DECODER, RECORDED, RECORDED_NS, SOURCE, decoder, record, rows

STAGE = Decode(DECODER, Outputs("spans", "dead", "ledger", spans_partitions=3, side_partitions=2, block_rows=7))
BATCH = [*(record(path.read_bytes(), i) for i, path in enumerate(sorted(RECORDED.glob("*.pb")))), record(b"\x0a\x05", 99)]


def written(topic: str, messages: tuple[Message, ...]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Partition and rows of every block of a topic."""
    blocks = [(message.partition, orjson.loads(message.value)) for message in messages if message.topic == topic]
    return [(p, [dict(zip(block, values, strict=True)) for values in zip(*block.values(), strict=True)]) for p, block in blocks]


@pytest.fixture(scope="module")
def messages() -> tuple[Message, ...]:
    return STAGE.step(BATCH, now_ns=0).messages


def test_rows_arrive_once_in_the_partition_of_their_trace(messages: tuple[Message, ...]) -> None:
    blocks = written("spans", messages)
    assert all(partition == partition_of(row["trace_id"], 3) for partition, block in blocks for row in block)
    expected = sorted(rows(DECODER.decode(BATCH)), key=lambda row: row["span_id"])
    assert sorted((row for _, block in blocks for row in block), key=lambda row: row["span_id"]) == expected


def test_blocks_are_bounded_and_in_order_of_the_log(messages: tuple[Message, ...]) -> None:
    blocks = written("spans", messages)
    assert all(0 < len(block) <= 7 for _, block in blocks)
    for p in range(3):
        offsets = [row["offset"] for partition, block in blocks for row in block if partition == p]
        assert offsets == sorted(offsets)


def test_the_ledger_adds_up_per_record(messages: tuple[Message, ...]) -> None:
    ((partition, ledger),) = written("ledger", messages)
    assert partition == partition_of(str(SOURCE), 2)
    assert [(row["offset"], row["spans"], row["rows"], row["dead"]) for row in ledger][-2:] == [(7, 2, 2, 0), (99, 1, 0, 1)]
    assert all(row["spans"] == row["rows"] + row["dead"] for row in ledger)
    assert {row["stage"] for row in ledger} == {"decode"}


def test_dead_letters_are_written(messages: tuple[Message, ...]) -> None:
    ((_, letters),) = written("dead", messages)
    assert [(letter["offset"], letter["index"], letter["reason"], letter["raw"]) for letter in letters] == [
        (99, -1, "malformed_protobuf", "")
    ]


def empty_spans(n: int) -> bytes:
    """A request of n spans without anything in them: two bytes each, nothing on the wire dies as cheaply."""
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[Span()] * n)])]
    ).SerializeToString()


def test_letters_of_one_record_and_reason_are_bounded_and_add_up() -> None:
    batch = [record(empty_spans(5000), offset) for offset in range(3)]
    ((_, letters),) = written("dead", STAGE.step(batch, now_ns=0).messages)
    assert [(row["offset"], row["index"], row["count"]) for row in letters] == [
        (offset, index, 1 if index < 10 else 4990) for offset in range(3) for index in range(11)
    ]


def test_each_reason_has_its_letters() -> None:
    times = {"start_time_unix_nano": RECORDED_NS, "end_time_unix_nano": RECORDED_NS}
    good, end = Span(trace_id=b"t" * 16, span_id=b"s" * 8, **times), Span(trace_id=b"t" * 16)
    spans = ScopeSpans(spans=[Span(), end, good] * 20)
    value = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[spans])]).SerializeToString()
    ((_, letters),) = written("dead", STAGE.step([record(value)], now_ns=0).messages)
    assert [row["index"] for row in letters] == sorted(3 * i + reason for i in range(11) for reason in (0, 1))
    assert [(row["reason"], row["count"]) for row in letters[-2:]] == [("bad_trace_id", 10), ("bad_span_id", 10)]


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_a_part_holds_few_spans_whatever_the_records_hold(encoding: str) -> None:
    stage = Decode(decoder(batch_spans=100, max_spans=60), STAGE.outputs)
    sizes = (5, 60, 50, 1, 0, 49, 5000, 7, 60)
    values = [empty_spans(n) for n in sizes]
    if encoding == "json":
        values = [b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * n) + b"]}]}]}" for n in sizes]
    batch = [record(value, offset, f"application/{encoding}") for offset, value in enumerate(values)]
    parts = list(stage.parts(batch))
    assert [r for part in parts for r in part] == batch
    assert all(sum(min(sizes[r.offset], 60) for r in part) <= 100 for part in parts)
    assert [list(stage.parts(part)) for part in parts] == [[part] for part in parts]
    assert [m for part in parts for m in stage.step(part, 0).messages] == list(stage.step(batch, 0).messages)


def test_a_batch_of_many_small_spans_takes_little_memory() -> None:
    """2,000,000 spans in 4 MB: at once they would be 2 GB of columns. Measured by numpy's and Python's own counting."""
    batch = [record(empty_spans(40_000), offset) for offset in range(50)]
    STAGE.step(batch[:1], now_ns=0)
    tracemalloc.start()
    try:
        STAGE.step(batch, now_ns=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20


def test_an_empty_batch_writes_nothing() -> None:
    assert STAGE.step([], now_ns=0).messages == ()
