"""The local engines: they answer, they keep their data, they leave nothing behind, and they fail in their own words."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from pipeline.connectors.local_clickhouse import answers, clickhouse
from pipeline.connectors.local_engines import Engines, engines, env_file, named_by_user
from pipeline.connectors.local_kafka import kafka
from pipeline.connectors.local_process import TETHER, Stamp, last_words
from pipeline.connectors.local_setup import setup_engines
from pipeline.connectors.local_supervisor import EngineStatus, down, env, stamps, status, up
from pipeline.errors import EngineError
from pipeline.settings import Settings
from tests.conftest import ROOT

FORGET = ["-c", "import signal; signal.pause()"]


def silent(line: str) -> None:
    """A listener who does not care."""


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Settings]:
    """A directory for engines of this test alone, with what setup fetched once for all."""
    cache = Settings(local_dir=ROOT / ".local")
    setup_engines(cache, silent)
    for name in ("kafka", "clickhouse"):
        (tmp_path / name).symlink_to(cache.local_dir.resolve() / name)
    settings = Settings(local_dir=tmp_path)
    yield settings
    down(settings)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


def path_with(directory: Path, **tools: str) -> str:
    """A PATH of one directory that holds these tools alone."""
    directory.mkdir()
    for name, target in tools.items():
        (directory / name).symlink_to(target)
    return str(directory)


def which(tool: str) -> str:
    return subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()


def gone(stamp: Stamp, seconds: float = 20.0) -> bool:
    """Whether the process ends within `seconds`."""
    try:
        handle = os.pidfd_open(stamp.pid)
    except ProcessLookupError:
        return True
    try:
        select.select([handle], [], [], seconds if stamp.alive() else 0)
    finally:
        os.close(handle)
    return not stamp.alive()


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=20).topics)


def create_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(20)


def states(found: list[EngineStatus]) -> dict[str, str]:
    return {engine.name: engine.state for engine in found}


def test_every_test_has_its_own_topics_and_database(fresh_prefix: Settings) -> None:
    with clickhouse_connect.get_client(dsn=fresh_prefix.clickhouse_dsn.get_secret_value()) as client:
        assert client.command("SELECT currentDatabase()") == fresh_prefix.topic_prefix
    assert not [name for name in topics(fresh_prefix.kafka_bootstrap) if name.startswith(fresh_prefix.topic_prefix)]


def test_the_reader_reads_tables_and_nothing_else(running: Engines) -> None:
    with clickhouse_connect.get_client(dsn=running.clickhouse_dsn) as writer:
        writer.command("CREATE OR REPLACE TABLE tailrace.mine (a Int8) ENGINE = Memory")
        writer.command("CREATE DATABASE IF NOT EXISTS foreign_to_reader")
        writer.command("CREATE OR REPLACE TABLE foreign_to_reader.theirs (a Int8) ENGINE = Memory")
    with clickhouse_connect.get_client(dsn=running.clickhouse_reader_dsn) as reader:
        assert reader.command("SELECT 1 SETTINGS max_threads = 1") == 1
        assert reader.command("SELECT count() FROM mine") == 0
        assert reader.command("SELECT count() FROM system.tables WHERE name = 'mine'") == 1
        assert reader.command("SELECT count() FROM system.tables WHERE name = 'theirs'") == 0
        for sql in FORBIDDEN:
            with pytest.raises(DatabaseError, match=r"READONLY|ACCESS_DENIED"):
                reader.command(sql)


FORBIDDEN = [
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "INSERT INTO mine VALUES (1)",
    "DROP TABLE mine",
    "SELECT * FROM file('/etc/hostname', 'LineAsString', 'line String')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'line String')",
    "SELECT * FROM remote('127.0.0.1', 'tailrace.mine')",
    "SELECT * FROM foreign_to_reader.theirs",
    "SELECT * FROM system.users",
    "SELECT * FROM system.processes",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP LISTEN HTTP",
    "KILL QUERY WHERE 1",
]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_execution_time", 0), ("max_execution_time", 61), ("max_memory_usage", 0), ("max_memory_usage", 10**12),
        ("timeout_overflow_mode", "break"), ("readonly", 0),
    ],
)  # fmt: skip
def test_the_reader_cannot_lift_its_limits(running: Engines, setting: str, value: object) -> None:
    with clickhouse_connect.get_client(dsn=running.clickhouse_reader_dsn) as reader:
        assert reader.command("SELECT 1 SETTINGS max_execution_time = 5, max_memory_usage = 1000000000") == 1
        with pytest.raises(DatabaseError, match=r"SETTING_CONSTRAINT_VIOLATION|READONLY"):
            reader.command(f"SELECT 1 SETTINGS {setting} = {value!r}")


def test_nobody_gets_in_without_a_password(running: Engines) -> None:
    host = running.clickhouse_dsn.rpartition("@")[2]
    with clickhouse_connect.get_client(dsn=running.clickhouse_dsn) as writer:
        writer.command("CREATE OR REPLACE TABLE tailrace.secret (a Int8) ENGINE = Memory")
    for who in ("tailrace:@", "tailrace:wrong@", "grafana:@"):
        assert not answers(f"http://{who}{host}")
    for who in ("", "default:@"):
        for sql in ("SELECT * FROM tailrace.secret", "SYSTEM STOP LISTEN HTTP", "SYSTEM SHUTDOWN", "KILL QUERY WHERE 1 SYNC"):
            assert not answers(f"http://{who}{host}", sql), sql
    assert answers(running.clickhouse_dsn)


@pytest.mark.engines
def test_up_and_down_keep_the_data_until_they_are_purged(local: Settings) -> None:
    up(local, silent)
    first = stamps(local)
    settings = Settings.load(local.local_dir)
    assert states(status(settings)) == {"Kafka": "up", "ClickHouse": "up"}
    assert env(settings)["TAILRACE_KAFKA_BOOTSTRAP"] == settings.kafka_bootstrap
    assert env_file(local).stat().st_mode & 0o077 == 0
    create_topic(settings.kafka_bootstrap, "kept")
    with clickhouse_connect.get_client(dsn=settings.clickhouse_dsn.get_secret_value()) as client:
        client.command("CREATE TABLE kept ENGINE = MergeTree ORDER BY a AS SELECT 7 AS a")

    said: list[str] = []
    up(local, said.append)
    assert said == ["the engines are already up"]
    assert stamps(local) == first

    down(local)
    assert not any(stamp.alive() for stamp in first.values())
    assert not env_file(local).exists()
    up(local, silent)
    settings = Settings.load(local.local_dir)
    assert "kept" in topics(settings.kafka_bootstrap)
    with clickhouse_connect.get_client(dsn=settings.clickhouse_dsn.get_secret_value()) as client:
        assert client.command("SELECT a FROM kept") == 7

    down(local, purge=True)
    assert not (local.local_dir / "data").exists()
    assert states(status(local)) == {"Kafka": "down", "ClickHouse": "down"}


@pytest.mark.engines
@pytest.mark.parametrize("victim", ["supervisor", "Kafka", "ClickHouse"])
def test_whoever_is_killed_nothing_is_left(local: Settings, victim: str) -> None:
    up(local, silent)
    started = stamps(local)
    assert set(started) == {"supervisor", "Kafka", "ClickHouse"}
    os.kill(started[victim].pid, signal.SIGKILL)
    assert all(gone(stamp) for stamp in started.values())
    assert states(status(local)) == {"Kafka": "down", "ClickHouse": "down"}
    if victim != "supervisor":
        assert f"{victim} stopped" in status(local)[0].detail
    with pytest.raises(EngineError, match="tailrace local up"):
        env(local)
    down(local)
    assert not env_file(local).exists()
    assert not stamps(local)


@pytest.mark.engines
def test_down_ends_engines_that_outlived_everyone(local: Settings) -> None:
    with subprocess.Popen([sys.executable, *FORGET]) as stray:
        stamp = Stamp.of(stray.pid)
        assert stamp
        (local.local_dir / "engines.json").write_text(f'{{"Kafka": [{stamp.pid}, {stamp.started}]}}')
        down(local)
        assert stray.wait(10) == -signal.SIGTERM


def test_a_recycled_pid_is_never_signalled() -> None:
    with subprocess.Popen([sys.executable, *FORGET]) as bystander:
        now = Stamp.of(bystander.pid)
        assert now
        Stamp(now.pid, now.started - 1).end()
        assert now.alive()
        now.end()
        assert bystander.wait(10) == -signal.SIGTERM


def test_a_tethered_command_dies_with_its_parent() -> None:
    command = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    script = (
        "import os, subprocess, sys\n"
        f"tether = [sys.executable, {str(TETHER)!r}, str(os.getpid())]\n"
        f"subprocess.run([*tether, sys.executable, '-c', {command!r}])\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = Stamp.of(int(parent.stdout.readline()))
        assert child
        assert child.alive()
        parent.kill()
    try:
        assert gone(child, 10)
    finally:
        child.end()


@pytest.mark.engines
def test_kafka_on_a_taken_port_says_so(local: Settings, tmp_path: Path, taken_port: int) -> None:
    jars = setup_engines(local, silent).jars
    assert jars
    with (
        pytest.raises(EngineError, match=r"Kafka stopped while it started: .*Address already in use"),
        kafka(jars, tmp_path / "data", tmp_path / "kafka.log", taken_port),
    ):
        pass


@pytest.mark.engines
def test_clickhouse_on_a_taken_port_says_so(local: Settings, tmp_path: Path, taken_port: int) -> None:
    libchdb = setup_engines(local, silent).libchdb
    assert libchdb
    with (
        pytest.raises(EngineError, match=r"ClickHouse stopped while it started: .*Address already in use"),
        clickhouse(libchdb, tmp_path / "data", tmp_path / "clickhouse.log", taken_port),
    ):
        pass


def test_jars_that_are_not_there_are_named(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match=r"kafka\.tools\.StorageTool"),
        kafka(tmp_path / "nowhere", tmp_path / "data", tmp_path / "kafka.log"),
    ):
        pass


@pytest.mark.engines
def test_up_repeats_the_engine_and_leaves_nothing(local: Settings) -> None:
    broken = local.local_dir / "data/kafka/log/meta.properties"
    broken.parent.mkdir(parents=True)
    broken.write_text("cluster.id=broken\n")
    with pytest.raises(EngineError, match=r"Kafka stopped while it started: .*node ID not found"):
        up(local, silent)
    assert not stamps(local)
    assert not env_file(local).exists()


@pytest.mark.parametrize(
    ("present", "missing", "install"),
    [([], "java", "Java runtime, 17"), (["java"], "mvn", "Apache Maven"), (["java", "mvn"], "npm", "Node.js")],
)
def test_a_missing_tool_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: list[str], missing: str, install: str
) -> None:
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", **{tool: which(tool) for tool in present}))
    with pytest.raises(EngineError, match=rf"{missing} not found: install .*{install}.*docker compose.*TAILRACE_"):
        setup_engines(Settings(local_dir=tmp_path), silent, kafka=missing != "npm")


def test_a_fetch_that_fails_is_told_in_the_tools_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", java=which("java"), mvn=which("false")))
    with pytest.raises(EngineError, match="mvn failed"):
        setup_engines(Settings(local_dir=tmp_path), silent, clickhouse=False)


def test_engines_that_the_user_names_are_used_and_not_started(tmp_path: Path) -> None:
    settings = Settings(local_dir=tmp_path, kafka_bootstrap="mine:9092", clickhouse_dsn=SecretStr("http://me:pw@mine:8123/x"))
    with engines(settings, silent) as found:
        assert (found.kafka_bootstrap, found.clickhouse_dsn, found.children) == ("mine:9092", "http://me:pw@mine:8123/x", ())
        assert found.settings(Settings()).kafka_bootstrap == "mine:9092"
    said: list[str] = []
    up(settings, said.append)
    assert said == ["Kafka and ClickHouse are your own: nothing to start"]
    assert not stamps(settings)
    assert env(settings)["TAILRACE_KAFKA_BOOTSTRAP"] == "mine:9092"


def test_an_address_from_our_own_file_is_not_the_users(tmp_path: Path) -> None:
    env_file(Settings(local_dir=tmp_path)).write_text(
        "TAILRACE_KAFKA_BOOTSTRAP=127.0.0.1:1\nTAILRACE_CLICKHOUSE_DSN=http://t:p@127.0.0.1:2/t\n"
    )
    settings = Settings.load(tmp_path)
    assert settings.kafka_bootstrap == "127.0.0.1:1"
    assert named_by_user(settings) == Engines("", "")
    assert named_by_user(settings.model_copy(update={"kafka_bootstrap": "mine:9092"})).kafka_bootstrap == "mine:9092"


def test_a_log_speaks_by_its_telling_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("INFO fine\nERROR first\n\tat some.Frame\nCaused by: java.net.BindException: in use\nINFO bye\n")
    assert last_words(log) == "ERROR first | Caused by: java.net.BindException: in use"
    assert "it said nothing" in last_words(tmp_path / "none")
