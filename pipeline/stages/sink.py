"""sink: blocks of the result topics in, inserts by table out. No state: rows are idempotent by key and version.

A block goes into its table as it is, unread: the store judges it. What the store refuses becomes a dead letter, so one
bad block stops nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.columns import DEAD_LETTERS
from pipeline.model.reasons import Reason
from pipeline.model.stream import Effects, Insert, Message, Record
from pipeline.operators.blocks import encode_rows
from pipeline.operators.decode.spans import DeadSpan, dead_letter
from pipeline.topics import partition_of

DETAIL_CHARS = 256


@dataclass(frozen=True, slots=True)
class Sink:
    """The stage.

    tables: table by topic. dead_letters, side_partitions: where refused blocks go. keep_raw: with their bytes.
    """

    tables: Mapping[str, str]
    dead_letters: str
    side_partitions: int
    keep_raw: bool = False

    def step(self, batch: Sequence[Record], now_ns: int) -> Effects:  # noqa: ARG002 - inserting knows no time
        """One insert per table, blocks in the batch's order: of two rows equal in key and version the later one stays."""
        by_table: dict[str, list[Record]] = defaultdict(list)
        for record in batch:
            if record.value is not None and record.key is None:  # what has a key is no block: ticks, settings
                by_table[self.tables[record.source.topic]].append(record)
        return Effects(
            inserts=tuple(
                Insert(table, tuple(r.value for r in records if r.value is not None), tuple(records))
                for table, records in by_table.items()
            )
        )

    def refused(self, insert: Insert, complaints: Mapping[int, str]) -> list[Message]:
        """A dead letter for each block of `insert` the store complained about, by index."""
        return [self._letter(insert.origins[i], f"{insert.table}: {text}") for i, text in complaints.items()]

    def _letter(self, record: Record, detail: str) -> Message:
        """The engine quotes the data it stumbled over behind "before:"; that part stays out."""
        told = detail.partition(" before: ")[0][:DETAIL_CHARS]
        row = dead_letter(DeadSpan(record, -1, Reason.MALFORMED_BLOCK, told), self.keep_raw)
        partition = partition_of(str(record.source), self.side_partitions)
        return Message(self.dead_letters, partition, encode_rows(DEAD_LETTERS, [row]))
