"""What aggregate replaces: a Faust agent that takes one span a message. Prints spans per second.

It does the same work in the obvious way: parse, find window and series, refuse repeats, add up, digest. `record` takes
the span as a typed faust.Record, the way Faust's documentation writes agents; `bytes` parses it with orjson itself.
Run as `python -m tests.bench.faust_agent BOOTSTRAP TOPIC MESSAGES record|bytes`.
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

from pipeline.model.columns import SERIES, SPANS, TOKENS
from pipeline.operators.span_columns import SUMS

WINDOW_NS, LATENESS_NS = 60_000_000_000, 300_000_000_000

bootstrap, topic_name, messages, style = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
app = faust.App(
    f"bench-per-{style}",
    broker=f"kafka://{bootstrap}",
    datadir=mkdtemp(),
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    worker_redirect_stdouts=False,
)
TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}
Span = type(
    "Span",
    (faust.Record,),
    {"__annotations__": {c.name: TYPES[c.type] | None if c.nullable else TYPES[c.type] for c in SPANS}, "__module__": __name__},
    serializer="json",
)
if style == "record":
    topic = app.topic(topic_name, value_type=Span)
else:
    topic = app.topic(topic_name, value_type=bytes, value_serializer="raw")


class Pane:
    """Sums, squares and digests of one series and window."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys((*SUMS, "cost_nusd", "latency_sum_ns", "ttft_sum_ns"), 0)
        self.squares = {"latency": 0, "cost": 0}
        self.digests = {name: TDigest(max_centroids=200) for name in ("latency", "ttft", "tps")}

    def add(self, span: dict[str, Any]) -> None:
        """Everything a pane row of aggregate holds."""
        sums, latency, ttft = self.sums, span["latency_ns"], span["ttft_ns"]
        error, cost = span["status"] == "error", span["cost_nusd"] or 0
        sums["requests"] += 1
        sums["errors"] += error
        sums["streamed"] += span["stream"] is True
        for flag, checked, found in FLAGS:
            if span[flag] is not None:
                sums[checked] += 1
                sums[found] += span[flag]
        sums["unknown_usage"] += span["input_tokens"] is None and span["output_tokens"] is None and not error
        sums["unpriced"] += span["cost_source"] == "unpriced"
        for name in TOKENS:
            sums[name] += span[name] or 0
        sums["cost_nusd"] += cost
        sums["latency_sum_ns"] += latency
        self.squares["latency"] += latency * latency
        self.squares["cost"] += cost * cost
        self.digests["latency"].update(latency)
        if ttft is not None:
            sums["ttft_count"] += 1
            sums["ttft_sum_ns"] += ttft
            self.digests["ttft"].update(ttft)
            if latency > ttft and span["output_tokens"] is not None:
                self.digests["tps"].update(span["output_tokens"] * 1e9 / (latency - ttft))


FLAGS = (
    ("refusal", "refusal_checked", "refusals"),
    ("citation", "citation_checked", "citations"),
    ("schema_valid", "schema_checked", "schema_valid"),
)
panes: dict[tuple[Any, ...], Pane] = defaultdict(Pane)
seen: dict[int, set[tuple[str, str]]] = defaultdict(set)


@app.agent(topic)
async def aggregate(spans: Any) -> None:
    count, begin, watermark = 0, 0.0, 0
    async for event in spans.events():
        begin = begin or time.process_time()
        span = orjson.loads(event.value) if style == "bytes" else event.value.__dict__
        end, window = span["end_ns"], span["end_ns"] // WINDOW_NS
        identity = (span["trace_id"], span["span_id"])
        if (window + 1) * WINDOW_NS + LATENESS_NS > watermark and identity not in seen[window]:
            seen[window].add(identity)
            panes[(window, *(span[name] for name in SERIES))].add(span)
        watermark = max(watermark, min(end, int(event.message.timestamp * 1e9)) - 10_000_000_000)
        count += 1
        if count == messages:
            rows = [
                {**pane.sums, **{name: digest.to_bytes().hex() for name, digest in pane.digests.items()}}
                for pane in panes.values()
            ]
            written = len(orjson.dumps(rows))
            os.write(1, f"\n{messages / (time.process_time() - begin)} {written}\n".encode())
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["bench", "worker", "--without-web", "-l", "error"]
    app.main()
