"""Decode is away for twice the allowed lateness, sources are uneven, one host's clock is a quarter of an hour ahead, one
producer writes in transactions: every honest span is counted, and every window closes while traffic goes on."""

import os
import time
from pathlib import Path

from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from pipeline.connectors.kafka import apply_topics, connection
from pipeline.settings import SECOND, Settings
from tests.e2e import accounts
from tests.e2e.stages import Stages

LATENESS = 8
AWAY = 2 * LATENESS
QUICK = {
    "otlp_partitions": 3,
    "spans_partitions": 2,
    "panes_partitions": 2,
    "window": 2.0,
    "allowed_lateness": float(LATENESS),
    "out_of_orderness": 2.0,
    "early_every": 0.5,
    "sink_linger": 0.2,
    "session_timeout": 6.0,
    "decode_batch_records": 5,  # so that a thin source is at its end long before a thick one
}
THICK, THIN, TRANSACTIONS = 0, 1, 2
VERDICTS = "SELECT sum(counted), sum(duplicate), sum(too_late), sum(ahead_of_clock) FROM ledger FINAL WHERE stage = 'aggregate'"
OPEN = """
SELECT count() FROM (SELECT source, window_start_ns, argMax(firing, revision) AS last FROM panes
WHERE route = 'honest' GROUP BY source, window_start_ns) WHERE last != 'final'
"""


def request(end_ns: int, count: int, route: str, trace: bytes | None = None) -> bytes:
    """Calls of a model that ended at `end_ns`."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "tailrace.route": route}
    attributes = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in said.items()]
    spans = [
        Span(
            trace_id=trace or os.urandom(16),
            span_id=os.urandom(8),
            name="chat",
            start_time_unix_nano=end_ns - SECOND,
            end_time_unix_nano=end_ns,
            attributes=attributes,
        )
        for _ in range(count)
    ]
    scopes = [ScopeSpans(spans=spans)]
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=scopes)]).SerializeToString()


class Hosts:
    """Who sends: honest ones to a thick and a thin source, one with a fast clock, one in transactions."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic("otlp_spans")
        self._plain = Producer(connection(settings))
        self._transactional = Producer(connection(settings) | {"transactional.id": settings.topic_prefix})
        self._transactional.init_transactions(30)
        self.honest = self.ahead = 0

    def send(self, turn: int) -> None:
        """A quarter of a second of traffic."""
        now = time.time_ns()
        for _ in range(4):
            self._plain.produce(self._topic, request(now, 2, "honest"), partition=THICK)
        self._plain.produce(self._topic, request(now + 900 * SECOND, 1, "ahead"), partition=THICK)
        self.honest, self.ahead = self.honest + 8, self.ahead + 1
        if turn % 8 == 0:
            self._plain.produce(self._topic, request(now, 1, "honest"), partition=THIN)
            self._transactional.begin_transaction()
            self._transactional.produce(self._topic, request(now, 1, "honest"), partition=TRANSACTIONS)
            self._transactional.commit_transaction(30)
            self.honest += 2
        assert self._plain.flush(30) == 0

    def steady(self, trace: bytes) -> None:
        """One trace goes on, so one partition of spans is never idle and the other always."""
        self._plain.produce(self._topic, request(time.time_ns(), 1, "steady", trace), partition=THICK)
        self._plain.flush(30)


def test_every_honest_span_counts_and_every_window_closes(with_schema: Settings, tmp_path: Path) -> None:
    settings = with_schema.model_copy(update=QUICK)
    apply_topics(settings)
    hosts = Hosts(settings)
    names = {"decode": "decode", "aggregate": "aggregate", "sink": "sink"}
    with Stages(settings, tmp_path, names) as stages:
        hosts.send(0)

        def verdicts() -> list[int]:
            return [int(n) for n in accounts.rows(settings, VERDICTS)[0]]

        stages.until(lambda: verdicts()[0] == hosts.honest, "the first spans are counted", 60)
        stages.kill("decode")
        begun = time.monotonic()
        for turn in range(4 * AWAY):
            hosts.send(turn)
            stages.until(lambda turn=turn: time.monotonic() - begun > turn / 4, "real time", 5)  # type: ignore[misc]
        stages.start("decode")
        stages.until(lambda: sum(verdicts()) >= hosts.honest + hosts.ahead, "everything is judged", 60)
        assert verdicts() == [hosts.honest, 0, 0, hosts.ahead]
        trace = os.urandom(16)

        def closed() -> bool:
            hosts.steady(trace)
            return accounts.number(settings, OPEN) == 0

        stages.until(closed, "every window of the honest is final, though traffic goes on", 60)
