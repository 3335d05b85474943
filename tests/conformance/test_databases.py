"""A database that is lent to one test after another is as it was made, else it is another one."""

from pipeline.connectors.clickhouse import connect, feed, insert_blocks
from tests.databases import Databases, shape
from tests.panes import pane, panes


def test_what_a_test_leaves_the_next_does_not_find(databases: Databases) -> None:
    with databases.lent() as first, connect(first) as client:
        feed(first, "here").close()
        client.command("SYSTEM STOP VIEW panes_hourly_refresh")
        assert insert_blocks(client, "panes", [panes(pane(latencies=[1]))]) == {}
    with databases.lent() as second, connect(second) as client:
        assert second.clickhouse_dsn == first.clickhouse_dsn
        assert second.topic_prefix != first.topic_prefix
        assert client.command("SELECT sum(requests) FROM performance") == 0
        feed(second, "there").close()
        assert insert_blocks(client, "panes", [panes(pane(latencies=[1]))]) == {}
        client.command("SYSTEM REFRESH VIEW panes_hourly_refresh")
        client.command("SYSTEM WAIT VIEW panes_hourly_refresh")
        assert client.command("SELECT sum(requests) FROM performance_hourly") == 1


def test_one_that_was_changed_is_not_lent_again(databases: Databases) -> None:
    with databases.lent() as first, connect(first) as client:
        seen = [shape(client)]
        for change in (
            "ALTER TABLE panes MODIFY TTL inserted_at + INTERVAL 1 DAY",
            "ALTER TABLE applied_migrations DELETE WHERE name = '0007_recorded' SETTINGS mutations_sync = 1",
            "DROP VIEW performance",
        ):
            client.command(change)
            assert shape(client) not in seen
            seen.append(shape(client))
    with databases.lent() as second:
        assert second.clickhouse_dsn != first.clickhouse_dsn
