"""What aggregate replaces: a Faust agent that takes one span a message. Prints spans per second.

It does the same work in the obvious way: parse, find window and series, refuse repeats, add up, digest.
Run as `python -m tests.bench.faust_agent BOOTSTRAP TOPIC MESSAGES`.
"""

import os
import sys
import time
from collections import defaultdict
from tempfile import mkdtemp
from typing import Any

import faust
import orjson
from fastdigest import TDigest

from pipeline.model.columns import SERIES, TOKENS

bootstrap, topic_name, messages = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = faust.App(
    "bench-per-span",
    broker=f"kafka://{bootstrap}",
    datadir=mkdtemp(),
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
topic = app.topic(topic_name, value_type=bytes, value_serializer="raw")


class Pane:
    """Sums and digests of one series and window."""

    def __init__(self) -> None:
        self.requests = self.errors = self.cost = 0
        self.tokens: dict[str, int] = defaultdict(int)
        self.latency, self.ttft = TDigest(max_centroids=200), TDigest(max_centroids=200)


panes: dict[tuple[Any, ...], Pane] = defaultdict(Pane)
seen: set[tuple[str, str]] = set()


@app.agent(topic)
async def aggregate(spans: Any) -> None:
    count, begin = 0, 0.0
    async for value in spans:
        begin = begin or time.perf_counter()
        span = orjson.loads(value)
        identity = (span["trace_id"], span["span_id"])
        if identity not in seen:
            seen.add(identity)
            pane = panes[(span["end_ns"] // 60_000_000_000, *(span[name] for name in SERIES))]
            pane.requests += 1
            pane.errors += span["status"] == "error"
            pane.cost += span["cost_nusd"] or 0
            for name in TOKENS:
                pane.tokens[name] += span[name] or 0
            pane.latency.update(span["latency_ns"])
            if span["ttft_ns"] is not None:
                pane.ttft.update(span["ttft_ns"])
        count += 1
        if count == messages:
            print(messages / (time.perf_counter() - begin), flush=True)
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["bench", "worker", "--without-web", "-l", "error"]
    app.main()
