"""Stored spans and panes as `tailrace reprice` reads and replaces them, an hour of event time at once.

Rows are replaced by key and version: a pane's revision and a span's `repriced` are one more than what they replace. So a row
that is stored a second time changes nothing, and a resend with a larger offset still wins. What is written is selected from
what is stored, digests included; only money comes from here. A pane that has changed meanwhile is not touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from clickhouse_connect.driver.external import ExternalData

from pipeline.connectors.clickhouse import ours
from pipeline.model.columns import COUNTS as COUNTED
from pipeline.model.columns import OVERFLOW, PANES, REQUEST_KINDS, SERIES, SPANS, SPEND, TOKENS
from pipeline.operators.decode.stored import COUNTS, MONEY, WORDS
from pipeline.operators.repricing import PRICED, PROOF

Columns = dict[str, Any]

HOUR_NS: Final = 3_600_000_000_000

KEYS: Final = ", ".join(SERIES)
CALLS: Final = ", ".join(f"'{kind}'" for kind in REQUEST_KINDS)

PANE_COLUMNS: Final = (*SERIES, "source", "window_start_ns", "window_end_ns", "revision", "part", *PROOF, *PRICED)

MEASURED: Final = ("stream", "ttft_ns", "latency_ns", "end_ns", "cost_nusd", *SPEND)
"""Integers that are read beside those of COUNTS, -1 for null."""

ROW_COLUMNS: Final = ("pane", "unit", "environment", "route", "trace_id", "span_id", "price_version", "price_rule")

SPAN_TYPES: Final = {
    "environment": "String",
    "route": "String",
    "trace_id": "String",
    "span_id": "String",
    "end_ns": "Int64",
    "provider": "String",
    "cost_nusd": "Nullable(Int64)",
    **dict.fromkeys(SPEND, "Int64"),
    "cost_source": "String",
    "price_version": "String",
    "price_rule": "String",
}
PANE_TYPES: Final = {
    **dict.fromkeys(SERIES, "String"),
    "source": "String",
    "window_start_ns": "Int64",
    "window_end_ns": "Int64",
    "revision": "Int64",
    **dict.fromkeys(PRICED, "Int128"),
    "unpriced": "Int64",
}
HOUR_TYPES: Final = {
    **dict.fromkeys(SERIES, "String"),
    **dict.fromkeys(PRICED, "Int128"),
    "unpriced": "Int64",
    "seen_ms": "Int64",
}

ROLLED_UP: Final = (
    *("window_start_ns", "window_end_ns", *SERIES, "settled", "parts", *COUNTED, *TOKENS, "cost_nusd", "cost_sq", *SPEND),
    *("latency_sum_ns", "latency_sq", "ttft_count", "ttft_sum_ns", "latency", "ttft", "tps"),
    *(f"{name}_{what}" for name in ("latency", "ttft", "tps", "cost") for what in ("bins", "bin_counts")),
)
"""The columns of an hourly roll-up but for when it was written."""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour's panes and settled roll-up rows.

    panes: columns of PANE_COLUMNS; held: per series its roll-up: PROOF, PRICED, the `parts` it was made of, when it was written.
    """

    start_ns: int
    panes: Columns
    held: dict[tuple[str, ...], Columns]


def hours(client: Client, from_ns: int, to_ns: int) -> list[int]:
    """Starts of the hours in [from_ns, to_ns) that have spans of calls, ascending."""
    sql = f"""SELECT DISTINCT intDiv(end_ns, {HOUR_NS}) * {HOUR_NS} AS h FROM spans
        WHERE {_between("end_time", from_ns, to_ns)} AND kind IN ({CALLS}) ORDER BY h"""  # noqa: S608
    return [row[0] for row in _rows(client, sql)]


def calls_without_spans(client: Client, from_ns: int, to_ns: int) -> int:
    """Calls of hours that the roll-ups know and of which no span is stored any more."""
    spans = f"SELECT toStartOfHour(end_time) FROM spans WHERE {_between('end_time', from_ns, to_ns)} AND kind IN ({CALLS})"  # noqa: S608
    hours_told = f"{_between('window_start', from_ns, to_ns)} AND window_start NOT IN ({spans})"
    sql = f"SELECT sum(requests) FROM panes_hourly FINAL WHERE {hours_told}"  # noqa: S608
    return int(_rows(client, sql)[0][0])


def partitions_of_spans(client: Client, least: int) -> int:
    """How many partitions the topic of spans has as far as panes tell, at least `least`."""
    most = _rows(client, "SELECT max(toInt64OrZero(splitByChar(':', source)[-2])) FROM pane_sources")[0][0]
    return max(least, int(most) + 1)


def open_panes(client: Client, from_ns: int, to_ns: int) -> int:
    """How many panes of the time are not final."""
    sql = f"""SELECT count() FROM panes FINAL WHERE {_between("window_start", from_ns, to_ns)} AND firing != 'final'"""  # noqa: S608
    return int(_rows(client, sql)[0][0])


def open_partitions(client: Client, from_ns: int, to_ns: int, partitions: int) -> list[int]:
    """Partitions of spans with calls of the time behind their last final pane: a window of these may still come."""
    sql = f"""WITH s AS (SELECT CRC32(trace_id) % {partitions} AS p, max(end_ns) AS last FROM spans
            WHERE {_between("end_time", from_ns, to_ns)} AND kind IN ({CALLS}) GROUP BY p),
        f AS (SELECT toInt64OrZero(splitByChar(':', source)[-2]) AS p, max(final_until_ns) AS until FROM pane_sources GROUP BY p)
        SELECT toInt64(s.p) FROM s LEFT JOIN f ON toInt64(s.p) = f.p WHERE s.last >= f.until ORDER BY 1"""  # noqa: S608
    return [row[0] for row in _rows(client, sql)]


def hour(client: Client, start_ns: int) -> Hour:
    """The panes of an hour, and what its roll-ups hold."""
    within = _between("window_start", start_ns, start_ns + HOUR_NS)
    names = ", ".join(PANE_COLUMNS).replace("part,", "cityHash64(window_start_ns, window_end_ns, source) AS part,", 1)
    with _translated("panes"):
        found = client.query(f"SELECT {names} FROM panes FINAL WHERE {within} ORDER BY {KEYS}, source, window_start_ns")  # noqa: S608
        columns = found.result_columns or [[] for _ in PANE_COLUMNS]
        told = ("parts", "seen_ms", *PROOF, *PRICED)
        seen = ", ".join(told).replace("seen_ms", "toUnixTimestamp64Milli(refreshed_at) AS seen_ms")
        held = client.query(f"SELECT {KEYS}, {seen} FROM panes_hourly FINAL WHERE {within} AND settled").result_rows  # noqa: S608
    n = len(SERIES)
    rolled_up = {tuple(row[:n]): dict(zip(told, row[n:], strict=True)) for row in held}
    return Hour(start_ns, dict(zip(PANE_COLUMNS, columns, strict=True)), rolled_up)


def rows(client: Client, of: Hour, units: Mapping[tuple[str, ...], int], partitions: int) -> Iterator[Columns]:
    """The calls of an hour in blocks: WORDS, COUNTS, MEASURED and ROW_COLUMNS; integers are -1 for null.

    pane: one more than the index of the pane that the row belongs to, 0 for none: by series, partition and window; where the
    series has none there, the pane of `__other__`. unit: that of the series, -1 for none.
    """
    panes = of.panes
    places = [
        {"pane": i + 1, "p": int(source.rpartition(":")[0].rpartition(":")[2]), "from_ns": start, "to_ns": end}
        | dict(zip(SERIES, series, strict=True))
        for i, (source, start, end, *series) in enumerate(
            zip(panes["source"], panes["window_start_ns"], panes["window_end_ns"], *(panes[name] for name in SERIES), strict=True)
        )
    ]
    named = [{"unit": unit} | dict(zip(SERIES, series, strict=True)) for series, unit in units.items()]
    place = {"pane": "Int64", "p": "Int64", "from_ns": "Int64", "to_ns": "Int64"}
    series_types = dict.fromkeys(SERIES, "String")
    tables = _tables(
        own=(place | series_types, places),
        rest=(place, [{k: v for k, v in spot.items() if k in place} for spot in places if spot["route"] == OVERFLOW]),
        units=({"unit": "Int64"} | series_types, named),
    )
    # What was seen first in this window and partition has a pane, or went into that of __other__ with all its rows.
    same_series = " AND ".join(f"s.{name} = own.{name}" for name in SERIES)
    sql = f"""SELECT multiIf(own.to_ns > s.end_ns, own.pane, rest.to_ns > s.end_ns, rest.pane, 0) AS pane,
            {", ".join(f"s.{name}" for name in (*ROW_COLUMNS[2:], *WORDS))}, toInt64(ifNull(units.unit, -1)) AS unit,
            {", ".join(f"toInt64(ifNull(s.{name}, -1)) AS {name}" for name in (*COUNTS, *MEASURED))}
        FROM (SELECT *, toInt64(CRC32(trace_id) % {partitions}) AS p FROM spans FINAL
              WHERE toStartOfHour(end_time) = {_second(of.start_ns)} AND kind IN ({CALLS})) AS s
        ASOF LEFT JOIN own ON {same_series} AND s.p = own.p AND s.end_ns >= own.from_ns
        ASOF LEFT JOIN rest ON s.p = rest.p AND s.end_ns >= rest.from_ns
        LEFT JOIN units ON {" AND ".join(f"s.{name} = units.{name}" for name in SERIES)}"""  # noqa: S608
    names = ("pane", *ROW_COLUMNS[2:], *WORDS, "unit", *COUNTS, *MEASURED)
    with (
        _translated("spans"),
        client.query_column_block_stream(sql, external_data=tables, settings={"join_use_nulls": 0}) as blocks,
    ):
        for block in blocks:
            yield dict(zip(names, block, strict=True))


def replace_panes(client: Client, start_ns: int, new: Sequence[Mapping[str, Any]]) -> int:
    """Write panes of an hour anew with other money, `revision` being that of the stored one. Returns how many were written."""
    copied = [column.name for column in PANES if not column.name.endswith("_digest")] + ["latency", "ttft", "tps"]
    values = {name: f"p.{name}" for name in copied} | {name: f"n.{name}" for name in PRICED} | {"revision": "p.revision + 1"}
    same = " AND ".join(f"p.{key} = n.{key}" for key in (*SERIES, "source", "window_start_ns", "window_end_ns"))
    within, tables = _between("p.window_start", start_ns, start_ns + HOUR_NS), _tables(n=(PANE_TYPES, new))
    sql = f"""INSERT INTO panes ({", ".join(values)}) SELECT {", ".join(values.values())} FROM panes AS p FINAL
        INNER JOIN n ON {same} AND p.revision = n.revision WHERE {within}"""  # noqa: S608
    written = f"""SELECT count() FROM panes AS p FINAL
        INNER JOIN n ON {same} AND p.revision = n.revision + 1 WHERE {within}"""  # noqa: S608
    with _translated("panes"):
        client.command(sql, external_data=tables)
        return int(client.query(written, external_data=tables).result_rows[0][0])


def rollups_are_behind(client: Client) -> bool:
    """Are there panes that the next refresh has to find by when the last one was: then no roll-up may be written beside it."""
    sql = """SELECT count() FROM panes WHERE inserted_at > (SELECT max(refreshed_at) FROM panes_hourly)
        AND inserted_at < now() - INTERVAL 10 MINUTE"""
    return bool(_rows(client, sql)[0][0])


def replace_hours(client: Client, start_ns: int, new: Sequence[Mapping[str, Any]]) -> None:
    """Write settled rows of an hourly roll-up anew with other money, `seen_ms` being when the stored one was written."""
    values = (
        {name: f"h.{name}" for name in ROLLED_UP} | {name: f"n.{name}" for name in PRICED} | {"refreshed_at": "now64(3, 'UTC')"}
    )
    sql = f"""INSERT INTO panes_hourly ({", ".join(values)}) SELECT {", ".join(values.values())} FROM panes_hourly AS h FINAL
        INNER JOIN n ON {" AND ".join(f"h.{key} = n.{key}" for key in SERIES)}
        WHERE h.window_start_ns = {start_ns} AND h.settled AND toUnixTimestamp64Milli(h.refreshed_at) = n.seen_ms"""  # noqa: S608
    with _translated("roll-ups"):
        client.command(sql, external_data=_tables(n=(HOUR_TYPES, new)))


def replace_spans(client: Client, start_ns: int, new: Sequence[Mapping[str, Any]]) -> None:
    """Write spans of an hour anew with other money; they are kept no longer than before."""
    values = {column.name: f"s.{column.name}" for column in SPANS} | {name: f"n.{name}" for name in MONEY}
    values |= {"repriced": "s.repriced + 1", "inserted_at": "s.inserted_at"}
    keys = ("environment", "route", "trace_id", "span_id", "end_ns")
    sql = f"""INSERT INTO spans ({", ".join(f"`{name}`" for name in values)})
        SELECT {", ".join(values.values())} FROM spans AS s FINAL
        INNER JOIN n ON {" AND ".join(f"s.{key} = n.{key}" for key in keys)}
        WHERE toStartOfHour(s.end_time) = {_second(start_ns)}"""  # noqa: S608
    with _translated("spans"):
        client.command(sql, external_data=_tables(n=(SPAN_TYPES, new)))


def _tables(**tables: tuple[Mapping[str, str], Sequence[Mapping[str, Any]]]) -> ExternalData:
    """Tables that live as long as one statement: per name its columns with their types, and its rows."""
    sent = ExternalData()
    for name, (types, found) in tables.items():
        data = b"\n".join(orjson.dumps({k: str(v) if types[k] == "Int128" else v for k, v in row.items()}) for row in found)
        sent.add_file(
            file_name=name, data=data or b"\n", fmt="JSONEachRow", structure=[f"{k} {kind}" for k, kind in types.items()]
        )
    return sent


def _rows(client: Client, sql: str) -> Sequence[Sequence[Any]]:
    with _translated("reprice"):
        return client.query(sql).result_rows


def _between(column: str, from_ns: int, to_ns: int) -> str:
    return f"{column} >= {_second(from_ns)} AND {column} < {_second(to_ns)}"


def _second(ns: int) -> str:
    return f"toDateTime({ns // 10**9}, 'UTC')"


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise ours(error, f"reprice, {doing}") from error
