"""Real engines for the tests that ask for them: started once, in a fresh directory, from the cache of `.local`."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from pipeline.connectors import local_engines
from pipeline.settings import Settings
from tests.databases import Databases, own_names

hypothesis.settings.register_profile("tailrace", deadline=None)  # the first example may compile kernels
hypothesis.settings.load_profile("tailrace")

ROOT = Path(__file__).resolve().parent.parent
REAL = {"engines", "running"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for engines is marked so. What takes minutes comes first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.parent.name != "e2e")
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


@pytest.fixture(scope="session")
def databases(engines: Settings) -> Databases:
    """Databases with the schema, for tests that leave it as it is."""
    return Databases(engines)


@pytest.fixture
def fresh_prefix(engines: Settings) -> Iterator[Settings]:
    """The same, with topics, groups and an empty database of this test alone."""
    with own_names(engines) as settings:
        yield settings


@pytest.fixture
def with_schema(databases: Databases) -> Iterator[Settings]:
    """The same with the schema applied."""
    with databases.lent() as settings:
        yield settings
