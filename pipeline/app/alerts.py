"""Alerts for people: how things stand, and what nothing means."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.connectors.clickhouse import query
from pipeline.operators.alerts.wording import TEXT_CHARS, named
from pipeline.settings import Settings

NOTHING = (
    "nothing is firing. An alert needs a contract in force (`tailrace contract show`), a stage that judges by it and a sink that "
    "stores what it says (`tailrace status`)"
)


def standing(settings: Settings, everything: bool) -> list[dict[str, Any]]:
    """The newest alert of each fingerprint, firing first; only firing ones unless `everything`."""
    where = "" if everything else "WHERE state = 'firing'"
    names, rows = query(settings, f"SELECT * FROM latest_alerts {where}")  # noqa: S608 - a constant
    return [dict(zip(names, row, strict=True)) for row in rows]


NAMES = ("", "at", "severity", "claim", "owner", "what")


def row(alert: Mapping[str, Any]) -> list[str]:
    """What people need of one, in the order of NAMES."""
    at = datetime.fromtimestamp(alert["at_ns"] / 1e9, UTC).strftime("%m-%d %H:%M:%S")
    return [
        alert["state"],
        at,
        alert["severity"],
        alert["tier"],
        named(alert["owner"]) if alert["owner"] else "",
        named(alert["text"], TEXT_CHARS),
    ]
