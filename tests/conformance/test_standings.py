"""How promises stand, on the real store: rows as they were told, and of each contract in force the last look."""

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import connect, insert_blocks, query
from pipeline.model.contract_columns import CONTRACTS
from pipeline.operators.blocks import encode_rows
from pipeline.operators.watch.standing import Finding, Verdict
from pipeline.settings import Settings
from tests.board_rows import ALERTS, STANDING, applied, promised, stands
from tests.panes import MINUTE_NS, NOON_NS

DAY_NS = 1440 * MINUTE_NS


@pytest.fixture
def store(with_schema: Settings) -> Iterator[tuple[Settings, Client]]:
    with connect(with_schema) as client:
        assert insert_blocks(client, "contracts", [applied()]) == {}
        yield with_schema, client


def latest(settings: Settings) -> list[list[object]]:
    return query(settings, "SELECT verdict, rule, at_ns, partition FROM latest_standings")[1]


def test_the_last_look_stands_worst_first(store: tuple[Settings, Client]) -> None:
    settings, client = store
    before, now = NOON_NS, NOON_NS + 5 * MINUTE_NS
    kept = replace(STANDING[0], verdict=Verdict.KEPT)
    assert insert_blocks(client, "standings", [stands(*reversed(STANDING), at_ns=now), stands(kept, at_ns=before)]) == {}
    assert [row[:3] for row in latest(settings)] == [[one.verdict.value, one.alert.rule, now] for one in STANDING]


def test_what_is_asked_otherwise_or_not_at_all_stands_no_more(store: tuple[Settings, Client]) -> None:
    settings, client = store
    other = Finding(Verdict.CROSSED, replace(ALERTS[0], contract="gone"))
    assert insert_blocks(client, "standings", [stands(STANDING[0]), stands(other)]) == {}
    assert [row[0] for row in latest(settings)] == ["broken"]
    found = promised()
    removed = {"name": found.name, "version": 1, "hash": found.hash, "owner": "", "text": "", "applied_ns": NOON_NS + 1}
    assert (
        insert_blocks(
            client, "contracts", [encode_rows(CONTRACTS, [removed | {"applied_by": "", "removed": True, "meaning": ""}])]
        )
        == {}
    )
    assert latest(settings) == []


def test_a_partition_that_is_silent_for_a_day_has_no_routes_any_more(store: tuple[Settings, Client]) -> None:
    settings, client = store
    block = orjson.loads(stands(STANDING[0], at_ns=NOON_NS))
    elsewhere = orjson.dumps(block | {"partition": [3]})
    assert insert_blocks(client, "standings", [elsewhere, stands(STANDING[1], at_ns=NOON_NS + DAY_NS // 2)]) == {}
    assert {row[3] for row in latest(settings)} == {0, 3}
    assert insert_blocks(client, "standings", [stands(STANDING[1], at_ns=NOON_NS + 2 * DAY_NS)]) == {}
    assert {row[3] for row in latest(settings)} == {0}
