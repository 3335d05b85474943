"""What traces cost aggregate: the same blocks with traces, and with a twin that folds every call at once, in one run.

Usage: python -m tests.bench.aggregate_rate
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import process_time
from typing import Any

import numpy as np
import orjson

from pipeline.app.aggregate import aggregate_stage
from pipeline.model.stream import Record
from pipeline.operators import panes, span_columns
from pipeline.operators.trace_decisions import Decided
from pipeline.operators.window import Measured
from pipeline.settings import Settings
from tests.bench.traffic import BLOCKS, span_blocks

SPANS = 5
"""Of a trace of the bench: a root, two calls, two others."""


def in_traces(blocks: Sequence[Record]) -> list[Record]:
    """The same blocks as whole traces."""
    rng, made = random.Random(1), []
    for block in blocks:
        columns = orjson.loads(block.value or b"")
        n = len(columns["kind"])
        place = [i % SPANS for i in range(n)]
        columns["trace_id"] = [columns["trace_id"][i // SPANS] for i in range(n)]
        columns["span_id"] = [f"{rng.getrandbits(64):016x}" for _ in range(n)]
        columns["parent_span_id"] = [columns["span_id"][i - at] if at else "" for i, at in enumerate(place)]
        columns["kind"] = ["llm" if at in {1, 2} else "chain" for at in place]
        columns["response_id"] = [f"chatcmpl-{block.offset}-{i}" if at in {1, 2} else "" for i, at in enumerate(place)]
        made.append(Record(block.source, block.offset, block.timestamp_ns, orjson.dumps(columns)))
    return made


@contextmanager
def without_traces() -> Iterator[None]:
    """aggregate as if there were no traces: nothing about them is read, and every call counts at once."""

    def arrive(self: panes.Windows, _: int, columns: Any, judged: Any, fresh: Any) -> tuple[int, int]:
        rows = np.flatnonzero(fresh & (columns.request >= 0))
        of = columns.request[rows]
        values = {name: known[of] for name, known in columns.values.items()}
        measured = Measured(columns.series, columns.code[rows], columns.sums[of], values)
        self._count(Decided(judged.starts[rows], measured))
        return 0, 0

    kept = panes.Windows._arrive, span_columns._told
    panes.Windows._arrive, span_columns._told = arrive, lambda *_: {}  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        panes.Windows._arrive, span_columns._told = kept  # type: ignore[method-assign]


def cpu_seconds(blocks: Sequence[Record]) -> float:
    """To fold the blocks and close."""
    stage = aggregate_stage(Settings())
    began = process_time()
    state = stage.open(BLOCKS, None)
    for block in blocks:
        state, _ = stage.step(state, [block], block.timestamp_ns)
    stage.close(state)
    return process_time() - began


def costs_of_traces(rounds: int = 3) -> tuple[float, float]:
    """CPU with traces over CPU without, best of alternating rounds: whole traces, and calls that are traces of their own."""
    flat = span_blocks(60, 5000, 200)
    ratios = []
    for blocks in (in_traces(flat), flat):
        cpu_seconds(blocks[:3])
        with_them, without = [], []
        for _ in range(rounds):
            with_them.append(cpu_seconds(blocks))
            with without_traces():
                without.append(cpu_seconds(blocks))
        ratios.append(min(with_them) / min(without))
    return ratios[0], ratios[1]


if __name__ == "__main__":
    whole, alone = costs_of_traces()
    print(f"whole traces {whole:.2f}, calls alone {alone:.2f}")
