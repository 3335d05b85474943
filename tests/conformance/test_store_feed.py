"""Which log of spans feeds a database, on real Kafka and ClickHouse: the first one, and no other unless told so."""

from typing import Any

import pytest

from pipeline.app.compose import delivery
from pipeline.connectors.clickhouse import apply_schema, connect, feed, insert_blocks
from pipeline.connectors.kafka import apply_topics, cluster_id
from pipeline.errors import Fatal, SchemaError, SettingsError
from pipeline.model.stream import Message
from pipeline.settings import Settings
from tests.e2e.command import finished, started
from tests.panes import NOON_NS, pane, panes
from tests.spans import block, span


@pytest.fixture
def settings(with_schema: Settings) -> Settings:
    """A database with the schema applied."""
    return with_schema


def other(settings: Settings, **changes: Any) -> Settings:
    """The same database under another prefix."""
    return settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}-other"} | changes)


def requests(settings: Settings) -> int:
    with connect(settings) as client:
        return int(client.query("SELECT sum(requests) FROM performance").result_rows[0][0])


def test_a_second_log_is_refused(settings: Settings) -> None:
    """By the sink, as a process and before it inserts, and by `schema apply`."""
    feed(settings, cluster_id(settings)).close()
    second = other(settings)
    apply_topics(second)
    delivery(second)([Message(second.topic("panes"), 0, panes(pane(latencies=[1])))])
    code, _, err = finished(started("run", "sink", settings=second))
    assert code == SettingsError.exit_code
    assert f"fed by {settings.topic('spans')}" in " ".join(err.split())
    assert requests(settings) == 0
    with pytest.raises(SettingsError, match="TAILRACE_SEVERAL_LOGS"):
        apply_schema(second)


def test_a_store_that_lacks_a_migration_is_refused(settings: Settings) -> None:
    """Else every block with a new column would be a dead letter."""
    with connect(settings) as client:
        client.command("ALTER TABLE applied_migrations DELETE WHERE name = '0007_recorded' SETTINGS mutations_sync = 1")
        client.command("ALTER TABLE spans DROP COLUMN recorded_ns")
        with pytest.raises(SchemaError, match=r"lacks the migrations 0007_recorded: run `tailrace schema apply`"):
            feed(settings, "here")
        with pytest.raises(Fatal, match="recorded_ns"):
            insert_blocks(client, "spans", [block([span(1, NOON_NS)])])


def test_another_cluster_is_another_log(settings: Settings) -> None:
    feed(settings, "here").close()
    with pytest.raises(SettingsError, match=r"fed by .* of the Kafka cluster here, not by .* of there"):
        feed(settings, "there")


def test_the_same_log_may_come_again(settings: Settings) -> None:
    """Its id is that of the cluster: a topic made anew under its name is the same log."""
    for _ in range(3):
        feed(settings, cluster_id(settings)).close()
    assert cluster_id(settings) != ""
    assert apply_schema(settings) == []


def test_several_logs_may_be_allowed(settings: Settings) -> None:
    feed(settings, "here").close()
    second = other(settings, several_logs=True)
    assert apply_schema(second) == []
    feed(second, "there").close()
    feed(settings, "here").close()
    with pytest.raises(SettingsError, match="fed by"):
        feed(other(settings), "there")
