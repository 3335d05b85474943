"""decode: OTLP records in; span blocks, samples, dead letters and the ledger out. No state: everything is in the batch."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.columns import DEAD_LETTERS, LEDGER, SAMPLES, SPANS
from pipeline.model.stream import Effects, Message, Record
from pipeline.operators.blocks import blank, by_column, encode_bounded
from pipeline.operators.decode.accounts import dead_letter
from pipeline.operators.decode.resolve import Column
from pipeline.operators.decode.spans import Decoded, Decoder
from pipeline.topics import partition_of


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names and partition counts of what decode writes."""

    spans: str
    dead_letters: str
    ledger: str
    spans_partitions: int
    side_partitions: int
    block_rows: int
    samples: str = "samples"


@dataclass(frozen=True, slots=True)
class Decode:
    """The stage. `step` is pure but for the memory of its price book."""

    decoder: Decoder
    outputs: Outputs

    def step(self, batch: Sequence[Record], now_ns: int) -> Effects:  # noqa: ARG002 - decoding knows no time
        """Decode a batch, in parts that bound its memory; what is written stays in it until the end."""
        decoded = map(self.decoder.decode, self.parts(batch))
        return Effects(messages=tuple(m for part in decoded for m in (*self._blocks(part), *self._side(part))))

    def parts(self, batch: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """The batch in pieces whose effects may be carried out one after the other, so that they are bounded too."""
        return self.decoder.parts(batch)

    def _blocks(self, decoded: Decoded) -> list[Message]:
        """Span blocks and samples by partition of the trace id, at most `block_rows` each, rows in log order."""
        written = ((self.outputs.spans, SPANS, decoded.columns), (self.outputs.samples, SAMPLES, decoded.samples))
        return [
            Message(topic, p, block)
            for topic, columns, found in written
            if found
            for p, values in self._parted(found)
            for block in encode_bounded(columns, values)
        ]

    def _parted(self, columns: Mapping[str, Column]) -> Iterator[tuple[int, dict[str, Column]]]:
        """The rows by partition of their trace, at most `block_rows` at once."""
        traces = columns["trace_id"].tolist()
        places = {trace: partition_of(trace, self.outputs.spans_partitions) for trace in dict.fromkeys(traces)}
        partition = np.array([places[trace] for trace in traces], np.int64)
        for p in np.unique(partition).tolist():
            rows = np.flatnonzero(partition == p)
            for at in range(0, len(rows), self.outputs.block_rows):
                chosen = rows[at : at + self.outputs.block_rows]
                yield p, {name: column[chosen] for name, column in columns.items()}

    def _side(self, decoded: Decoded) -> list[Message]:
        """Dead letters and the ledger by partition of their source; the raw bytes stand in a record's first letter."""
        dead = defaultdict(list)
        kept: set[int] = set()
        for letter in decoded.dead:
            keep_raw = self.decoder.policy.keep_raw and id(letter.record) not in kept
            kept.add(id(letter.record))
            dead[self._side_partition(letter.record)].append(dead_letter(letter, keep_raw))
        ledger = defaultdict(list)
        for account in decoded.ledger:
            record = account.record
            ledger[self._side_partition(record)].append(
                blank(LEDGER)
                | {"stage": "decode", "source": str(record.source), "offset": record.offset, "time_ns": record.timestamp_ns}
                | {"spans": account.spans, "rows": account.rows, "dead": account.dead}
                | {"not_understood": account.not_understood, "names": account.names, "contradictions": account.contradictions}
            )
        written = ((self.outputs.dead_letters, DEAD_LETTERS, dead), (self.outputs.ledger, LEDGER, ledger))
        return [
            Message(topic, p, block)
            for topic, columns, by_partition in written
            for p, rows in by_partition.items()
            for block in encode_bounded(columns, by_column(columns, rows))
        ]

    def _side_partition(self, record: Record) -> int:
        return partition_of(str(record.source), self.outputs.side_partitions)
