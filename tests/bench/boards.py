"""How fast boards answer: every query of every panel and variable of the store in `board_load.py`, for one route and for all.

Over six hours, a day and a month up to the newest window, at the resolution that the board's own variables choose for these.
Prints a line a board, range and selection: the median over its queries, each the median of several rounds, and the slowest.
With `--against` another checkout's rendered boards ask the same, in turns, and the ratio is printed too.

Usage: python -m tests.bench.boards [--rounds N] [--board NAME …] [--against DIR] [--store DIR]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from grafana.boards import DASHBOARDS
from grafana.comparison import SIDES
from pipeline.connectors.clickhouse import reader
from pipeline.connectors.local_engines import local_store
from pipeline.connectors.local_setup import setup_engines
from pipeline.operators.boards.board import Board, panels
from pipeline.operators.boards.macros import ALL, Selection, TimeRange, expand
from pipeline.settings import Settings
from tests.bench.board_load import DAY, HOUR, RELEASES, ROUTES, Size, fill

RANGES = {"6 hours": (6 * HOUR, 60), "24 hours": (DAY, 120), "30 days": (30 * DAY, HOUR)}
"""Seconds, and the width of a point on a chart of half a screen."""

ONE, EVERYTHING = "one route", "everything"
SELECTIONS: Mapping[str, Mapping[str, Selection]] = {ONE: {"route": (ROUTES[3],)}, EVERYTHING: {}}
BOUNDS_S = {ONE: 0.2, EVERYTHING: 1.5}
"""Of the median of a board's queries."""

RESOLUTIONS = ("view", "scores")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a board by its place: a panel's title, or a variable's name."""

    board: str
    place: str
    sql: str
    interval: int
    """The least width of a point in seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query took."""

    query: Query
    seconds: float
    rows: int


def queries(folder: Path, only: Sequence[str] = ()) -> list[Query]:
    """All of the boards rendered there."""
    found = []
    for path in sorted(folder.glob("*.json")):
        board = Board.read(path.read_text())
        panel = {one["id"]: one for one in panels(board.document)}
        for (place, _), sql in board.queries.items():
            title = place if isinstance(place, str) else str(panel[place]["title"])
            least = "" if isinstance(place, str) else panel[place].get("interval", "")
            found.append(Query(path.stem, title, sql, DAY if least == "1d" else 300 if least == "5m" else 1))
    return [one for one in found if not only or one.board in only]


@dataclass(frozen=True, slots=True)
class Store:
    """The filled store, asked as Grafana asks it."""

    client: Client
    end: int

    def over(self, name: str) -> TimeRange:
        seconds, interval = RANGES[name]
        return TimeRange(self.end - seconds, self.end - 1, interval)

    def chosen(self, of: Sequence[Query], over: TimeRange, selection: Mapping[str, Selection]) -> dict[str, Selection]:
        """A value for every variable; resolutions are asked for, as a board does when it is opened."""
        names = {one.place for one in of} | {"trace_url"}
        known: dict[str, Selection] = dict.fromkeys(names, ALL) | dict(zip(SIDES, RELEASES, strict=True))
        for one in of:
            if one.place in RESOLUTIONS:
                known[one.place] = str(self._asked(expand(one.sql, {}, over))["data"][0][0])
        return known | dict(selection)

    def answer(self, query: Query, over: TimeRange, chosen: Mapping[str, Selection]) -> Answer:
        """Seconds until the whole answer is here, and rows read for it."""
        wide = TimeRange(over.start, over.end, max(over.interval, query.interval))
        sql, begin = expand(query.sql, chosen, wide), time.perf_counter()
        found = self._asked(sql)
        return Answer(query, time.perf_counter() - begin, found["statistics"]["rows_read"])

    def _asked(self, sql: str) -> Any:
        return json.loads(self.client.raw_query(sql, fmt="JSONCompact").decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Line:
    """A board over a range and selection: the median of its queries, the slowest; `before_s`: the median of the second side."""

    board: str
    range: str
    selection: str
    median_s: float
    slowest: Answer
    before_s: float | None

    @property
    def kept(self) -> bool:
        return self.median_s <= BOUNDS_S[self.selection]


def measure(store: Store, rounds: int, sides: Sequence[Sequence[Query]]) -> Iterator[Line]:
    """Our queries and, in turns with them, those of a second side."""
    for name, (selection, values) in ((r, s) for r in RANGES for s in SELECTIONS.items()):
        over = store.over(name)
        for board in dict.fromkeys(one.board for one in sides[0]):
            of = [[one for one in side if one.board == board] for side in sides]
            chosen = [store.chosen(side, over, values) for side in of]
            found: list[dict[str, list[Answer]]] = [{} for _ in sides]
            for _ in range(rounds):
                for answers, side, known in zip(found, of, chosen, strict=True):
                    for one in side:
                        answers.setdefault(one.place, []).append(store.answer(one, over, known))
            each = [[sorted(a, key=lambda x: x.seconds)[len(a) // 2] for a in answers.values()] for answers in found]
            medians = [median(x.seconds for x in answers) if answers else None for answers in each]
            slowest = max(each[0], key=lambda x: x.seconds)
            yield Line(board, name, selection, medians[0] or 0.0, slowest, medians[1] if len(medians) > 1 else None)


@contextmanager
def filled(folder: Path | None, say: Callable[[str], None]) -> Iterator[Store]:
    """ClickHouse alone, filled; from `folder` as it was left there, if somebody had it filled before."""
    settings = Settings(local_dir=Path(os.environ.get("TAILRACE_LOCAL_DIR", ".local")))
    installed = setup_engines(settings, say, kafka=False)
    with tempfile.TemporaryDirectory(prefix="tailrace-") as fresh:
        data = folder or Path(fresh)
        data.mkdir(parents=True, exist_ok=True)
        with local_store(installed, data.resolve()) as running:
            dsn = {"clickhouse_dsn": SecretStr(running.dsn), "clickhouse_reader_dsn": SecretStr(running.reader_dsn)}
            own = settings.model_copy(update=dsn)
            ends, begin = data / "end", time.monotonic()
            if not ends.exists():
                say("filling the store …")
                ends.write_text(str(fill(own, Size(), time.time())))
                say(f"filled in {time.monotonic() - begin:.0f} s")
            with reader(own) as client:
                yield Store(client, int(ends.read_text()))


def report(lines: Sequence[Line]) -> None:
    """The table."""
    table = Table("board", "range", "selection", "median", "slowest", "panel or variable", "rows read", "before", "")
    for line in lines:
        before = "" if line.before_s is None else f"× {line.before_s / line.median_s:.1f}"
        table.add_row(
            *(line.board, line.range, line.selection, f"{1e3 * line.median_s:,.0f} ms", f"{1e3 * line.slowest.seconds:,.0f} ms"),
            *(line.slowest.query.place, f"{line.slowest.rows:,}", before, "kept" if line.kept else "[bold red]MISSED[/]"),
        )
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--board", action="append", default=[], help="this one alone")
    parser.add_argument("--against", type=Path, help="rendered boards of another checkout")
    parser.add_argument("--store", type=Path, help="where the store is kept for the next run")
    options = parser.parse_args()
    say = Console(stderr=True).print
    sides = [queries(folder, options.board) for folder in (DASHBOARDS, options.against) if folder]
    with filled(options.store, say) as store:
        lines = list(measure(store, options.rounds, sides))
    report(lines)
    sys.exit(0 if all(line.kept for line in lines) else 1)


if __name__ == "__main__":
    main()
