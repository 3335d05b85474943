"""The boards as documents: known to the typed SDK in every field, complete, and laid out without overlap."""

import copy
import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import DASHBOARDS

BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
COLUMNS = 24
OVER_TIME = ("timeseries", "heatmap")


def links(board: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(link["type"], link["tags"], link["keepTime"], link["includeVars"]) for link in board["links"]]


@pytest.mark.parametrize("name", BOARDS)
def test_boards_lead_to_each_other_with_range_and_variables(name: str) -> None:
    assert links(BOARDS[name]) == [("dashboards", ["tailrace"], True, True)]
    assert "tailrace" in BOARDS[name]["tags"]


def test_boards_have_addresses_and_titles_of_their_own() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


DRAWN = ("stat", "timeseries", "table", "heatmap", "bargauge", "barchart", "state-timeline", "text", "gauge")


@pytest.mark.parametrize("name", BOARDS)
def test_panels_are_of_kinds_that_every_viewer_draws(name: str) -> None:
    assert {panel["type"] for panel in BOARDS[name]["panels"]} <= {*DRAWN, "row"}


@pytest.mark.parametrize("name", BOARDS)
def test_titles_of_panels_are_told_apart(name: str) -> None:
    titles = [panel["title"] for panel in BOARDS[name]["panels"] if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", BOARDS)
def test_variables_are_described(name: str) -> None:
    for variable in BOARDS[name]["templating"]["list"]:
        assert variable["name"] == "datasource" or len(variable["description"]) > 20, variable["name"]


def panels() -> list[Any]:
    return [
        pytest.param(panel, id=f"{name}/{panel['title']}")
        for name, board in BOARDS.items()
        for panel in board["panels"]
        if panel["type"] != "row"
    ]


def through_the_sdk(board: dict[str, Any]) -> Any:
    """The board read into the SDK's types and written again: what they do not know is gone."""
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(board)), cls=JSONEncoder))


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif one != other:
        yield path


@pytest.mark.parametrize("name", BOARDS)
def test_sdk_knows_every_field(name: str) -> None:
    assert list(differences(BOARDS[name], through_the_sdk(BOARDS[name]))) == []


def test_sdk_would_notice_a_misspelt_field() -> None:
    board = copy.deepcopy(BOARDS["performance"])
    board["refesh"] = "1m"
    board["panels"][1]["options"]["grafMode"] = "none"
    board["panels"][1]["fieldConfig"]["defaults"]["units"] = "ns"
    found = set(differences(board, through_the_sdk(board)))
    assert found == {".refesh", ".panels[1].options.grafMode", ".panels[1].fieldConfig.defaults.units"}


@pytest.mark.parametrize("panel", panels())
def test_panel_is_complete(panel: dict[str, Any]) -> None:
    source = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == source
    (target,) = panel["targets"]
    assert target["datasource"] == source
    assert target["pluginVersion"]  # without it the plugin migrates the query from an older model
    assert (target["format"], target["queryType"]) == ((0, "timeseries") if panel["type"] in OVER_TIME else (1, "table"))


@pytest.mark.parametrize("panel", panels())
def test_quantiles_are_merged_not_averaged(panel: dict[str, Any]) -> None:
    sql = panel["targets"][0]["rawSql"]
    assert "avg(" not in sql
    assert "_p50" not in sql
    assert "_ratio" not in sql


@pytest.mark.parametrize("name", BOARDS)
def test_panels_are_numbered_once(name: str) -> None:
    ids = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert ids == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("name", BOARDS)
def test_layout_fills_the_grid_without_overlap(name: str) -> None:
    boxes = [panel["gridPos"] for panel in BOARDS[name]["panels"]]
    cells = [{(x, y) for x in range(b["x"], b["x"] + b["w"]) for y in range(b["y"], b["y"] + b["h"])} for b in boxes]
    assert all(not one & other for one, other in combinations(cells, 2))
    width, height = COLUMNS, max(b["y"] + b["h"] for b in boxes)
    assert set().union(*cells) == {(x, y) for x in range(width) for y in range(height)}
