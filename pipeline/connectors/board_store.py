"""The store as boards ask it: one statement, its columns with their types, as the user that may only read and within limits.

Times come as milliseconds since 1970, whatever the time zone of a column; a digest state shows as "<state>".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from pipeline.connectors.clickhouse import READABLE, engine_words, ours, reader
from pipeline.errors import SchemaError
from pipeline.settings import Settings

LIMITS: Final = {
    "max_execution_time": 30,
    "max_result_rows": 100_000,
    "max_result_bytes": 100_000_000,
    "result_overflow_mode": "throw",
}
"""Of one query of a board; what is more is an error, never a part."""

NOT_THERE: Final = frozenset({16, 47, 60})
"""Codes of a table or column that is not there: the schema is older than the boards."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer. `type` is ClickHouse's own; `values` are numbers, texts, None and lists of these."""

    name: str
    type: str
    values: Sequence[Any]


class BoardStore:
    """One client, made when the first query comes; used by several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._client: Client | None = None

    def columns(self, sql: str) -> list[Column]:
        """The answer. Raises Transient (away, too slow), SchemaError (not applied), Fatal in the engine's words."""
        try:
            raw = self._connected().raw_query(sql, settings=READABLE | LIMITS | _TIMES, fmt="JSONColumnsWithMetadata")
        except Error as error:
            if error.code in NOT_THERE:
                words = f"the store lacks what the board reads: run `tailrace schema apply` ({engine_words(error)})"
                raise SchemaError(words) from error
            raise ours(error, "board") from error
        answer = json.loads(raw.decode(errors="replace"))
        return [
            Column(one["name"], one["type"], _values(one["type"], answer["data"].get(one["name"], []))) for one in answer["meta"]
        ]

    def close(self) -> None:
        """No more is asked."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = reader(self._settings)
            return self._client


_TIMES: Final = {"date_time_output_format": "unix_timestamp"}


def _values(column: str, values: list[Any]) -> list[Any]:
    bare = column.removeprefix("LowCardinality(").removeprefix("Nullable(")
    if bare.startswith("AggregateFunction"):
        return ["<state>"] * len(values)
    if bare.startswith("DateTime"):
        return [None if value is None else round(float(value) * 1000) for value in values]
    if bare.startswith("Date"):
        return [None if value is None else _midnight(value) for value in values]
    return values


def _midnight(day: str) -> int:
    at = date.fromisoformat(day)
    return round(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp() * 1000)
