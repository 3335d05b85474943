"""sink made from settings, and run on Kafka."""

from functools import cache

from pipeline.app.compose import as_on_broker, delivery, overtaken_by_retention, stop_on_signal
from pipeline.app.status import Reporter
from pipeline.connectors.clickhouse import carry_out, feed
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.connectors.kafka import cluster_id
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.model.stream import Effects
from pipeline.settings import Settings
from pipeline.stages.sink import Sink
from pipeline.topics import inputs


def sink_stage(settings: Settings) -> Sink:
    """sink under `settings`."""
    return Sink(settings.tables(), settings.topic("dead-letters"), settings.panes_partitions, settings.dead_letter_raw)


def run_sink(settings: Settings, instance: str, beat: Heartbeat) -> None:  # noqa: ARG001
    """Run the sink until SIGTERM or SIGINT. Beside it a thread reports how far every stage is."""
    stage = sink_stage(as_on_broker(settings))
    deliver = delivery(settings)
    stop = stop_on_signal()
    Reporter(settings, delivery(settings), stop).start()
    cluster = cluster_id(settings)
    store = cache(lambda: feed(settings, cluster))  # a store that is away at the start is waited for like one that goes away

    def insert(effects: Effects) -> None:
        carry_out(store(), effects, refused=stage.refused, deliver=deliver)

    run_batches(
        settings,
        group=settings.group("sink"),
        topic_keys=inputs("sink"),
        step=stage.step,
        carry_out=insert,
        stop=stop,
        limits=Limits(settings.sink_records, settings.sink_bytes, settings.sink_linger),
        overtaken=overtaken_by_retention(settings, "sink"),
        beat=beat,
    )
