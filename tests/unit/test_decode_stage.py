"""decode as a stage: every row in the block of its trace's partition, every record in the ledger, every death a letter."""

from typing import Any

import orjson
import pytest

from pipeline.model.stream import Message
from pipeline.stages.decode import Decode, Outputs
from pipeline.topics import partition_of
from tests.otlp import DECODER, RECORDED, SOURCE, record, rows

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


def test_an_empty_batch_writes_nothing() -> None:
    assert STAGE.step([], now_ns=0).messages == ()
