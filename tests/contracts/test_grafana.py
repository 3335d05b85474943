"""The boards on the real store: every query of every panel and variable, and what some of them must say.

The macros are expanded as the plugin does it (`macros.py`), the queries run as the user Grafana runs them as.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from grafana.boards import BOARDS, DASHBOARDS, render
from grafana.comparison import SIDES
from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks, query
from pipeline.connectors.local_engines import Engines
from pipeline.errors import Fatal
from pipeline.settings import Settings
from tests.contracts.macros import ALL, Selection, TimeRange, expand
from tests.panes import NOON_NS, digest, pane, panes, trace_pane, trace_panes

BOARD: dict[str, Any] = json.loads((DASHBOARDS / "performance.json").read_text())
VARIABLES: dict[str, Any] = {v["name"]: v for v in BOARD["templating"]["list"] if v["type"] == "query"}
PANELS: dict[str, Any] = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}
VIEWS = ("performance", "performance_hourly", "performance_daily")

NOON = NOON_NS // 10**9
TWO_MINUTES = TimeRange(NOON, NOON + 119)
A_DAY = TimeRange(NOON - 43_200, NOON + 43_200, 3600)
A_LONG_TIME = TimeRange(NOON - 43_200, NOON + 30 * 86_400, 86_400)
MS = 1_000_000
DOLLAR = 1_000_000_000
HUNDRED = range(1, 101)


def served(latencies: list[int], errors: int, dollars: str, **changes: Any) -> dict[str, Any]:
    """A pane of streamed calls; `dollars` is the cost of each, with three decimals."""
    cost: dict[str, Any] = {"cost_nusd": str(len(latencies) * int(dollars.replace(".", "")) * MS)}
    streamed = {"streamed": len(latencies), "ttft_count": len(latencies), "ttft_digest": digest([x / 10 for x in latencies])}
    tokens = {"input_tokens": 1200, "output_tokens": 600, "tps_digest": digest([50.0] * len(latencies))}
    return pane(latencies=latencies, errors=errors, cohort="free", firing="final", **cost | streamed | tokens | changes)


FIRST = served([10 * MS * i for i in HUNDRED], 2, "0.002", release="r1")
PANES = (
    FIRST | {"revision": 0, "requests": 50, "errors": 50},  # fired early, replaced by the row after it
    FIRST,
    served([10 * MS * (100 + i) for i in HUNDRED], 2, "0.002", release="r1", source="spans:1:e"),
    served([20 * MS * i for i in HUNDRED], 10, "0.003", release="r2", minute=1),
    pane(1, [5 * MS] * 10, route="it's search", model="m2", release="r2", unknown_usage=4, unpriced=10),
)

TRACE_PANES = (
    trace_pane(0, [DOLLAR] * 60, release="r1", cohort="free", calls=120, latency_digest=digest([MS * i for i in range(1, 61)])),
    trace_pane(0, [3 * DOLLAR] * 40, release="r1", cohort="free", source="spans:1:e", incomplete=10, unpriced_traces=25),
    trace_pane(1, [5 * DOLLAR], route="it's search", release="r2"),
)

HOSTILE = {
    "a backslash": "back\\slash",
    "ends in a backslash": "ends with \\",
    "a quote after a backslash": "\\' OR 1=1 -- ",
    "quotes doubled": "'' OR 1=1 -- ",
    "a union": "x\\'])) UNION ALL SELECT name FROM system.tables -- ",
    "double quotes": '"\\" OR 1=1 -- ',
    "backquotes": "`performance` -- ",
    "commas": "chat,m1,r1,free,prod",
    "braces": "{chat,m1}",
    "percents": "100%25 of %27, %",
    "a macro": "$__timeFilter(window_start)",
    "all": "$__all",
    "a variable": "${route} $route [[route]]",
    "comments": "/* -- # */",
    "a null and a newline": "\x00\n",
    "not ASCII": "ärger \u2028 🚀",
}
TAME = "tame"
FAR = 20_000
SERIES = ("environment", "route", "model", "release", "cohort", "language")


def hostile_panes() -> list[dict[str, Any]]:
    """The same row for each hostile name and a tame one, a minute each, far from the others: its series is the name."""
    return [
        served([10 * MS * i for i in HUNDRED], 3, "0.002", minute=FAR + n) | dict.fromkeys(SERIES, name)
        for n, name in enumerate((TAME, *HOSTILE.values()))
    ]


def hostile_trace_panes() -> list[dict[str, Any]]:
    """The same of traces, whose series has no model."""
    names = [name for name in SERIES if name != "model"]
    return [trace_pane(FAR + n, [2 * MS] * 100, **dict.fromkeys(names, name)) for n, name in enumerate((TAME, *HOSTILE.values()))]


def as_shown(name: str) -> str:
    """A name as the board shows it and its variables offer it."""
    return name.replace("%", "%25").replace(",", "%2C").replace("$", "%24")


"""Two partitions of release r1 (0.01 s to 2 s) in the first minute; r2 (0.02 s to 2 s) and a small second route after it."""


def minute_of(name: str) -> TimeRange:
    """The minute in which only rows of this name are."""
    start = NOON + 60 * (FAR + [TAME, *HOSTILE.values()].index(name))
    return TimeRange(start, start + 59)


@dataclass(frozen=True)
class Board:
    """The board over the rows above."""

    settings: Settings

    def rows(self, sql: str, over: TimeRange, view: str = "performance", **chosen: Selection) -> list[dict[str, Any]]:
        """The answer to a query with these variables chosen and All of the others."""
        defaults = {name: ALL if variable["includeAll"] else "" for name, variable in VARIABLES.items()}
        sides = {"baseline": "r1", "candidate": "r2"}
        names, rows = query(self.settings, expand(sql, defaults | sides | {"view": view} | chosen, {}, over))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def panel(self, title: str, over: TimeRange = TWO_MINUTES, **chosen: Any) -> list[dict[str, Any]]:
        return self.rows(PANELS[title]["targets"][0]["rawSql"], over, **chosen)

    def options(self, name: str, over: TimeRange = TWO_MINUTES, **chosen: Any) -> list[str]:
        """What a variable offers; the first is its default."""
        return [str(next(iter(row.values()))) for row in self.rows(VARIABLES[name]["query"]["rawSql"], over, **chosen)]


@pytest.fixture(scope="module")
def board(running: Engines, engines: Settings) -> Iterator[Board]:
    """In the one database that the reader may read, empty before and after."""
    settings = engines.model_copy(update={"clickhouse_reader_dsn": SecretStr(running.clickhouse_reader_dsn)})
    empty_database(settings)
    apply_schema(settings)
    with connect(settings) as client:
        for row in (*PANES, *hostile_panes()):
            assert insert_blocks(client, "panes", [panes(row)]) == {}
        assert insert_blocks(client, "trace_panes", [trace_panes(*TRACE_PANES, *hostile_trace_panes())]) == {}
        for rollup in ("panes_hourly", "panes_daily", "trace_panes_hourly", "trace_panes_daily"):
            client.command(f"SYSTEM REFRESH VIEW {rollup}_refresh")
            client.command(f"SYSTEM WAIT VIEW {rollup}_refresh")
    yield Board(settings)
    empty_database(settings)


def empty_database(settings: Settings) -> None:
    server, _, name = settings.clickhouse_dsn.get_secret_value().rpartition("/")
    with connect(settings.model_copy(update={"clickhouse_dsn": SecretStr(f"{server}/system")})) as client:
        client.command(f"DROP DATABASE {name} SYNC")
        client.command(f"CREATE DATABASE {name}")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("title", PANELS)
def test_panel_answers(board: Board, title: str, view: str) -> None:
    rows = board.panel(title, A_DAY, view=view)
    assert rows
    overridden = {o["matcher"]["options"] for o in PANELS[title]["fieldConfig"]["overrides"]} - {"n"}
    assert overridden <= set(rows[0])
    if PANELS[title]["type"] == "timeseries":
        times = [row["time"] for row in rows]
        assert times == sorted(times)


@pytest.mark.parametrize("title", PANELS)
def test_panel_answers_where_nothing_was_served(board: Board, title: str) -> None:
    rows = board.panel(title, TimeRange(NOON - 7200, NOON - 3600))
    assert all(value in (None, 0) for row in rows for value in row.values())


@pytest.mark.parametrize("title", PANELS)
def test_panel_answers_to_a_selection(board: Board, title: str) -> None:
    chosen: dict[str, Any] = {"route": ("chat", "it's search"), "cohort": ("(unknown)", "free"), "language": ("(unknown)",)}
    assert board.panel(title, **chosen) == board.panel(title)


@pytest.mark.parametrize("view", VIEWS)
def test_revisions_replace_and_partitions_add_up(board: Board, view: str) -> None:
    assert board.panel("Requests", A_DAY, view=view) == [{"Requests": 310, "Rate": 310 / 86_400}]
    assert board.panel("Errors", A_DAY, view=view) == [{"Errors": 14 / 310}]


def test_quantiles_are_those_of_the_merged_values(board: Board) -> None:
    (found,) = board.panel("Latency", release=("r1",))[:1]
    assert found["n"] == 200
    assert found["p50"] == pytest.approx(1000 * MS, rel=0.01)
    assert found["p99"] == pytest.approx(1985 * MS, rel=0.01)


def test_unknown_and_quoted_values_can_be_chosen(board: Board) -> None:
    assert board.panel("Requests", cohort=("(unknown)",))[0]["Requests"] == 10
    assert board.panel("Requests", route=("it's search",))[0]["Requests"] == 10
    assert board.panel("Requests", route=("'); SELECT 1 --",))[0]["Requests"] == 0


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("title", PANELS)
def test_no_name_changes_a_query(board: Board, title: str, name: str) -> None:
    """In every variable at once, as offered: each panel says of the name what it says of a tame one."""
    found, tame = (
        board.panel(
            title,
            minute_of(each),
            **dict.fromkeys(SERIES, (as_shown(each),)) | dict.fromkeys(SIDES, as_shown(each)),
        )
        for each in (name, TAME)
    )
    assert tame
    assert [row | {"time": ""} for row in found] == [
        {key: as_shown(name) if value == TAME else value for key, value in row.items()} | {"time": ""} for row in tame
    ]


@pytest.mark.parametrize("title", PANELS)
def test_no_address_changes_a_query(board: Board, title: str) -> None:
    """All names at once, as no variable offers them, typed into the address: no other row comes of it."""
    names = tuple(name for name in HOSTILE.values() if name != ALL)
    rows = board.panel(title, A_LONG_TIME, **dict.fromkeys(SERIES, names) | dict.fromkeys(SIDES, names[0]))
    assert TAME not in {value for row in rows for value in row.values()}
    assert sum(row.get("n", row.get("Requests", 0)) or 0 for row in rows) <= 100 * len(names)


@pytest.mark.parametrize("name", sorted({*HOSTILE.values()} - {ALL}))
def test_no_address_of_one_value_or_view_changes_a_query(board: Board, name: str) -> None:
    (found,) = board.panel("Requests", A_LONG_TIME, **dict.fromkeys(SERIES, name))
    assert found["Requests"] in (0, 100)
    with pytest.raises(Fatal, match="UNKNOWN_TABLE"):
        board.panel("Requests", A_LONG_TIME, view=name)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("variable", sorted({*SERIES, *SIDES}))
def test_variables_offer_hostile_names_as_shown(board: Board, variable: str, name: str) -> None:
    chosen: dict[str, Any] = dict.fromkeys(SERIES, (as_shown(name),))
    assert board.options(variable, minute_of(name), **chosen) == [as_shown(name)]


def test_rates_are_per_second_of_the_point(board: Board) -> None:
    first = board.panel("Tokens per second")[0]
    assert (first["input"], first["output"]) == (2400 / 60, 1200 / 60)
    hour = board.panel("Tokens per second", A_DAY)[0]
    assert hour["input"] == 3600 / 3600
    cost = {(row["time"], row["Route"]): row["cost"] for row in board.panel("Cost by route")}
    assert next(iter(cost.values())) == pytest.approx(0.4 * 60)


def test_rates_of_hourly_windows_in_finer_points(board: Board) -> None:
    fine = TimeRange(A_DAY.start, A_DAY.end, 60)
    assert board.panel("Tokens per second", fine, view="performance_hourly")[0]["input"] == 3600 / 3600


def test_money_and_data_quality(board: Board) -> None:
    assert board.panel("Cost")[0]["Cost"] == pytest.approx(0.7)
    assert board.panel("Cost per request")[0]["Per request"] == pytest.approx(0.7 / 300)
    assert board.panel("Data quality") == [{"Unknown usage": 4 / 310, "Unpriced": 10 / 310, "Open": 10 / 310}]


def test_traces_cost_what_their_panes_say(board: Board) -> None:
    chat: dict[str, Any] = {"route": ("chat",), "model": ("no such model",)}  # a trace is not of a model
    assert board.panel("Traces", **chat) == [{"Traces": 100, "With calls": 100}]
    assert board.panel("Cost per trace", **chat) == [{"Mean": 1.8, "p50": 1.0, "p95": 3.0}]
    assert board.panel("Calls per trace", **chat)[0]["Mean"] == 1.6
    assert board.panel("Trace quality", **chat) == [{"Unknown cost": 0.25, "Incomplete": 0.1}]
    assert board.panel("Trace latency", cohort=("free",))[0]["p95"] == pytest.approx(55 * MS, rel=0.03)
    assert board.panel("Cost per trace", route=("it's search",)) == [{"Mean": 5.0, "p50": None, "p95": None}]
    for title, value in (("Median cost per trace by route", 5.0), ("p95 cost per trace by route", 5.0)):
        assert {row["Route"]: row["cost"] for row in board.panel(title)}["it's search"] == value


def test_slices_leave_out_what_a_small_sample_cannot_say(board: Board) -> None:
    slowest, _, smallest = board.panel("Route × model × release × cohort")
    assert [slowest[key] for key in ("Route", "Model", "Release", "Cohort", "n")] == ["chat", "m1", "r1", "free", 200]
    assert slowest["Errors"] == 4 / 200
    assert slowest["Cost per request"] == pytest.approx(0.002)
    assert slowest["TTFT p95"] == pytest.approx(190.5 * MS, rel=0.01)
    assert (smallest["n"], smallest["Cohort"]) == (10, "(unknown)")
    assert smallest["p50"] == 5 * MS
    assert [smallest[key] for key in ("p95", "p99", "TTFT p95", "Cost per request")] == [None] * 4


def test_releases_are_compared_where_both_served(board: Board) -> None:
    (found,) = board.panel("Candidate against baseline", release=("r1",))
    assert [found[key] for key in ("Route", "Cohort", "n baseline", "n candidate")] == ["chat", "free", 200, 100]
    assert found["Δ errors"] == pytest.approx(0.10 - 0.02)
    assert found["Δ cost"] == pytest.approx(0.5)
    assert found["Δ p99"] == pytest.approx(0, abs=0.01)


def test_variables_offer_what_was_served(board: Board) -> None:
    assert board.options("route") == ["chat", "it's search"]
    assert board.options("cohort") == ["(unknown)", "free"]
    assert board.options("model", environment=("elsewhere",)) == []
    assert board.options("baseline") == ["r1", "r2"]
    assert board.options("candidate") == ["r2", "r1"]


@pytest.mark.parametrize(
    ("ago", "width", "view"),
    [(6, 6, "performance"), (13, 13, "performance_hourly"), (61, 1, "performance_hourly"), (81 * 24, 24, "performance_daily")],
)
def test_view_follows_the_time_range(board: Board, ago: int, width: int, view: str) -> None:
    now = board.rows("SELECT toUnixTimestamp(now()) AS now", TWO_MINUTES)[0]["now"]
    start = now - ago * 3600
    assert board.options("view", TimeRange(start, start + width * 3600)) == [view]


@pytest.mark.parametrize("name", BOARDS)
def test_committed_board_is_what_the_code_says(name: str) -> None:
    assert (DASHBOARDS / f"{name}.json").read_text() == render(BOARDS[name]()), "run `python -m grafana`"
