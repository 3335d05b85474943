"""sink: messages of the result topics in, inserts by table out. No state: rows are idempotent by key and version.

A message, a block or an alert, goes into its table as it is, unread: the store judges it. What the store refuses becomes a
dead letter, so one bad message stops nothing.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.alerts import ALERTS
from pipeline.model.columns import DEAD_LETTERS, LEDGER, PANES, REPEATS, SPANS, STATUS, TRACE_PANES, TRACES
from pipeline.model.contract_columns import CONTRACTS
from pipeline.model.reasons import Reason
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_PANES
from pipeline.model.stream import Effects, Insert, Message, Record
from pipeline.operators.blocks import encode_rows
from pipeline.operators.decode.accounts import DeadSpan, dead_letter
from pipeline.topics import ANY_KEY, partition_of

DETAIL_CHARS = 256

BLOCKS = (
    SPANS,
    PANES,
    TRACES,
    TRACE_PANES,
    REPEATS,
    COUNTED_SCORES,
    SCORE_PANES,
    LEDGER,
    DEAD_LETTERS,
    STATUS,
    CONTRACTS,
    ALERTS,
)
COLUMNS = frozenset(column.name for table in BLOCKS for column in table)
AT_COLUMN = re.compile(r"(?:value of key|source column) `?(\w+)")


@dataclass(frozen=True, slots=True)
class Sink:
    """The stage.

    tables: table by topic and key, ANY_KEY for all; a message of another key is no block.
    dead_letters, side_partitions: where refused blocks go. keep_raw: with their bytes.
    """

    tables: Mapping[tuple[str, bytes | None], str]
    dead_letters: str
    side_partitions: int
    keep_raw: bool = False

    def step(self, batch: Sequence[Record], now_ns: int) -> Effects:  # noqa: ARG002 - inserting knows no time
        """One insert per table, blocks in the batch's order: of two rows equal in key and version the later one stays."""
        by_table: dict[str, list[Record]] = defaultdict(list)
        for record in batch:
            table = self.tables.get((record.source.topic, record.key)) or self.tables.get((record.source.topic, ANY_KEY))
            if record.value is not None and table is not None:  # ticks and settings have none
                by_table[table].append(record)
        return Effects(
            inserts=tuple(
                Insert(table, tuple(r.value for r in records if r.value is not None), tuple(records))
                for table, records in by_table.items()
            )
        )

    def refused(self, insert: Insert, complaints: Mapping[int, str]) -> list[Message]:
        """A dead letter for each block of `insert` the store complained about, by index."""
        return [self._letter(insert.origins[i], f"{insert.table}: {told(text)}") for i, text in complaints.items()]

    def _letter(self, record: Record, detail: str) -> Message:
        row = dead_letter(DeadSpan(record, -1, Reason.MALFORMED_BLOCK, detail[:DETAIL_CHARS]), self.keep_raw)
        partition = partition_of(str(record.source), self.side_partitions)
        return Message(self.dead_letters, partition, encode_rows(DEAD_LETTERS, [row]))


def told(complaint: str) -> str:
    """What of the engine's words holds no data: the first clause, and the column if it is one of ours.

    Behind its first colon the engine quotes what it stumbled over: the data before which it stopped, the name of a column
    nobody knows.
    """
    clause = complaint.partition(": ")[0].removesuffix(" before")
    named = [name for name in AT_COLUMN.findall(complaint) if name in COLUMNS]
    return f"{clause} (column {named[-1]})" if named else clause
