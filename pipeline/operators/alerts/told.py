"""An alert made whole: who it is and what it says, from what was decided and where."""

import math
from dataclasses import fields, replace
from typing import Any

from pipeline.model.alerts import Alert
from pipeline.model.stream import Message, Source
from pipeline.operators.alerts import cloud_event, drilldown, wording
from pipeline.operators.alerts.identity import alert_id, fingerprint

DETAIL_CHARS = 1000


def told(alert: Alert, source: Source, offset: int, grafana_url: str = "") -> Alert:
    """The alert with fingerprint, id, text, sql and board_url.

    source, offset: of the message that decided it. The same alert decided by the same message is the same alert.
    """
    known = bounded(alert)
    return replace(
        known,
        id=alert_id(known.fingerprint, source, offset, alert.at_ns),
        text=wording.line(known),
        sql=drilldown.sql(known),
        board_url=drilldown.board_url(known, grafana_url),
    )


def bounded(alert: Alert) -> Alert:
    """The alert with its fingerprint and without a number that has no end."""
    unknown: dict[str, Any] = {field.name: None for field in fields(alert) if _is_infinite(getattr(alert, field.name))}
    return replace(alert, **unknown | {"detail": alert.detail[:DETAIL_CHARS], "fingerprint": fingerprint(alert)})


def _is_infinite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def message(alert: Alert, topic: str) -> Message:
    """What goes to the one partition of the topic `alerts`."""
    return Message(topic, 0, cloud_event.encode(alert), alert.fingerprint.encode())
