"""The local engines answer, and every test meets them alone."""

import clickhouse_connect
from confluent_kafka.admin import AdminClient

from pipeline.settings import Settings


def test_engines_answer(fresh_prefix: Settings) -> None:
    with clickhouse_connect.get_client(dsn=fresh_prefix.clickhouse_dsn.get_secret_value()) as client:
        assert client.command("SELECT currentDatabase()") == fresh_prefix.topic_prefix
    assert AdminClient({"bootstrap.servers": fresh_prefix.kafka_bootstrap}).list_topics(timeout=5).brokers
