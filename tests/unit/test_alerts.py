"""Alerts: which are the same, what they say, where they lead, how they travel; names may hold anything."""

import json
import random
import string
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from grafana import operations
from grafana.performance import UID
from grafana.sql import UNKNOWN
from pipeline.model.alerts import ALERTS, Alert, AlertState, Tier
from pipeline.model.contracts import DAY_NS, MINUTE_NS
from pipeline.model.stream import Source
from pipeline.operators.alerts import drilldown
from pipeline.operators.alerts.cloud_event import NoAlertError, decode, encode, event
from pipeline.operators.alerts.drilldown import LINK_CHARS, board_url, literal
from pipeline.operators.alerts.told import message, told
from pipeline.operators.alerts.wording import TEXT_CHARS, amount
from pipeline.settings import Settings
from pipeline.topics import schemas_dir
from tests.alerts import AT_NS, EVERY, OBJECTIVE, PANES, PIPELINE

LINES = {
    "objective": "support in production, cohort de: latency.p99 is 5.23s, promised is at most 4s "
    "(between 4.61s and 6s; n 1,234 over 5m)",
    "regression": "support in production, cohort de: error.ratio is 3.12%, before 2%; allowed is at most 2.04% "
    "(between 2.6% and 3.7%; n 1,234; release v2 after v1; only here)",
    "burn_rate": "support in production, cohort de: the error budget availability burns 20 times as fast as it may "
    "over 5m and 1h, the limit is 14.4 times (n 1,234)",
    "no_data": "support in production, cohort de: nothing of this slice for 23m: before, calls came in 55 windows of 60 minutes",
    "pipeline": "calls tailrace.spans.v1:3 has said nothing for 1h: windows are judged without what it holds",
}

HOSTILE = [
    "it's",
    "back\\slash\\",
    "\\'; DROP TABLE spans; --",
    "line\nbreak\r\n\ttab\0nul",
    "' OR 1=1 /*",
    "{x:String} %s ${__from} $__timeFilter(x)",
    "über 日本 \N{RIGHT-TO-LEFT OVERRIDE}",
    "a,b%2C&var-route=x#frag",
    "\x1b[31mred",
    "x" * 10_000,
]


def test_the_fields_are_those_of_the_columns() -> None:
    assert {field.name for field in fields(Alert)} == {column.name for column in ALERTS}


@pytest.mark.parametrize("kind", EVERY)
def test_it_says_in_one_line_what_matters(kind: str) -> None:
    assert told(EVERY[kind], PANES, 7).text == LINES[kind]


def test_it_says_when_it_is_over_and_when_nothing_is_claimed() -> None:
    over = told(replace(OBJECTIVE, state=AlertState.RESOLVED, tier=Tier.CROSSED, preliminary=True, low=None, high=None), PANES, 7)
    start = "resolved: support in production, cohort de: latency.p99 is 5.23s, promised is at most 4s (not established)"
    assert over.text == f"{start} (n 1,234 over 5m; preliminary)"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (41_234_567, "nusd", "$0.0412"),
        (0.98765, "score", "0.988"),
        (51.26, "tokens_per_second", "51.3 tokens/s"),
        (-0.01, "share", "-1%"),
        (None, "ns", "–"),
        (12.0, "", "12"),
    ],
)
def test_amounts_are_in_the_units_people_read(value: float | None, unit: str, said: str) -> None:
    assert amount(value, unit) == said


def test_the_fingerprint_is_of_what_it_is_about() -> None:
    known = told(OBJECTIVE, PANES, 7).fingerprint
    same = {"contract_version": 4, "contract_hash": "0" * 32, "estimate": 1.0, "state": AlertState.RESOLVED, "at_ns": 1, "n": 2}
    for name, value in same.items():
        assert told(replace(OBJECTIVE, **{name: value}), PANES, 8).fingerprint == known, name
    others = {"contract": "x", "rule": "x", "environment": "x", "route": "x", "slice": (("cohort", "x"),), "metric": "ttft.p99"}
    found = {told(replace(OBJECTIVE, **{name: value}), PANES, 7).fingerprint for name, value in others.items()}
    assert len(found | {known}) == len(others) + 1
    crossed = (("cohort", "de"), ("language", "en"))
    assert (
        told(replace(OBJECTIVE, slice=crossed), PANES, 7).fingerprint
        == told(replace(OBJECTIVE, slice=crossed[::-1]), PANES, 7).fingerprint
    )


def test_parts_of_a_fingerprint_do_not_run_into_one_another() -> None:
    shifted = replace(OBJECTIVE, environment="product", route="ionsupport")
    assert told(shifted, PANES, 7).fingerprint != told(OBJECTIVE, PANES, 7).fingerprint


def test_a_repeat_has_the_same_id_and_nothing_else_has() -> None:
    once = told(OBJECTIVE, PANES, 7)
    assert once.id == told(OBJECTIVE, PANES, 7).id == f"{once.fingerprint}@tailrace.panes.v1:2:kq1:7:{AT_NS}"
    others = [
        told(OBJECTIVE, PANES, 8),
        told(OBJECTIVE, Source(PANES.topic, 2, "made anew"), 7),
        told(replace(OBJECTIVE, at_ns=AT_NS + MINUTE_NS), PANES, 7),
    ]
    assert len({alert.id for alert in (once, *others)}) == 4


@pytest.mark.parametrize("kind", EVERY)
def test_it_travels_as_a_cloud_event(kind: str) -> None:
    alert = told(EVERY[kind], PANES, 7, "https://grafana.example")
    sent = message(alert, "tailrace.alerts.v1")
    assert decode(sent.value) == alert
    assert sent.key == alert.fingerprint.encode()
    said = event(alert)
    assert (said["type"], said["time"]) == ("tailrace.alert.firing.v1", "2026-09-21T14:14:00.000Z")
    assert decode(encode(replace(alert, state=AlertState.RESOLVED))).state is AlertState.RESOLVED


def test_a_newer_writers_fields_are_passed_over() -> None:
    alert = told(OBJECTIVE, PANES, 7)
    said = event(alert) | {"traceparent": "00"}
    said["data"] |= {"mood": "bad"}
    assert decode(json.dumps(said).encode()) == alert


@pytest.mark.parametrize(
    "change",
    [{"specversion": "0.3"}, {"type": "tailrace.alert.resolved.v1"}, {"data": {}}, {"data": None}],
    ids=str,
)
def test_what_is_no_alert_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(NoAlertError):
        decode(json.dumps(event(told(OBJECTIVE, PANES, 7)) | change).encode())
    with pytest.raises(NoAlertError):
        decode(b"[1]")


@pytest.mark.parametrize(
    ("name", "wrong"), [*((column.name, wrong) for column in ALERTS for wrong in ([1], {"a": {}})), ("at_ns", 10**30)], ids=str
)
def test_a_field_of_another_type_is_no_alert(name: str, wrong: object) -> None:
    """Else who reads alerts ends, and ends again at the same message: none is forwarded any more."""
    said = event(told(OBJECTIVE, PANES, 7))
    said["data"] |= {name: wrong}
    with pytest.raises(NoAlertError, match="no alert"):
        decode(json.dumps(said).encode())


def test_what_is_infinite_is_unknown() -> None:
    alert = told(replace(OBJECTIVE, high=float("inf"), detectable=float("inf"), estimate=float("nan")), PANES, 7)
    assert (alert.high, alert.detectable, alert.estimate) == (None, None, None)
    assert decode(encode(alert)) == alert


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:20]))
def test_a_hostile_name_stays_a_name(name: str) -> None:
    alert = told(replace(OBJECTIVE, route=name, slice=(("cohort", name),), release=name), PANES, 7, "https://grafana.example/")
    assert alert.text.isprintable()
    assert len(alert.text) <= TEXT_CHARS
    assert alert.sql.isprintable()
    assert literal(name) in alert.sql
    link = urlsplit(alert.board_url)
    assert link.netloc == "grafana.example"
    assert len(alert.board_url) <= LINK_CHARS
    assert not link.fragment
    asked = parse_qs(link.query)
    if len(name) < 1000:
        escaped = name.replace("%", "%25").replace(",", "%2C").replace("$", "%24")
        assert asked["var-route"] == asked["var-cohort"] == [escaped]
    assert asked["var-environment"] == ["production"]
    assert set(asked) <= {"from", "to", "var-environment", "var-route", "var-cohort"}
    subject = event(alert)["subject"]
    assert subject.isascii()
    assert subject.isprintable()
    assert subject.count("/") == 3
    assert decode(encode(alert)) == alert


def test_names_as_long_as_the_setting_allows_leave_room_for_a_message() -> None:
    """A broker takes 1,048,588 bytes; environment, route and four columns are names, and two of the releases stand beside."""
    name = "".join(random.Random(3).choices(string.printable[:94], k=Settings.model_fields["max_text_bytes"].metadata[1].le))
    parts = tuple((column, name) for column in ("model", "release", "cohort", "language"))
    long = replace(OBJECTIVE, environment=name, route=name, slice=parts, release=name, previous_release=name)
    alert = told(long, PANES, 7, "https://grafana.example")
    assert alert.sql == ""
    assert len(message(alert, "alerts").value) < 700_000
    assert decode(encode(alert)) == alert


def test_a_literal_holds_no_end_of_itself() -> None:
    for name in HOSTILE:
        inner = literal(name)[1:-1]
        assert "'" not in inner.replace("\\\\", "").replace("\\'", "")
        assert not inner.replace("\\\\", "").endswith("\\")


def test_the_link_is_of_the_board_and_its_words() -> None:
    assert drilldown.BOARD.split("/")[1] == UID
    assert drilldown.UNKNOWN == UNKNOWN
    asked = parse_qs(urlsplit(board_url(replace(OBJECTIVE, environment=""), "https://grafana.example")).query)
    assert asked["var-environment"] == [UNKNOWN]
    assert int(asked["to"][0]) * 10**6 == AT_NS
    assert board_url(OBJECTIVE, "") == ""
    assert urlsplit(board_url(PIPELINE, "https://grafana.example")).path == f"/{drilldown.OPERATIONS}"
    assert drilldown.OPERATIONS.split("/")[1] == operations.UID


def test_burn_rates_of_one_budget_are_alerts_of_their_own() -> None:
    fast, slow = (replace(EVERY["burn_rate"], short_window_ns=MINUTE_NS * n, window_ns=12 * n * MINUTE_NS) for n in (5, 30))
    assert told(fast, PANES, 7).fingerprint != told(slow, PANES, 7).fingerprint
    assert told(fast, PANES, 7).fingerprint == told(replace(fast, state=AlertState.RESOLVED), PANES, 9).fingerprint


def test_a_long_window_is_shown_by_the_hour() -> None:
    assert " FROM performance WHERE" in told(OBJECTIVE, PANES, 7).sql
    assert " FROM performance_hourly WHERE" in told(replace(OBJECTIVE, window_ns=DAY_NS), PANES, 7).sql
    assert "FROM status WHERE metric IN ('sources_left_out', " in told(PIPELINE, PANES, 7).sql


@pytest.mark.parametrize("path", sorted((schemas_dir() / "examples" / "alerts").glob("*.json")), ids=lambda path: path.stem)
def test_the_examples_are_what_is_written(path: Path) -> None:
    """Decoded, and made anew from what was decided and where."""
    alert = decode(path.read_bytes())
    where, _, at_ns = alert.id.partition("@")[2].rpartition(":")
    topic, partition, epoch, offset = where.split(":")
    assert int(at_ns) == alert.at_ns
    blank = replace(alert, id="", fingerprint="", text="", sql="", board_url="")
    anew = told(blank, Source(topic, int(partition), epoch), int(offset), "https://grafana.example.com")
    assert event(anew) == json.loads(path.read_text())
