"""sink groups blocks by table and words refusals as dead letters."""

import json

from pipeline.model.columns import DEAD_LETTERS
from pipeline.model.stream import Record, Source
from pipeline.stages.sink import Sink
from pipeline.topics import partition_of

PANES, LEDGER = Source("t.panes.v1", 0, "e"), Source("t.ledger.v1", 1, "e")
TABLES = {("t.panes.v1", None): "panes", ("t.panes.v1", b"traces"): "trace_panes", ("t.ledger.v1", None): "ledger"}
SINK = Sink(TABLES, "t.dead-letters.v1", 4)


def test_blocks_are_grouped_by_table_in_order() -> None:
    batch = [Record(PANES, 0, 5, b"a"), Record(LEDGER, 0, 5, b"b"), Record(PANES, 1, 5, None), Record(PANES, 2, 5, b"c")]
    effects = SINK.step(batch, 0)
    assert [(i.table, i.blocks) for i in effects.inserts] == [("panes", (b"a", b"c")), ("ledger", (b"b",))]
    assert [r.offset for r in effects.inserts[0].origins] == [0, 2]
    assert SINK.step([], 0).inserts == ()


def test_the_key_of_a_message_decides_too() -> None:
    keys = (None, b"traces", b"frontier", b"")
    effects = SINK.step([Record(PANES, n, 5, str(key).encode(), key) for n, key in enumerate(keys)], 0)
    assert [(i.table, [r.offset for r in i.origins]) for i in effects.inserts] == [("panes", [0]), ("trace_panes", [1])]


def test_a_refused_block_becomes_a_dead_letter_without_its_data() -> None:
    (insert,) = SINK.step([Record(PANES, 0, 5, b"good"), Record(PANES, 7, 6_000_000, b"bad")], 0).inserts
    (message,) = SINK.refused(
        insert, {1: "Cannot parse input: expected ',' before: 'secret': (while reading the value of key requests)"}
    )
    assert (message.topic, message.partition) == ("t.dead-letters.v1", partition_of(str(PANES), 4))
    block = json.loads(message.value)
    assert list(block) == [c.name for c in DEAD_LETTERS]
    letter = {name: values[0] for name, values in block.items()}
    assert letter["detail"] == "panes: Cannot parse input (column requests)"
    told = ("source", "offset", "index", "reason", "time_ns", "size_bytes", "raw")
    assert [letter[name] for name in told] == ["t.panes.v1:0:e", 7, -1, "malformed_block", 6_000_000, 3, ""]
