"""A million open traces in one partition, in a process of its own. Prints bytes held for them and seconds of a moment."""

import resource
from dataclasses import replace
from time import perf_counter

import numpy as np

from pipeline.app.aggregate import aggregate_stage
from pipeline.operators.log_marks import Ticks
from pipeline.operators.span_columns import read_span_block
from pipeline.settings import SECOND, Settings
from tests.bench.traffic import BLOCKS, NOW_NS, span_blocks

TRACES, ROWS = 1_000_000, 5000


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    state = aggregate_stage(Settings()).open(BLOCKS, None)
    windows, rng = state.windows, np.random.default_rng(1)
    block = read_span_block(span_blocks(1, ROWS, 1000)[0].value or b"", state.key)
    first = Ticks(topic="otlp_spans", epoch="bench", partitions=1, partition=[0], read_to_ns=[NOW_NS])
    windows.tick(0, NOW_NS, first)
    before = _peak()
    for i in range(TRACES // ROWS):
        hashes, at = rng.integers(1, 2**63, ROWS).astype(np.uint64), np.full(ROWS, NOW_NS + i * SECOND)
        ids = {"ids": hashes, "trace_hash": hashes, "trace": np.column_stack((hashes, hashes))}
        told = block.told | {"span": hashes, "end_ns": at}
        windows.fold(i + 1, NOW_NS + i * SECOND, replace(block, **ids, end_ns=at, recorded_ns=at, told=told))
    held, begun = _peak() - before, perf_counter()
    windows.traces.moment(windows.eras[-1].policy, windows.watermark_ns, windows.watermark_ns)
    assert len(windows.traces) == TRACES
    print(held, perf_counter() - begun)
