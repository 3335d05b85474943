"""What boards read of a store with a thousand series: rows, not time. The whole of it, timed: `python -m tests.bench.boards`."""

import time
from collections.abc import Iterator

import pytest

from grafana.boards import DASHBOARDS
from pipeline.connectors.clickhouse import reader
from pipeline.operators.boards.macros import TimeRange
from pipeline.settings import Settings
from tests.bench.board_load import HOUR, Size, fill
from tests.bench.boards import EVERYTHING, ONE, RULE, SELECTIONS, Store, queries
from tests.databases import own_names

SMALL = Size(minutes=240, hours=1, days=1, patterns=1, traces_per_s=10, status_s=HOUR, alerts=20)
MUCH = 100_000
"""Rows of four hours of everything; of fewer, one granule of the index would be too large a part."""

QUERIES = queries(DASHBOARDS)


@pytest.fixture(scope="module")
def store(engines: Settings) -> Iterator[Store]:
    with own_names(engines) as settings:
        end = fill(settings, SMALL, time.time())
        with reader(settings) as client:
            yield Store(client, end)


@pytest.mark.parametrize("board", sorted({one.board for one in QUERIES} - {RULE}))
def test_a_query_about_one_route_leaves_the_others_unread(store: Store, board: str) -> None:
    over = TimeRange(store.end - 4 * HOUR, store.end - 1)
    of = [one for one in QUERIES if one.board == board]
    read = {
        name: {
            one.place: store.answer(one, over, store.chosen(of, over, SELECTIONS[name])).rows for one in of if "$route" in one.sql
        }
        for name in (ONE, EVERYTHING)
    }
    wide = {place: (read[ONE][place], rows) for place, rows in read[EVERYTHING].items() if rows >= MUCH}
    assert wide, "something is large enough"
    assert {place: rows for place, rows in wide.items() if rows[0] > rows[1] / 2} == {}


def test_names_are_found_without_numbers(store: Store) -> None:
    """A variable reads each row of the range once at most, whatever the rows hold."""
    over = TimeRange(store.end - 4 * HOUR, store.end - 1)
    (cohort,) = [one for one in QUERIES if (one.board, one.place) == ("performance", "cohort")]
    assert "seen_in_" in cohort.sql
    assert store.answer(cohort, over, store.chosen(QUERIES, over, {})).rows <= 1000 * 240
