"""aggregate made from settings, and run on Kafka."""

from pipeline.app.compose import as_on_broker, overtaken_by_retention, window_policy
from pipeline.connectors.faust_worker import run_worker
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.settings import SECOND, Settings
from pipeline.stages.aggregate import Aggregate, Outputs


def aggregate_stage(settings: Settings) -> Aggregate:
    """aggregate under `settings`."""
    outputs = Outputs(
        settings.topic("panes"),
        settings.topic("ledger"),
        settings.topic("dead-letters"),
        settings.topic("status"),
        settings.panes_partitions,
        settings.topic("traces"),
        settings.topic("repeats"),
        settings.spans_partitions,
    )
    return Aggregate(window_policy(settings), outputs, int(settings.early_every * SECOND), int(settings.progress_every * SECOND))


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
