"""Alerts on the real store: events become rows, what is told again replaces itself, queries run whatever names hold."""

import json
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.connectors.alert_log import follow
from pipeline.connectors.clickhouse import connect, insert_blocks, query
from pipeline.connectors.kafka import Producer, admin, apply_topics
from pipeline.model.alerts import ALERTS, Alert, AlertState
from pipeline.model.contracts import DAY_NS, MINUTE_NS
from pipeline.model.metrics import MEASURES, METRICS
from pipeline.model.stream import Message
from pipeline.operators.alerts.cloud_event import data, encode, event
from pipeline.operators.alerts.told import message, told
from pipeline.settings import Settings
from tests.alerts import AT_NS, BURN_RATE, EVERY, OBJECTIVE, PANES
from tests.panes import NOON_NS, pane, panes
from tests.unit.test_alerts import HOSTILE


@pytest.fixture
def store(with_schema: Settings) -> Iterator[tuple[Settings, Client]]:
    with connect(with_schema) as client:
        yield with_schema, client


def test_an_alert_lands_as_it_was_told(store: tuple[Settings, Client]) -> None:
    """Every kind, with every field; told again it is there once."""
    client = store[1]
    whole = {kind: told(alert, PANES, 7, "https://grafana.example") for kind, alert in EVERY.items()}
    messages = [encode(alert) for alert in whole.values()]
    assert insert_blocks(client, "alerts", [*messages, messages[0]]) == {}
    assert insert_blocks(client, "alerts", messages) == {}
    names = ", ".join(f"`{column.name}`" for column in ALERTS)
    rows = client.query(f"SELECT {names} FROM alerts FINAL").result_rows
    found = {row[2]: dict(zip((column.name for column in ALERTS), row, strict=True)) for row in rows}
    assert len(rows) == len(whole)
    assert found == {kind: data(alert) for kind, alert in whole.items()}


def _changed(**fields: object) -> bytes:
    said = event(told(OBJECTIVE, PANES, 7))
    said["data"] |= fields
    return json.dumps(said).encode()


def _without(name: str) -> bytes:
    said = event(told(OBJECTIVE, PANES, 7))
    del said["data"][name]
    return json.dumps(said).encode()


BAD = {
    "a field is missing": _without("fingerprint"),
    "an object is missing": _without("slice"),
    "a field nobody knows": _changed(mood="bad"),
    "null where a text is": _changed(route=None),
    "a number as text": _changed(n="many"),
    "no data": json.dumps({key: value for key, value in event(told(OBJECTIVE, PANES, 7)).items() if key != "data"}).encode(),
    "a block": b'{"id":["a"]}',
    "not JSON": b"hello",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_event_is_found_and_the_others_land(store: tuple[Settings, Client], bad: bytes) -> None:
    client, good = store[1], encode(told(OBJECTIVE, PANES, 9))
    assert insert_blocks(client, "alerts", [good, bad, encode(told(BURN_RATE, PANES, 9))]).keys() == {1}
    assert client.query("SELECT count() FROM alerts FINAL").result_rows == [(2,)]


def test_the_newest_of_each_fingerprint_stands_firing_first(store: tuple[Settings, Client]) -> None:
    settings, client = store
    over_ns = AT_NS + 5 * MINUTE_NS
    over = replace(OBJECTIVE, state=AlertState.RESOLVED, at_ns=over_ns, resolved_ns=over_ns)
    ticket = replace(BURN_RATE, severity="ticket", at_ns=AT_NS + MINUTE_NS)
    page = replace(BURN_RATE, rule="other", at_ns=AT_NS)
    told_of = [told(alert, PANES, n) for n, alert in enumerate((over, OBJECTIVE, ticket, page))]
    assert insert_blocks(client, "alerts", [encode(alert) for alert in told_of]) == {}
    _, rows = query(settings, "SELECT state, severity, rule, resolved_ns FROM latest_alerts")
    assert rows == [
        ["firing", "page", "other", 0],
        ["firing", "ticket", "availability", 0],
        ["resolved", "page", "latency.p99.at_most.5m", over_ns],
    ]


def test_of_two_in_one_window_the_later_in_the_log_counts(store: tuple[Settings, Client]) -> None:
    settings, client = store
    over = replace(OBJECTIVE, state=AlertState.RESOLVED, resolved_ns=AT_NS, detail="the contract is no longer in force")
    again = replace(BURN_RATE, state=AlertState.RESOLVED, resolved_ns=AT_NS)
    told_of = [told(over, PANES, 10), told(OBJECTIVE, PANES, 9), told(again, PANES, 99), told(BURN_RATE, PANES, 100)]
    assert insert_blocks(client, "alerts", [encode(alert) for alert in told_of]) == {}
    _, rows = query(settings, "SELECT rule, state FROM latest_alerts")
    assert rows == [["availability", "firing"], ["latency.p99.at_most.5m", "resolved"]]


def asked(settings: Settings, alert: Alert) -> list[list[object]]:
    names, rows = query(settings, told(alert, PANES, 7).sql)
    assert names[:3] == ["window_start", "release", "n"]
    return rows


@pytest.mark.parametrize("window_ns", [5 * MINUTE_NS, DAY_NS], ids=["minutes", "hours"])
def test_the_query_of_every_metric_runs(store: tuple[Settings, Client], window_ns: int) -> None:
    for name in (*METRICS, *MEASURES, "groundedness_lexical.mean", "groundedness_lexical.fail", ""):
        for alert in (OBJECTIVE, BURN_RATE):
            asked(store[0], replace(alert, metric=name, window_ns=window_ns))


def test_the_query_shows_the_slice_and_nothing_else(store: tuple[Settings, Client]) -> None:
    """Whatever the names are, the route's own rows come back, and no others."""
    settings, client = store
    blocks = [panes(*[pane(0, [n + 1], route=name, cohort=name) for n, name in enumerate(HOSTILE)])]
    assert insert_blocks(client, "panes", blocks) == {}
    for n, name in enumerate(HOSTILE):
        [(environment,)] = client.query("SELECT DISTINCT environment FROM panes").result_rows
        alert = replace(OBJECTIVE, environment=environment, route=name, slice=(("cohort", name),), at_ns=NOON_NS + MINUTE_NS)
        [(_, _, calls, p99)] = asked(settings, alert)
        assert (calls, round(float(str(p99)))) == (1, n + 1), name


def test_people_see_what_is_firing_and_what_is_over(store: tuple[Settings, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    settings, client = store
    monkeypatch.setenv("TAILRACE_CLICKHOUSE_DSN", settings.clickhouse_dsn.get_secret_value())
    monkeypatch.setenv("COLUMNS", "60")
    ask = CliRunner()
    assert "tailrace contract show" in ask.invoke(app, ["alerts"]).stderr
    over = replace(BURN_RATE, state=AlertState.RESOLVED, resolved_ns=AT_NS)
    assert insert_blocks(client, "alerts", [encode(told(alert, PANES, 7)) for alert in (OBJECTIVE, over)]) == {}
    shown = " ".join(ask.invoke(app, ["alerts"]).stdout.split())
    assert "firing" in shown
    assert "resolved" not in shown
    both = [json.loads(line) for line in ask.invoke(app, ["alerts", "--all", "--json"]).stdout.splitlines()]
    assert [(one["state"], one["kind"]) for one in both] == [("firing", "objective"), ("resolved", "burn_rate")]


def test_alerts_are_followed_as_they_come_and_no_group_is_left(with_schema: Settings) -> None:
    settings, stop, complaints = with_schema, Event(), list[str]()
    apply_topics(settings)
    producer, sent = Producer(settings), [told(alert, PANES, 7) for alert in EVERY.values()]
    producer.send([message(told(OBJECTIVE, PANES, 1), settings.topic("alerts"))])
    producer.confirm()
    heard, began = list[Alert](), Event()

    def going_on() -> bool:
        began.set()
        return not stop.is_set() and len(heard) < len(sent)

    def listen() -> None:
        for alert in follow(settings, complaints.append, going_on):
            heard.append(alert)

    listener = Thread(target=listen)
    listener.start()
    assert began.wait(30)
    producer.send([Message(settings.topic("alerts"), 0, b"{}", b"x"), *(message(one, settings.topic("alerts")) for one in sent)])
    producer.confirm()
    listener.join(30)
    stop.set()
    assert heard == sent
    assert len(complaints) == 1
    groups = admin(settings).list_consumer_groups().result().valid
    assert not [group for group in groups if group.group_id.startswith(settings.topic_prefix)]
