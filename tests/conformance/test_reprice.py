"""`tailrace reprice` on a real ClickHouse: afterwards everything is as if it had been priced so from the start."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.app.replay import run, store
from pipeline.app.reprice import reprice
from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.errors import Fatal, SettingsError
from pipeline.model.columns import PANES, SERIES, SPANS
from pipeline.model.repriced import Repriced
from pipeline.model.stream import Message, Record, Source
from pipeline.operators.blocks import encode_rows
from pipeline.operators.repricing import EXPIRED_PANES, EXPIRED_SPANS, UNCOUNTED
from pipeline.operators.traffic import draw, encode
from pipeline.settings import SECOND, Settings
from tests.databases import Databases
from tests.e2e.command import finished, started
from tests.panes import pane, panes

HOUR = 3600
BEGIN = 1_795_608_000
"""2026-11-25 12:00 UTC, seconds."""
FROM, TO = BEGIN * SECOND, (BEGIN + 3 * HOUR) * SECOND

OLD = "- {model: gpt-4o-mini*, input: 1, output: 2}\n- {model: claude-sonnet-4-5, input: 5, output: 9, cache_read: 0}\n"
NEW = "- {model: gpt-4o-mini*, input: 0.123457, output: 3.7}\n- {model: gemini-*, call: 0.001}\n"
"""One price is corrected, one goes, and tokens of a third have no price any more."""

VIEWS = ("performance", "performance_hourly", "performance_daily", "performance_routes_hourly")


def requests(calls: int = 900) -> Iterator[Record]:
    """Traffic of three hours."""
    rng = Random(5)
    for offset in range(calls // 3):
        made = [draw(rng, FROM + rng.randrange(3 * HOUR * SECOND), 0.5) for _ in range(3)]
        yield Record(Source("otlp", 0, "e"), offset, 0, encode(made))


def priced(settings: Settings, tmp_path: Path, prices: str, **changes: Any) -> Settings:
    """The settings with this price file."""
    path = tmp_path / f"{abs(hash(prices))}.yaml"
    path.write_text(prices)
    return settings.model_copy(update={"price_file": path} | changes)


def filled(settings: Settings) -> list[Message]:
    """Put the traffic into the store as it is priced there, and roll it up."""
    messages = list(run(settings, requests()))
    store(settings, iter(messages))
    with connect(settings) as client:
        refresh(client)
    return messages


def refresh(client: Client) -> None:
    for name in ("panes_hourly", "panes_daily", "panes_hourly_routes"):
        client.command(f"SYSTEM REFRESH VIEW {name}_refresh")
        client.command(f"SYSTEM WAIT VIEW {name}_refresh")


def everything(settings: Settings) -> dict[str, Sequence[Any]]:
    """All that is stored of spans and windows, but when and how often it was written, which file priced it, and the counts by
    cost: these stay as calls were priced first.
    """
    spans = ", ".join(column.name for column in SPANS if column.name != "price_version")
    left_out = ("revision", "cost_bins", "cost_bin_counts")
    names = ", ".join(column.name for column in PANES if column.name not in left_out and not column.name.endswith("_digest"))
    with connect(settings) as client:
        refresh(client)
        found = {
            "spans": client.query(f"SELECT {spans} FROM spans FINAL ORDER BY trace_id, span_id").result_rows,
            "panes": client.query(
                f"SELECT {names}, hex(latency), hex(ttft) FROM panes FINAL "
                "ORDER BY window_start_ns, environment, route, model, release, cohort, language, source"
            ).result_rows,
        }
        for view in VIEWS:
            sql = f"SELECT * EXCEPT (latency_digest, ttft_digest, tps_digest) FROM {view} ORDER BY 1, 3, 4, 5, 6, 7, 8"
            found[view] = client.query(sql).result_rows
    return found


def again(settings: Settings, dry_run: bool = False) -> Repriced:
    return reprice(settings, FROM, TO, dry_run, lambda _: None)


@pytest.mark.parametrize("changes", [{}, {"cost_source": "span"}, {"max_series": 1}, {"spans_partitions": 7}])
def test_it_is_as_if_it_had_been_priced_so_from_the_start(
    with_schema: Settings, databases: Databases, tmp_path: Path, changes: dict[str, Any]
) -> None:
    before = priced(with_schema, tmp_path, OLD, **changes)
    filled(before)
    first = everything(before)
    with databases.lent() as other:
        fresh = priced(other, tmp_path, NEW, **changes, topic_prefix=before.topic_prefix)
        filled(fresh)
        wanted = everything(fresh)
    assert first != wanted

    after = priced(before, tmp_path, NEW)
    told = again(after, dry_run=True)
    assert everything(after) == first, "a dry run writes nothing"
    done = again(after)
    assert (done.changes, done.spans, done.panes) == (told.changes, told.spans, told.panes)
    assert not done.left_alone
    found = everything(after)
    for name, rows in wanted.items():
        assert found[name] == rows, name
    changed = {
        model: (c.before_nusd != c.after_nusd, c.unpriced_before, c.unpriced_after > 0) for (_, model), c in done.changes.items()
    }
    assert changed["gpt-4o-mini-2024-07-18"] == (True, 0, False)
    assert changed["gemini-2.5-flash"] == (True, 0, True)

    once_more = again(after)
    assert (once_more.spans, once_more.panes, once_more.left_alone_count) == (0, 0, 0)


@dataclass(frozen=True)
class Store:
    """A store that was filled under the old prices, and settings with the new ones."""

    client: Client
    after: Settings
    messages: list[Message]
    first: dict[str, Sequence[Any]]

    def one(self, sql: str) -> tuple[Any, ...]:
        return tuple(self.client.query(sql).result_rows[0])

    def copied(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row as it would be sent."""
        return {column.name: row[column.name] for column in SPANS}

    def call(self, where: str = "1") -> dict[str, Any]:
        """One of the calls whose price changes."""
        sql = f"SELECT * FROM spans FINAL WHERE model = 'gpt-4o-mini-2024-07-18' AND ({where}) ORDER BY end_ns LIMIT 1"
        return dict(next(iter(self.client.query(sql).named_results())))

    def keep(self, row: dict[str, Any]) -> None:
        assert insert_blocks(self.client, "spans", [encode_rows(SPANS, [self.copied(row)])]) == {}

    def cost_of(self, row: dict[str, Any]) -> int:
        return int(self.one(f"SELECT cost_nusd FROM spans FINAL WHERE span_id = '{row['span_id']}'")[0])


@pytest.fixture
def filled_store(with_schema: Settings, tmp_path: Path) -> Iterator[Store]:
    before = priced(with_schema, tmp_path, OLD)
    messages = filled(before)
    with connect(before) as client:
        yield Store(client, priced(with_schema, tmp_path, NEW), messages, everything(before))


def test_what_is_stored_once_more_brings_no_old_cost_back(filled_store: Store) -> None:
    """The sink delivers at least once: blocks of long ago may come again."""
    again(filled_store.after)
    found = everything(filled_store.after)
    store(filled_store.after, iter(filled_store.messages))
    assert everything(filled_store.after) == found
    call = filled_store.call()
    filled_store.keep(call | {"offset": call["offset"] + 1, "cost_nusd": 77})
    assert filled_store.cost_of(call) == 77, "a resend of the span itself replaces it"


@pytest.mark.parametrize("table", ["spans", "panes"])
def test_stopped_in_between_it_is_finished_by_another_run(filled_store: Store, table: str) -> None:
    filled_store.client.command(f"CREATE TABLE old AS {table}")
    columns = ", ".join(
        row[0]
        for row in filled_store.client.query(f"DESCRIBE {table}").result_rows
        if row[2] not in ("MATERIALIZED", "EPHEMERAL")
    )
    filled_store.client.command(f"INSERT INTO old ({columns}) SELECT {columns} FROM {table}")
    again(filled_store.after)
    found = everything(filled_store.after)
    filled_store.client.command(f"EXCHANGE TABLES {table} AND old")
    assert everything(filled_store.after)[table] == filled_store.first[table]
    done = again(filled_store.after)
    assert (done.spans > 0, done.panes > 0) == (table == "spans", table == "panes")
    assert everything(filled_store.after)[table] == found[table]


def moved(found: dict[str, Sequence[Any]], first: dict[str, Sequence[Any]], table: str) -> set[Any]:
    """Rows of a table that are not as they were."""
    return {tuple(map(str, row)) for row in found[table]} - {tuple(map(str, row)) for row in first[table]}


def hour_of(call: dict[str, Any]) -> str:
    series = " AND ".join(f"{name} = '{call[name]}'" for name in SERIES)
    return f"{series} AND toStartOfHour(end_time) = toStartOfHour(fromUnixTimestamp64Nano({call['end_ns']}, 'UTC'))"


def test_a_window_with_spans_that_may_not_be_counted_is_left_alone_and_named(filled_store: Store) -> None:
    call = filled_store.call()
    late = call | {"span_id": "f" * 16, "latency_ns": call["latency_ns"] + 1}
    filled_store.keep(late)
    before = filled_store.one(f"SELECT sum(cost_nusd) FROM spans FINAL WHERE {hour_of(call)}")
    done = again(filled_store.after)
    (alone,) = done.left_alone
    assert (alone.why, alone.series) == (UNCOUNTED, tuple(call[name] for name in SERIES))
    assert alone.spans == alone.requests + 1
    assert filled_store.one(f"SELECT sum(cost_nusd) FROM spans FINAL WHERE {hour_of(call)}") == before
    assert done.spans > 100, "the others are priced again"
    panes_cost, spans_cost = (filled_store.one(f"SELECT sum(cost_nusd) FROM {table} FINAL")[0] for table in ("panes", "spans"))
    assert spans_cost - panes_cost == late["cost_nusd"]


def test_a_span_of_a_window_without_a_pane_is_priced_alone(filled_store: Store) -> None:
    """It was too late: its window is over, and nobody counted it."""
    call = filled_store.call()
    late = call | {"span_id": "f" * 16, "route": "nobody-else"}
    filled_store.keep(late)
    done = again(filled_store.after)
    assert done.left_alone == []
    assert filled_store.cost_of(late) == filled_store.cost_of(call) != call["cost_nusd"]


def test_windows_of_spans_that_are_gone_are_named(filled_store: Store) -> None:
    call = filled_store.call()
    filled_store.client.command(f"ALTER TABLE spans DELETE WHERE span_id = '{call['span_id']}' SETTINGS mutations_sync = 1")
    (alone,) = again(filled_store.after).left_alone
    assert (alone.why, alone.requests - alone.spans) == (EXPIRED_SPANS, 1)


def expire_panes(of: Store, where: str) -> None:
    of.client.command(f"ALTER TABLE panes DELETE WHERE {where} SETTINGS mutations_sync = 1")


@pytest.mark.parametrize("where", ["1", "window_start_ns % 7 = 0"])
def test_roll_ups_whose_panes_have_expired_are_priced_again_themselves(
    filled_store: Store, databases: Databases, tmp_path: Path, where: str
) -> None:
    """Panes are kept for three days, spans for seven: hours and days follow all the same."""
    expire_panes(filled_store, where)
    done = again(filled_store.after)
    assert (done.left_alone, done.roll_ups > 0) == ([], True)
    found = everything(filled_store.after)
    with databases.lent() as other:
        fresh = priced(other, tmp_path, NEW, topic_prefix=filled_store.after.topic_prefix)
        filled(fresh)
        wanted = everything(fresh)
    for name in ("spans", *VIEWS[1:]):
        assert found[name] == wanted[name], name
    assert set(map(str, found["panes"])) <= set(map(str, wanted["panes"]))
    once_more = again(filled_store.after)
    assert (once_more.spans, once_more.panes, once_more.roll_ups) == (0, 0, 0)


def test_no_roll_up_is_written_while_their_refresh_is_behind(filled_store: Store) -> None:
    """The refresh asks when the newest roll-up was written: one written by others would hide from it what came before."""
    names = ", ".join(
        row[0] for row in filled_store.client.query("DESCRIBE panes_hourly").result_rows if row[2] != "MATERIALIZED"
    )
    for name in ("panes_hourly", "panes_daily", "panes_hourly_routes"):
        filled_store.client.command(f"SYSTEM STOP VIEW {name}_refresh")
    filled_store.client.command("CREATE TABLE old AS panes_hourly")
    an_hour_ago = names.replace("refreshed_at", "refreshed_at - INTERVAL 1 HOUR")
    filled_store.client.command(f"INSERT INTO old ({names}) SELECT {an_hour_ago} FROM panes_hourly")
    filled_store.client.command("EXCHANGE TABLES panes_hourly AND old")
    expire_panes(filled_store, "1")
    unseen = pane(0, [1], firing="final", window_start_ns=FROM - 60 * SECOND, window_end_ns=FROM)
    assert insert_blocks(filled_store.client, "panes", [panes(unseen)]) == {}
    filled_store.client.command("ALTER TABLE panes UPDATE inserted_at = now() - 1800 WHERE 1 SETTINGS mutations_sync = 1")
    with pytest.raises(Fatal, match="the roll-ups are behind"):
        again(filled_store.after)


def test_hours_of_panes_that_are_gone_are_left_alone_if_spans_are_too(filled_store: Store) -> None:
    """Their roll-ups stay as they are; so must what is left of the hour."""
    call = filled_store.call()
    series = " AND ".join(f"{name} = '{call[name]}'" for name in SERIES)
    window = f"window_start_ns <= {call['end_ns']} AND window_end_ns > {call['end_ns']}"
    expire_panes(filled_store, f"{series} AND {window}")
    filled_store.keep(call | {"span_id": "f" * 16})
    sql = f"SELECT sum(cost_nusd) FROM panes_hourly FINAL WHERE {series} AND {window}"
    before = filled_store.one(sql)
    (alone,) = again(filled_store.after).left_alone
    assert alone.why == EXPIRED_PANES
    everything(filled_store.after)
    assert filled_store.one(sql) == before
    assert filled_store.cost_of(call) == call["cost_nusd"]


def test_hours_without_spans_are_told(filled_store: Store) -> None:
    calls = filled_store.one(f"SELECT sum(requests) FROM panes FINAL WHERE window_start_ns < {FROM + HOUR * SECOND}")[0]
    filled_store.client.command(f"ALTER TABLE spans DELETE WHERE end_ns < {FROM + HOUR * SECOND} SETTINGS mutations_sync = 1")
    done = again(filled_store.after)
    assert (done.calls_without_spans, done.left_alone_count) == (calls, 0)
    assert calls > 0


def command(settings: Settings, *options: str) -> tuple[int, str, str]:
    """`tailrace reprice` of the three hours."""
    prices = {"TAILRACE_PRICE_FILE": str(settings.price_file)}
    times = ("--from", "2026-11-25T12:00", "--to", "2026-11-25T15:00")
    return finished(started("reprice", *times, *options, settings=settings, env=prices))


def test_the_command_says_what_changed(filled_store: Store) -> None:
    code, out, err = command(filled_store.after, "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["dry_run"], told["from_time"], told["to_time"]) == (0, True, "2026-11-25T12:00", "2026-11-25T15:00")
    assert [line.split(": hour ")[1].split(";")[0] for line in err.splitlines()] == ["1 of 3", "2 of 3", "3 of 3"]
    code, out, _ = command(filled_store.after)
    assert code == 0
    for change in told["changes"]:
        assert change["changed"] <= change["calls"]
        (line,) = [line for line in out.splitlines() if change["model"] in line]
        assert f"${change['before_nusd'] / 1e9:,.6f}" in line
        assert f"${change['after_nusd'] / 1e9:,.6f}" in line
    assert f"{told['spans']:,} spans, {told['panes']:,} panes and 0 roll-ups whose panes have expired written" in out
    filled_store.keep(filled_store.call() | {"span_id": "f" * 16, "cost_nusd": 1})
    code, out, err = command(filled_store.after)
    assert (code, "1 series in an hour were left as they are" in err, UNCOUNTED[:20] in out) == (3, True, True)


def test_nothing_is_done_while_windows_may_change(filled_store: Store) -> None:
    again(filled_store.after)
    found = everything(filled_store.after)
    early = pane(0, [1], window_start_ns=FROM, window_end_ns=FROM + 60 * SECOND)
    assert insert_blocks(filled_store.client, "panes", [panes(early)]) == {}
    with pytest.raises(Fatal, match=r"1 panes .* are not final yet"):
        again(filled_store.after)
    filled_store.client.command("ALTER TABLE panes DELETE WHERE firing = 'early' SETTINGS mutations_sync = 1")
    waiting = filled_store.call() | {"span_id": "e" * 16, "end_ns": TO + 1}
    filled_store.keep(waiting)
    with pytest.raises(Fatal, match="may still come from partition"):
        reprice(filled_store.after, FROM, TO + 1, False, lambda _: None)
    filled_store.client.command(f"ALTER TABLE spans DELETE WHERE span_id = '{'e' * 16}' SETTINGS mutations_sync = 1")
    left = everything(filled_store.after)
    assert (left["spans"], left["panes"]) == (found["spans"], found["panes"])


def test_a_time_that_is_none(fresh_prefix: Settings) -> None:
    with pytest.raises(SettingsError, match="--from is not before --to"):
        reprice(fresh_prefix, TO, FROM, False, lambda _: None)
