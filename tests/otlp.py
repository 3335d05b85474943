"""OTLP records for tests, a decoder to read them, and what came out as plain rows."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.model.stream import Record, Source
from pipeline.operators.decode.spans import Decoded, DecodePolicy, Decoder
from pipeline.operators.dialects.vocabulary import SERIES_PATHS
from pipeline.operators.pricing import BundledBook

RECORDED = Path(__file__).parent / "data" / "otlp"
"""Requests as real instrumentation libraries sent them."""

SOURCE = Source("otlp_spans", 0, "test")

DAY_NS = 86_400_000_000_000

RECORDED_NS = 1_800_000_000_000_000_000
"""When every OTLP record was appended: 53 days after the spans of `RECORDED`."""

POLICY = DecodePolicy(
    series=SERIES_PATHS,
    prices=BundledBook(),
    encoding="auto",
    max_record_bytes=16 << 20,
    max_spans=100_000,
    batch_spans=20_000,
    dead_letters=10,
    max_text_bytes=256,
    max_duration_ns=7 * DAY_NS,
    horizon_ns=100 * DAY_NS,
    keep_raw=False,
    user_key=b"key of the tests",
)

SECRET = b"sixteen of bytes"

DECODER = Decoder(POLICY, SECRET)


def decoder(**changes: Any) -> Decoder:
    """A decoder under the usual policy, changed where the test says."""
    return Decoder(replace(POLICY, **changes), SECRET)


def record(value: bytes | None, offset: int = 0, content_type: str = "") -> Record:
    """An OTLP record as read from the log."""
    headers = (("content-type", content_type.encode()),) if content_type else ()
    return Record(SOURCE, offset, RECORDED_NS, value, headers=headers)


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    """The rows of all columns, values as the block would carry them."""
    columns = {name: column.tolist() for name, column in decoded.columns.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def keeps_law_a(decoded: Decoded) -> bool:
    """Per record: spans in = rows out + dead, the rows and the dead letters counted one by one."""
    out = Counter(decoded.columns["offset"].tolist())
    dead: Counter[int] = Counter()
    for letter in decoded.dead:
        dead[letter.record.offset] += letter.count
    return all(n == kept + lost and kept == out[r.offset] and lost == dead[r.offset] for r, n, kept, lost in decoded.ledger)
