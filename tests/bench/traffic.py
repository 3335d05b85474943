"""The demo's spans, as OTLP records and as span blocks of many series."""

import random

import numpy as np

from pipeline.app.decode import decode_stage
from pipeline.model.columns import SPANS
from pipeline.model.stream import Record, Source
from pipeline.operators.blocks import encode_block
from pipeline.operators.traffic import draw, encode
from pipeline.settings import SECOND, Settings

NOW_NS = 1_795_000_000 * SECOND
OTLP = Source("otlp_spans", 0, "bench")
BLOCKS = Source("spans", 0, "bench")


def otlp_records(calls: int, around: bool, per_record: int = 40) -> list[Record]:
    """OTLP requests as the collector batches them; spans of about 25 attributes."""
    rng = random.Random(1)
    drawn = [draw(rng, NOW_NS + i * SECOND // 5000, 0.5) for i in range(calls)]
    return [
        Record(OTLP, i, NOW_NS, encode(drawn[at : at + per_record], around)) for i, at in enumerate(range(0, calls, per_record))
    ]


def span_blocks(seconds: int, spans_per_second: int, series: int, after: int = 0, rows: int = 5000) -> list[Record]:
    """Blocks as decode writes them: `spans_per_second` model calls over `series` series, appended as they end.

    after: seconds the first block comes later than NOW_NS.
    """
    rng = np.random.default_rng(after)
    columns = decode_stage(Settings()).decoder.decode(otlp_records(5000, around=False)).columns
    blocks = []
    for i in range(seconds * spans_per_second // rows):
        begin = NOW_NS + after * SECOND + i * rows * SECOND // spans_per_second
        pick = rng.integers(0, len(columns["kind"]), rows)
        block = {name: column[pick] for name, column in columns.items()}
        block["trace_id"] = np.array([f"{a:032x}" for a in rng.integers(1, 2**62, rows)], object)
        block["route"] = np.array([f"route-{a}" for a in rng.integers(0, series, rows)], object)
        for name in ("model", "release", "cohort", "language"):
            block[name] = np.full(rows, name, object)
        block["end_ns"] = begin + np.sort(rng.integers(0, rows * SECOND // spans_per_second, rows))
        block["recorded_ns"] = np.full(rows, begin + rows * SECOND // spans_per_second)
        blocks.append(Record(BLOCKS, after * 100 + i, begin + rows * SECOND // spans_per_second, encode_block(SPANS, block)))
    return blocks
