"""A store as large as boards are promised to be fast on: a day of minutes, a month of hours and days, of a thousand series.

The rows of a few minutes are made one by one, with real digests, and the store's own roll-ups make an hour and a day of them;
all else are these in other windows, written by the store.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks
from pipeline.model.columns import SERIES
from pipeline.operators.alerts.cloud_event import encode
from pipeline.settings import Settings
from tests import alerts
from tests.board_rows import DOLLAR, MEASURED, MS, NOON, SHOWN, applied, placed, served
from tests.panes import MINUTE_NS, counted, digest, panes, trace_pane, trace_panes
from tests.scores import score, score_pane, score_panes

HOUR, DAY = 3600, 86_400
HOUR_NS = HOUR * 10**9
ROUTES = tuple(f"route-{i:02}" for i in range(20))
MODELS = tuple(f"model-{i}" for i in range(5))
RELEASES = ("2026.1", "2026.2")
COHORTS = ("free", "pro", "team", "enterprise", "")
LANGUAGES = ("en", "de", "fr", "es", "ja")
SOURCES = 1
"""Partitions of spans in which each series has calls, a row of a minute for each."""

WRITTEN = 120_000
"""Rows of one statement: with digests of an hour each takes 20 kB of memory."""

FAMILIES = ("panes", "trace_panes", "score_panes")


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is. `patterns`: minutes of rows that differ, a divisor of 60; `every`: one series of so many is there;
    `status_s`: seconds between two words of a stage.
    """

    minutes: int = 1440
    hours: int = 720
    days: int = 31
    patterns: int = 4
    every: int = 1
    traces_per_s: int = 4
    status_s: int = 60
    alerts: int = 300


def series(every: int) -> Iterator[dict[str, str]]:
    """A thousand of calls, or every so many of them. A trace names no model, so its language tells it apart."""
    for i, (route, m, release, cohort) in enumerate(product(ROUTES, range(5), RELEASES, COHORTS)):
        if i % every == 0:
            yield dict(zip(SERIES, ("prod", route, MODELS[m], release, cohort, LANGUAGES[m]), strict=True))


def fill(settings: Settings, size: Size, now: float) -> int:
    """The schema and all rows in an empty database; the end of the newest window in Unix seconds, a whole hour.

    Nothing is rolled up or merged afterwards, so that nothing runs beside what is measured, also where the store is opened again.
    """
    apply_schema(settings)
    end = int(now) // HOUR * HOUR
    with connect(settings) as client:
        for table, block in _rows(size, end - HOUR):
            assert insert_blocks(client, table, [block]) == {}, table
        with ThreadPoolExecutor(len(FAMILIES)) as families:
            list(families.map(lambda family: _spread(settings, family, size, end - HOUR), FAMILIES))
        for sql in (_traces_one_by_one(size, end), _status(size, end), _ledger(size, end)):
            client.command(sql)
        assert insert_blocks(client, "alerts", _told(size, end)) == {}
        assert insert_blocks(client, "contracts", [applied()]) == {}
    return end


def _rows(size: Size, base: int) -> Iterator[tuple[str, bytes]]:
    """Blocks of the first `size.patterns` minutes from `base`, by table."""
    rng, slices = random.Random(1), list(series(size.every))
    busy = [1 + int(20 / (1 + i % 50)) for i in range(len(slices))]
    for minute, source in product(range(size.patterns), range(SOURCES)):
        start = base * 10**9 + minute * MINUTE_NS
        window = {"window_start_ns": start, "window_end_ns": start + MINUTE_NS}
        own = window | {"source": f"spans:{source}:e"}
        yield "panes", panes(*(_calls(at, n, rng) | own for at, n in zip(slices, busy, strict=True)))
        yield "trace_panes", trace_panes(*(_traces(at, n, rng) | own for at, n in zip(slices, busy, strict=True)))
        if source == 0:
            yield "score_panes", score_panes(*(_scores(at, n, rng) | window for at, n in zip(slices, busy, strict=True)))


def _calls(at: dict[str, str], n: int, rng: random.Random) -> dict[str, Any]:
    seconds = np.random.default_rng(rng.randrange(2**32)).lognormal(0.3 + 0.2 * MODELS.index(at["model"]), 0.7, n)
    took = [int(x * 1e9) for x in seconds]
    row = served(took, sum(rng.random() < 0.02 for _ in took), "0.002", **{k: v * n // 100 for k, v in SHOWN.items()})
    also = counted(ttft=[x // 10 for x in took], tps=[50_000] * n, cost=[2 * MS] * n)
    return row | at | also | {"tps_digest": digest(list(40 + seconds))}


def _traces(at: dict[str, str], n: int, rng: random.Random) -> dict[str, Any]:
    spent = [int(DOLLAR * rng.lognormvariate(-4, 0.8)) for _ in range(n)]
    changes: dict[str, Any] = {name: value for name, value in at.items() if name != "model"}
    return trace_pane(0, spent, calls=2 * n, latency_digest=digest([30 * x for x in spent]), **changes)


def _scores(at: dict[str, str], n: int, rng: random.Random) -> dict[str, Any]:
    of = {"evaluator": rng.choice(("judge", "groundedness_lexical")), **at}
    return score_pane([score(i, value=rng.betavariate(8, 2), passed=rng.random() < 0.9, **of) for i in range(1 + n // 5)])


def _spread(settings: Settings, family: str, size: Size, base: int) -> None:
    """The patterns over the hour from `base`, that hour rolled up, and all three once more in each of the windows before."""
    hours = [f"{family}_hourly", *(["panes_hourly_routes"] if family == "panes" else [])]
    with connect(settings) as client:
        for table in (family, *hours, f"{family}_daily"):
            client.command(f"ALTER TABLE {table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")
        minutes = [k * size.patterns * MINUTE_NS for k in range(60 // size.patterns)]
        _repeat(client, family, minutes)
        for rollup in (*hours, f"{family}_daily"):
            client.command(f"SYSTEM REFRESH VIEW {rollup}_refresh")
            client.command(f"SYSTEM WAIT VIEW {rollup}_refresh")
            client.command(f"DROP VIEW {rollup}_refresh SYNC")
        _repeat(client, family, [-hour * HOUR_NS for hour in range(size.minutes // 60)])
        for rollup in hours:
            _repeat(client, rollup, [-hour * HOUR_NS for hour in range(size.hours)])
        _repeat(client, f"{family}_daily", [-day * 24 * HOUR_NS for day in range(size.days)])


def _repeat(client: Client, table: str, shifts_ns: list[int]) -> None:
    """Each row of the table once for each of the shifts, so many nanoseconds later.

    All windows of some routes by one statement, since the key begins with the route: no part then holds keys between those of
    another, so that a query finds them as if they were merged, and no row is written twice.
    """
    stored = (
        "SELECT name FROM system.columns\n"
        "WHERE database = currentDatabase() AND table = {table:String} AND default_kind IN ('', 'DEFAULT')"
    )
    names = ", ".join(client.query(stored, {"table": table}).result_columns[0])
    moved = ", ".join(f"{column} + shift AS {column}" for column in ("window_start_ns", "window_end_ns"))
    client.command(f"CREATE TABLE {table}_once AS {table}")
    client.command(f"INSERT INTO {table}_once ({names}) SELECT {names} FROM {table}")
    client.command(f"TRUNCATE TABLE {table}")
    rows = int(client.command(f"SELECT count() FROM {table}_once"))
    some = max(1, WRITTEN * len(ROUTES) // (rows * len(shifts_ns)))
    for routes in (ROUTES[i : i + some] for i in range(0, len(ROUTES), some)):
        client.command(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM (SELECT * REPLACE ({moved})\n"
            f"FROM (SELECT * FROM {table}_once WHERE route IN {routes}) AS r\n"
            f"CROSS JOIN (SELECT arrayJoin({shifts_ns}) AS shift) AS s)",
            settings={"min_insert_block_size_bytes": 0},
        )
    client.command(f"DROP TABLE {table}_once SYNC")


def _traces_one_by_one(size: Size, end: int) -> str:
    """A statement for the traces of the day, which differ in what they took."""
    pick = {"route": ROUTES, "release": RELEASES, "cohort": COHORTS, "language": LANGUAGES}
    names = ", ".join(f"{list(of)}[1 + cityHash64(number, '{name}') % {len(of)}]" for name, of in pick.items())
    return (
        f"INSERT INTO traces (trace_id, environment, {', '.join(pick)}, closed_ns, last_ns, first_ns, spans, calls, failed,\n"
        f"  cost_nusd, latency_ns, source, first_offset, revision)\nSELECT lower(hex(sipHash128(number))), 'prod', {names},\n"
        f"  toInt64({end * 10**9}) - toInt64(number) * {10**9 // size.traces_per_s} AS closed, closed - 30000000000,\n"
        f"  closed - 60000000000, 5, 1 + number % 3, number % 50 = 0, cityHash64(number) % {DOLLAR},\n"
        f"  cityHash64(number, 1) % 60000000000, 'spans:0:e', number, 1 FROM numbers({size.minutes * 60 * size.traces_per_s})"
    )


def _status(size: Size, end: int) -> str:
    """A statement for what stages said in the month."""
    said = [(stage, source, metric) for stage, of in MEASURED.items() for metric in of for source in ("log:0", "log:1")]
    return (
        "INSERT INTO status (time_ns, stage, source, metric, value)\n"
        f"SELECT toInt64({end} - {size.status_s} * number) * 1000000000, said.1, said.2, said.3, cityHash64(number) % 1000\n"
        f"FROM numbers({size.hours * HOUR // size.status_s}) "
        f"ARRAY JOIN {said} AS said"
    )


def _ledger(size: Size, end: int) -> str:
    """A statement for records of four sources, one every quarter of a minute of the month."""
    return (
        "INSERT INTO ledger (stage, source, offset, time_ns, spans, rows, dead, counted)\n"
        f"SELECT stage, concat('log:', toString(number % 4), ':e'), number, toInt64({end} - 15 * number) * 1000000000,\n"
        "  100, 99, 1, 99\n"
        f"FROM numbers({size.hours * 240}) ARRAY JOIN ['decode', 'aggregate'] AS stage"
    )


def _told(size: Size, end: int) -> list[bytes]:
    """Alerts, one every five minutes up to the end."""
    newest = (end - NOON) // 60
    return [
        encode(placed(alerts.REGRESSION, newest - 5 * i, route=ROUTES[i % len(ROUTES)], slice=(("cohort", f"c{i}"),)))
        for i in range(size.alerts)
    ]
