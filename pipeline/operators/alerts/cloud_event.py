"""An alert as a CloudEvent 1.0 in structured JSON: how it travels on the topic `alerts`.

`source` and `id` together name one alert: the id has the log's own id in it. `time` is event time, to the millisecond; the
data has all times in nanoseconds.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import ValidationError, convert

from pipeline.model.alerts import ALERTS, Alert, AlertState
from pipeline.operators.alerts.wording import named

SOURCE = "/tailrace/watch"
TYPES = {AlertState.FIRING: "tailrace.alert.firing.v1", AlertState.RESOLVED: "tailrace.alert.resolved.v1"}
CONTENT_TYPE = "application/cloudevents+json"
"""Of the message, in its header `content-type`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoAlertError(ValueError):
    """A message that is no alert; says why."""


def event(alert: Alert) -> dict[str, Any]:
    """The CloudEvent."""
    return {
        "specversion": "1.0",
        "id": alert.id,
        "source": SOURCE,
        "type": TYPES[alert.state],
        "subject": subject(alert),
        "time": rfc3339(alert.at_ns),
        "datacontenttype": "application/json",
        "data": data(alert),
    }


def encode(alert: Alert) -> bytes:
    """The message."""
    return orjson.dumps(event(alert))


def data(alert: Alert) -> dict[str, Any]:
    """Every field by its name."""
    return {column.name: getattr(alert, column.name) for column in ALERTS} | {"slice": dict(alert.slice)}


def decode(value: bytes) -> Alert:
    """The alert of a message; fields that a newer writer added are passed over. Raises NoAlertError."""
    try:
        said = orjson.loads(value)
        envelope = (said["specversion"], said["type"])
        fields = {column.name: said["data"][column.name] for column in ALERTS}
        alert = convert(fields | {"slice": tuple(fields["slice"].items())}, Alert)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise NoAlertError(f"no alert: {error!r:.120}") from None
    if envelope != ("1.0", TYPES[alert.state]):
        raise NoAlertError(f"an alert that is {alert.state} in a CloudEvent {envelope!r:.80}")
    return alert


def subject(alert: Alert) -> str:
    """Contract, environment, route and rule, percent-encoded, with slashes between; an empty one is empty."""
    parts = (alert.contract, alert.environment, alert.route, alert.rule)
    return "/".join(quote(named(part) if part else "", safe="") for part in parts)


def rfc3339(ns: int) -> str:
    """A time since 1970, to the millisecond."""
    return (EPOCH + timedelta(milliseconds=ns // 10**6)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
