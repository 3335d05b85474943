"""The views people query, on a real ClickHouse: values by hand, revisions, roll-ups, pruning."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.model.columns import SPEND
from pipeline.operators.ladder import bins
from pipeline.settings import Settings
from tests.panes import digest, pane, panes

VIEWS = ("performance", "performance_hourly", "performance_daily", "performance_routes_hourly")

COLUMNS = (  # noqa: SIM905 - reads better so
    "window_start window_end environment route model release cohort language final requests errors error_ratio streamed "
    "refusals refusal_ratio citation_ratio schema_valid_ratio refusal_checked citation_checked citations "
    "schema_checked schema_valid unknown_usage unpriced input_tokens output_tokens "
    "cache_read_tokens cache_write_tokens reasoning_tokens audio_input_tokens audio_output_tokens cost_nusd "
    "cost_input_nusd cost_cache_read_nusd cost_cache_write_nusd cost_output_nusd cost_reasoning_nusd "
    "latency_mean_ns latency_p50_ns latency_p95_ns latency_p99_ns latency_p999_ns ttft_p50_ns ttft_p95_ns ttft_p99_ns "
    "tps_p50 latency_digest ttft_digest tps_digest"
).split()

STATE = "AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)"

Rows = Sequence[tuple[Any, ...]]


@pytest.fixture
def store(with_schema: Settings) -> Iterator[Client]:
    """A database with the schema applied."""
    with connect(with_schema) as client:
        yield client


@pytest.fixture
def put(store: Client) -> Callable[..., None]:
    """Insert pane rows."""

    def insert(*rows: dict[str, Any]) -> None:
        assert insert_blocks(store, "panes", [panes(*rows)]) == {}

    return insert


def refresh(client: Client) -> None:
    """Redo the roll-ups, in the order they depend on one another."""
    for name in ("panes_hourly", "panes_daily", "panes_hourly_routes"):
        client.command(f"SYSTEM REFRESH VIEW {name}_refresh")
        client.command(f"SYSTEM WAIT VIEW {name}_refresh")


def rows(client: Client, sql: str) -> Rows:
    return client.query(sql).result_rows


@pytest.mark.parametrize("view", VIEWS)
def test_the_views_have_the_promised_columns(store: Client, view: str) -> None:
    described = {row[0]: row[1] for row in rows(store, f"DESCRIBE TABLE {view}")}
    assert list(described) == COLUMNS
    assert described["window_start"] == "DateTime('UTC')"
    assert described["latency_digest"] == STATE


def test_values_by_hand(store: Client, put: Callable[..., None]) -> None:
    """Two sources of one window and series; the sample is 1..4 s."""
    checks = {"refusal_checked": 4, "refusals": 1, "citation_checked": 2, "citations": 1}
    put(
        pane(latencies=[10**9, 2 * 10**9], errors=1, cost_nusd="7", input_tokens=5, **checks),
        pane(latencies=[3 * 10**9, 4 * 10**9], source="spans:1:e", firing="final", tps_digest=digest([50.0])),
    )
    (row,) = store.query("SELECT * EXCEPT (latency_digest, ttft_digest, tps_digest) FROM performance").named_results()
    assert (row["requests"], row["errors"], row["error_ratio"], row["cost_nusd"], row["input_tokens"]) == (4, 1, 0.25, 7, 5)
    assert (row["refusal_ratio"], row["citation_ratio"], row["schema_valid_ratio"]) == (0.25, 0.5, None)
    checked = ("refusal_checked", "citation_checked", "citations", "schema_checked", "schema_valid")
    assert [row[name] for name in checked] == [4, 2, 1, 0, 0]
    assert (row["latency_mean_ns"], row["latency_p999_ns"], row["ttft_p50_ns"]) == (2_500_000_000, 4_000_000_000, None)
    assert row["tps_p50"] == 50.0
    assert row["final"] is False
    assert (row["window_end"] - row["window_start"]).total_seconds() == 60


def test_revisions_replace_and_are_not_added_up(store: Client, put: Callable[..., None]) -> None:
    """Three firings of 10, 20 and 30 requests are 30 requests, in minutes and in every roll-up: not 60."""
    for revision, n in ((1, 10), (2, 20), (3, 30)):
        put(pane(latencies=range(1, n + 1), revision=revision, firing="final" if n == 30 else "early"))
        refresh(store)
    for view in VIEWS:
        assert rows(store, f"SELECT requests, latency_mean_ns FROM {view}") == [(30, 16)], view
    put(pane(latencies=range(5), revision=2))
    refresh(store)
    for view in VIEWS:
        assert rows(store, f"SELECT requests FROM {view}") == [(30,)], view


def finals(client: Client) -> list[bool]:
    """Whether noon's minute, hour, day and route's hour are final."""
    return [rows(client, f"SELECT min(final) FROM {view} WHERE route = 'chat'")[0][0] for view in VIEWS]


def test_final_is_what_nothing_can_change(store: Client, put: Callable[..., None]) -> None:
    """An hour is final when its panes are and every partition of spans has gone past its end; so is a day."""
    put(pane(0, [1], firing="final"), pane(0, [1], firing="early", source="spans:1:e"))
    refresh(store)
    assert finals(store) == [False, False, False, False]
    put(pane(0, [1, 1], firing="final", source="spans:1:e", revision=2))
    refresh(store)
    assert finals(store) == [True, False, False, False], "the hour is not over in event time"
    put(pane(61, [1], firing="final", route="other"))
    assert finals(store) == [True, False, False, False], "one partition is still in the hour"
    put(pane(60, [1], firing="final", route="other", source="spans:1:e"))
    assert finals(store) == [True, True, False, True]
    put(*[pane(1440, [1], firing="final", route="other", source=f"spans:{n}:e") for n in range(2)])
    assert finals(store) == [True, True, True, True]
    put(pane(0, [1], firing="early", route="other", source="spans:1:made-anew"))
    assert finals(store) == [True, False, False, False], "a topic that was made anew begins at nothing"
    put(pane(1440, [1], firing="final", route="other", source="spans:1:made-anew"))
    assert finals(store) == [True, True, True, True]


def expire(client: Client, where: str = "1") -> None:
    """What the time to live does to panes, at once."""
    client.command(f"ALTER TABLE panes DELETE WHERE firing = 'final' AND ({where}) SETTINGS mutations_sync = 1")


def test_roll_ups_add_up_money_by_kind_and_counts_over_the_ladder(store: Client, put: Callable[..., None]) -> None:
    """Over two minutes, two partitions, and panes that expire before the last one comes."""
    of = {name: str(2**64 + i) for i, name in enumerate(SPEND)}
    put(*[pane(n, [10**6, 10**9], firing="final", source=f"spans:{n}:e", cohort=f"c{n}", **of) for n in range(2)])
    refresh(store)
    expire(store)
    put(pane(2, [10**9], firing="final", cohort="c0", **of), pane(3, [10**9], firing="on_time"))
    refresh(store)
    money = ", ".join(f"sum({name})" for name in SPEND)
    counts = {bins([10**6])[0]: 2, bins([10**9])[0]: 4}
    for view, table in zip(VIEWS[1:], ("panes_hourly", "panes_daily", "panes_hourly_routes"), strict=True):
        assert rows(store, f"SELECT {money} FROM {view}") == [tuple(3 * (2**64 + i) for i in range(len(SPEND)))], view
        ladders = ", ".join(f"sumMap({name}_bins, {name}_bin_counts)" for name in ("latency", "ttft"))
        found = rows(store, f"SELECT {ladders} FROM {table} FINAL")
        assert found == [(([*counts], [*counts.values()]), ([], []))], table


def test_an_hour_keeps_what_has_expired(store: Client, put: Callable[..., None]) -> None:
    """Half an hour's panes expire before the other half comes, resent ones and a revised one among it."""
    put(*[pane(n, [10], firing="final") for n in range(29)], pane(29, [10, 10], revision=1))
    refresh(store)
    expire(store)
    put(*[pane(n, [10], firing="final") for n in range(27, 29)])  # stored again after they had expired
    put(pane(29, [10, 10, 10], revision=2, firing="final"), *[pane(n, [30], firing="final") for n in range(30, 60)])
    refresh(store)
    for view in VIEWS[1:]:
        found = rows(store, f"SELECT requests, latency_mean_ns, latency_p50_ns FROM {view}")
        assert found == [(29 + 3 + 30, round((32 * 10 + 30 * 30) / 62), 10)], view
    expire(store, "window_start_ns % 7 = 0")
    put(pane(5, [10], firing="final", source="spans:1:e"))
    refresh(store)
    assert [rows(store, f"SELECT requests FROM {view}") for view in VIEWS[1:]] == [[(63,)]] * 3


def test_an_old_revision_that_outlives_its_final_pane_is_not_counted(store: Client, put: Callable[..., None]) -> None:
    """A final pane may expire before it was merged with the early one it replaced."""
    store.command("SYSTEM STOP MERGES panes")
    put(pane(0, [1] * 3, revision=1))
    put(pane(0, [1] * 5, revision=2, firing="final"))
    refresh(store)
    (part,) = rows(store, "SELECT DISTINCT _part FROM panes WHERE firing = 'final'")[0]
    store.command(f"ALTER TABLE panes DROP PART '{part}'")
    put(pane(1, [1], firing="final"))
    refresh(store)
    assert [rows(store, f"SELECT requests FROM {view}") for view in VIEWS[1:]] == [[(6,)]] * 3


def test_a_day_keeps_hours_that_have_expired(store: Client, put: Callable[..., None]) -> None:
    put(pane(0, [1] * 3, firing="final"), pane(60, [1] * 4, firing="final"))
    refresh(store)
    expire(store)
    store.command("TRUNCATE TABLE panes_hourly")
    put(pane(120, [1] * 5, firing="final"))
    refresh(store)
    assert rows(store, "SELECT requests FROM performance_daily") == [(12,)]


def test_a_refresh_reads_what_was_touched(store: Client, put: Callable[..., None]) -> None:
    """One new pane in 20 days of panes: a refresh reads the rows of touched days, a few times, and no others."""
    put(pane(firing="final"))
    names = ", ".join(row[0] for row in rows(store, "DESCRIBE TABLE panes") if row[2] not in {"MATERIALIZED", "EPHEMERAL"})
    later = ", ".join(f"{name} + 60000000000 * minute AS {name}" for name in ("window_start_ns", "window_end_ns"))
    written = "inserted_at - INTERVAL 1 DAY AS inserted_at"
    store.command(
        f"INSERT INTO panes ({names}) SELECT {names} FROM (SELECT panes.* REPLACE ({later}, {written}) "
        f"FROM panes CROSS JOIN (SELECT arrayJoin(range(1, {20 * 1440})) AS minute) AS minutes)"
    )
    refresh(store)
    put(pane(5 * 1440, [1] * 7, revision=2, firing="final"))
    store.command("SYSTEM REFRESH VIEW panes_hourly_refresh")
    store.command("SYSTEM WAIT VIEW panes_hourly_refresh")
    sql = "SELECT read_rows FROM system.view_refreshes WHERE database = currentDatabase() AND view = 'panes_hourly_refresh'"
    assert rows(store, sql)[0][0] < 10 * 1440
    assert rows(store, "SELECT sum(requests) FROM performance_hourly") == [(7,)]


def test_rollups_follow_a_late_change(store: Client, put: Callable[..., None]) -> None:
    """A window is redone whole when any of its minutes changes, whatever its event time, and nothing else is."""
    put(pane(0, [1] * 5), pane(59, [1] * 7), pane(60, [1] * 11), pane(-1441, [1] * 13))
    refresh(store)
    hourly = "SELECT requests FROM performance_hourly ORDER BY window_start"
    assert rows(store, hourly) == [(13,), (12,), (11,)]
    assert rows(store, "SELECT requests FROM performance_daily ORDER BY window_start") == [(13,), (23,)]
    store.command("ALTER TABLE panes UPDATE inserted_at = inserted_at - 7200 WHERE 1 SETTINGS mutations_sync = 1")
    before = rows(store, "SELECT window_start, refreshed_at FROM panes_hourly FINAL ORDER BY 1")
    put(pane(59, [1] * 8, revision=2))
    refresh(store)
    after = rows(store, "SELECT window_start, refreshed_at FROM panes_hourly FINAL ORDER BY 1")
    assert rows(store, hourly) == [(13,), (13,), (11,)]
    assert [old[1] != new[1] for old, new in zip(before, after, strict=True)] == [False, True, False]
    assert rows(store, "SELECT requests FROM performance_daily ORDER BY window_start") == [(13,), (24,)]


def test_routes_are_rolled_up_without_cohort_and_language(store: Client, put: Callable[..., None]) -> None:
    put(pane(0, [1], cohort="free", language="en"), pane(1, [3], cohort="paid", language="de"), pane(2, [9], route="other"))
    refresh(store)
    totals = "SELECT route, cohort, language, requests, latency_p50_ns FROM performance_routes_hourly ORDER BY route"
    assert rows(store, totals)[0][:4] == ("chat", "", "", 2)
    assert rows(store, totals)[1] == ("other", "", "", 1, 9)
    assert len(rows(store, "SELECT * EXCEPT (latency_digest, ttft_digest, tps_digest) FROM performance_hourly")) == 3


def test_a_year_of_the_largest_panes_does_not_wrap(store: Client, put: Callable[..., None]) -> None:
    """Every pane beyond 64 bits by itself, a day's and a year's sum further still; no view loses a digit."""
    most = {"cost_nusd": str(2**65 + 1), "latency_sum_ns": str(2**66), "ttft_sum_ns": str(2**64), "input_tokens": 2**63 - 1}
    put(*[pane(day * 1440 + part, [1], firing="final", **most) for day in range(365) for part in range(2)])
    refresh(store)
    sums = "sum(requests), sum(cost_nusd), sum(input_tokens)"
    for view in VIEWS:
        assert rows(store, f"SELECT {sums} FROM {view}") == [(730, 730 * (2**65 + 1), 730 * (2**63 - 1))], view
    for table in ("panes", "panes_daily"):
        total = rows(store, f"SELECT sum(latency_sum_ns), sum(ttft_sum_ns) FROM {table} FINAL")
        assert total == [(730 * 2**66, 730 * 2**64)], table


def test_quantiles_merge_over_any_range(store: Client, put: Callable[..., None]) -> None:
    sample = np.random.default_rng(7).lognormal(20, 1, 20_000)
    put(*[pane(n, [int(x) for x in part], source=f"spans:{n % 3}:e") for n, part in enumerate(np.split(sample, 40))])
    refresh(store)
    for view in VIEWS:
        merged = rows(store, f"SELECT quantilesTDigestMerge(0.5, 0.99)(latency_digest) FROM {view}")[0][0]
        np.testing.assert_allclose(merged, np.quantile(sample, [0.5, 0.99]), rtol=0.01)


def test_predicates_reach_the_primary_key(store: Client, put: Callable[..., None]) -> None:
    """Route and time of a query on the view select granules and partitions of panes."""
    for day in range(4):
        put(*[pane(n + day * 1440, [1], route=f"r{r}") for n in range(600) for r in range(20)])
    store.command("OPTIMIZE TABLE panes FINAL")
    where = "route = 'r7' AND window_start >= '2023-11-16 12:10:00' AND window_start < '2023-11-16 12:20:00'"
    plan = "\n".join(row[0] for row in rows(store, f"EXPLAIN indexes = 1 SELECT requests FROM performance WHERE {where}"))
    parts = [line.split(":")[1].strip() for line in plan.splitlines() if "Parts:" in line]
    granules = [line.split(":")[1].strip() for line in plan.splitlines() if "Granules:" in line]
    assert parts[-1].startswith("1/"), plan
    assert int(granules[-1].split("/")[0]) <= 1, plan
    assert len(rows(store, f"SELECT requests FROM performance WHERE {where}")) == 10
