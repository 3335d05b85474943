"""How fast boards answer: each query of panels, variables and alert rules, over the store in `board_load.py`.

For one route and for all, over six hours, a day and a month up to the newest window, at the resolution that the board's own
variables choose for these; a rule over what it looks back to. Prints a line a query: of the range in which it is slowest the
median of several rounds, and the worst round of all ranges. With `--against` another checkout's rendered boards ask the same,
in turns, and how many times as long these took is printed too, for each selection.

Below the table stands what was slower than its bound; the exit code is then 1.

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
from typing import Any, TypeAlias

from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from grafana.alerting import RULES
from grafana.boards import DASHBOARDS
from grafana.comparison import SIDES
from pipeline.connectors.clickhouse import reader
from pipeline.connectors.local_engines import local_store
from pipeline.connectors.local_setup import setup_engines
from pipeline.operators.boards.board import Board, panels
from pipeline.operators.boards.macros import ALL, Selection, TimeRange, expand
from pipeline.settings import Settings
from tests.bench.board_load import DAY, HOUR, RELEASES, ROUTES, Size, fill
from tests.contracts.boards import WORKED_OUT

RANGES = {"6 hours": (6 * HOUR, 60), "24 hours": (DAY, 120), "30 days": (30 * DAY, HOUR)}
"""Seconds, and the width of a point on a chart of half a screen."""

ONE, EVERYTHING = "one route", "everything"
SELECTIONS: Mapping[str, Mapping[str, Selection]] = {ONE: {"route": (ROUTES[3],)}, EVERYTHING: {}}
BOUNDS_S = {ONE: 0.2, EVERYTHING: 1.5}
"""Of the median of each query, in every range."""

RULE = "rules"
"""What stands for the board where a rule asks."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a board by its place: a panel's title, or a variable's name; or of a rule, by its title."""

    board: str
    place: str
    sql: str
    interval: int
    """The least width of a point in seconds."""
    look_back: int = 0
    """Seconds, of a rule."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query took."""

    query: Query
    seconds: float
    rows: int


def queries(folder: Path, only: Sequence[str] = ()) -> list[Query]:
    """All of the boards rendered there, and of our rules."""
    found = [Query(RULE, rule.title, rule.sql, 60, rule.look_back_s) for rule in RULES]
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
        known: dict[str, Selection] = dict.fromkeys(names, ALL) | {"trace": ""} | dict(zip(SIDES, RELEASES, strict=True))
        for one in of:
            if one.place in WORKED_OUT and one.board != RULE:
                known[one.place] = str(self._asked(expand(one.sql, {}, over))["data"][0][0])
        return known | dict(selection)

    def answer(self, query: Query, over: TimeRange, chosen: Mapping[str, Selection]) -> Answer:
        """Seconds until the whole answer is here, and rows read for it."""
        start = over.end - query.look_back if query.look_back else over.start
        wide = TimeRange(start, over.end, max(over.interval, query.interval))
        sql, begin = expand(query.sql, chosen, wide), time.perf_counter()
        found = self._asked(sql)
        return Answer(query, time.perf_counter() - begin, found["statistics"]["rows_read"])

    def _asked(self, sql: str) -> Any:
        return json.loads(self.client.raw_query(sql, fmt="JSONCompact").decode(errors="replace"))


Times: TypeAlias = dict[tuple[str, str, str], list[Answer]]
"""The rounds of each query, by its board and place and the range."""


@dataclass(frozen=True, slots=True)
class Line:
    """A query with one selection: the rounds of the range in which it is slowest, and the slowest round of all ranges."""

    range: str
    median_s: float
    worst_s: float
    rows: int

    @classmethod
    def of(cls, times: Times, board: str, place: str) -> "Line | None":
        """None if it was not asked."""
        found = {r: answers for (b, p, r), answers in times.items() if (b, p) == (board, place)}
        if not found:
            return None
        name, slowest = max(found.items(), key=lambda of: median(x.seconds for x in of[1]))
        worst = max(x.seconds for answers in found.values() for x in answers)
        return cls(name, median(x.seconds for x in slowest), worst, max(x.rows for x in slowest))


def measure(store: Store, rounds: int, side: Sequence[Query], also: Sequence[Query] = ()) -> Iterator[tuple[str, Times, Times]]:
    """For each selection the times of `side` and, in turns with them, of a second side."""
    for selection, values in SELECTIONS.items():
        sides: tuple[Times, Times] = ({}, {})
        for name, board in ((r, b) for r in RANGES for b in dict.fromkeys(one.board for one in side)):
            if board == RULE and (name, selection) != (next(iter(RANGES)), EVERYTHING):
                continue  # A rule knows no variables, and its own range.
            over = store.over(name)
            of = [[one for one in asked if one.board == board] for asked in (side, also)]
            chosen = [store.chosen(asked, over, values) for asked in of]
            for _ in range(rounds):
                for times, asked, known in zip(sides, of, chosen, strict=True):
                    for one in asked:
                        answer = store.answer(one, over, known)
                        times.setdefault((one.board, one.place, "" if one.look_back else name), []).append(answer)
        yield selection, *sides


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


def report(found: Mapping[str, tuple[Times, Times]]) -> bool:
    """The table, and below it what is out of its bound; whether every bound is kept."""
    headings = [f"{selection}: {column}" for selection in found for column in ("median", "worst")]
    table = Table("board", "panel, variable or rule", *headings, "slowest over", "rows read", "before: " + ", ".join(found), "")
    out: list[str] = []
    for board, place in dict.fromkeys((b, p) for times, _ in found.values() for b, p, _ in times):
        lines = {selection: Line.of(times, board, place) for selection, (times, _) in found.items()}
        last = lines[EVERYTHING]
        assert last is not None, "everything is asked for"
        before = {selection: Line.of(other, board, place) for selection, (_, other) in found.items()}
        ratios = [
            f"× {old.median_s / new.median_s:.1f}"
            for old, new in zip(before.values(), lines.values(), strict=True)
            if old and new
        ]
        missed = {name: line.median_s for name, line in lines.items() if line and line.median_s > BOUNDS_S[name]}
        out += [f"{board}/{place}, {name}: {_ms(took)}, not {_ms(BOUNDS_S[name])}" for name, took in missed.items()]
        table.add_row(
            *(board, place),
            *(_ms(x) for line in lines.values() for x in ((line.median_s, line.worst_s) if line else (None, None))),
            *(last.range, f"{last.rows:,}", ", ".join(ratios)),
            f"[bold red]MISSED {', '.join(missed)}[/]" if missed else "kept",
        )
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print(
        "Every query is within its bounds." if not out else "Out of bounds:\n" + "\n".join(sorted(out)), highlight=False
    )
    return not out


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:,.0f} ms"


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--board", action="append", default=[], help=f"this one alone; {RULE}: those of alerts")
    parser.add_argument("--against", type=Path, help="rendered boards of another checkout")
    parser.add_argument("--store", type=Path, help="where the store is kept for the next run")
    options = parser.parse_args()
    say = Console(stderr=True).print
    ours, theirs = [queries(folder, options.board) if folder else [] for folder in (DASHBOARDS, options.against)]
    with filled(options.store, say) as store:
        found = {selection: sides for selection, *sides in measure(store, options.rounds, ours, theirs)}
    sys.exit(0 if report({name: (one, other) for name, (one, other) in found.items()}) else 1)


if __name__ == "__main__":
    main()
