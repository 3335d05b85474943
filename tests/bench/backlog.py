"""A backlog through real Kafka and ClickHouse: each stage alone, wall and CPU, then all stages at once.

Wall time beside CPU time shows a stage that stands idle: of a second of wall one core can be used, and what is missing was
waited for. Usage: python -m tests.bench.backlog [SPANS]; it can be run from another checkout to compare two versions.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import clickhouse_connect
from pydantic import SecretStr

from pipeline.app.compose import delivery
from pipeline.connectors.clickhouse import apply_schema, query
from pipeline.connectors.kafka import apply_topics, lag, members
from pipeline.connectors.local_engines import engines
from pipeline.connectors.progress_log import ProgressLog
from pipeline.errors import Transient
from pipeline.model.stream import Message
from pipeline.operators.traffic import draw, encode
from pipeline.settings import SECOND, Settings
from pipeline.topics import STAGES

CALLS_PER_RECORD = 200
WITHIN = 900.0

Answer = TypeVar("Answer")
Measured = tuple[str, float, str]


def produce(settings: Settings, calls: int) -> None:
    """Model calls of the last five minutes, in as many partitions as there are."""
    deliver, rng, now = delivery(settings), random.Random(1), time.time_ns()
    messages = []
    for i in range(calls // CALLS_PER_RECORD):
        begin = now - 300 * SECOND + 280 * SECOND * i * CALLS_PER_RECORD // calls
        drawn = [draw(rng, begin + k * 1000, 0.5) for k in range(CALLS_PER_RECORD)]
        messages.append(Message(settings.topic("otlp_spans"), i % settings.otlp_partitions, encode(drawn, around=False)))
        if len(messages) == 100:
            deliver(messages)
            messages = []
    deliver(messages)


class Stage:
    """A stage as a process of its own, and what it has used."""

    def __init__(self, settings: Settings, name: str) -> None:
        own = ("kafka_bootstrap", "topic_prefix", "otlp_topic", "early_every", "allowed_lateness")
        env = {f"TAILRACE_{field.upper()}": str(getattr(settings, field)) for field in own}
        env |= {"TAILRACE_CLICKHOUSE_DSN": settings.clickhouse_dsn.get_secret_value()}
        command = [sys.executable, "-m", "pipeline", "run", name, "--instance", f"bench-{name}"]
        self._process = subprocess.Popen(command, env={**os.environ, **env}, cwd=Path.cwd())

    def cpu_s(self) -> float:
        """CPU seconds so far, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until(self, done: Callable[[], bool]) -> None:
        """Fails if the process ends, or it takes too long."""
        deadline = time.monotonic() + WITHIN
        while not done():
            assert self._process.poll() is None, "the stage ended"
            assert time.monotonic() < deadline, "too slow"
            time.sleep(0.25)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def alone(settings: Settings, name: str, spans: int) -> Iterator[Measured]:
    """The stage over all that lies before it, from the moment it has joined its group: starting up is not counted."""
    stage = Stage(settings, name)
    try:
        stage.until(lambda: asked(lambda: members(settings, name)) > 0)
        begin, cpu = time.monotonic(), stage.cpu_s()
        stage.until(lambda: left(settings, name) == 0)
        wall, cpu = time.monotonic() - begin, stage.cpu_s() - cpu
    finally:
        stage.stop()
    yield f"{name} through Kafka, by wall time", spans / wall, "spans/s"
    yield f"{name} through Kafka, by CPU time", spans / cpu, "spans/s"
    yield f"{name}: CPU of its wall time", 100 * cpu / wall, "%"


def left(settings: Settings, name: str) -> int:
    """Records the stage has still to read (aggregate: to fold)."""
    parts = asked(lambda: lag(settings, name))
    if name != "aggregate":
        return sum(part.lag for part in parts)
    log = ProgressLog(settings, settings.group(name), "spans", "bench")
    folded = {part.partition: log.takeover(part.partition).progress for part in parts}
    return sum(part.end - (said.folded if (said := folded[part.partition]) else 0) for part in parts)


def asked(question: Callable[[], Answer]) -> Answer:
    """The answer, however often the broker's coordinator is not ready yet."""
    while True:
        try:
            return question()
        except Transient:
            time.sleep(0.2)


def visible(settings: Settings) -> int:
    """Requests the panes show."""
    return int(query(settings, "SELECT sum(requests) FROM panes FINAL")[1][0][0])


def one_by_one(settings: Settings, spans: int) -> Iterator[Measured]:
    """Each stage over what the one before has left."""
    produce(settings, spans)
    for name in STAGES:
        yield from alone(settings, name, spans)


def at_once(settings: Settings, spans: int) -> Iterator[Measured]:
    """All stages started on a backlog: until the last span is visible."""
    produce(settings, spans)
    begin = time.monotonic()
    stages = [Stage(settings, name) for name in STAGES]
    try:
        stages[-1].until(lambda: visible(settings) >= spans)
        yield f"a backlog of {spans:,} spans, all stages at once, visible after", time.monotonic() - begin, "s"
    finally:
        for stage in stages:
            stage.stop()


def figures(settings: Settings, spans: int) -> Iterator[Measured]:
    """All of it, each part over topics and tables of its own. The engines run already."""
    server = settings.clickhouse_dsn.get_secret_value().rpartition("/")[0]
    for part in (one_by_one, at_once):
        name = f"bench{random.randrange(10**6)}"
        own: dict[str, Any] = {"topic_prefix": name, "otlp_topic": f"{name}_otlp", "early_every": 2.0, "allowed_lateness": 3600.0}
        own |= {"clickhouse_dsn": SecretStr(f"{server}/{name}"), "clickhouse_reader_dsn": SecretStr("")}
        here = settings.model_copy(update=own)
        with clickhouse_connect.get_client(dsn=server) as client:
            client.command(f"CREATE DATABASE {name}")
            apply_topics(here)
            apply_schema(here)
            yield from part(here, spans)
            client.command(f"DROP DATABASE {name}")


def main() -> None:
    """Print the figures as they come."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    local = Settings(local_dir=Path(os.environ.get("TAILRACE_LOCAL_DIR", ".local")))
    with engines(local, lambda _: None) as running:
        for name, value, unit in figures(running.settings(local), spans):
            print(f"{name}: {value:,.2f} {unit}", flush=True)


if __name__ == "__main__":
    main()
