"""The store on a real ClickHouse: schema, inserts, what it refuses, and in whose words."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from pipeline.connectors.clickhouse import EVENTS, TABLES, TYPES, apply_schema, connect, insert_blocks, query
from pipeline.errors import EngineError, Fatal, SchemaError, SettingsError, Transient
from pipeline.model.columns import DEAD_LETTERS, LEDGER, PANES, REPEATS, SPANS, SPEND, STATUS, TRACES
from pipeline.model.contract_columns import CONTRACTS
from pipeline.model.score_columns import SCORE_SQUARES, SCORE_SUMS
from pipeline.operators.blocks import blank, empty_block, encode_rows
from pipeline.operators.ddl import Migration, statements
from pipeline.operators.watch.standing import Finding, Verdict
from pipeline.operators.watch.standing_told import row as standing_row
from pipeline.settings import Settings
from pipeline.topics import schemas_dir
from tests.alerts import EVERY
from tests.panes import NOON_NS, pane, panes, trace_pane
from tests.scores import counted_score, score, score_pane, skipped
from tests.spans import block as spans
from tests.spans import span


@pytest.fixture
def store(with_schema: Settings) -> Iterator[tuple[Settings, Client]]:
    """A database with the schema applied."""
    with connect(with_schema) as client:
        yield with_schema, client


def only(client: Client, sql: str) -> Any:
    """The single value of a query."""
    return client.query(sql).result_rows[0][0]


def test_the_schema_is_applied_once(fresh_prefix: Settings) -> None:
    first = apply_schema(fresh_prefix)
    assert first[0] == "0001_spans"
    assert "spans: rows kept 7 days" in first
    assert apply_schema(fresh_prefix) == []


def test_a_changed_or_newer_migration_is_refused(store: tuple[Settings, Client]) -> None:
    settings, client = store
    client.command("ALTER TABLE applied_migrations UPDATE hash = 'x' WHERE name = '0001_spans' SETTINGS mutations_sync = 1")
    with pytest.raises(SchemaError, match=r"0001_spans\.sql has changed"):
        apply_schema(settings)
    client.command("TRUNCATE TABLE applied_migrations")
    client.insert("applied_migrations", [["9999_later", "x"]], column_names=["name", "hash"])
    with pytest.raises(SchemaError, match="9999_later"):
        apply_schema(settings)


MIGRATIONS = [Migration(path.stem, path.read_text()) for path in sorted((schemas_dir() / "clickhouse").glob("*.sql"))]
OLD, COPYING = MIGRATIONS[:8], MIGRATIONS[8:10]
STEPS = [(migration, statement) for migration in COPYING for statement in statements(migration, "")]
PARTITIONS = {
    "spans": "toDayOfMonth(end_time)",
    "panes": "toDayOfMonth(window_start)",
    "panes_hourly": "toMonth(window_start)",
    "panes_daily": "toMonth(window_start)",
    "panes_hourly_routes": "toMonth(window_start)",
    "traces": "toDayOfMonth(closed_time)",
    "repeats": "toDayOfMonth(end_time)",
    "scores": "toDayOfMonth(known_time)",
    "score_panes": "toDayOfMonth(window_start)",
    "score_panes_hourly": "toMonth(window_start)",
    "score_panes_daily": "toMonth(window_start)",
    "trace_panes": "toDayOfMonth(window_start)",
    "trace_panes_hourly": "toMonth(window_start)",
    "trace_panes_daily": "toMonth(window_start)",
}
"""Of few values whatever the times are, and a function of the sorting key, inside which rows are replaced."""


def insert_as_then(client: Client, rows: list[dict[str, Any]]) -> None:
    """Panes as the sink of that version inserted them: the columns that its table has."""
    there = {row[0] for row in client.query("DESCRIBE TABLE panes").result_rows}
    of_then = [column for column in PANES if column.name in there]
    names, wire = (", ".join(said) for said in zip(*((c.name, f"{c.name} {TYPES[c.type]}") for c in of_then), strict=True))
    sql = f"INSERT INTO panes ({names}) SELECT {names} FROM input('{wire}') FORMAT JSONColumns"
    client.command(sql, data=encode_rows(of_then, rows))


def half_applied(client: Client, steps: int) -> None:
    """A store of the first version with a few panes, in which a migration to the next died after so many statements."""
    client.command("CREATE TABLE applied_migrations (name String, hash String) ENGINE = ReplacingMergeTree ORDER BY name")
    done = OLD + [m for m in COPYING if m.name < STEPS[steps][0].name]
    for migration in OLD:
        for statement in statements(migration, ""):
            client.command(statement)
    insert_as_then(client, [pane(40 * 1440 * n, [5]) for n in range(5)])
    for _, statement in STEPS[:steps]:
        client.command(statement)
    client.command("ALTER TABLE applied_migrations ADD COLUMN applied_at DateTime('UTC') DEFAULT now('UTC')")
    client.insert("applied_migrations", [[m.name, m.hash] for m in done], column_names=["name", "hash"])


@pytest.mark.parametrize("steps", range(0, len(STEPS), 3))
def test_a_half_applied_schema_is_completed(fresh_prefix: Settings, steps: int) -> None:
    """Whatever statement was the last of a file that copies tables: no row is lost, the tables are the new ones."""
    with connect(fresh_prefix) as client:
        half_applied(client, steps)
        assert STEPS[steps][0].name in apply_schema(fresh_prefix)
        assert only(client, "SELECT sum(requests) FROM performance") == 5
        keys = client.query("SELECT name, partition_key FROM system.tables WHERE database = currentDatabase()").result_rows
        assert {name: key for name, key in keys if key} == PARTITIONS


def parts(client: Client, table: str) -> int:
    """Parts of a table."""
    return int(only(client, f"SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = '{table}'"))


def test_an_insert_makes_a_bounded_number_of_parts_whatever_times_spans_claim(store: tuple[Settings, Client]) -> None:
    """400 different days are 31 parts of spans and of panes, and 12 of a roll-up."""
    client, day = store[1], 86_400_000_000_000
    for table in ("spans", "panes", "panes_hourly"):
        client.command(f"SYSTEM STOP MERGES {table}")
    assert insert_blocks(client, "spans", [spans([span(n, n * 40 * day) for n in range(400)])]) == {}
    assert 0 < parts(client, "spans") <= 31
    assert insert_blocks(client, "panes", [panes(*[pane(n * 1440, [5]) for n in range(-400, 0)])]) == {}
    assert 0 < parts(client, "panes") <= 31
    client.command("SYSTEM REFRESH VIEW panes_hourly_refresh")
    client.command("SYSTEM WAIT VIEW panes_hourly_refresh")
    assert 0 < parts(client, "panes_hourly") <= 12
    assert only(client, "SELECT count() FROM spans FINAL") == 400
    assert only(client, "SELECT sum(requests) FROM performance_hourly") == 400


def test_retention_follows_the_settings(store: tuple[Settings, Client]) -> None:
    settings, _ = store
    kept = [f"{table}: rows kept 30 days" for table in ("spans", "traces", "repeats")]
    assert apply_schema(settings.model_copy(update={"keep_spans": 30})) == kept


WIDE = ("cost_nusd", *SPEND, "cost_sq", "latency_sum_ns", "latency_sq", "calls_sq", "ttft_sum_ns", *SCORE_SUMS, *SCORE_SQUARES)
OF_WINDOWS = ("panes", "trace_panes", "score_panes")
"""Sums of a pane that blocks bring as decimal digits."""


@pytest.mark.parametrize("table", TABLES)
def test_tables_have_the_columns_of_the_blocks(store: tuple[Settings, Client], table: str) -> None:
    rows = store[1].query(f"DESCRIBE TABLE {table}").result_rows
    types = {row[0]: row[1] for row in rows}
    plain = {name: re.sub(r"^LowCardinality\((.*)\)$", r"\1", kind) for name, kind in types.items()}
    wanted = {c.name: f"Nullable({TYPES[c.type]})" if c.nullable else TYPES[c.type] for c in TABLES[table]}
    exact = {name: "Int128" for name in WIDE if name in wanted and table in OF_WINDOWS}
    exact |= {name: "Array(UInt16)" if name.endswith("_bins") else "Array(UInt64)" for name in wanted if "_bin" in name}
    assert {name: plain[name] for name in wanted} == wanted | exact


ROWS: dict[str, list[dict[str, Any]]] = {
    "spans": [span(1, NOON_NS, stream=True, ttft_ns=5), span(2, NOON_NS)],
    "panes": [pane(latencies=[1, 2, 3])],
    "traces": [
        blank(TRACES) | {"trace_id": "ab" * 16, "closed_ns": NOON_NS, "failed": True, "incomplete": False, "ttft_ns": None}
    ],
    "trace_panes": [trace_pane(costs=[1, 2, 3])],
    "scores": [counted_score(1), counted_score(2, status="skipped", value=None, passed=None, control=None)],
    "score_panes": [score_pane([score(1), score(2, passed=False)]), score_pane([skipped(3)], minute=1, firing="early")],
    "repeats": [blank(REPEATS) | {"trace_id": "ab" * 16, "counted_by": "cd" * 8, "end_ns": NOON_NS}],
    "ledger": [blank(LEDGER) | {"stage": "decode", "source": "s", "names": "a.model, a.tokens"}],
    "dead_letters": [{c.name: "" if c.type == "string" else -1 for c in DEAD_LETTERS}],
    "contracts": [blank(CONTRACTS) | {"name": "support", "removed": False}],
    "standings": [standing_row(Finding(Verdict.CROSSED, alert, missing=3), 2, NOON_NS) for alert in EVERY.values()],
    "status": [{c.name: "" if c.type == "string" else 0.5 if c.type == "number" else 0 for c in STATUS}],
}


@pytest.mark.parametrize("table", sorted(set(TABLES) - EVENTS))
def test_a_block_lands_and_a_resend_replaces(store: tuple[Settings, Client], table: str) -> None:
    client, columns = store[1], TABLES[table]
    block = encode_rows(columns, ROWS[table])
    assert insert_blocks(client, table, [block, empty_block(columns), block]) == {}
    assert insert_blocks(client, table, [block]) == {}
    assert only(client, f"SELECT count() FROM {table} FINAL") == len(ROWS[table])
    stored = [c.name for c in columns if not c.name.endswith("_digest")]
    names = ", ".join(f"`{name}`" for name in stored)
    found = client.query(f"SELECT {names} FROM {table} FINAL ORDER BY ALL").result_rows
    key = [tuple(int(row[n]) if table in OF_WINDOWS and n in WIDE else row[n] for n in stored) for row in ROWS[table]]
    assert sorted(found, key=repr) == sorted(key, key=repr)


def test_nothing_to_insert_is_nothing(store: tuple[Settings, Client]) -> None:
    client = store[1]
    assert insert_blocks(client, "spans", []) == {}
    assert insert_blocks(client, "spans", [empty_block(SPANS)] * 3) == {}
    assert only(client, "SELECT count() FROM spans") == 0


def test_a_resent_span_replaces_and_the_later_record_wins(store: tuple[Settings, Client]) -> None:
    client = store[1]
    for offset in (1, 7, 3):
        insert_blocks(client, "spans", [spans([span(1, NOON_NS, offset=offset, status=f"s{offset}")])])
    assert client.query("SELECT offset, status FROM spans FINAL").result_rows == [(7, "s7")]


def test_spans_of_any_time_land(store: tuple[Settings, Client]) -> None:
    client = store[1]
    days = [span(n, n * 86_400_000_000_000) for n in range(400)] + [span(1000, 2**63 - 1), span(1001, 1)]
    assert insert_blocks(client, "spans", [spans(days)]) == {}
    assert only(client, "SELECT count() FROM spans FINAL") == 402


def test_a_pane_block_written_when_sums_were_numbers_lands_with_new_ones(store: tuple[Settings, Client]) -> None:
    client = store[1]
    old = json.loads(panes(pane(latencies=[2**62], cost_nusd=2**63 - 1, ttft_sum_ns=7)))
    old |= {name: [int(value) for value in old[name]] for name in ("cost_nusd", "latency_sum_ns", "ttft_sum_ns")}
    new = panes(pane(minute=1, latencies=[2**62] * 8, cost_nusd=str(2**100), ttft_sum_ns=str(2**65)))
    assert insert_blocks(client, "panes", [json.dumps(old).encode(), new]) == {}
    found = client.query("SELECT cost_nusd, latency_sum_ns, ttft_sum_ns FROM panes FINAL ORDER BY window_start").result_rows
    assert found == [(2**63 - 1, 2**62, 7), (2**100, 2**65, 2**65)]


def test_blocks_written_before_a_column_existed_land_with_new_ones(store: tuple[Settings, Client]) -> None:
    """They are still in the topics after an update, and decode is the last to be updated."""
    client = store[1]
    row = {column.name: 5 if column.type == "integer" else "" for column in DEAD_LETTERS}
    for table, columns, absent, new in (
        ("spans", {"recorded_ns": 5, "model_said": "openai/gpt", "searches": 3, "price_rule": "said"}, (0, "", None, ""), spans),
        (
            "panes",
            {"cost_input_nusd": 7, "cost_reasoning_nusd": 9},
            (0, 0),
            lambda rows: panes(pane(rows[0]["offset"]) | rows[0]),
        ),
        ("ledger", {"late_for_trace": 4, "outside_nusd": 9}, (0, 0), lambda rows: encode_rows(LEDGER, [blank(LEDGER) | rows[0]])),
        ("dead_letters", {"count": 5}, (1,), lambda rows: encode_rows(DEAD_LETTERS, [row | one for one in rows])),
    ):
        blocks = [new([(span(n, NOON_NS) if new is spans else {"offset": n}) | columns]) for n in (1, 2)]
        old = {name: values for name, values in json.loads(blocks[0]).items() if name not in columns}
        assert insert_blocks(client, table, [json.dumps(old).encode(), blocks[1]]) == {}
        names = ", ".join(f"`{name}`" for name in columns)
        assert client.query(f"SELECT {names} FROM {table} ORDER BY 1").result_rows == [absent, tuple(columns.values())]


def _changed(**columns: Any) -> bytes:
    block = json.loads(panes(pane(latencies=[5]), pane(minute=1)))
    return json.dumps({name: value for name, value in (block | columns).items() if value != "gone"}).encode()


BAD = {
    "ragged": _changed(requests=[1]),
    "unknown column": _changed(surprise=[1, 2]),
    "missing column": _changed(requests="gone"),
    "null for a number": _changed(requests=[None, 1]),
    "null for a text": _changed(route=[None, ""]),
    "text for a number": _changed(requests=["many", 1]),
    "fraction for an integer": _changed(requests=[1.5, 1]),
    "number is an array": _changed(requests=[[1], 1]),
    "column is a scalar": _changed(requests=1),
    "fraction in 128 bits": _changed(cost_sq=["1.5", "0"]),
    "not base64": _changed(latency_digest=["*", "AA=="]),
    "digest cut short": _changed(latency_digest=["AQ==", "AA=="]),
    "digest too large": _changed(ttft_digest=["//////8/", "AA=="]),
    "bins without a count": _changed(latency_bins=[[5, 5], 5]),
    "bins of nobody": _changed(tps_bins=[["x"], []]),
    "digest with a tail": _changed(tps_digest=["AAEC", "AA=="]),
    "not JSON": b"hello",
    "cut short": panes(pane())[:-9],
    "an array": b"[1]",
    "a column twice": b'{"route":["a"],"route":["b"]}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_block_is_found_and_the_others_land(store: tuple[Settings, Client], bad: bytes) -> None:
    client = store[1]
    good = [panes(pane(minute=n)) for n in range(5)]
    refused = insert_blocks(client, "panes", [*good[:3], bad, *good[3:]])
    assert list(refused) == [3]
    assert "\n" not in refused[3]
    assert "(version" not in refused[3]
    assert only(client, "SELECT count() FROM panes FINAL WHERE window_end > window_start") == 5


def test_a_missing_table_is_no_bad_block(fresh_prefix: Settings) -> None:
    with connect(fresh_prefix) as client, pytest.raises(Fatal, match="insert into spans"):
        insert_blocks(client, "spans", [spans([span(1, NOON_NS)])])


def test_queries_read_and_only_read(store: tuple[Settings, Client]) -> None:
    settings, client = store
    insert_blocks(client, "panes", [panes(pane(latencies=[5], cost_sq=str(2**100)))])
    names, rows = query(settings, "SELECT requests, cost_sq, window_start, latency, nan AS n FROM panes;")
    assert names == ["requests", "cost_sq", "window_start", "latency", "n"]
    assert rows == [[1, 2**100, "2023-11-15 12:00:00", "<state>", None]]
    with pytest.raises(Fatal, match="readonly"):
        query(settings, "TRUNCATE TABLE panes")
    with pytest.raises(Fatal, match=r"^ClickHouse, query: Unknown .*\(UNKNOWN_IDENTIFIER\)$"):
        query(settings, "SELECT nonsense FROM panes")


def _with_dsn(settings: Settings, dsn: str) -> Settings:
    return settings.model_copy(update={"clickhouse_dsn": SecretStr(dsn), "clickhouse_reader_dsn": SecretStr("")})


def test_wrong_access_is_fatal_and_names_the_setting(fresh_prefix: Settings) -> None:
    dsn = fresh_prefix.clickhouse_dsn.get_secret_value()
    server = dsn.rpartition("/")[0]
    for wrong in (f"{server}/nowhere", f"http://tailrace:wrong@{server.rpartition('@')[2]}/{fresh_prefix.topic_prefix}"):
        with pytest.raises(EngineError, match="TAILRACE_CLICKHOUSE_DSN"):
            apply_schema(_with_dsn(fresh_prefix, wrong))
    with pytest.raises(SettingsError, match="TAILRACE_CLICKHOUSE_DSN"):
        connect(_with_dsn(fresh_prefix, dsn.replace("http", "ftp")))
    with pytest.raises(SettingsError, match="tailrace local up"):
        connect(_with_dsn(fresh_prefix, ""))


def test_an_absent_server_is_transient() -> None:
    with pytest.raises(Transient, match="TAILRACE_CLICKHOUSE_DSN"):
        connect(Settings(clickhouse_dsn=SecretStr("http://127.0.0.1:9/tailrace")))
