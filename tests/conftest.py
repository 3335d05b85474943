"""Real engines for the tests that ask for them: started once, in a fresh directory, from the cache of `.local`."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect
import hypothesis
import pytest
from pydantic import SecretStr

from pipeline.connectors import local_engines
from pipeline.settings import Settings

hypothesis.settings.register_profile("tailrace", deadline=None)  # the first example may compile kernels
hypothesis.settings.load_profile("tailrace")

ROOT = Path(__file__).resolve().parent.parent
REAL = {"engines", "running", "fresh_prefix"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for engines is marked so, wherever it is."""
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker("engines")


@pytest.fixture(scope="session")
def running() -> Iterator[local_engines.Engines]:
    """Apache Kafka and ClickHouse of this test session; they die with it."""
    settings = Settings(local_dir=ROOT / ".local")
    with local_engines.engines(settings, print) as running:
        yield running


@pytest.fixture(scope="session")
def engines(running: local_engines.Engines) -> Settings:
    """Settings that point at the engines of this session."""
    return running.settings(Settings(local_dir=ROOT / ".local"))


@pytest.fixture
def fresh_prefix(engines: Settings) -> Iterator[Settings]:
    """The same, with topics, groups and a database of this test alone."""
    with own_names(engines) as settings:
        yield settings


@contextmanager
def own_names(engines: Settings) -> Iterator[Settings]:
    """Settings with topics, groups and a database nobody else uses."""
    prefix = f"t{secrets.token_hex(4)}"
    server = engines.clickhouse_dsn.get_secret_value().rpartition("/")[0]
    with clickhouse_connect.get_client(dsn=server) as client:
        client.command(f"CREATE DATABASE {prefix}")
        own = {"topic_prefix": prefix, "otlp_topic": f"{prefix}.otlp", "clickhouse_dsn": SecretStr(f"{server}/{prefix}")}
        yield engines.model_copy(update=own)
        client.command(f"DROP DATABASE {prefix}")
