"""The boards over HTTP on the real store: what is answered, to whom, and what is refused."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from pipeline.app import boards as app
from pipeline.connectors.board_server import application, serving
from pipeline.connectors.board_store import BoardStore
from pipeline.errors import Fatal, SchemaError, SettingsError
from pipeline.settings import Settings
from tests.contracts.boards import Asked
from tests.panes import NOON_NS

BOARDS = app.boards()
NOON_MS = NOON_NS // 10**6
HOUR: dict[str, Any] = {"from": NOON_MS, "to": NOON_MS + 3_599_999, "interval": 60}
PLACES = [pytest.param(uid, place, ref_id, id=f"{uid}/{place}") for uid, one in BOARDS.items() for place, ref_id in one.queries]
PERFORMANCE = BOARDS["tailrace-performance"]
HOSTILE = (
    "' OR 1=1 -- ",
    "\\' OR 1=1 -- ",
    "'))) UNION ALL SELECT 1 -- ",
    "$__timeFilter(x)",
    "${route}",
    "`",
    "\x00\n",
    "{a,b}",
)


@pytest.fixture(scope="module")
def store(asked: Asked) -> Settings:
    """The one database that the reader may read, with the rows of `tests/board_rows.py`."""
    return asked.settings


@contextmanager
def server(settings: Settings, folder: Path) -> Iterator[str]:
    """The address of a server over a bundle of one page."""
    for part in ("assets", "public"):
        (folder / part).mkdir()
    (folder / "index.html").write_text("the page")
    asked = BoardStore(settings)
    with serving(lambda: application(BOARDS, asked.columns, folder), 0) as address:
        yield address
    asked.close()


@pytest.fixture(scope="module")
def address(store: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(store, tmp_path_factory.mktemp("bundle")) as found:
        yield found


def told(address: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, body and headers of an answer; `Host` may be any."""
    connection = http.client.HTTPConnection(str(urlsplit(address).netloc), timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in ({"Content-Length": str(len(body or b""))} | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, json.loads(text) if is_json else text.decode(), response.headers


def answer_to(address: str, status: int = 200, uid: str = PERFORMANCE.uid, **said: Any) -> Any:
    body = json.dumps({"board": uid, **HOUR} | said).encode()
    got, answer, _ = told(address, "/api/query", "POST", body, Content_Type="application/json")
    assert got == status, answer
    return answer


def values(answer: Any, column: str) -> list[Any]:
    return next(one["values"] for one in answer["columns"] if one["name"] == column)


def panel(title: str, kind: str = "stat") -> int:
    return next(p["id"] for p in PERFORMANCE.document["panels"] if p.get("title") == title and p["type"] == kind)


@pytest.mark.parametrize(("uid", "place", "ref_id"), PLACES)
def test_every_query_of_every_board_is_answered(address: str, uid: str, place: int | str, ref_id: str) -> None:
    board = BOARDS[uid]
    where: dict[str, Any] = {"panel": place} if isinstance(place, int) else {"variable": place}
    chosen: dict[str, str] = {}
    for name, variable in board.variables.items():  # in order: a query may name those before it
        if name == place:
            break
        if not variable.include_all and (name, "A") in board.queries:
            options = answer_to(address, uid=uid, variable=name, variables=chosen)["columns"][0]["values"]
            chosen[name] = str(options[0]) if options else ""
    answer = answer_to(address, uid=uid, refId=ref_id, variables=chosen, **where)
    assert answer["columns"]
    assert len({len(column["values"]) for column in answer["columns"]}) == 1


def test_times_are_milliseconds_and_types_are_told(address: str) -> None:
    answer = answer_to(address, panel=panel("Latency over time", "timeseries"), variables={"view": "performance"})
    assert values(answer, "time") == [NOON_MS, NOON_MS + 60_000]
    assert [one["type"] for one in answer["columns"]][:2] == ["DateTime('UTC')", "Nullable(Float32)"]


def test_a_variable_filters(address: str) -> None:
    everything, one, none = (
        values(answer_to(address, panel=panel("Requests"), variables={"view": "performance", **chosen}), "Requests")
        for chosen in ({}, {"route": ["it's search"]}, {"route": ["elsewhere"]})
    )
    assert (everything, one, none) == ([310], [10], [0])


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("several", [False, True])
def test_no_value_changes_a_query(address: str, value: str, several: bool) -> None:
    names = [name for name, one in PERFORMANCE.variables.items() if one.multi]
    chosen: dict[str, Any] = dict.fromkeys(names, [value, "no such"] if several else value)
    answer = answer_to(address, panel=panel("Requests"), variables=chosen | {"view": "performance"})
    assert values(answer, "Requests") == [0]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_names_another_table(address: str, value: str) -> None:
    answer = answer_to(address, 500, panel=panel("Requests"), variables={"view": value})
    assert "run `tailrace schema apply`" in answer["error"]


@pytest.mark.parametrize(
    "said",
    [
        {"panel": 1, "sql": "SELECT 1"},
        {"panel": 1, "rawSql": "SELECT 1"},
        {"panel": "SELECT 1"},
        {"panel": 999_999},
        {"variable": "SELECT 1"},
        {"uid": "elsewhere", "panel": 2},
        {"panel": 2, "variables": {"route": 1}},
        {"panel": 2, "variables": {"nothing": "x"}},
        {"panel": 2, "from": "now"},
        {"panel": 2, "from": HOUR["to"], "to": HOUR["from"]},
    ],
)
def test_what_no_page_asks_is_refused(address: str, said: dict[str, Any]) -> None:
    assert answer_to(address, 400, **said)["error"]


def test_a_broken_or_large_request_is_refused(address: str) -> None:
    for body, status in ((b"{", 400), (b'"\\ud800"', 400), (b" " * (2 << 20), 413)):
        assert told(address, "/api/query", "POST", body, Content_Type="application/json")[0] == status


def test_pages_and_boards_are_served(address: str) -> None:
    assert told(address, "/")[1] == told(address, f"/d/{PERFORMANCE.uid}/performance")[1] == "the page"
    assert {one["uid"] for one in told(address, "/api/boards")[1]} == BOARDS.keys()
    assert told(address, f"/api/boards/{PERFORMANCE.uid}")[1] == PERFORMANCE.document
    for path in ("/elsewhere", "/assets/../index.html", "/assets/%2e%2e/index.html", "/public//etc/passwd"):
        assert told(address, path)[0] in {403, 404}


@pytest.mark.parametrize("path", ["/", "/api/boards", "/elsewhere"])
def test_every_answer_says_what_a_page_may_do(address: str, path: str) -> None:
    _, _, headers = told(address, path)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""])
def test_another_name_is_not_answered(address: str, host: str) -> None:
    status, answer, _ = told(address, "/api/boards", Host=host)
    assert status in {400, 421}
    assert "uid" not in str(answer)


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "[::1]:80", "127.0.0.1"])
def test_this_machine_is_answered_under_each_of_its_names(address: str, host: str) -> None:
    assert told(address, "/api/boards", Host=host)[0] == 200


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "http://127.0.0.1:1"}),
        (403, {"Origin": "null"}),
        (403, {"Sec_Fetch_Site": "cross-site"}),
        (403, {"Sec_Fetch_Site": "same-site"}),
        (415, {"Content_Type": "text/plain"}),
        (415, {"Content_Type": "application/x-www-form-urlencoded"}),
    ],
)
def test_another_site_is_not_answered(address: str, status: int, headers: dict[str, str]) -> None:
    body = json.dumps({"board": PERFORMANCE.uid, "panel": panel("Requests"), **HOUR}).encode()
    got, answer, _ = told(address, "/api/query", "POST", body, **({"Content_Type": "application/json"} | headers))
    assert (got, "columns" in answer) == (status, False)
    assert told(address, "/api/query", "OPTIONS", Origin="http://evil.example")[0] in {403, 405}


def test_an_answer_has_its_bounds_and_the_user_reads_alone(store: Settings) -> None:
    asked = BoardStore(store)
    with pytest.raises(Fatal, match="TOO_MANY_ROWS"):
        asked.columns("SELECT number FROM numbers(200000)")
    with pytest.raises(Fatal, match=r"ACCESS_DENIED|READONLY"):
        asked.columns("INSERT INTO panes SELECT * FROM panes")
    with pytest.raises(Fatal, match="ACCESS_DENIED"):
        asked.columns("SELECT * FROM file('/etc/passwd', 'LineAsString')")
    with pytest.raises(SchemaError, match="tailrace schema apply"):
        asked.columns("SELECT * FROM not_there")
    asked.close()


def test_values_come_as_the_viewer_reads_them(store: Settings) -> None:
    sql = (
        "SELECT toDateTime64('2023-11-15 12:00:00.5', 3, 'Asia/Tokyo') AS a, toDate('2023-11-15') AS b, NULL AS c,"
        " toInt128(1) AS d, 0 / 0 AS e, sumState(1) AS f, 'é' AS g, toNullable(toDateTime('2023-11-15 12:00:00', 'UTC')) AS h"
    )
    asked = BoardStore(store)
    found = {column.name: column.values for column in asked.columns(sql)}
    asked.close()
    assert found == {
        "a": [NOON_MS - 9 * 3_600_000 + 500],
        "b": [NOON_MS - 43_200_000],
        "c": [None],
        "d": [1],
        "e": [None],
        "f": ["<state>"],
        "g": ["é"],
        "h": [NOON_MS],
    }


def test_a_store_that_is_away_is_named(tmp_path: Path) -> None:
    away = Settings(clickhouse_reader_dsn=SecretStr("http://grafana:x@127.0.0.1:9/tailrace"))
    with server(away, tmp_path) as found:
        error = answer_to(found, 503, panel=panel("Requests"))["error"]
    assert "127.0.0.1:9 does not answer" in error
    assert "TAILRACE_CLICKHOUSE_READER_DSN" in error


def test_what_is_missing_is_said_before_anything_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="tailrace local up"), app.viewer(Settings()):
        pass
    monkeypatch.setattr(app, "files", lambda _: tmp_path)
    somewhere = Settings(clickhouse_reader_dsn=SecretStr("http://grafana:x@127.0.0.1:9/tailrace"))
    with pytest.raises(SettingsError, match="make viewer"), app.viewer(somewhere):
        pass


def test_a_port_that_is_taken_is_named(address: str, tmp_path: Path) -> None:
    taken = urlsplit(address).port
    for part in ("assets", "public"):
        (tmp_path / part).mkdir()
    with (
        pytest.raises(SettingsError, match=f"--port {taken} cannot be used"),
        serving(lambda: application(BOARDS, lambda _: [], tmp_path), taken or 0),
    ):
        pass
