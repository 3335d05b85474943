"""The stages by name, each run until it is told to stop."""

from importlib import import_module

from pipeline.connectors.heartbeat import beating
from pipeline.settings import Settings

RUN = {
    "decode": "pipeline.app.decode:run_decode",
    "aggregate": "pipeline.app.aggregate:run_aggregate",
    "evaluate": "pipeline.app.evaluate:run_evaluate",
    "scores": "pipeline.app.scores:run_scores",
    "watch": "pipeline.app.watch:run_watch",
    "sink": "pipeline.app.sink:run_sink",
}
"""Module and function of each, (settings, instance, heartbeat) -> None. A process loads that of its own stage alone: the
libraries of the others took a quarter of the time in which decode and sink start.
"""


def run(settings: Settings, stage: str, instance: str) -> None:
    """Run one stage until SIGTERM or SIGINT, with a heartbeat of its own."""
    module, _, name = RUN[stage].partition(":")
    stage_run = getattr(import_module(module), name)
    with beating(settings.local_dir, stage) as beat:
        stage_run(settings, instance, beat)
