"""Panes as they are stored, window by window: those a contract may speak of, with their largest revision.

A window of which a source has said only the beginning is left out: it is not whole. Sources are added up by the engine; rows come
in whole windows, about ROWS at once, so memory is bounded whatever the range holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from pipeline.connectors.clickhouse import connect, ours, refuse_missing
from pipeline.model.metrics import Family
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.panes_read import NUMBERS, SERIES_OF, Panes
from pipeline.settings import Settings

TABLES: Final = {Family.CALLS: "panes", Family.TRACES: "trace_panes", Family.SCORES: "score_panes"}

ROWS: Final = 100_000
"""Rows of whole windows that are read at once, a fifth with counts over the ladder; a larger window is read alone."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window that is whole, and how many rows it has."""

    start_ns: int
    end_ns: int
    rows: int


class StoredPanes:
    """The panes of a store. Its client is closed with it. Raises SchemaError if a migration is missing."""

    def __init__(self, settings: Settings) -> None:
        self._client: Client = connect(settings)
        try:
            refuse_missing(self._client)
        except Error as error:
            raise ours(error, "stored panes") from error

    def close(self) -> None:
        """No more is read."""
        self._client.close()

    def windows(self, family: Family, from_ns: int, to_ns: int) -> tuple[list[Window], int]:
        """Whole windows that begin in [from_ns, to_ns), by rising end, and how many others there are."""
        sql = f"""SELECT window_start_ns, window_end_ns, count(), countIf(firing = 'early') FROM {TABLES[family]} FINAL
            WHERE {_between(from_ns, to_ns)}
            GROUP BY window_start_ns, window_end_ns ORDER BY window_end_ns, window_start_ns"""  # noqa: S608 - our own names
        rows = self._rows(sql)
        return [Window(start, end, n) for start, end, n, early in rows if not early], sum(1 for row in rows if row[3])

    def releases(self, from_ns: int, to_ns: int) -> list[tuple[str, str, str]]:
        """Environment, route and release of stored calls, in the order in which they were first seen."""
        sql = f"""SELECT environment, route, release FROM panes FINAL WHERE {_between(from_ns, to_ns)} AND release != ''
            AND firing != 'early' GROUP BY environment, route, release ORDER BY min(window_end_ns), environment, route, release"""  # noqa: S608
        return [(row[0], row[1], row[2]) for row in self._rows(sql)]

    def read(self, family: Family, windows: Sequence[Window], ladders: Sequence[str] = ()) -> Iterator[tuple[Window, Panes]]:
        """The panes of windows, in the order of `windows`. Where retention was faster they are fewer. ladders: which counts."""
        for some in _parts(windows, ROWS // 5 if ladders else ROWS):
            yield from self._some(family, some, ladders)

    def _some(self, family: Family, windows: Sequence[Window], ladders: Sequence[str]) -> Iterator[tuple[Window, Panes]]:
        series, numbers = SERIES_OF[family], NUMBERS[family]
        counts = [f"sumMap({name}_bins, {name}_bin_counts) AS counts_{name}" for name in ladders]
        sums = ", ".join([*(f"toFloat64(sum({name})) AS sum_{name}" for name in numbers), *counts])
        first, last = min(one.start_ns for one in windows), max(one.start_ns for one in windows)
        sql = f"""SELECT window_start_ns, window_end_ns, {", ".join(series)}, {sums} FROM {TABLES[family]} FINAL
            WHERE {_between(first, last + 1)} AND firing != 'early'
            GROUP BY window_start_ns, window_end_ns, {", ".join(series)}
            ORDER BY window_end_ns, window_start_ns, {", ".join(series)}"""  # noqa: S608
        try:
            columns = self._client.query(sql, column_oriented=True).result_columns
        except Error as error:
            raise ours(error, "stored panes") from error
        if not columns:
            return
        starts, ends = (np.asarray(column, np.int64) for column in columns[:2])
        named, rest = columns[2 : 2 + len(series)], columns[2 + len(series) :]
        counted = [np.asarray(column, np.float64) for column in rest[: len(numbers)]]
        for one in windows:
            low, high = _span(starts, ends, one)
            yield (
                one,
                Panes(
                    tuple(zip(*(column[low:high] for column in named), strict=True)),
                    ("",) * (high - low),
                    {name: column[low:high] for name, column in zip(numbers, counted, strict=True)},
                    {name: _counts(column[low:high]) for name, column in zip(ladders, rest[len(numbers) :], strict=True)},
                ),
            )

    def _rows(self, sql: str) -> list[Sequence[Any]]:
        try:
            return list(self._client.query(sql).result_rows)
        except Error as error:
            raise ours(error, "stored panes") from error


def _span(starts: np.ndarray, ends: np.ndarray, one: Window) -> tuple[int, int]:
    """Where the rows of a window stand, in rows that are ordered by end and start."""
    low, high = np.searchsorted(ends, one.end_ns, "left"), np.searchsorted(ends, one.end_ns, "right")
    within = starts[low:high]
    return int(low + np.searchsorted(within, one.start_ns, "left")), int(low + np.searchsorted(within, one.start_ns, "right"))


def _counts(rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Counts:
    return Counts.of([bins for bins, _ in rows], [counts for _, counts in rows])


def _parts(windows: Sequence[Window], most: int) -> Iterator[list[Window]]:
    part, rows = list[Window](), 0
    for one in windows:
        if part and rows + one.rows > most:
            yield part
            part, rows = [], 0
        part.append(one)
        rows += one.rows
    if part:
        yield part


def _between(from_ns: int, to_ns: int) -> str:
    """Windows that begin in [from_ns, to_ns). The seconds let the engine pass over parts and granules."""
    seconds = f"window_start >= toDateTime({from_ns // 10**9}, 'UTC') AND window_start <= toDateTime({to_ns // 10**9}, 'UTC')"
    return f"{seconds} AND window_start_ns >= {from_ns} AND window_start_ns < {to_ns}"
