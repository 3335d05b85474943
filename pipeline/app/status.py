"""How the pipeline is: lag, watermarks, freshness, the dead. Asked by `tailrace status`, reported by the sink."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from threading import Event, Thread
from typing import Any

from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady, wait
from pipeline.connectors.kafka import Lag, lag, membership
from pipeline.connectors.progress_log import ProgressLog
from pipeline.errors import TailraceError, Transient
from pipeline.model.columns import SERIES, STATUS
from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Message, Progress
from pipeline.operators.blocks import encode_rows
from pipeline.settings import SECOND, Settings
from pipeline.topics import STAGES, inputs, progress_of

OF_SAMPLES = ("evaluate", "scores")
"""Stages that nobody has to run where no samples are taken."""

HICCUP = 5.0
"""Seconds in which a question is asked again."""
ANSWER_WITHIN = 5
"""Seconds ClickHouse may work on a question."""
READERS = 8
"""Partitions of the progress topic that are read at once."""
REPORT_EVERY = 10.0
"""Seconds between two reports of the sink."""

PARTITIONS = """
WITH toUnixTimestamp64Nano(now64(9)) AS now_ns
SELECT source,
       if(delay < 0, NULL, delay + now_ns - last) AS delay_ns,
       open_windows, series, overflow, held_offsets, unending, unending_held, (now_ns - last) / 1e9 AS reported_s_ago
FROM
(
    SELECT source, max(time_ns) AS last,
           argMaxIf(value, time_ns, metric = 'watermark_delay_ns') AS delay,
           argMaxIf(value, time_ns, metric = 'open_windows') AS open_windows,
           argMaxIf(value, time_ns, metric = 'series') AS series,
           argMaxIf(value, time_ns, metric = 'overflow') AS overflow,
           argMaxIf(value, time_ns, metric = 'held_offsets') AS held_offsets,
           argMaxIf(value, time_ns, metric = 'unending_traces') AS unending,
           argMaxIf(value, time_ns, metric = 'unending_traces_held') AS unending_held
    FROM status
    WHERE stage = 'aggregate'
      AND metric IN ('watermark_delay_ns', 'open_windows', 'series', 'overflow', 'held_offsets',
                     'unending_traces', 'unending_traces_held')
      AND startsWith(source, '{spans}:') AND time_ns > toUnixTimestamp64Nano(now64(9)) - 3600000000000
    GROUP BY source HAVING countIf(metric = 'open_windows') > 0
)
ORDER BY source
"""
"""What each partition last said of itself in the last hour; no delay (null) while its watermark has seen nothing."""

NEWEST = """
SELECT max(end_ns) AS newest FROM spans
WHERE end_time > now() - INTERVAL 1 HOUR AND end_time <= now() + INTERVAL {ahead} SECOND
"""
"""The newest end of a span in the last hour. One from the future, ahead of its clock, says nothing of freshness."""

ROWS = "SELECT count() AS stored FROM spans"
"""Answered from what the engine knows of its parts: a span that came again counts until they are merged."""

DEAD = """
SELECT reason, sum(count) AS spans FROM dead_letters FINAL
WHERE time > now() - INTERVAL 1 HOUR AND (startsWith(source, '{prefix}.') OR startsWith(source, '{otlp}:'))
GROUP BY reason ORDER BY spans DESC
"""
NOT_COUNTED = """
SELECT sum(duplicate) AS duplicate, sum(too_late) AS too_late, sum(ahead_of_clock) AS ahead_of_clock
FROM ledger FINAL
WHERE stage = 'aggregate' AND startsWith(source, '{spans}:') AND time > now() - INTERVAL 1 HOUR
"""

OUTSIDE = """
SELECT sum(late_for_trace) AS late_for_trace, sum(outside_nusd) AS outside_nusd
FROM ledger FINAL
WHERE stage = 'aggregate' AND startsWith(source, '{spans}:') AND time > now() - INTERVAL 1 HOUR
"""
"""Spans that were counted but whose trace was over, and what the calls among them cost."""

DOUBTS = """
SELECT sum(contradictions) AS contradictions FROM ledger FINAL
WHERE stage = 'decode' AND startsWith(source, '{otlp}:') AND time > now() - INTERVAL 1 HOUR
"""
NOT_UNDERSTOOD = """
SELECT names, sum(not_understood) AS spans FROM ledger FINAL
WHERE stage = 'decode' AND startsWith(source, '{otlp}:') AND not_understood > 0 AND time > now() - INTERVAL 1 HOUR
GROUP BY names ORDER BY spans DESC LIMIT 10
"""
"""Spans that look like calls in words nobody knows, by the names of their attributes (of each record the most frequent kind)."""

MANY_VALUES = 100
"""A column of the series with more values in an hour is worth a look."""

FEW_SHAPES = 10
"""... and if its values have only so many shapes, they look like ids."""

UUID = "[0-9a-fA-F]{{8}}(-?[0-9a-fA-F]{{4}}){{3}}-?[0-9a-fA-F]{{12}}"


def _shape(column: str) -> str:
    """What a value looks like without what it says: # a UUID, N digits, a anything else but a few signs."""
    return f"replaceRegexpAll(replaceRegexpAll(replaceRegexpAll({column}, '{UUID}', '#'), '[0-9]+', 'N'), '[^N#.:@/_-]+', 'a')"


VALUES = " UNION ALL ".join(
    f"SELECT '{column}' AS column, uniq({column}) AS values, "  # noqa: S608 - of our own columns
    f"uniq({_shape(column)}) AS shapes, topK(3)({_shape(column)}) AS examples "
    "FROM panes WHERE window_start > now() - INTERVAL 1 HOUR AND startsWith(source, '{spans}:')"
    for column in SERIES
)
"""How many values each column of the series had, and what they look like."""


@dataclass(slots=True)
class Status:
    """One look at this prefix. Times in nanoseconds; what could not be asked is in `problems` and left empty.

    span_rows: rows of the table spans; one that came again counts until it is merged.
    freshness_ns, dead_letters, not_counted, not_understood, contradictions, late_for_trace: of the last hour. not_understood:
        spans that look like calls of a model, by the names of their attributes. contradictions: calls whose tokens do not add up
        by any rule. late_for_trace: spans whose trace was over; outside_nusd: what their calls cost, which is in no trace.
    series_values: per column of the series in the last hour how many values, their shapes, and whether they look like ids.
    problems: an engine that does not answer, a stage that no process runs, workers of one stage with different settings.
    """

    members: dict[str, int] = field(default_factory=dict)
    lag: dict[str, list[Lag]] = field(default_factory=dict)
    partitions: list[dict[str, Any]] = field(default_factory=list)
    freshness_ns: int | None = None
    span_rows: int | None = None
    dead_letters: dict[str, int] = field(default_factory=dict)
    not_counted: dict[str, int] = field(default_factory=dict)
    not_understood: dict[str, int] = field(default_factory=dict)
    series_values: list[dict[str, Any]] = field(default_factory=list)
    contradictions: int = 0
    late_for_trace: int = 0
    outside_nusd: int = 0
    problems: list[str] = field(default_factory=list)


def look(settings: Settings) -> Status:
    """Ask Kafka and ClickHouse, both at once. An engine that does not answer is a problem in the answer, not an error.

    Cost: what is asked of the store is bounded by the last hour, and by ANSWER_WITHIN, whatever the store holds.
    """
    status = Status()
    with ThreadPoolExecutor(len(STAGES) + len(STORE)) as pool:
        stored = [pool.submit(_try, status, partial(ask, settings, status)) for ask in STORE]
        if _try(status, partial(_look_at_members, settings, status)):
            status.lag = {stage: [] for stage in STAGES}
            list(pool.map(lambda stage: _try(status, partial(_look_at_lag, settings, status, stage)), STAGES))
        for asked in stored:
            asked.result()
    return status


def _look_at_members(settings: Settings, status: Status) -> None:
    status.members = membership(settings, STAGES)
    for stage in STAGES:
        if not status.members[stage] and (settings.sample_ceiling or stage not in OF_SAMPLES):
            status.problems.append(f"no process runs {stage}: its group {settings.group(stage)} has no member")


def _look_at_lag(settings: Settings, status: Status, stage: str) -> None:
    if LAG[stage] is lag:
        status.lag[stage] = lag(settings, stage)
        return
    found = _folded_by(settings, stage)
    status.lag[stage] = [part for part, _ in found]
    if different := _different(progress.eras[-1].policy for _, progress in found if progress is not None and progress.eras):
        said = "; ".join(f"{name} is {' and '.join(values)}" for name, values in different.items())
        status.problems.append(
            f"partitions of {stage} are folded under different settings: {said}; give all its workers the same"
        )


def folded_lag(settings: Settings, stage: str) -> list[Lag]:
    """What a worker has still to fold. Its committed offset says less: it stays with the oldest open window."""
    return [part for part, _ in _folded_by(settings, stage)]


def _folded_by(settings: Settings, stage: str) -> list[tuple[Lag, Progress | None]]:
    """Of each partition what is still to fold, and its progress."""
    log = ProgressLog(settings, settings.group(stage), inputs(stage)[0], "status", progress_of(stage))
    parts = lag(settings, stage)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(log.takeover, (part.partition for part in parts))
        return [(_folded(part, takeover.progress), takeover.progress) for part, takeover in zip(parts, found, strict=True)]


def _different(policies: Iterable[WindowPolicy]) -> dict[str, list[str]]:
    """Settings that are not the same in all of these, with their values; durations in seconds."""
    found: dict[str, set[float]] = defaultdict(set)
    for policy in policies:
        for name, value in asdict(policy).items():
            found[name.removesuffix("_ns")].add(value / SECOND if name.endswith("_ns") else value)
    return {
        f"TAILRACE_{name.upper()}": [f"{value:.12g}" for value in sorted(values)]
        for name, values in found.items()
        if len(values) > 1 and name in Settings.model_fields
    }


LAG: dict[str, Callable[[Settings, str], list[Lag]]] = {
    "decode": lag,
    "aggregate": folded_lag,
    "evaluate": folded_lag,
    "scores": folded_lag,
    "watch": folded_lag,
    "sink": lag,
}


def _folded(part: Lag, progress: Progress | None) -> Lag:
    if progress is None:
        return part
    return replace(part, committed=progress.folded, lag=max(0, part.end - progress.folded))


def _look_at_partitions(settings: Settings, status: Status) -> None:
    status.partitions = _rows(settings, PARTITIONS)


def _look_at_spans(settings: Settings, status: Status) -> None:
    status.span_rows = int(_rows(settings, ROWS)[0]["stored"])
    status.freshness_ns = freshness_ns(settings)


def _look_at_verdicts(settings: Settings, status: Status) -> None:
    status.dead_letters = {row["reason"]: int(row["spans"]) for row in _rows(settings, DEAD)}
    status.not_counted = {name: int(value) for name, value in _rows(settings, NOT_COUNTED)[0].items()}
    outside = _rows(settings, OUTSIDE)[0]
    status.late_for_trace, status.outside_nusd = int(outside["late_for_trace"]), int(outside["outside_nusd"])


def _look_at_meaning(settings: Settings, status: Status) -> None:
    status.contradictions = int(_rows(settings, DOUBTS)[0]["contradictions"])
    status.not_understood = {row["names"]: int(row["spans"]) for row in _rows(settings, NOT_UNDERSTOOD)}


def _look_at_series(settings: Settings, status: Status) -> None:
    rows = sorted(_rows(settings, VALUES), key=lambda row: SERIES.index(row["column"]))
    status.series_values = [row | {"like_ids": row["values"] > MANY_VALUES and row["shapes"] <= FEW_SHAPES} for row in rows]


STORE = (_look_at_partitions, _look_at_spans, _look_at_verdicts, _look_at_meaning, _look_at_series)
"""The questions to ClickHouse, asked at once."""


def freshness_ns(settings: Settings) -> int | None:
    """Age of the newest span in ClickHouse; None if none ended in the last hour."""
    newest = int(_rows(settings, NEWEST)[0]["newest"])
    return now_ns() - newest if newest else None


def worded(settings: Settings, sql: str) -> str:
    """A question about what this prefix wrote."""
    names = {"spans": settings.topic("spans"), "otlp": settings.topic("otlp_spans"), "prefix": settings.topic_prefix}
    return sql.format(**names, ahead=int(settings.max_ahead))


def _rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, rows = query(settings, worded(settings, sql), ANSWER_WITHIN)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _try(status: Status, ask: Callable[[], None]) -> bool:
    """Ask; a hiccup (a broker that has just started, say) is asked again for HICCUP seconds. Whether it was answered."""
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
        else:
            return True
        return False


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
            fresh = freshness_ns(self._settings)
            rows += [] if fresh is None else [said(now, "sink", "", "freshness_ns", fresh)]
        if rows:
            self._deliver([Message(self._settings.topic("status"), 0, encode_rows(STATUS, rows))])


def said(time_ns: int, stage: str, source: str, metric: str, value: float) -> dict[str, Any]:
    """A row of the status topic."""
    return {"time_ns": time_ns, "stage": stage, "source": source, "metric": metric, "value": value}
