"""`python -m tests.bench.alert_delay`: how long after the pane that decides an alert it stands on its topic.

Real Kafka, watch as a process of its own, a window a second of 300 slices with a bound and a comparison each. When a message was
appended Kafka says; which one decided, the alert's id.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from pipeline.app.contracts import apply, read_files
from pipeline.connectors.kafka import Producer, apply_topics
from pipeline.connectors.local_engines import engines
from pipeline.model.stream import Message
from pipeline.operators.frontiers import FRONTIER_KEY, Frontier, encode_frontier
from pipeline.settings import Settings
from pipeline.stages.watch import CONTRACTS_KEY
from tests.e2e.stages import Stages
from tests.e2e.test_watch import read
from tests.panes import MINUTE_NS, NOON_NS, panes
from tests.watched import on_time

SLICES, WORSE = 300, 100
"""Cohorts, and of how many the errors rise."""

BEFORE, PACED = 120, 40
"""Windows that stand in the log already, and those that come one a second."""

CONTRACT = """
name: errors
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: error.ratio, at_most: 4%, window: 15m, minimum: 100, severity: page}
regression: {baseline: previous_release, metrics: [error.ratio], severity: page}
"""
WITHIN = 120.0


def window(minute: int, random_calls: np.random.Generator) -> list[Message]:
    """A minute of all slices and the word that it is whole; both are for the one partition of panes."""
    is_worse = minute >= BEFORE
    rows = []
    for cohort in range(SLICES):
        n = int(random_calls.poisson(60))
        bad = int(random_calls.binomial(n, 0.12 if is_worse and cohort < WORSE else 0.02))
        rows.append(on_time(minute, n, bad, cohort=f"c{cohort}", release="2" if is_worse else "1"))
    end = NOON_NS + (minute + 1) * MINUTE_NS
    said = Frontier(source="spans:0:e", partitions=1, family="calls", on_time_ns=end, final_ns=end, revision=minute)
    return [Message("", 0, panes(*rows), None), Message("", 0, encode_frontier(said), FRONTIER_KEY)]


def delays(settings: Settings) -> list[float]:
    """Seconds, of each alert. settings: of engines that run; their topics are made."""
    settings = settings.model_copy(update={"panes_partitions": 1, "watch_hour": 60.0})
    apply_topics(settings)
    topic, producer, generator = settings.topic("panes"), Producer(settings), np.random.default_rng(1)

    def send(minute: int) -> None:
        producer.send(Message(topic, 0, one.value, one.key) for one in window(minute, generator))
        producer.confirm()

    with tempfile.TemporaryDirectory() as folder, Stages(settings, Path(folder), {"watch": "watch"}) as stages:
        path = Path(folder) / "errors.yaml"
        path.write_text(CONTRACT)
        apply(settings, read_files(settings, [path]), "bench")
        stages.until(
            lambda: any(one.key == CONTRACTS_KEY for log in read(settings, "panes").values() for one in log),
            "the contract stands in the log",
            WITHIN,
        )
        for minute in range(BEFORE):
            send(minute)
        next_s = time.monotonic()
        for minute in range(BEFORE, BEFORE + PACED):
            next_s += 1.0
            time.sleep(max(0.0, next_s - time.monotonic()))
            send(minute)
        stages.until(lambda: len(_told(settings)) >= WORSE, f"{WORSE} alerts are told", WITHIN)
        return _told(settings)


def _told(settings: Settings) -> list[float]:
    [log] = read(settings, "panes").values()
    appended = {one.offset: one.timestamp_ns for one in log}
    found = []
    for record in (one for those in read(settings, "alerts").values() for one in those):
        alert = orjson.loads(record.value or b"")
        offset = int(alert["id"].rsplit(":", 2)[1])
        found.append((record.timestamp_ns - appended[offset]) / 1e9)
    return found


def figures(settings: Settings) -> Iterator[tuple[str, float, str, float | None, bool]]:
    """Name, value, unit, bound, whether it is one from above."""
    found = np.array(delays(settings))
    yield f"an alert after the pane that decides it, median of {len(found)}", float(np.median(found)), "s", None, True
    yield "the same, the slowest", float(found.max()), "s", 10, True


if __name__ == "__main__":
    local = Settings(local_dir=Path(os.environ.get("TAILRACE_LOCAL_DIR", ".local")))
    with engines(local, lambda _: None) as running:
        named = running.settings(local).model_copy(update={"topic_prefix": f"delay{random.randrange(10**6)}"})
        for name, value, unit, *_ in figures(named):
            print(f"{name}: {value:.2f} {unit}")
