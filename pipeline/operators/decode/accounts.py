"""What became of the spans of each record: the dead, each with its reason, and an account that adds up."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.resolve import Column, Resolver

RAW_BYTES = 2 << 20
"""A larger record is not kept in its dead letter: it must fit into a message; it is still in its topic."""


@dataclass(frozen=True, slots=True)
class DeadSpan:
    """One span, or with index -1 one record, that ends here; or `count` spans of one record and reason, the first at `index`."""

    record: Record
    index: int
    reason: Reason
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a record's spans. spans = rows + dead; of the rows some look like calls in words nobody knows
    (`not_understood`, with the `names` of the attributes of the most frequent kind of them), some say usage that does not add up.
    """

    record: Record
    spans: int
    rows: int
    dead: int
    not_understood: int = 0
    names: str = ""
    contradictions: int = 0


def dead_letter(dead: DeadSpan, keep_raw: bool) -> dict[str, Any]:
    """The dead letter's row. User text stays out unless the operator asked for the raw record."""
    value = dead.record.value or b""
    return {
        "source": str(dead.record.source),
        "offset": dead.record.offset,
        "index": dead.index,
        "count": dead.count,
        "reason": dead.reason.value,
        "detail": dead.detail,
        "time_ns": dead.record.timestamp_ns,
        "size_bytes": len(value),
        "head_hash": blake2b(value[:256], digest_size=8).hexdigest(),
        "raw": base64.b64encode(value).decode() if keep_raw and len(value) <= RAW_BYTES else "",
    }


def ledger(
    records: Sequence[Record], resolver: Resolver, dead: Sequence[DeadSpan], names: Column, contradicts: NDArray[np.bool_]
) -> list[Account]:
    """An account per record. A record that could not be read is one in, one dead. names, contradicts: per row."""
    of_span = resolver.scanned.spans["record"]
    of_row, n, named = of_span[resolver.rows], len(records), names != ""
    spans = np.bincount(of_span, minlength=n)
    out = np.bincount(of_row, minlength=n)
    unread_rows = np.bincount(of_row[named], minlength=n)
    doubtful = np.bincount(of_row[contradicts], minlength=n)
    unread_records = {id(letter.record) for letter in dead if letter.index < 0}
    spans[np.array([id(record) in unread_records for record in records], bool)] = 1
    commonest: dict[int, tuple[int, str]] = {}
    for (i, name), count in Counter(zip(of_row[named].tolist(), names[named].tolist(), strict=True)).items():
        if count > commonest.get(i, (0, ""))[0]:
            commonest[i] = count, name
    counts = zip(records, spans.tolist(), out.tolist(), unread_rows.tolist(), doubtful.tolist(), strict=True)
    return [Account(r, n, kept, n - kept, u, commonest.get(i, (0, ""))[1], d) for i, (r, n, kept, u, d) in enumerate(counts)]
