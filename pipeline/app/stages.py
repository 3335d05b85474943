"""The stages by name, each run until it is told to stop."""

from collections.abc import Callable

from pipeline.app.compose import run_aggregate, run_decode, run_sink
from pipeline.app.evaluate import run_evaluate
from pipeline.app.scores import run_scores
from pipeline.app.watch import run_watch
from pipeline.connectors.heartbeat import Heartbeat, beating
from pipeline.settings import Settings

RUN: dict[str, Callable[[Settings, str, Heartbeat], None]] = {
    "decode": run_decode,
    "aggregate": run_aggregate,
    "evaluate": run_evaluate,
    "scores": run_scores,
    "watch": run_watch,
    "sink": run_sink,
}


def run(settings: Settings, stage: str, instance: str) -> None:
    """Run one stage until SIGTERM or SIGINT, with a heartbeat of its own."""
    with beating(settings.local_dir, stage) as beat:
        RUN[stage](settings, instance, beat)
