"""decode: OTLP records in; span blocks, dead letters and the ledger out. No state: everything is in the batch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import DEAD_LETTERS, LEDGER, SPANS
from pipeline.model.stream import Effects, Message, Record
from pipeline.operators.blocks import encode_block, encode_rows
from pipeline.operators.decode.spans import Decoded, Decoder, dead_letter
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


@dataclass(frozen=True, slots=True)
class Decode:
    """The stage. `step` is pure but for the memory of its price book."""

    decoder: Decoder
    outputs: Outputs

    def step(self, batch: Sequence[Record], now_ns: int) -> Effects:  # noqa: ARG002 - decoding knows no time
        """Decode a batch."""
        decoded = self.decoder.decode(batch)
        return Effects(messages=(*self._blocks(decoded), *self._side(decoded)))

    def _blocks(self, decoded: Decoded) -> list[Message]:
        """Span blocks by partition of the trace id, at most `block_rows` each, rows in log order."""
        traces = decoded.columns["trace_id"].tolist()
        partition = np.array([partition_of(trace, self.outputs.spans_partitions) for trace in traces], np.int64)
        messages = []
        for p in np.unique(partition).tolist():
            rows = np.flatnonzero(partition == p)
            for at in range(0, len(rows), self.outputs.block_rows):
                block = self._block(decoded, rows[at : at + self.outputs.block_rows])
                messages.append(Message(self.outputs.spans, p, block))
        return messages

    def _block(self, decoded: Decoded, rows: NDArray[np.intp]) -> bytes:
        return encode_block(SPANS, {name: column[rows] for name, column in decoded.columns.items()})

    def _side(self, decoded: Decoded) -> list[Message]:
        """Dead letters and the ledger, one block per partition of their source."""
        dead = defaultdict(list)
        for letter in decoded.dead:
            dead[self._side_partition(letter.record)].append(dead_letter(letter, self.decoder.policy.keep_raw))
        ledger = defaultdict(list)
        for record, spans, rows, lost in decoded.ledger:
            ledger[self._side_partition(record)].append(
                dict.fromkeys((c.name for c in LEDGER), 0)
                | {"stage": "decode", "source": str(record.source), "offset": record.offset}
                | {"time_ns": record.timestamp_ns, "spans": spans, "rows": rows, "dead": lost}
            )
        return [
            *(Message(self.outputs.dead_letters, p, encode_rows(DEAD_LETTERS, rows)) for p, rows in dead.items()),
            *(Message(self.outputs.ledger, p, encode_rows(LEDGER, rows)) for p, rows in ledger.items()),
        ]

    def _side_partition(self, record: Record) -> int:
        return partition_of(str(record.source), self.outputs.side_partitions)
