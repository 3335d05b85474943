"""Alerts, forwarded over real HTTP from a real Kafka by a real process that is killed: what stood last arrives, none is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import Popen
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from pipeline.connectors.alert_log import begin_at_the_end
from pipeline.connectors.clock import steady, wait
from pipeline.connectors.kafka import Producer, apply_topics, connection
from pipeline.connectors.webhook import Webhook
from pipeline.errors import SettingsError, Transient
from pipeline.model.alerts import Alert, AlertState
from pipeline.operators.alerts.told import message, told
from pipeline.settings import Settings
from tests.alerts import EVERY, OBJECTIVE, PANES
from tests.e2e.command import finished, started

KEY = "routingkey0123456789abcdef012345"
WITHIN = 60.0
Body = dict[str, Any]


class Receiver:
    """A webhook on loopback. `answers`: one for each post to come, then 202. A status; "slow": none until the server ends;
    "close"; "kill": what it is told to do once it has the body, and then no answer.
    """

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.headers: dict[str, str] = {}
        self.posted: list[tuple[Body, int | str]] = []
        self.kill: Callable[[], None] = lambda: None
        self.ended = Event()
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = orjson.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        said = self.answers.pop(0) if self.answers else 202
        self.posted.append((body, said))
        if said == "kill":
            self.kill()
        elif said == "slow":
            self.ended.wait(WITHIN)
        elif isinstance(said, int):
            handler.send_response(said)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        handler.close_connection = True

    def taken(self) -> list[Body]:
        """Bodies that were delivered, whether the other side heard that or not."""
        return [body for body, said in self.posted if said in {202, "kill", "slow", "close"}]


@contextmanager
def receiving(*answers: int | str) -> Iterator[Receiver]:
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.answer(self)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/secret-path"
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        receiver.ended.set()
        server.shutdown()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = steady() + WITHIN
    while not condition():
        assert steady() < deadline, what
        wait(0.05)


def tell(settings: Settings, alerts: list[Alert]) -> None:
    producer = Producer(settings)
    producer.send([message(alert, settings.topic("alerts")) for alert in alerts])
    producer.confirm()


def told_of() -> list[Alert]:
    """Every kind begins, two are over, one of these begins again."""
    begun = list(EVERY.values())
    over = [replace(alert, state=AlertState.RESOLVED, resolved_ns=alert.at_ns + 1, at_ns=alert.at_ns + 1) for alert in begun[:2]]
    again = [replace(begun[0], at_ns=begun[0].at_ns + 2, fired_ns=begun[0].at_ns + 2)]
    return [told(alert, PANES, offset) for offset, alert in enumerate([*begun, *over, *again])]


def test_whatever_the_webhook_does_the_last_state_of_each_arrives(fresh_prefix: Settings) -> None:
    settings = fresh_prefix
    apply_topics(settings)
    with receiving(500, "slow", "close", 429, 202, "kill", 202, "kill") as receiver:
        settings = settings.model_copy(
            update={"webhook_url": SecretStr(receiver.url), "webhook_key": SecretStr(KEY), "webhook_timeout": 1.0}
        )
        group = settings.group("forward-pagerduty")
        tell(settings, [told(replace(OBJECTIVE, rule="of last month"), PANES, 100)])
        begin_at_the_end(settings, group)
        alerts = told_of()
        tell(settings, alerts)
        begin_at_the_end(settings, group)  # it has begun, so this moves nothing

        process: Popen[str]
        said = list[str]()
        for _ in range(2):  # both are killed with a body in the receiver's hands, before anything is committed for it
            process = started("alerts", "forward", "--as", "pagerduty", settings=settings)
            receiver.kill = process.kill
            said.append(finished(process, WITHIN)[2])
        process = started("alerts", "forward", "--as", "pagerduty", settings=settings)
        try:
            until(lambda: len(receiver.taken()) >= len(alerts) + 4, "everything arrives")
            until(lambda: committed(settings) == len(alerts) + 1, "everything is committed")
        finally:
            process.terminate()
        code, _, last = finished(process, WITHIN)
        assert code == 0, last

        taken = receiver.taken()
        order = [body["dedup_key"] for body, _ in receiver.posted]
        assert [key for n, key in enumerate(order) if n == 0 or order[n - 1] != key] == [alert.fingerprint for alert in alerts]
        assert len(taken) == len(alerts) + 4, "once more for each that was not heard: slow, close, two kills"
        wanted = {alert.fingerprint: "resolve" if alert.state is AlertState.RESOLVED else "trigger" for alert in alerts}
        assert {body["dedup_key"]: body["event_action"] for body in taken} == wanted
        repeated = [n for n, (_, how) in enumerate(receiver.posted) if how != 202]
        assert all(receiver.posted[n][0] == receiver.posted[n + 1][0] for n in repeated), "a repeat is the same"
        assert not any(secret in text for text in (*said, last) for secret in (KEY, "secret-path", receiver.url))


def committed(settings: Settings) -> int | None:
    """Offset of the alerts that the forwarder has committed."""

    asking = Consumer(connection(settings) | {"group.id": settings.group("forward-pagerduty")})
    [found] = asking.committed([TopicPartition(settings.topic("alerts"), 0)], timeout=10)
    asking.close()
    return found.offset


def test_it_gives_up_within_its_bound_and_commits_nothing(fresh_prefix: Settings) -> None:
    apply_topics(fresh_prefix)
    with receiving(*[503] * 1000) as receiver:
        settings = fresh_prefix.model_copy(
            update={"webhook_url": SecretStr(receiver.url), "webhook_key": SecretStr(KEY), "retry_limit": 0.5}
        )
        begin_at_the_end(settings, settings.group("forward-pagerduty"))
        tell(settings, told_of()[:1])
        code, _, said = finished(started("alerts", "forward", "--as", "pagerduty", settings=settings), WITHIN)
        assert code == 3
        assert said.splitlines()[-1] == "tailrace: given up after 0.5 s: the webhook answered with HTTP 503"
        assert len(receiver.posted) > 1
        assert committed(settings) == 0


def test_what_nobody_can_use_is_counted_and_passed_over() -> None:
    complaints = list[str]()
    with receiving(400, 422, 202) as receiver:
        webhook = Webhook(receiver.url, 5, complaints.append)
        for name in ("one", "two", "three"):
            webhook.post(name, b"{}")
        webhook.close()
    assert (webhook.taken, webhook.passed_over) == (1, 2)
    assert complaints == [
        "one is passed over: the webhook refuses it with HTTP 400; 1 so far",
        "two is passed over: the webhook refuses it with HTTP 422; 2 so far",
    ]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 410])
def test_a_wrong_address_or_key_stops_everything_and_stays_a_secret(status: int) -> None:
    with receiving(status) as receiver:
        webhook = Webhook(receiver.url, 5, print)
        with pytest.raises(SettingsError, match=f"{status}: check TAILRACE_WEBHOOK_URL") as refused:
            webhook.post("one", b"{}")
        webhook.close()
    assert "secret" not in str(refused.value)


def test_a_server_that_asks_for_rest_gets_it() -> None:
    with receiving(429) as receiver:
        receiver.headers["Retry-After"] = "60"
        webhook = Webhook(receiver.url, 5, print)
        for words in ("HTTP 429", "left alone for (59|60) s"):
            with pytest.raises(Transient, match=words):
                webhook.post("one", b"{}")
        webhook.close()
    assert len(receiver.posted) == 1


def test_where_nobody_listens_it_is_tried_again() -> None:
    webhook = Webhook("http://127.0.0.1:9/secret", 5, print)
    with pytest.raises(Transient, match=r"cannot be reached: Client.*check TAILRACE_WEBHOOK_URL") as away:
        webhook.post("one", b"{}")
    assert "secret" not in str(away.value)
    webhook.close()


@pytest.mark.parametrize("url", ["https://a..b/secret", "http://[::1/secret", "http://127.0.0.1:99999/secret"])
def test_what_is_no_address_is_not_tried_again(url: str) -> None:
    webhook = Webhook(url, 5, print)
    with pytest.raises(SettingsError, match=r"^TAILRACE_WEBHOOK_URL: it is no address$"):
        webhook.post("one", b"{}")
    webhook.close()
