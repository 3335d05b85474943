"""Real engines on one machine: `with engines(settings, say) as running` starts Kafka and ClickHouse as our children.

They die with us whatever happens to us. An engine that the user named in the settings is used instead of a local one;
an address that only came from the file of our own engines does not count as named.
"""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pipeline.connectors.local_clickhouse import Store, clickhouse
from pipeline.connectors.local_kafka import Broker, kafka
from pipeline.connectors.local_process import Child
from pipeline.connectors.local_setup import Installed, Say, setup_engines
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines are. `children`: those we started. The reader's DSN is "" where the user brings ClickHouse."""

    kafka_bootstrap: str
    clickhouse_dsn: str
    clickhouse_reader_dsn: str = ""
    children: tuple[Child, ...] = ()

    def env(self) -> dict[str, str]:
        """The environment for our stages and for people's tools."""
        return {
            "TAILRACE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "TAILRACE_CLICKHOUSE_DSN": self.clickhouse_dsn,
            "TAILRACE_CLICKHOUSE_READER_DSN": self.clickhouse_reader_dsn,
        }

    def settings(self, settings: Settings) -> Settings:
        """The same settings, pointing here."""
        here = {"kafka_bootstrap": self.kafka_bootstrap, "clickhouse_dsn": SecretStr(self.clickhouse_dsn)}
        return settings.model_copy(update=here)


@contextmanager
def engines(settings: Settings, say: Say, data_dir: Path | None = None) -> Iterator[Engines]:
    """Engines for the length of the block, over `data_dir`, or over a fresh directory that is removed afterwards.

    Raises:
        EngineError: an engine or a tool is missing or does not start; says why in the engine's own words.
    """
    named = named_by_user(settings)
    installed = setup_engines(settings, say, kafka=not named.kafka_bootstrap, clickhouse=not named.clickhouse_dsn)
    with ExitStack() as stack:
        data = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-")))
        store = None if named.clickhouse_dsn else stack.enter_context(local_store(installed, data.resolve()))
        broker = None if named.kafka_bootstrap else stack.enter_context(local_broker(installed, data.resolve()))
        yield Engines(
            broker.bootstrap if broker else named.kafka_bootstrap,
            store.dsn if store else named.clickhouse_dsn,
            store.reader_dsn if store else "",
            tuple(engine.child for engine in (store, broker) if engine),
        )


def local_broker(installed: Installed, data: Path) -> AbstractContextManager[Broker]:
    assert installed.jars, "setup fetched a broker"
    return kafka(installed.jars, data / "kafka", data / "kafka.log")


def local_store(installed: Installed, data: Path) -> AbstractContextManager[Store]:
    assert installed.libchdb, "setup fetched ClickHouse"
    return clickhouse(installed.libchdb, data / "clickhouse", data / "clickhouse.log")


def named_by_user(settings: Settings) -> Engines:
    """The engines that the settings name, "" where they name none or only repeat the file of our own engines."""
    ours = read_env(env_file(settings))
    bootstrap, dsn = settings.kafka_bootstrap, settings.clickhouse_dsn.get_secret_value()
    return Engines(
        "" if bootstrap == ours.get("TAILRACE_KAFKA_BOOTSTRAP") else bootstrap,
        "" if dsn == ours.get("TAILRACE_CLICKHOUSE_DSN") else dsn,
    )


def env_file(settings: Settings) -> Path:
    """Where `tailrace local up` says where its engines are."""
    return settings.local_dir / "tailrace.env"


def read_env(path: Path) -> dict[str, str]:
    """The lines `NAME=value` of a file; none if there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines)
