"""One load of the store for all tests of boards."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from pipeline.connectors.local_engines import Engines
from pipeline.settings import Settings
from tests.contracts.boards import Asked, empty_database, filled


@pytest.fixture(scope="session")
def asked(running: Engines, engines: Settings) -> Iterator[Asked]:
    """In the one database that the reader may read, empty before and after."""
    settings = engines.model_copy(update={"clickhouse_reader_dsn": SecretStr(running.clickhouse_reader_dsn)})
    yield filled(settings)
    empty_database(settings)
