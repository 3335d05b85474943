"""What is posted of an alert: the shapes that Slack, PagerDuty and Alertmanager document, whatever the names are."""

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import jsonschema_rs
import orjson
import pytest

from pipeline.app.forward import posts
from pipeline.model.alerts import Alert, AlertState
from pipeline.model.contracts import MINUTE_NS
from pipeline.model.stream import Record
from pipeline.operators.alerts.cloud_event import encode
from pipeline.operators.alerts.told import told
from pipeline.operators.alerts.webhooks import FIRING_FOR_NS, FORMATS, SECTION_CHARS, alertmanager, pagerduty, slack
from pipeline.operators.alerts.wording import TEXT_CHARS
from tests.alerts import AT_NS, EVERY, OBJECTIVE, PANES, PIPELINE
from tests.unit.test_alerts import HOSTILE

KEY = "k" * 32
TEXT = {"type": "string", "minLength": 1}
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object of these members and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


SECTION = closed(
    {"type": {"const": "mrkdwn"}, "text": TEXT | {"maxLength": 3000}, "verbatim": {"const": True}},
)
LINKS = {"type": "array", "items": closed({"href": TEXT, "text": TEXT})}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}, "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}}
DOCUMENTED = {
    "slack": closed(
        {"text": TEXT, "blocks": {"type": "array", "items": closed({"type": {"const": "section"}, "text": SECTION})}}
    ),
    "pagerduty": closed(
        {"routing_key": TEXT | {"maxLength": 32}, "dedup_key": TEXT | {"maxLength": 255}, "event_action": {"const": "trigger"}},
        client=TEXT,
        links=LINKS,
        payload=closed(
            {
                "summary": TEXT | {"maxLength": 1024},
                "source": TEXT,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
            },
            timestamp=DATE,
            component=TEXT,
            group=TEXT,
            **{"class": TEXT},
            custom_details={"type": "object"},
        ),
    ),
    "alertmanager": {
        "type": "array",
        "minItems": 1,
        "items": closed(
            {"labels": LABELS | {"required": ["alertname"]}},
            annotations=LABELS,
            startsAt=DATE,
            endsAt=DATE,
            generatorURL=TEXT | {"format": "uri"},
        ),
    },
}
"""Slack: its reference of text objects. PagerDuty: events-v2 of its api-schema. Alertmanager: its openapi.yaml."""


def resolved(alert: Alert) -> Alert:
    """The same, over five minutes later."""
    over_ns = AT_NS + 5 * MINUTE_NS
    return replace(alert, state=AlertState.RESOLVED, at_ns=over_ns, resolved_ns=over_ns)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("grafana", ["", "https://grafana.example"])
def test_it_has_the_shape_that_is_documented(form: str, kind: str, grafana: str) -> None:
    body = orjson.loads(orjson.dumps(FORMATS[form](told(EVERY[kind], PANES, 7, grafana), KEY)))
    jsonschema_rs.validate(DOCUMENTED[form], body, validate_formats=True)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:20]))
def test_a_hostile_name_breaks_no_shape_and_no_limit(form: str, name: str) -> None:
    alert = told(replace(OBJECTIVE, route=name, slice=(("cohort", name),), owner=name), PANES, 7, "https://grafana.example")
    body = orjson.dumps(FORMATS[form](alert, KEY))
    jsonschema_rs.validate(DOCUMENTED[form], orjson.loads(body), validate_formats=True)
    assert len(body) < 64_000  # PagerDuty takes 512 kB


@pytest.mark.parametrize("name", ["<!channel>", "<@U123>", "<https://evil.example|board>", "a & b > c"])
def test_slack_takes_no_name_for_a_mention_or_a_link(name: str) -> None:
    said = slack(told(replace(OBJECTIVE, route=name), PANES, 7, "https://grafana.example"))
    for text in (said["text"], said["blocks"][0]["text"]["text"]):
        assert all(link.startswith("https://grafana.example/") for link in re.findall("<([^>]*)", text))
        assert ">" not in text.replace("|board>", "")


@pytest.mark.parametrize("extra", range(6))
def test_slacks_cut_splits_nothing(extra: int) -> None:
    """The longest line of nothing but what is escaped, cut at every place of an escape."""
    text = "x" * extra + "&" * (TEXT_CHARS - extra)
    said = slack(replace(told(OBJECTIVE, PANES, 7), text=text))["blocks"][0]["text"]["text"]
    assert SECTION_CHARS - 6 <= len(said) <= SECTION_CHARS
    assert said.endswith("&amp;…")
    assert "&" not in said.replace("&amp;", "")


def test_slack_says_how_it_ended_and_leaves_out_a_link_that_has_no_room() -> None:
    assert slack(told(OBJECTIVE, PANES, 7))["blocks"][0]["text"]["text"].startswith(":rotating_light: support in production")
    over = slack(told(resolved(OBJECTIVE), PANES, 7))
    assert over["blocks"][0]["text"]["text"].startswith(":white_check_mark: resolved: support")
    long = replace(told(OBJECTIVE, PANES, 7), board_url="https://grafana.example/" + "x" * 3000)
    assert "|board>" not in slack(long)["blocks"][0]["text"]["text"]


def test_pagerduty_has_one_incident_a_fingerprint() -> None:
    firing, over = told(OBJECTIVE, PANES, 7), told(resolved(OBJECTIVE), PANES, 9)
    opened, ended = pagerduty(firing, KEY), pagerduty(over, KEY)
    assert opened["dedup_key"] == ended["dedup_key"] == firing.fingerprint
    assert ended == {"routing_key": KEY, "dedup_key": firing.fingerprint, "event_action": "resolve"}
    assert opened["payload"]["severity"] == "critical"
    assert pagerduty(told(PIPELINE, PANES, 7), KEY)["payload"]["severity"] == "warning"
    assert opened["payload"]["custom_details"]["estimate"] == firing.estimate
    assert opened["payload"]["custom_details"]["sql"] == firing.sql


def test_alertmanager_knows_it_again_and_forgets_it_neither_soon_nor_never() -> None:
    [firing], [over] = alertmanager(told(OBJECTIVE, PANES, 7)), alertmanager(told(resolved(OBJECTIVE), PANES, 9))
    assert firing["labels"] == over["labels"]
    assert firing["startsAt"] == over["startsAt"]
    starts, ends = datetime.fromisoformat(firing["startsAt"]), datetime.fromisoformat(firing["endsAt"])
    assert (ends - starts).total_seconds() == FIRING_FOR_NS / 1e9
    assert (datetime.fromisoformat(over["endsAt"]) - starts).total_seconds() == 300
    [other] = alertmanager(told(replace(OBJECTIVE, route="x" * 100 + "y"), PANES, 7))
    [another] = alertmanager(told(replace(OBJECTIVE, route="x" * 100 + "z"), PANES, 7))
    assert other["labels"] != another["labels"]


def test_a_repeat_is_the_same_bytes_and_what_is_no_alert_is_passed_over() -> None:
    complaints = list[str]()
    values = [encode(told(OBJECTIVE, PANES, 7)), b"{}", encode(told(OBJECTIVE, PANES, 7))]
    batch = [Record(PANES, offset, 0, value) for offset, value in enumerate(values)]
    once, again = posts("alertmanager", "", complaints.append, batch, 0).messages
    assert once == again
    assert json.loads(once.value)[0]["labels"]["alertname"] == "tailrace_objective"
    assert len(complaints) == 1
    assert complaints[0].startswith("message 1 of")
