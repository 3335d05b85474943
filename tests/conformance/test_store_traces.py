"""The views of traces on a real ClickHouse: values by hand, resent rows, roll-ups, which span stands for a call."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.model.columns import LEDGER, REPEATS, TOKENS
from pipeline.operators.blocks import blank, encode_rows
from pipeline.settings import Settings
from tests.panes import NOON_NS, digest, trace_pane, trace_panes
from tests.spans import block as spans
from tests.spans import span

VIEWS = ("trace_performance", "trace_performance_hourly", "trace_performance_daily")
BY_ROUTE = ("cost_by_route", "cost_by_route_hourly", "cost_by_route_daily")
STATE = "AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)"
COLUMNS = (
    *("window_start", "window_end", "environment", "route", "release", "cohort", "language", "traces"),
    *(
        "traces_with_calls",
        "incomplete",
        "failed",
        "spans",
        "calls",
        "calls_mean",
        "calls_p50",
        "calls_p95",
        "errors",
        "told_twice",
        "refusals",
        "unknown_usage",
    ),
    *("unpriced", "unpriced_traces", "unknown_cost_ratio", *TOKENS, "tokens_per_trace", "cost_nusd", "cost_mean_nusd"),
    *("cost_p50_nusd", "cost_p95_nusd", "cost_p99_nusd", "latency_mean_ns", "latency_p50_ns", "latency_p95_ns"),
    *("latency_p99_ns", "ttft_p50_ns", "ttft_p95_ns", "ttft_p99_ns"),
    *("cost_digest", "latency_digest", "calls_digest", "ttft_digest"),
)


@pytest.fixture
def store(with_schema: Settings) -> Iterator[Client]:
    """A database with the schema applied."""
    with connect(with_schema) as client:
        yield client


@pytest.fixture
def put(store: Client) -> Callable[..., None]:
    """Insert panes of traces."""

    def insert(*rows: dict[str, Any]) -> None:
        assert insert_blocks(store, "trace_panes", [trace_panes(*rows)]) == {}

    return insert


def refresh(client: Client) -> None:
    """Redo the roll-ups, in the order they depend on one another."""
    for name in ("trace_panes_hourly", "trace_panes_daily"):
        client.command(f"SYSTEM REFRESH VIEW {name}_refresh")
        client.command(f"SYSTEM WAIT VIEW {name}_refresh")


def rows(client: Client, sql: str) -> Sequence[Sequence[Any]]:
    return client.query(sql).result_rows


@pytest.mark.parametrize("view", VIEWS)
def test_the_views_have_the_promised_columns(store: Client, view: str) -> None:
    described = {row[0]: row[1] for row in rows(store, f"DESCRIBE TABLE {view}")}
    assert list(described) == list(COLUMNS)
    assert described["cost_digest"] == STATE


def test_values_by_hand(store: Client, put: Callable[..., None]) -> None:
    """Two sources of one window and series: traces of 1 to 4 dollars, one of two calls, one of unknown cost."""
    dollar = 1_000_000_000
    put(
        trace_pane(costs=[dollar, 2 * dollar], incomplete=1, input_tokens=10, unpriced_traces=1, unpriced=2),
        trace_pane(
            costs=[3 * dollar, 4 * dollar],
            source="spans:1:e",
            calls=3,
            calls_digest=digest([1, 2]),
            latency_sum_ns="8",
            latency_digest=digest([2, 6]),
            output_tokens=2,
            ttft_count=1,
            ttft_digest=digest([7]),
        ),
    )
    (row,) = store.query(
        "SELECT * EXCEPT (cost_digest, latency_digest, calls_digest, ttft_digest) FROM trace_performance"
    ).named_results()
    found = {name: row[name] for name in ("traces", "incomplete", "calls", "calls_mean", "unpriced", "tokens_per_trace")}
    assert found == {"traces": 4, "incomplete": 1, "calls": 5, "calls_mean": 1.25, "unpriced": 2, "tokens_per_trace": 3.0}
    assert (row["unknown_cost_ratio"], row["cost_nusd"], row["cost_mean_nusd"]) == (0.25, 10 * dollar, 2.5 * dollar)
    assert (row["cost_p99_nusd"], row["calls_p50"], row["calls_p95"]) == (4 * dollar, 1.0, 2.0)
    assert (row["latency_mean_ns"], row["latency_p99_ns"], row["ttft_p50_ns"]) == (2, 6, 7)
    assert (row["window_end"] - row["window_start"]).total_seconds() == 60


@pytest.mark.parametrize("view", [*VIEWS, *BY_ROUTE])
def test_traces_that_call_no_model_are_no_part_of_what_one_costs(store: Client, put: Callable[..., None], view: str) -> None:
    """Two cost 10 and 30, ask 2 calls and 8 tokens, one of them at a price unknown; 98 do something else, in 5 ns."""
    told = {"latency_digest": digest([5] * 100), "latency_sum_ns": "500", "input_tokens": 8, "unpriced_traces": 1}
    put(trace_pane(costs=[10, 30], traces=100, **told))
    refresh(store)
    names = (
        "traces, traces_with_calls, cost_mean_nusd, cost_p50_nusd, calls_mean, calls_p50, tokens_per_trace, unknown_cost_ratio"
    )
    assert rows(store, f"SELECT {names}, latency_p50_ns FROM {view}") == [(100, 2, 20.0, 10, 1.0, 1.0, 4.0, 0.5, 5)]


def test_windows_written_before_that_was_told_apart_count_all_their_traces(store: Client) -> None:
    old = json.loads(trace_panes(trace_pane(costs=[10, 30])))
    del old["traces_with_calls"]
    assert insert_blocks(store, "trace_panes", [json.dumps(old).encode()]) == {}
    assert rows(store, "SELECT traces_with_calls, cost_mean_nusd FROM trace_performance") == [(2, 20.0)]


def test_a_resent_pane_is_not_added_up(store: Client, put: Callable[..., None]) -> None:
    for _ in range(2):
        put(trace_pane(costs=[5, 7], revision=3))
        refresh(store)
    assert {view: rows(store, f"SELECT traces, cost_nusd FROM {view}") for view in VIEWS} == {v: [(2, 12)] for v in VIEWS}


def test_an_hour_keeps_what_has_expired(store: Client, put: Callable[..., None]) -> None:
    """Half an hour's panes expire before the other half comes, resent ones among it."""
    put(*[trace_pane(n, [10]) for n in range(30)])
    refresh(store)
    store.command("ALTER TABLE trace_panes DELETE WHERE 1 SETTINGS mutations_sync = 1")
    put(*[trace_pane(n, [10]) for n in range(27, 30)], *[trace_pane(n, [30], source=f"spans:{n % 2}:e") for n in range(30, 60)])
    refresh(store)
    for view in VIEWS[1:]:
        found = rows(store, f"SELECT traces, cost_nusd, calls, cost_p99_nusd FROM {view}")
        assert found == [(60, 30 * 10 + 30 * 30, 60, 30)], view
    put(trace_pane(1440, [1]), trace_pane(5, [50], source="spans:1:e"))
    refresh(store)
    assert rows(store, "SELECT sum(traces), sum(cost_nusd) FROM trace_performance_daily") == [(62, 1251)]


def test_a_sum_of_hours_does_not_wrap(store: Client, put: Callable[..., None]) -> None:
    put(*[trace_pane(n, [1], cost_nusd=str(2**62), input_tokens=2**62) for n in range(6)])
    refresh(store)
    for view in VIEWS:
        assert rows(store, f"SELECT sum(cost_nusd), sum(input_tokens) FROM {view}") == [(6 * 2**62, 6 * 2**62)], view


@pytest.mark.parametrize("view", BY_ROUTE)
def test_cost_by_route_is_a_row_a_route(store: Client, put: Callable[..., None], view: str) -> None:
    """Whatever release, cohort, window and partition: all that is kept, and which range that is."""
    put(
        trace_pane(0, [10] * 6, release="r1"),
        trace_pane(1, [20] * 3, release="r2", source="spans:1:e", unpriced_traces=3, input_tokens=5, output_tokens=4),
        trace_pane(60, [90], cohort="pro"),
        trace_pane(0, [1, 2], route="search", incomplete=2),
    )
    refresh(store)
    names = "route, traces, calls, calls_mean, cost_nusd, cost_mean_nusd, cost_p50_nusd, tokens_per_trace, unknown_cost_ratio"
    found = rows(store, f"SELECT {names}, incomplete FROM {view} ORDER BY route")
    assert found == [("chat", 10, 10, 1.0, 210, 21.0, 10, 0.9, 0.3, 0), ("search", 2, 2, 1.0, 3, 1.5, 1, 0.0, 0.0, 2)]
    (since, until), *_ = rows(store, f"SELECT since, until FROM {view} WHERE route = 'chat'")
    assert int(since.timestamp()) <= NOON_NS // 10**9 < int(until.timestamp())


def test_every_span_says_who_was_counted(store: Client) -> None:
    told = blank(REPEATS) | {"trace_id": f"{1:032x}", "end_ns": NOON_NS, "source": "spans:0:e"}
    sent = [span(n, NOON_NS, trace_id=f"{1:032x}", span_id=f"{n:016x}", kind="agent" if n == 3 else "llm") for n in (1, 2, 3)]
    other = span(2, NOON_NS, trace_id=f"{2:032x}", span_id=f"{2:016x}", kind="llm")
    assert insert_blocks(store, "spans", [spans([*sent, other])]) == {}
    repeat = encode_rows(REPEATS, [told | {"span_id": f"{2:016x}", "counted_by": f"{1:016x}", "rule": "response_id"}])
    assert insert_blocks(store, "repeats", [repeat, repeat]) == {}
    found = rows(store, "SELECT trace_id, span_id, counted_by, rule FROM spans_counted ORDER BY trace_id, span_id")
    one, two = f"{1:016x}", f"{2:016x}"
    assert [row[1:] for row in found[:3]] == [(one, one, ""), (two, one, "response_id"), (f"{3:016x}", "", "")]
    assert found[3][1:] == (two, two, "")
    stored, shown = ({row[0] for row in rows(store, f"DESCRIBE TABLE {name}")} for name in ("spans", "spans_counted"))
    assert stored - shown == {"version"}


def test_cost_outside_traces_is_that_of_the_ledger(store: Client) -> None:
    said = blank(LEDGER) | {"stage": "aggregate", "source": "spans:0:e", "time_ns": NOON_NS, "late_for_trace": 2}
    lines = [said | {"offset": n, "outside_nusd": 2**62} for n in range(4)] + [said | {"stage": "decode", "outside_nusd": 5}]
    assert insert_blocks(store, "ledger", [encode_rows(LEDGER, lines)] * 2) == {}
    assert rows(store, "SELECT spans, cost_nusd FROM cost_outside_traces") == [(8, 4 * 2**62)]
