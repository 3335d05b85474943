"""Peak memory of an aggregate worker's state, in a process of its own: 6 minutes of open windows. Prints bytes."""

import resource
import sys

from pipeline.app.aggregate import aggregate_stage
from pipeline.settings import Settings
from tests.bench.traffic import BLOCKS, span_blocks

if __name__ == "__main__":
    seconds, spans_per_second, series = map(int, sys.argv[1:])
    stage = aggregate_stage(Settings())
    state = stage.open(BLOCKS, None)
    for second in range(0, seconds, 30):
        for block in span_blocks(30, spans_per_second, series, after=second):
            state, _ = stage.step(state, [block], block.timestamp_ns)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
