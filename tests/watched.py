"""A log of panes for watch: made-up traffic, frontiers and contracts, and a stage that folds it, with crashes where wanted."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from pipeline.model.contracts import Contract
from pipeline.model.stream import Message, Progress, Record, Source
from pipeline.operators.contracts.reading import read
from pipeline.operators.frontiers import FRONTIER_KEY, Frontier, encode_frontier
from pipeline.stages.watch import CONTRACTS_KEY, Outputs, Watch, WatchPolicy
from tests.panes import MINUTE_NS, NOON_NS, counted, pane, panes

LOG = Source("tailrace.panes.v1", 0, "test")
SIGMA = 0.8
"""Of the logarithm of what is measured."""
POLICY = WatchPolicy(600 * 10**9, 600 * 10**9, 1000, 0, 10**18)


def readable(name: str, text: str) -> Contract | None:
    return read(text, name).contract


def stage(policy: WatchPolicy = POLICY) -> Watch:
    """Contracts come from the log alone."""
    return Watch(policy, Outputs("alerts", "status", "standings"), lambda: None, readable)


@dataclass
class Log:
    """Messages of a partition of panes, a minute after the window they speak of."""

    records: list[Record] = field(default_factory=list)

    def put(self, key: bytes | None, value: bytes, minute: int) -> None:
        self.records.append(Record(LOG, len(self.records), NOON_NS + (minute + 1) * MINUTE_NS, value, key))

    def contracts(self, minute: int = 0, **texts: str) -> None:
        self.put(CONTRACTS_KEY, orjson.dumps(texts), minute)

    def window(self, minute: int, rows: Sequence[dict[str, Any]], sources: int = 1) -> None:
        """Rows on time, each with its source, and the frontiers of all sources."""
        if rows:
            self.put(None, panes(*rows), minute)
        self.frontiers(minute, range(sources), sources)

    def frontiers(self, minute: int, which: Sequence[int], of: int, family: str = "calls") -> None:
        end = NOON_NS + (minute + 1) * MINUTE_NS
        for partition in which:
            said = Frontier(
                source=f"spans:{partition}:e", partitions=of, family=family, on_time_ns=end, final_ns=end, revision=minute
            )
            self.put(FRONTIER_KEY, encode_frontier(said), minute)


def on_time(minute: int, requests: int, errors: int, **changes: Any) -> dict[str, Any]:
    return pane(minute, (), firing="on_time", revision=minute, **{"requests": requests, "errors": errors} | changes)


def traffic(seed: int, minutes: int, worse_from: int, share: float, begin: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Three cohorts of one route, 2 % errors; from a minute on one of them has more."""
    g = np.random.default_rng(seed)
    for minute in range(begin, begin + minutes):
        rows = []
        for cohort, per_minute in (("free", 120), ("pro", 60), ("team", 40)):
            n = int(g.poisson(per_minute * (1 + 0.4 * math.sin(minute / 229))))
            bad = share if cohort == "pro" and minute >= worse_from else 0.02
            rows.append(on_time(minute, n, int(g.binomial(n, bad)), cohort=cohort))
        yield rows


def timed(
    seed: int, minutes: int, worse_from: int, slower: float, begin: int = 0, measure: str = "latency", median: float = 1e9
) -> Iterator[list[dict[str, Any]]]:
    """Three cohorts of one route with lognormal values of a measure; from a minute on those of one are so many times as large."""
    g = np.random.default_rng(seed)
    for minute in range(begin, begin + minutes):
        rows = []
        for cohort, per_minute in (("free", 120), ("pro", 60), ("team", 40)):
            n = int(g.poisson(per_minute * (1 + 0.4 * math.sin(minute / 229))))
            factor = slower if cohort == "pro" and minute >= worse_from else 1.0
            values = (median * factor * np.exp(SIGMA * g.standard_normal(n))).astype(np.int64)
            total = {"latency": "latency_sum_ns", "ttft": "ttft_sum_ns", "cost": "cost_nusd"}.get(measure)
            sums = {total: str(int(values.sum()))} if total else {}
            rows.append(on_time(minute, n, 0, cohort=cohort, **counted(**{measure: values.tolist()}), **sums))
        yield rows


def alerts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """What stands in the topic of alerts, in order."""
    return [orjson.loads(message.value)["data"] for message in messages if message.topic == "alerts"]


def folded(watch: Watch, log: Log, batch: int = 50, crash_after: Sequence[int] = ()) -> list[Message]:
    """All that is written. A crash drops the state after so many batches; the successor begins with the last progress."""
    written: list[Message] = []
    progress: Progress | None = None
    at, batches = 0, 0
    source = log.records[0].source
    state = watch.open(source, None)
    while at < len(log.records):
        part = log.records[at : at + batch]
        state, effects = watch.step(state, part, part[-1].timestamp_ns)
        written += effects.messages
        batches += 1
        at += len(part)
        if batches in crash_after:  # the messages are out, the progress is not
            at = progress.committed if progress else 0
            state = watch.open(source, progress)
        elif effects.progress is not None:
            progress = effects.progress
    return written
