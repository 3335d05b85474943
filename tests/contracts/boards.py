"""The boards over the rows of `tests/board_rows.py`, asked as Grafana asks: macros expanded, as the user that can only read."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import local
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from grafana.boards import DASHBOARDS
from grafana.comparison import SIDES
from grafana.trace_list import TRACE_URL
from pipeline.connectors.clickhouse import apply_schema, connect
from pipeline.operators.boards.macros import ALL, Selection, TimeRange, expand
from pipeline.settings import Settings
from tests.board_rows import NOON, load

BOARDS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
PANELS: dict[str, dict[str, Any]] = {
    f"{name}/{panel['title']}": panel for name, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"
}
"""By board and title."""

VIEWS = {"performance": "score_sums", "performance_hourly": "score_sums_hourly", "performance_daily": "score_sums_daily"}
"""The values of `view`, each with that of `scores` which goes with it."""

TWO_MINUTES = TimeRange(NOON, NOON + 119)
A_DAY = TimeRange(NOON - 43_200, NOON + 43_200, 3600)
A_LONG_TIME = TimeRange(NOON - 43_200, NOON + 30 * 86_400, 86_400)
AT_ONCE = 4
READABLE = {"output_format_json_quote_64bit_integers": 0, "output_format_json_quote_decimals": 0}

T, R = TypeVar("T"), TypeVar("R")


def variables(name: str) -> dict[str, dict[str, Any]]:
    """Those of a board that ask the store."""
    return {v["name"]: v for v in BOARDS[name]["templating"]["list"] if v["type"] == "query"}


VARIABLES = {name: variables(name) for name in BOARDS}
DEFAULTS = {"baseline": "r1", "candidate": "r2", "trace": "", "trace_url": TRACE_URL}


WORKED_OUT = ("view", "scores", "promised")
"""Variables that nobody sees: what they ask says what the panels ask."""


def components(name: str) -> tuple[str, ...]:
    """Of a board's variables those that take names: their values are what spans say."""
    return tuple(v for v in VARIABLES[name] if v not in (*WORKED_OUT, *SIDES))


@dataclass(frozen=True)
class Asked:
    """The store, asked by the reader; each thread has a connection of its own."""

    settings: Settings
    clients: local = field(default_factory=local)

    def rows(self, board: str, sql: str, over: TimeRange, view: str = "performance", **chosen: Selection) -> list[dict[str, Any]]:
        """The answer to a query of a board with these variables chosen and All of the others. Raises DatabaseError."""
        known = dict.fromkeys((*components(board), "environment"), ALL) | DEFAULTS
        fixed: dict[str, Selection] = {"view": view, "scores": VIEWS.get(view, view)}
        if "${promised:" in sql:
            fixed["promised"] = self.options(board, "promised", over)[0]
        raw = self._client().raw_query(expand(sql, known | fixed | chosen, over), settings=READABLE, fmt="JSONCompact")
        answer = json.loads(raw.decode(errors="replace"))
        names = [column["name"] for column in answer["meta"]]
        return [dict(zip(names, row, strict=True)) for row in answer["data"]]

    def panel(self, path: str, over: TimeRange = TWO_MINUTES, **chosen: Any) -> list[dict[str, Any]]:
        """What a panel shows."""
        board, _, title = path.partition("/")
        return self.rows(board, PANELS[f"{board}/{title}"]["targets"][0]["rawSql"], over, **chosen)

    def options(self, board: str, name: str, over: TimeRange = TWO_MINUTES, **chosen: Any) -> list[str]:
        """What a variable offers; the first is its default."""
        rows = self.rows(board, VARIABLES[board][name]["query"]["rawSql"], over, **chosen)
        return [str(next(iter(row.values()))) for row in rows]

    def each(self, ask: Callable[[T], R], of: Iterable[T]) -> list[R]:
        """Answers to the same question about several things, some at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, of))

    def _client(self) -> Client:
        if not hasattr(self.clients, "own"):
            dsn = self.settings.clickhouse_reader_dsn.get_secret_value()
            self.clients.own = clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)
        client: Client = self.clients.own
        return client


def empty_database(settings: Settings) -> None:
    """The one database that the reader may read, as it was at first."""
    server, _, name = settings.clickhouse_dsn.get_secret_value().rpartition("/")
    with connect(settings.model_copy(update={"clickhouse_dsn": SecretStr(f"{server}/system")})) as client:
        client.command(f"DROP DATABASE {name} SYNC")
        client.command(f"CREATE DATABASE {name}")


def filled(settings: Settings) -> Asked:
    """The database of the reader with the schema and all rows."""
    empty_database(settings)
    apply_schema(settings)
    with connect(settings) as client:
        load(client)
    return Asked(settings)
