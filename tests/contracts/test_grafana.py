"""The boards on the real store: every query of every panel and variable of every board answers, and no name changes one.

The macros are expanded as the plugin does it (`pipeline/operators/boards/macros.py`), the queries run as the user Grafana
runs them as. What single panels must say: `test_board_numbers.py`.
"""

import re
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from grafana import boards
from grafana.boards import DASHBOARDS, render
from grafana.comparison import SIDES
from grafana.sql import OTHERS
from pipeline.operators.boards.macros import ALL, Selection, TimeRange
from tests.board_rows import FAR, HOSTILE, NAMES, NOON, TAME
from tests.contracts.boards import (
    A_DAY,
    A_LONG_TIME,
    BOARDS,
    PANELS,
    TWO_MINUTES,
    VARIABLES,
    VIEWS,
    WORKED_OUT,
    Asked,
    components,
)

QUIET = TimeRange(NOON - 7200, NOON - 3600)
TELLING = ("ends in a backslash", "a union", "commas", "a variable", "percents", "a null and a newline")
"""Names of one kind each, which are asked of every board; all of them of one."""

OWN = frozenset({"Trace", "Spans", "Span", "Board"})
"""Columns that are another for each trace, or hold an address."""


def as_shown(name: str) -> str:
    """A name as the board shows it and its variables offer it."""
    return name.replace("%", "%25").replace(",", "%2C").replace("$", "%24")


def minute_of(name: str) -> TimeRange:
    """The minute in which only rows of this name are."""
    start = NOON + 60 * (FAR + NAMES.index(name))
    return TimeRange(start, start + 59)


def everywhere(board: str, value: Selection) -> dict[str, Selection]:
    """This value in every variable of a board that takes names."""
    one = value if isinstance(value, str) else value[0]
    sides = dict.fromkeys((v for v in VARIABLES[board] if v in SIDES), one)
    return dict.fromkeys(components(board), value) | sides


def board_of(path: str) -> str:
    return path.partition("/")[0]


@pytest.mark.parametrize("path", [path for path, panel in PANELS.items() if panel["type"] == "table"])
def test_a_name_in_a_table_is_no_number(path: str) -> None:
    """Grafana reads release 2026.10 as 2026.1, writes it in the panel's unit, and links to that."""
    first = PANELS[path]["fieldConfig"]["overrides"][0]
    assert first["matcher"] == {"id": "byType", "options": "string"}
    assert first["properties"] == [{"id": "unit", "value": "string"}]


@pytest.mark.parametrize("path", [path for path, panel in PANELS.items() if panel["type"] == "timeseries"])
def test_a_chart_is_stacked_as_it_says(path: str) -> None:
    """Parts of a whole that lie over each other are read as sums they are not."""
    stacking = PANELS[path]["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode", "none")
    assert (stacking == "normal") == ("stacked" in PANELS[path]["description"] or path == "cost/Cost of each day")


@pytest.mark.parametrize("path", PANELS)
def test_panel_answers(asked: Asked, path: str) -> None:
    for view, rows in zip(VIEWS, asked.each(lambda view: asked.panel(path, A_DAY, view=view), VIEWS), strict=True):
        assert rows, view
        matchers = [override["matcher"] for override in PANELS[path]["fieldConfig"]["overrides"]]
        assert {matcher["options"] for matcher in matchers if matcher["id"] == "byName"} - {"n", OTHERS} <= set(rows[0])
        assert any(isinstance(value, int | float) or name == "Says" for row in rows for name, value in row.items()), "no number"
        if PANELS[path]["type"] == "timeseries":
            times = [row["time"] for row in rows]
            assert times == sorted(times)


@pytest.mark.parametrize("path", PANELS)
def test_panel_answers_where_nothing_was_served(asked: Asked, path: str) -> None:
    rows = asked.panel(path, QUIET)
    assert all(value in (None, 0) for row in rows for value in row.values())


@pytest.mark.parametrize("path", PANELS)
def test_panel_answers_to_a_selection(asked: Asked, path: str) -> None:
    chosen: dict[str, Any] = {
        "route": ("chat", "it's search"),
        "cohort": ("(unknown)", "free", "pro"),
        "language": ("(unknown)",),
    }
    assert asked.panel(path, **chosen) == asked.panel(path)


@pytest.mark.parametrize("board", BOARDS)
def test_variables_offer_something(asked: Asked, board: str) -> None:
    for name in VARIABLES[board]:
        assert asked.options(board, name), name


@pytest.mark.parametrize("path", PANELS)
def test_no_name_changes_a_query(asked: Asked, path: str) -> None:
    """In every variable at once, as offered: each panel says of the name what it says of a tame one."""

    def of(name: str) -> list[dict[str, Any]]:
        rows = asked.panel(path, minute_of(name), **everywhere(board_of(path), (as_shown(name),)))
        return [{key: value for key, value in row.items() if key not in OWN and not _is_time(value)} for row in rows]

    names = [*HOSTILE.values()] if board_of(path) == "performance" else [HOSTILE[one] for one in TELLING]
    tame, *others = asked.each(of, [TAME, *names])
    for name, found in zip(names, others, strict=True):
        told = [{k: v.replace(TAME, as_shown(name)) if isinstance(v, str) else v for k, v in row.items()} for row in tame]
        assert found == told, name


def _is_time(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[ T][\d:.]+", value) is not None


@pytest.mark.parametrize("path", PANELS)
def test_no_address_changes_a_query(asked: Asked, path: str) -> None:
    """All names at once, as no variable offers them, typed into the address: no other row comes of it."""
    names = tuple(name for name in HOSTILE.values() if name != ALL)
    rows = asked.panel(path, A_LONG_TIME, **everywhere(board_of(path), names) | {"trace": names[4], "trace_url": names[4]})
    assert TAME not in {value for row in rows for value in row.values()}
    assert sum(row.get("Requests", 0) or 0 for row in rows) <= 100 * len(names)


@pytest.mark.parametrize("name", sorted({*HOSTILE.values()} - {ALL}))
def test_no_address_of_one_value_or_view_changes_a_query(asked: Asked, name: str) -> None:
    (found,) = asked.panel("performance/Requests", A_LONG_TIME, **everywhere("performance", name))
    assert found["Requests"] in (0, 100)
    for path in ("performance/Requests", "quality/Scores"):
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            asked.panel(path, A_LONG_TIME, view=name)


@pytest.mark.parametrize("variable", sorted({v for of in VARIABLES.values() for v in of} - {*WORKED_OUT}))
def test_variables_offer_hostile_names_as_shown(asked: Asked, variable: str) -> None:
    board = next(name for name, of in VARIABLES.items() if variable in of)
    assert len({of[variable]["query"]["rawSql"] for of in VARIABLES.values() if variable in of}) == 1, "one for all boards"

    def offered(name: str) -> list[str]:
        return asked.options(board, variable, minute_of(name), **dict.fromkeys(components(board), (as_shown(name),)))

    assert asked.each(offered, HOSTILE.values()) == [[as_shown(name)] for name in HOSTILE.values()]


ENTERS = re.compile(r"(.)\$\{(\w+)(:\w+)?\}(.)")


@pytest.mark.parametrize("board", BOARDS)
def test_variables_enter_percent_encoded_between_quotes(board: str) -> None:
    """The law at the top of `grafana/sql.py`, read off every query: no other way in, whatever the names in the tests are."""
    queries = [p["targets"][0]["rawSql"] for p in BOARDS[board]["panels"] if p["type"] != "row"]
    queries += [v["query"]["rawSql"] for v in VARIABLES[board].values()]
    for sql in queries:
        for before, name, form, after in ENTERS.findall(sql):
            assert (form, before + after) in ((":percentencode", "''"), (":percentencode", "``"), (":percentencode", "_`")), name
        assert set(re.findall(r"\$(?!__|\{)\w+", sql)) <= {f"${v}" for v in components(board)}
        bare = re.sub(r"\$__conditionalAll\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*, \$\w+\)", "", sql)
        assert "[[" not in bare


@pytest.mark.parametrize(
    ("ago", "width", "ending"),
    [(6, 6, ""), (13, 13, "_hourly"), (61, 1, "_hourly"), (81 * 24, 24, "_daily")],
)
def test_view_follows_the_time_range(asked: Asked, ago: int, width: int, ending: str) -> None:
    now = asked.rows("quality", "SELECT toUnixTimestamp(now()) AS now", TWO_MINUTES)[0]["now"]
    start = now - ago * 3600
    found = [asked.options("quality", name, TimeRange(start, start + width * 3600)) for name in ("view", "scores")]
    assert found == [[f"performance{ending}"], [f"score_sums{ending}"]]


@pytest.mark.parametrize("name", boards.BOARDS)
def test_committed_board_is_what_the_code_says(name: str) -> None:
    assert (DASHBOARDS / f"{name}.json").read_text() == render(boards.BOARDS[name]()), "run `python -m grafana`"


def test_no_board_is_left_over() -> None:
    assert set(BOARDS) == set(boards.BOARDS)
