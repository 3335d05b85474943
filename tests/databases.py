"""Databases of tests: empty ones, and ones with the schema applied, which are lent to one test after another.

To apply the schema takes 152 statements and five seconds, to empty its tables a fifth of one. A database is lent again only
as it was made: its tables and views word for word, the migrations it knows, nothing stopped, no row.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from pipeline.connectors.clickhouse import apply_schema, connect
from pipeline.connectors.clock import steady
from pipeline.settings import Settings

TABLES = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'applied_migrations'
"""
REFRESHES = "SELECT view FROM system.view_refreshes WHERE database = currentDatabase()"
RUNNING = "SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND query_id != queryID()"
"""What killed processes have sent and the server still does."""

WITHIN = 60.0
"""Seconds in which a database must be empty."""

WORDS = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
MIGRATIONS = "SELECT name, hash FROM applied_migrations FINAL ORDER BY name"


@contextmanager
def own_names(engines: Settings) -> Iterator[Settings]:
    """Settings with topics, groups and an empty database nobody else uses."""
    name = fresh_name()
    server = engines.clickhouse_dsn.get_secret_value().rpartition("/")[0]
    with clickhouse_connect.get_client(dsn=server) as client:
        client.command(f"CREATE DATABASE {name}")
        yield named(engines, SecretStr(f"{server}/{name}"), name)
        client.command(f"DROP DATABASE {name}")


def fresh_name() -> str:
    return f"t{secrets.token_hex(4)}"


def named(engines: Settings, dsn: SecretStr, prefix: str) -> Settings:
    """The settings with this database and this prefix of topics and groups."""
    return engines.model_copy(update={"topic_prefix": prefix, "otlp_topic": f"{prefix}.otlp", "clickhouse_dsn": dsn})


class Databases:
    """Those of one session over these engines, which end with it."""

    def __init__(self, engines: Settings) -> None:
        self._engines, self._free = engines, list[tuple[SecretStr, Any]]()

    @contextmanager
    def lent(self) -> Iterator[Settings]:
        """Settings with topics and groups nobody else uses, and a database with the schema and without a row."""
        dsn, made = self._free.pop() if self._free else self._made()
        settings = named(self._engines, dsn, fresh_name())
        yield settings
        with connect(settings) as client:
            if shape(client) == made:
                empty(client)
                self._free.append((dsn, made))
            else:
                client.command("DROP DATABASE " + dsn.get_secret_value().rpartition("/")[2])

    def _made(self) -> tuple[SecretStr, Any]:
        server, name = self._engines.clickhouse_dsn.get_secret_value().rpartition("/")[0], fresh_name()
        with clickhouse_connect.get_client(dsn=server) as client:
            client.command(f"CREATE DATABASE {name}")
        settings = named(self._engines, SecretStr(f"{server}/{name}"), name)
        apply_schema(settings)
        with connect(settings) as client:
            return settings.clickhouse_dsn, shape(client)


def shape(client: Client) -> Any:
    """Every table and view in its own words, and the migrations applied."""
    return client.query(WORDS).result_rows, client.query(MIGRATIONS).result_rows


def empty(client: Client) -> None:
    """No row is left, none is on its way, and nothing that a test may have stopped stands still."""
    tables, refreshes = (client.query(sql).result_columns[0] for sql in (TABLES, REFRESHES))
    for table in tables:
        client.command(f"SYSTEM START MERGES {table}")
    for view in refreshes:
        client.command(f"SYSTEM START VIEW {view}")
    rows, deadline = " + ".join(f"(SELECT count() FROM {table})" for table in tables), steady() + WITHIN
    while client.command(f"SELECT ({RUNNING}) + {rows}"):
        assert steady() < deadline, "a database becomes empty"
        for table in tables:
            client.command(f"TRUNCATE TABLE {table}")
        for view in refreshes:  # one that began before the truncation writes what it read
            client.command(f"SYSTEM WAIT VIEW {view}")
