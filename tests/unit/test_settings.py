"""Settings: every one is explained, and no value is accepted that a stage could not run with."""

from pathlib import Path

import pytest

from pipeline.app.aggregate import aggregate_stage
from pipeline.cli import shown
from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WINDOW", "0"), ("WINDOW", "0.5"), ("WINDOW", "inf"), ("WINDOW", "nan"), ("WINDOW", "1e12"), ("WINDOW", "soon"),
        ("WINDOW", "7"), ("WINDOW", "59"), ("WINDOW", "70"), ("WINDOW", "7200"),
        ("EARLY_EVERY", "inf"), ("ALLOWED_LATENESS", "-1"), ("SINK_RECORDS", "0"), ("MAX_SERIES", "0"), ("LOG", "foo"),
        ("OTLP_ENCODING", "xml"), ("TOPIC_PREFIX", "a b"), ("BLOCK_ROWS", "999999999"), ("KAFKA_SECURITY", "no json"),
        ("USER_HASH_KEY", "x" * 15), ("USER_HASH_KEY", "x" * 65), ("HORIZON", "0"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAILRACE_{name}", value)
    with pytest.raises(SettingsError, match=f"(?i){name}") as refusal:
        Settings.load()
    assert "xxx" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"), [("WINDOW", "1"), ("WINDOW", "3600"), ("WINDOW", "450"), ("ALLOWED_LATENESS", "1e9"), ("MAX_AHEAD", "0")]
)
def test_the_ends_of_the_bounds_can_be_used(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAILRACE_{name}", value)
    assert aggregate_stage(Settings.load()).policy.window_ns >= 10**9


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    security = (
        '{"sasl.password": "hush", "sasl.oauthbearer.config": "hush", "ssl.key.pem": "hush", "security.protocol": "SASL_SSL"}'
    )
    monkeypatch.setenv("TAILRACE_KAFKA_SECURITY", security)
    monkeypatch.setenv("TAILRACE_CLICKHOUSE_DSN", "http://a:hush@localhost:8123/b")
    monkeypatch.setenv("TAILRACE_USER_HASH_KEY", "hush, this is a secret")
    settings = Settings.load()
    texts = [shown(getattr(settings, name)) for name in Settings.model_fields]
    assert not any("hush" in text for text in texts)
    assert any("SASL_SSL" in text for text in texts)
    assert "hush" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value"), [("KAFKA_SECURITY", '{"sasl.password": ["hush"]}'), ("KAFKA_SECURITY", "hush"), ("KEEP_SPANS", "hush")]
)
def test_a_refusal_does_not_repeat_the_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TAILRACE_{name}", value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert "hush" not in str(refused.value)
    with pytest.raises(Exception, match=f"(?i){name}") as raw:  # what others than our commands see
        Settings()
    assert "hush" not in str(raw.value)


def test_a_store_of_ones_own_is_not_read_as_the_local_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    local = "TAILRACE_CLICKHOUSE_DSN=http://local/x\nTAILRACE_CLICKHOUSE_READER_DSN=http://reader@local/x\n"
    (tmp_path / "tailrace.env").write_text(local)
    assert Settings.load(tmp_path).clickhouse_reader_dsn.get_secret_value() == "http://reader@local/x"
    monkeypatch.setenv("TAILRACE_CLICKHOUSE_DSN", "http://elsewhere/x")
    own = Settings.load(tmp_path)
    assert own.clickhouse_dsn.get_secret_value() == "http://elsewhere/x"
    assert own.clickhouse_reader_dsn.get_secret_value() == ""
