"""watch made from settings, and run on Kafka."""

import logging

from pipeline.app.compose import as_on_broker, overtaken_by_retention
from pipeline.connectors.contracts_followed import ContractsFollowed
from pipeline.connectors.contracts_in_force import contracts_in_force
from pipeline.connectors.faust_worker import run_worker
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.model.contracts import Contract
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.snapshots import Texts
from pipeline.settings import SECOND, Settings
from pipeline.stages.watch import Outputs, Watch, WatchPolicy
from pipeline.topics import progress_of

LOOKS_AN_HOUR = 12
"""How often it is told how everything stands: of what is an hour to the evidence."""

log = logging.getLogger("tailrace.watch")


def watch_stage(settings: Settings, wanted: ContractsFollowed | None = None) -> Watch:
    """watch under `settings`. wanted: where the contracts come from; without it those that stand in the log hold."""
    policy = WatchPolicy(
        int(settings.watch_hour * SECOND),
        int(settings.source_patience * SECOND),
        settings.max_slices,
        int(settings.snapshot_every * SECOND),
        max(int(settings.watch_hour * SECOND) // LOOKS_AN_HOUR, 1),
        settings.grafana_url,
        settings.panes_partitions,
    )
    outputs = Outputs(settings.topic("alerts"), settings.topic("status"), settings.topic("standings"))
    return Watch(policy, outputs, wanted or nothing_more, readable, say=log.warning)


def nothing_more() -> Texts | None:
    """No contract is known but those that stand in the log."""
    return None


def readable(name: str, text: str) -> Contract | None:
    """The contract of a text that was applied; None, with a word in the log, if this version cannot read it."""
    found = read(text, name)
    if found.contract is None:
        log.error("contract %s is not judged: %s", name, "; ".join(map(str, found.problems[:3])))
    return found.contract


def run_watch(settings: Settings, instance: str, beat: Heartbeat) -> None:
    """Run one watch worker until SIGTERM or SIGINT."""
    here = as_on_broker(settings)
    run_worker(
        settings,
        watch_stage(here, ContractsFollowed(lambda: contracts_in_force(settings))),
        "panes",
        instance=instance,
        partitions=here.panes_partitions,
        overtaken=overtaken_by_retention(settings, "watch"),
        beat=beat,
        progress_topic_key=progress_of("watch"),
    )
