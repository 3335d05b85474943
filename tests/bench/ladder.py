"""What the ladder costs aggregate, in CPU and in bytes of a whole pane: the same blocks with and without it, in one run.

Usage: python -m tests.bench.ladder
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import orjson

from pipeline.app.aggregate import aggregate_stage
from pipeline.operators import panes
from pipeline.settings import Settings
from pipeline.stages import aggregate
from tests.bench.aggregate_rate import cpu_seconds, in_traces
from tests.bench.traffic import BLOCKS, span_blocks

ROUNDS = 5


@contextmanager
def without_ladder() -> Iterator[None]:
    """aggregate as if nothing was counted over the ladder."""
    kept = panes.CALLS, panes.TRACES, aggregate.PANES, aggregate.TRACE_PANES
    calls, traces = (replace(family, ladders={}) for family in kept[:2])
    of_calls, of_traces = (tuple(c for c in table if "_bin" not in c.name) for table in kept[2:])
    panes.CALLS, panes.TRACES, aggregate.PANES, aggregate.TRACE_PANES = calls, traces, of_calls, of_traces  # type: ignore[misc]
    try:
        yield
    finally:
        panes.CALLS, panes.TRACES, aggregate.PANES, aggregate.TRACE_PANES = kept  # type: ignore[misc]


def of_whole_panes() -> tuple[float, float]:
    """Of panes of calls that carry counts: bytes in their block and calls, means."""
    stage = aggregate_stage(Settings())
    state, size, rows, calls = stage.open(BLOCKS, None), 0, 0, 0
    for block in span_blocks(20, 5000, 200):
        state, _ = stage.step(state, [block], block.timestamp_ns)
    for message in stage.close(state).messages:
        if message.topic == stage.outputs.panes and message.key is None:
            found = orjson.loads(message.value)["requests"]
            size, rows, calls = size + len(message.value), rows + len(found), calls + sum(found)
    return size / rows, calls / rows


if __name__ == "__main__":
    with_it, without = [], []
    blocks = in_traces(span_blocks(60, 5000, 200))
    for _ in range(ROUNDS):
        with_it.append(cpu_seconds(blocks))
        with without_ladder():
            without.append(cpu_seconds(blocks))
    size, calls = of_whole_panes()
    with without_ladder():
        before, _ = of_whole_panes()
    print(f"CPU with the ladder over CPU without: {min(with_it) / min(without):.3f}")
    print(f"bytes of a pane of {calls:.0f} calls that carries counts: {size:.0f}, without {before:.0f}")
