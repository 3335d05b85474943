"""What `tailrace replay` makes of recorded requests, as plain rows by topic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from pipeline.app.replay import run
from pipeline.connectors.files import read_requests
from pipeline.settings import Settings

Rows = list[dict[str, Any]]

TOPICS = ("spans", "panes", "traces", "repeats", "ledger", "dead-letters")


def replayed(files: Sequence[Path]) -> dict[str, Rows]:
    """Rows by topic, panes of traces under `trace_panes`."""
    settings = Settings()
    told: dict[str, Rows] = {key: [] for key in (*TOPICS, "trace_panes")}
    names = {(settings.topic(key), None): key for key in TOPICS} | {(settings.topic("panes"), b"traces"): "trace_panes"}
    for message in run(settings, read_requests(files)):
        if key := names.get((message.topic, message.key)):
            told[key] += rows_of(message.value)
    return told


def rows_of(block: bytes) -> Rows:
    """The rows of a block."""
    columns = orjson.loads(block)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def total(rows: Rows, name: str) -> int:
    """The sum of a measure; null adds nothing."""
    return sum(int(row[name] or 0) for row in rows)
