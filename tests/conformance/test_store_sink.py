"""The sink composed on real Kafka and ClickHouse: everything lands once, a bad block stops nothing, an outage loses nothing."""

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from pipeline.app.compose import delivery
from pipeline.app.sink import sink_stage
from pipeline.connectors.clickhouse import carry_out, connect, feed, insert_blocks, query
from pipeline.connectors.kafka import apply_topics, cluster_id, lag, sources
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.errors import Fatal, Transient
from pipeline.model.columns import LEDGER
from pipeline.model.stream import Message
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings
from pipeline.topics import inputs
from tests.panes import NOON_NS, pane, panes
from tests.spans import block as spans
from tests.spans import span

DEADLINE = 60.0


@pytest.fixture
def settings(with_schema: Settings) -> Settings:
    """Topics and tables of this test alone."""
    apply_topics(with_schema)
    return with_schema


@contextmanager
def sinking(settings: Settings) -> Iterator[None]:
    """A sink in a thread of this process."""
    stop, stage, deliver, died = Event(), sink_stage(settings), delivery(settings), []

    def run() -> None:
        try:
            with connect(settings) as client:
                run_batches(
                    settings,
                    group=settings.group("sink"),
                    topic_keys=inputs("sink"),
                    step=stage.step,
                    carry_out=lambda effects: carry_out(client, effects, refused=stage.refused, deliver=deliver),
                    stop=stop,
                    limits=Limits(50, 1 << 20, 0.05),
                )
        except (Fatal, Transient) as error:
            died.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE)
    assert not thread.is_alive()
    assert died == []


def caught_up(settings: Settings) -> bool:
    try:
        return all(row.lag == 0 for row in lag(settings, "sink"))
    except Transient:
        return False


def await_caught_up(settings: Settings) -> None:
    deadline, never = monotonic() + DEADLINE, Event()
    while not caught_up(settings):
        assert monotonic() < deadline, "the sink does not catch up"
        never.wait(0.1)


def one(settings: Settings, sql: str) -> Any:
    return query(settings, sql)[1][0][0]


def test_everything_lands_and_a_bad_block_becomes_a_dead_letter(settings: Settings) -> None:
    deliver = delivery(settings)
    ledger = dict.fromkeys([c.name for c in LEDGER], 0) | {"stage": "decode", "source": "s"}
    ragged = json.dumps(json.loads(panes(pane())) | {"requests": [1, 2]}).encode()
    good = [Message(settings.topic("panes"), 1, panes(pane(n, [5]))) for n in range(20)]
    deliver(good[:10])
    deliver([Message(settings.topic("panes"), 1, ragged)])
    deliver(good[10:])
    deliver([Message(settings.topic("spans"), n % 4, spans([span(n, NOON_NS), span(n + 100, NOON_NS)])) for n in range(40)])
    deliver([Message(settings.topic("ledger"), 0, encode_rows(LEDGER, [ledger]))])
    whole = json.loads(spans([span(1, NOON_NS)]))
    foreign = (
        {"my secret": [1]},
        {"latency_ns": ["my secret"]},
        {"route": "my secret"},
        {"end_ns": [None]},
        {"stream": ["my secret"]},
    )
    deliver([Message(settings.topic("spans"), 0, json.dumps(whole | wrong).encode()) for wrong in foreign])
    deliver([Message(settings.topic("spans"), 0, b"not a block my secret")])
    with sinking(settings):
        await_caught_up(settings)
    assert one(settings, "SELECT sum(requests) FROM performance") == 20
    assert one(settings, "SELECT count() FROM spans FINAL") == 80
    assert one(settings, "SELECT count() FROM ledger FINAL") == 1
    found = query(settings, "SELECT source, offset, `index`, reason, detail FROM dead_letters FINAL ORDER BY source, offset")[1]
    pane_log, span_log = sources(settings, "panes")[1], sources(settings, "spans")[0]
    assert [row[:4] for row in found] == [
        [str(pane_log), 10, -1, "malformed_block"],
        *([str(span_log), 10 + i, -1, "malformed_block"] for i in range(6)),
    ]
    assert found[0][4].startswith("panes: Number of rows differs in different columns")
    details = [row[4] for row in found[1:]]
    assert details[:2] == ["spans: Unknown column found in input data", "spans: Cannot parse input (column latency_ns)"]
    assert details[3].endswith("(column end_ns)")
    assert not [detail for detail in details if "secret" in detail]


class Wire(BaseHTTPRequestHandler):
    """The way to ClickHouse: forwards, or does not, or loses the answer."""

    server_url: ClassVar[str]
    state: ClassVar[str] = "up"
    lost: ClassVar[int] = 0
    thawed: ClassVar[Event] = Event()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.state == "frozen":
            self.thawed.wait(DEADLINE)
        if self.state in {"away", "frozen"}:
            self.close_connection = True
            return
        url = urlsplit(self.server_url)
        server = http.client.HTTPConnection(url.hostname or "", url.port or 0, timeout=DEADLINE)
        server.request(self.command, self.path, body, dict(self.headers))
        answer = server.getresponse()
        content = answer.read()
        server.close()
        if self.state == "answers lost" and self.command == "POST" and "INSERT" in self.path:
            type(self).lost += 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _forward  # noqa: N815 - names the base class calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Silent."""


@contextmanager
def wire(settings: Settings) -> Iterator[tuple[type[Wire], Settings]]:
    """A way to ClickHouse that can be cut, and settings that go through it."""
    dsn = settings.clickhouse_dsn.get_secret_value()
    url = urlsplit(dsn)

    class Own(Wire):
        server_url = dsn

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        through = dsn.replace(f"{url.hostname}:{url.port}", f"127.0.0.1:{proxy.server_port}")
        yield Own, settings.model_copy(update={"clickhouse_dsn": SecretStr(through)})
        proxy.shutdown()


def test_an_outage_of_the_store_is_lag_and_then_catch_up(settings: Settings) -> None:
    """Also when rows went in and only the answer was lost: they are written again and counted once."""
    deliver = delivery(settings)

    def send(numbers: Sequence[int]) -> None:
        deliver([Message(settings.topic("panes"), n % 4, panes(pane(n, [5]))) for n in numbers])

    with wire(settings) as (way, through), sinking(through):
        send(range(30))
        await_caught_up(settings)
        way.state = "away"
        send(range(30, 60))
        assert one(settings, "SELECT sum(requests) FROM performance") == 30
        assert not caught_up(settings)
        way.state = "answers lost"
        deadline, never = monotonic() + DEADLINE, Event()
        while way.lost < 2:
            assert monotonic() < deadline
            never.wait(0.05)
        way.state = "up"
        await_caught_up(settings)
    assert one(settings, "SELECT sum(requests) FROM performance") == 60


@pytest.mark.timeout(60)
def test_an_insert_that_stays_unanswered_is_given_up_before_the_sink_counts_as_hanging(settings: Settings) -> None:
    """A frozen store, as one that is suspended: it has the connection, and says nothing."""
    cluster = cluster_id(settings)
    feed(settings, cluster).close()
    with wire(settings.model_copy(update={"healthy_within": 10.0})) as (way, through), feed(through, cluster) as store:
        assert insert_blocks(store, "panes", [panes(pane(1, [5]))]) == {}
        way.state = "frozen"
        with pytest.raises(Transient, match="does not answer: timed out"):
            insert_blocks(store, "panes", [panes(pane(2, [5]))])
        way.thawed.set()
        way.state = "up"
        assert insert_blocks(store, "panes", [panes(pane(2, [5]))]) == {}
    assert one(settings, "SELECT sum(requests) FROM performance") == 2
