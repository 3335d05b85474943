"""How the pipeline is: lag, watermarks, freshness, the dead. Asked by `tailrace status`, reported by the sink."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any

from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady, wait
from pipeline.connectors.kafka import Lag, lag
from pipeline.connectors.progress_log import ProgressLog
from pipeline.errors import TailraceError, Transient
from pipeline.model.columns import STATUS
from pipeline.model.stream import Message, Progress
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings

STAGES = ("decode", "aggregate", "sink")
HICCUP = 5.0
"""Seconds in which a question is asked again."""
READERS = 8
"""Partitions of the progress topic that are read at once."""
REPORT_EVERY = 10.0
"""Seconds between two reports of the sink."""

PARTITIONS = """
WITH toUnixTimestamp64Nano(now64(9)) AS now_ns
SELECT source,
       if(delay < 0, NULL, delay + now_ns - last) AS delay_ns,
       open_windows, series, overflow, held_offsets, (now_ns - last) / 1e9 AS reported_s_ago
FROM
(
    SELECT source, max(time_ns) AS last,
           argMaxIf(value, time_ns, metric = 'watermark_delay_ns') AS delay,
           argMaxIf(value, time_ns, metric = 'open_windows') AS open_windows,
           argMaxIf(value, time_ns, metric = 'series') AS series,
           argMaxIf(value, time_ns, metric = 'overflow') AS overflow,
           argMaxIf(value, time_ns, metric = 'held_offsets') AS held_offsets
    FROM status WHERE stage = 'aggregate' AND time > now() - INTERVAL 1 DAY
    GROUP BY source HAVING countIf(metric = 'open_windows') > 0
)
ORDER BY source
"""
"""What each partition last said of itself; no delay (null) while its watermark has seen nothing."""

NEWEST = "SELECT max(end_ns) AS newest FROM spans WHERE end_time <= now() + INTERVAL {ahead} SECOND AND {since}"
"""The newest end of a span. One from the future, ahead of its clock, says nothing of freshness."""

RECENT = "end_time > now() - INTERVAL 1 HOUR"

SPANS = "SELECT uniq(trace_id, span_id) AS spans FROM spans"
DEAD = "SELECT reason, sum(count) AS spans FROM dead_letters FINAL GROUP BY reason ORDER BY spans DESC"
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
        _try(status, lambda stage=stage: status.lag.update({stage: LAG[stage](settings, stage)}))  # type: ignore[misc]
    _try(status, lambda: _look_at_store(settings, status))
    return status


def folded_lag(settings: Settings, stage: str) -> list[Lag]:
    """What a worker has still to fold. Its committed offset says less: it stays with the oldest open window."""
    log = ProgressLog(settings, settings.group(stage), "spans", "status")
    parts = lag(settings, stage)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(log.takeover, (part.partition for part in parts))
        return [_folded(part, takeover.progress) for part, takeover in zip(parts, found, strict=True)]


LAG: dict[str, Callable[[Settings, str], list[Lag]]] = {"decode": lag, "aggregate": folded_lag, "sink": lag}


def _folded(part: Lag, progress: Progress | None) -> Lag:
    if progress is None:
        return part
    return replace(part, committed=progress.folded, lag=max(0, part.end - progress.folded))


def _look_at_store(settings: Settings, status: Status) -> None:
    status.partitions = _rows(settings, PARTITIONS)
    status.spans = int(_rows(settings, SPANS)[0]["spans"])
    status.freshness_ns = freshness_ns(settings, "1")
    status.dead_letters = {row["reason"]: int(row["spans"]) for row in _rows(settings, DEAD)}
    status.not_counted = {name: int(value) for name, value in _rows(settings, NOT_COUNTED)[0].items()}


def freshness_ns(settings: Settings, since: str) -> int | None:
    """Age of the newest span in ClickHouse among those `since` selects; None if there is none."""
    newest = int(_rows(settings, NEWEST.format(ahead=int(settings.max_ahead), since=since))[0]["newest"])
    return now_ns() - newest if newest else None


def _rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, rows = query(settings, sql)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _try(status: Status, ask: Callable[[], None]) -> None:
    """Ask; a hiccup (a broker that has just started, say) is asked again for HICCUP seconds."""
    deadline = steady() + HICCUP
    while True:
        try:
            ask()
        except Transient as error:
            if steady() < deadline:
                wait(0.3)
                continue
            _complain(status, error)
        except TailraceError as error:
            _complain(status, error)
        return


def _complain(status: Status, error: TailraceError) -> None:
    if str(error) not in status.problems:
        status.problems.append(str(error))


def lag_of(settings: Settings, stage: str) -> int | None:
    """Messages a stage has still to read; None if Kafka does not say."""
    try:
        return sum(part.lag for part in lag(settings, stage))
    except TailraceError:
        return None


class Reporter(Thread):
    """Writes lag and freshness to the status topic every REPORT_EVERY seconds, beside the stage that it runs in.

    What cannot be asked or written is left out: a report is no reason to stop, nor to wait.
    """

    def __init__(self, settings: Settings, deliver: Callable[[Sequence[Message]], None], stop: Event) -> None:
        super().__init__(name="reporter", daemon=True)
        self._settings, self._deliver, self._stop_asked = settings, deliver, stop

    def run(self) -> None:
        """Until `stop` is set."""
        while not self._stop_asked.wait(REPORT_EVERY):
            with suppress(TailraceError):
                self._report()

    def _report(self) -> None:
        now, rows = now_ns(), []
        for stage in STAGES:
            with suppress(TailraceError):
                rows += [
                    said(now, stage, f"{part.topic}:{part.partition}", "lag", part.lag)
                    for part in LAG[stage](self._settings, stage)
                ]
        with suppress(TailraceError):
            fresh = freshness_ns(self._settings, RECENT)
            rows += [] if fresh is None else [said(now, "sink", "", "freshness_ns", fresh)]
        if rows:
            self._deliver([Message(self._settings.topic("status"), 0, encode_rows(STATUS, rows))])


def said(time_ns: int, stage: str, source: str, metric: str, value: float) -> dict[str, Any]:
    """A row of the status topic."""
    return {"time_ns": time_ns, "stage": stage, "source": source, "metric": metric, "value": value}
