"""Whatever is wrong with the settings or the engines: one clear line, an exit code that says which, no traceback."""

import socket
from pathlib import Path

import clickhouse_connect
import pytest
from pydantic import SecretStr

from pipeline.connectors.kafka import apply_topics
from pipeline.settings import Settings
from tests.e2e.command import Outcome, finished, started

WRONG_SETTING, NO_ENGINE, OTHER_SCHEMA = 2, 3, 4
NOBODY = "127.0.0.1:1"
"""Nothing listens here."""
NOWHERE = "nowhere.invalid:1"
"""No such host (RFC 2606)."""


def complains(outcome: Outcome, exit_code: int, *words: str) -> None:
    """It ended with `exit_code` and one line that names what is wrong, and nothing else."""
    code, out, err = outcome
    assert (code, out, err.count("\n")) == (exit_code, "", 1), err
    assert err.startswith("tailrace: "), err
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("setting", "value"), [("TAILRACE_WINDOW", "soon"), ("TAILRACE_WINDOW", "0"), ("TAILRACE_KEEP_SPANS", "-1")]
)
def test_a_setting_out_of_its_bounds(setting: str, value: str) -> None:
    complains(finished(started("run", "aggregate", env={setting: value})), WRONG_SETTING, setting)


def test_a_stage_that_does_not_exist() -> None:
    complains(finished(started("run", "bake")), WRONG_SETTING, "bake", "decode, aggregate, evaluate, scores, watch, sink")


@pytest.mark.parametrize("command", [("run", "decode"), ("topics", "apply")])
def test_nothing_is_set_up(command: tuple[str, ...], tmp_path: Path) -> None:
    complains(finished(started(*command, env={"TAILRACE_LOCAL_DIR": str(tmp_path)})), WRONG_SETTING, "TAILRACE_KAFKA_BOOTSTRAP")


@pytest.mark.parametrize("host", [NOBODY, NOWHERE])
def test_no_kafka(tmp_path: Path, host: str) -> None:
    nowhere = Settings(local_dir=tmp_path, kafka_bootstrap=host)
    for process in [
        started(*command, settings=nowhere) for command in (("run", "decode"), ("run", "aggregate"), ("topics", "apply"))
    ]:
        complains(finished(process), NO_ENGINE, "Kafka", host)


@pytest.mark.parametrize("host", [NOBODY, NOWHERE])
def test_no_clickhouse(tmp_path: Path, host: str) -> None:
    nowhere = Settings(local_dir=tmp_path, clickhouse_dsn=SecretStr(f"http://default:@{host}/default"))
    for process in [started(*command, settings=nowhere) for command in (("schema", "apply"), ("query", "SELECT 1"))]:
        complains(finished(process), NO_ENGINE, "ClickHouse", f"{host} does not answer")


def test_a_frozen_clickhouse(tmp_path: Path) -> None:
    """It takes connections, as a stopped process does, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        dsn = SecretStr(f"http://default:@127.0.0.1:{frozen.getsockname()[1]}/default")
        settings = Settings(local_dir=tmp_path, clickhouse_dsn=dsn, clickhouse_timeout=1)
        process = started("alerts", settings=settings)
        complains(finished(process), NO_ENGINE, "does not answer: timed out (TAILRACE_CLICKHOUSE_TIMEOUT is 1 s)")


def test_a_wrong_password(fresh_prefix: Settings) -> None:
    dsn = fresh_prefix.clickhouse_dsn.get_secret_value()
    user, _, server = dsn.partition("@")
    wrong = f"{user.rpartition(':')[0]}:wrong@{server}"
    outcome = finished(started("schema", "apply", settings=fresh_prefix, env={"TAILRACE_CLICKHOUSE_DSN": wrong}))
    complains(outcome, NO_ENGINE, "ClickHouse", "TAILRACE_CLICKHOUSE_DSN")


@pytest.mark.parametrize("stage", ["decode", "aggregate", "evaluate", "scores", "watch", "sink"])
def test_missing_topics(fresh_prefix: Settings, stage: str) -> None:
    complains(finished(started("run", stage, settings=fresh_prefix)), NO_ENGINE, "tailrace topics apply")


def test_missing_tables(fresh_prefix: Settings) -> None:
    outcome = finished(started("query", "SELECT * FROM performance", settings=fresh_prefix))
    complains(outcome, OTHER_SCHEMA, "tailrace schema apply")


def test_a_store_of_a_newer_version(with_schema: Settings) -> None:
    with clickhouse_connect.get_client(dsn=with_schema.clickhouse_dsn.get_secret_value()) as client:
        client.command("INSERT INTO applied_migrations (name, hash) VALUES ('9999_future', 'x')")
    complains(finished(started("schema", "apply", settings=with_schema)), OTHER_SCHEMA, "9999_future")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.pb"
    complains(finished(started("replay", str(missing))), WRONG_SETTING, str(missing))


@pytest.mark.parametrize(
    ("setting", "text", "word"),
    [
        ("series_file", "color: [a]", "color"),
        ("series_file", "route: [", "SERIES_FILE"),
        ("price_file", "model: x", "a price file is a list"),
        ("price_file", "- {model: x}", "input"),
        ("price_file", None, "No such file"),
    ],
)
def test_a_broken_file_of_settings(fresh_prefix: Settings, tmp_path: Path, setting: str, text: str | None, word: str) -> None:
    apply_topics(fresh_prefix)
    path = tmp_path / "own.yaml"
    if text is not None:
        path.write_text(text)
    outcome = finished(started("run", "decode", settings=fresh_prefix.model_copy(update={setting: path})))
    complains(outcome, WRONG_SETTING, f"TAILRACE_{setting.upper()}", word)
