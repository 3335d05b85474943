"""aggregate on Kafka."""

from pipeline.app.compose import aggregate_stage, as_on_broker, overtaken_by_retention
from pipeline.connectors.faust_worker import run_worker
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.settings import Settings


def run_aggregate(settings: Settings, instance: str, beat: Heartbeat) -> None:
    """Run one aggregate worker until SIGTERM or SIGINT."""
    here = as_on_broker(settings)
    run_worker(
        settings,
        aggregate_stage(here),
        "spans",
        instance=instance,
        partitions=here.spans_partitions,
        overtaken=overtaken_by_retention(settings, "aggregate"),
        beat=beat,
    )
