"""How the pipeline is: lag, watermarks, freshness, the dead. Asked by `tailrace status`, reported by the sink."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.kafka import Lag, lag
from pipeline.connectors.progress_log import ProgressLog
from pipeline.errors import TailraceError
from pipeline.model.columns import STATUS
from pipeline.model.stream import Message, Progress
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings

STAGES = ("decode", "aggregate", "sink")
REPORT_EVERY = 10.0
"""Seconds between two reports of the sink."""

PARTITIONS = """
SELECT source,
       maxIf(value, metric = 'watermark_delay_ns' AND time_ns = last) + (toUnixTimestamp64Nano(now64(9)) - any(last)) AS delay_ns,
       maxIf(value, metric = 'open_windows' AND time_ns = last) AS open_windows,
       maxIf(value, metric = 'series' AND time_ns = last) AS series,
       maxIf(value, metric = 'overflow' AND time_ns = last) AS overflow,
       maxIf(value, metric = 'held_offsets' AND time_ns = last) AS held_offsets,
       (toUnixTimestamp64Nano(now64(9)) - any(last)) / 1e9 AS reported_s_ago
FROM (SELECT *, max(time_ns) OVER (PARTITION BY source) AS last FROM status WHERE stage = 'aggregate')
GROUP BY source ORDER BY source
"""
FRESHNESS = "SELECT max(end_ns) AS newest, count() AS spans FROM spans"
DEAD = "SELECT reason, count() AS count FROM dead_letters FINAL GROUP BY reason ORDER BY count DESC"
NOT_COUNTED = """
SELECT sum(duplicate) AS duplicate, sum(too_late) AS too_late, sum(ahead_of_clock) AS ahead_of_clock
FROM ledger FINAL WHERE stage = 'aggregate'
"""


@dataclass(slots=True)
class Status:
    """One look. Times in nanoseconds; what could not be asked is in `problems` and left empty."""

    lag: dict[str, list[Lag]] = field(default_factory=dict)
    partitions: list[dict[str, Any]] = field(default_factory=list)
    freshness_ns: int | None = None
    spans: int | None = None
    dead_letters: dict[str, int] = field(default_factory=dict)
    not_counted: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def look(settings: Settings) -> Status:
    """Ask Kafka and ClickHouse. An engine that does not answer is a problem in the answer, not an error."""
    status = Status()
    for stage in STAGES:
        ask = folded_lag if stage == "aggregate" else lag
        _try(status, lambda ask=ask, stage=stage: status.lag.update({stage: ask(settings, stage)}))  # type: ignore[misc]
    _try(status, lambda: _look_at_store(settings, status))
    return status


def folded_lag(settings: Settings, stage: str) -> list[Lag]:
    """What a worker has still to fold. Its committed offset says less: it stays with the oldest open window."""
    log = ProgressLog(settings, settings.group(stage), "spans", "status")
    return [_folded(part, log.takeover(part.partition).progress) for part in lag(settings, stage)]


def _folded(part: Lag, progress: Progress | None) -> Lag:
    if progress is None:
        return part
    return replace(part, committed=progress.folded, lag=max(0, part.end - progress.folded))


def _look_at_store(settings: Settings, status: Status) -> None:
    status.partitions = _rows(settings, PARTITIONS)
    newest = _rows(settings, FRESHNESS)[0]
    status.spans = int(newest["spans"])
    status.freshness_ns = now_ns() - int(newest["newest"]) if newest["spans"] else None
    status.dead_letters = {row["reason"]: int(row["count"]) for row in _rows(settings, DEAD)}
    status.not_counted = {name: int(value) for name, value in _rows(settings, NOT_COUNTED)[0].items()}


def _rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, rows = query(settings, sql)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _try(status: Status, ask: Callable[[], None]) -> None:
    try:
        ask()
    except TailraceError as error:
        if str(error) not in status.problems:
            status.problems.append(str(error))


def lag_of(settings: Settings, stage: str) -> int | None:
    """Messages a stage has still to read; None if Kafka does not say."""
    try:
        return sum(part.lag for part in lag(settings, stage))
    except TailraceError:
        return None


class Reporter:
    """Writes lag and freshness to the status topic, at most every REPORT_EVERY seconds."""

    def __init__(self, settings: Settings, deliver: Callable[[Sequence[Message]], None]) -> None:
        self._settings, self._deliver = settings, deliver
        self._due = steady() + REPORT_EVERY

    def when_due(self) -> None:
        """Report if it is time. What cannot be asked is left out: a report is no reason to stop."""
        if steady() < self._due:
            return
        self._due = steady() + REPORT_EVERY
        status, now = look(self._settings), now_ns()
        rows = [
            {"time_ns": now, "stage": stage, "source": f"{part.topic}:{part.partition}", "metric": "lag", "value": part.lag}
            for stage, parts in status.lag.items()
            for part in parts
        ]
        if status.freshness_ns is not None:
            rows.append({"time_ns": now, "stage": "sink", "source": "", "metric": "freshness_ns", "value": status.freshness_ns})
        if rows:
            self._deliver([Message(self._settings.topic("status"), 0, encode_rows(STATUS, rows))])
