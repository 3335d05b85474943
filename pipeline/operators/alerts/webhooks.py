"""An alert in the words of those who tell people: Slack, PagerDuty, Alertmanager. Pure: what is posted, not how.

The same alert is the same bytes, so one that is delivered again is known by its fingerprint: PagerDuty's `dedup_key`, a label of
Alertmanager's. Slack knows no repeats. Names are of spans: they can mention nobody, link nowhere and break no limit.

Source: https://docs.slack.dev/reference/block-kit/composition-objects/text-object,
https://developer.pagerduty.com/docs/events-api-v2-overview, https://prometheus.io/docs/alerting/latest/alerts_api
"""

from collections.abc import Callable
from typing import Any

from pipeline.model.alerts import Alert, AlertState
from pipeline.model.contracts import DAY_NS, Severity
from pipeline.operators.alerts.cloud_event import data, rfc3339
from pipeline.operators.alerts.wording import named

SUMMARY_CHARS = 1024
"""Of PagerDuty's summary."""

DETAIL_CHARS = 4096
"""Of one of PagerDuty's details; an event may have 512 kB. A longer one is left out: half a query is none."""

SECTION_CHARS = 3000
"""Of a text of Slack's, escaped."""

FIRING_FOR_NS = 365 * DAY_NS
"""How long Alertmanager takes an alert for firing that nobody resolves. Without an end it forgets after five minutes
(`resolve_timeout`) and says that it is resolved, which would be untrue."""

PAGERDUTY_SEVERITY: dict[str, str] = {Severity.PAGE: "critical", Severity.TICKET: "warning", Severity.INFO: "info"}


def slack(alert: Alert, _key: str = "") -> dict[str, Any]:
    """An incoming webhook's message; the board is linked where there is room."""
    mark = ":white_check_mark:" if alert.state is AlertState.RESOLVED else ":rotating_light:"
    text = _escaped(alert.text, SECTION_CHARS - len(mark) - 1)
    said, link = f"{mark} {text}", f" <{_escaped(alert.board_url, SECTION_CHARS)}|board>" if alert.board_url else ""
    section = {"type": "mrkdwn", "verbatim": True, "text": said + link if len(said + link) <= SECTION_CHARS else said}
    return {"text": text, "blocks": [{"type": "section", "text": section}]}


def _escaped(text: str, chars: int) -> str:
    """What begins a mention or a link, written so that it does not; at most so long, and cut between characters."""
    parts = [ESCAPES.get(c, c) for c in text]
    if sum(map(len, parts)) <= chars:
        return "".join(parts)
    left, kept = chars - 1, []
    for part in parts:
        left -= len(part)
        if left < 0:
            break
        kept.append(part)
    return "".join(kept) + "…"


ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def pagerduty(alert: Alert, key: str) -> dict[str, Any]:
    """An event of the Events API v2; the incident is that of the fingerprint."""
    common = {"routing_key": key, "dedup_key": alert.fingerprint}
    if alert.state is AlertState.RESOLVED:
        return common | {"event_action": "resolve"}
    return common | {
        "event_action": "trigger",
        "client": "tailrace",
        "payload": {
            "summary": named(alert.text, SUMMARY_CHARS),
            "source": named(alert.route or "tailrace"),
            "severity": PAGERDUTY_SEVERITY.get(alert.severity, "warning"),
            "timestamp": rfc3339(alert.at_ns),
            **({"component": named(alert.environment)} if alert.environment else {}),
            **({"group": named(alert.contract)} if alert.contract else {}),
            "class": alert.kind.value,
            "custom_details": _details(alert),
        },
        **({"links": [{"href": alert.board_url, "text": "board"}]} if alert.board_url else {}),
    }


def _details(alert: Alert) -> dict[str, Any]:
    said = data(alert) | {"slice": {column: named(value) for column, value in alert.slice}}
    return {
        name: value
        for name, value in said.items()
        if value not in (None, "", {}) and not (isinstance(value, str) and len(value) > DETAIL_CHARS)
    }


def alertmanager(alert: Alert, _key: str = "") -> list[dict[str, Any]]:
    """The body of POST /api/v2/alerts. Labels tell alerts apart: of all that may change while one lasts only severity and
    owner are among them, since people route by these.
    """
    labels = {"alertname": f"tailrace_{alert.kind.value}", "fingerprint": alert.fingerprint, "severity": alert.severity} | {
        name: named(value)
        for name, value in (
            *alert.slice,
            ("contract", alert.contract),
            ("environment", alert.environment),
            ("route", alert.route),
            ("metric", alert.metric),
            ("rule", alert.rule),
            ("owner", alert.owner),
        )
        if value
    }
    ends_ns = alert.resolved_ns if alert.state is AlertState.RESOLVED else alert.fired_ns + FIRING_FOR_NS
    return [
        {
            "labels": labels,
            "annotations": {"summary": alert.text, **({"sql": alert.sql} if alert.sql else {})},
            "startsAt": rfc3339(alert.fired_ns),
            "endsAt": rfc3339(ends_ns),
            **({"generatorURL": alert.board_url} if alert.board_url else {}),
        }
    ]


FORMATS: dict[str, Callable[[Alert, str], Any]] = {"slack": slack, "pagerduty": pagerduty, "alertmanager": alertmanager}
"""By name: the body, of an alert and the receiver's key."""
