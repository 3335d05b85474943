"""A query of a board as it is asked: by its place, with values that cannot change it."""

import json
import re
from typing import Any

import pytest

from pipeline.app.boards import boards
from pipeline.operators.boards.board import Ask, AskedWronglyError, Board
from pipeline.operators.boards.macros import ALL, NotExpandedError, Selection, TimeRange, expand, percent_encoded

HOUR = TimeRange(3600, 7200, 60)
DOCUMENT: dict[str, Any] = {
    "uid": "b",
    "title": "B",
    "templating": {
        "list": [
            {"type": "datasource", "name": "datasource"},
            {"type": "query", "name": "route", "multi": True, "includeAll": True, "query": {"rawSql": "SELECT 'r'"}},
            {"type": "query", "name": "side", "query": {"rawSql": "SELECT '${route:percentencode}'"}},
            {"type": "textbox", "name": "trace"},
        ]
    },
    "panels": [
        {"id": 1, "type": "row", "panels": [{"id": 2, "type": "stat", "targets": [{"refId": "A", "rawSql": "SELECT 2"}]}]},
        {"id": 3, "type": "stat", "targets": [{"refId": "B", "rawSql": "SELECT '${side:percentencode}${trace:percentencode}'"}]},
        {"id": 4, "type": "text"},
    ],
}
BOARD = Board.read(json.dumps(DOCUMENT))


def asked(**said: Any) -> str:
    return BOARD.sql(Ask(board="b", **({"begin": 3_600_000, "end": 7_200_000} | said)))


@pytest.mark.parametrize(
    ("sql", "becomes"),
    [
        ("$__timeFilter(at)", "at >= toDateTime(3600) AND at <= toDateTime(7200)"),
        ("$__timeInterval(at)", "toStartOfInterval(toDateTime(at), INTERVAL 60 second)"),
        ("$__toTime - $__fromTime, $__interval_s", "toDateTime(7200) - toDateTime(3600), 60"),
        ("$__conditionalAll(f(a, b) = '${v:percentencode}', $v)", "f(a, b) = 'x%27'"),
        ("$__conditionalAll(a, $all) AND $__conditionalAll(b, $none)", "1=1 AND 1=1"),
        ("'${several:percentencode}'", "'%7Ba%2Cb%7D'"),
        ("'${all:percentencode}'", "''"),
    ],
)
def test_query_is_expanded(sql: str, becomes: str) -> None:
    chosen: dict[str, Selection] = {"v": "x'", "several": ("a", "b"), "all": ALL, "none": ""}
    assert expand(sql, chosen, HOUR) == becomes


@pytest.mark.parametrize(
    "sql",
    [
        *("${v}", "$v", "[[v]]", "${v:singlequote}", "${v:sqlstring}", "${v:raw}", "${other:percentencode}", "$__timeFrom(at)"),
        *("$__conditionalAll(a, $other)", "$__conditionalAll(a)", "$__conditionalAll(a, $v"),
    ],
)
def test_query_that_says_more_is_refused(sql: str) -> None:
    with pytest.raises(NotExpandedError):
        expand(sql, {"v": "x"}, HOUR)


def test_a_value_is_never_read_as_a_query() -> None:
    chosen: dict[str, Selection] = {"a": "${b:percentencode}$__fromTime", "b": "second"}
    assert "second" not in expand("'${a:percentencode}'", chosen, HOUR)
    assert percent_encoded("a-Z_0.9~ !'()*\\\"$[{") == "a-Z_0.9~%20%21%27%28%29%2A%5C%22%24%5B%7B"


def test_a_query_is_named_by_its_place() -> None:
    assert asked(panel=2) == "SELECT 2"
    assert asked(panel=3, ref_id="B", variables={"side": "s", "trace": "t'"}) == "SELECT 'st%27'"
    assert asked(variable="side") == "SELECT ''"
    assert asked(variable="side", variables={"route": ["x", "y"]}) == "SELECT '%7Bx%2Cy%7D'"
    assert asked(variable="side", variables={"route": [ALL, "x"]}) == "SELECT ''"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"panel": 2, "variable": "route"},
        {"panel": 1},
        {"panel": 2, "ref_id": "B"},
        {"variable": "trace"},
        {"variable": "datasource"},
        {"panel": 2, "variables": {"datasource": "x"}},
        {"panel": 2, "variables": {"side": ["a", "b"]}},
        {"panel": 2, "variables": {"route": ["a"] * 1001}},
        {"panel": 2, "variables": {"trace": "a" * 4097}},
        {"panel": 2, "begin": 7_201_000},
        {"panel": 2, "begin": -1},
        {"panel": 2, "end": 2**32 * 1000},
        {"panel": 2, "interval": -1},
    ],
)
def test_what_no_board_asks_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(AskedWronglyError):
        asked(**said)


@pytest.mark.parametrize("uid", boards())
def test_every_shipped_query_is_known(uid: str) -> None:
    board = boards()[uid]
    assert board.queries
    for place, ref_id in board.queries:
        where: dict[str, Any] = {"panel": place} if isinstance(place, int) else {"variable": place}
        assert not re.search(r"\$[\w{]", board.sql(Ask(board=uid, ref_id=ref_id, begin=0, end=1000, **where)))
