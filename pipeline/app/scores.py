"""scores made from settings, and run on Kafka."""

from pipeline.app.compose import as_on_broker, overtaken_by_retention
from pipeline.connectors.faust_worker import run_worker
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.connectors.kafka import sources
from pipeline.model.log_time import WindowPolicy
from pipeline.settings import SECOND, Settings
from pipeline.stages.scores import Outputs, Scores


def score_policy(settings: Settings) -> WindowPolicy:
    """What the settings promise of windows of scores: their length, and how many series they hold. Nothing comes too late."""
    return WindowPolicy(int(settings.window * SECOND), 0, 0, 0, settings.max_series, *(0,) * 9)


def scores_stage(settings: Settings, partitions: int) -> Scores:
    """scores under `settings`, of a topic that has so many partitions."""
    outputs = Outputs(
        settings.topic("panes"),
        settings.topic("counted-scores"),
        settings.topic("dead-letters"),
        settings.topic("status"),
        settings.panes_partitions,
        partitions,
    )
    return Scores(score_policy(settings), outputs, int(settings.early_every * SECOND), int(settings.progress_every * SECOND))


def run_scores(settings: Settings, instance: str, beat: Heartbeat) -> None:
    """Run one scores worker until SIGTERM or SIGINT."""
    partitions = len(sources(settings, "scores"))
    run_worker(
        settings,
        scores_stage(as_on_broker(settings), partitions),
        "scores",
        instance=instance,
        partitions=partitions,
        overtaken=overtaken_by_retention(settings, "scores"),
        beat=beat,
    )
