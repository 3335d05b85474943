"""Everything on one machine: engines, topics, schema, stages. `tailrace up` keeps it, `tailrace demo` adds traffic."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.app.processes import Fleet, fleet
from pipeline.connectors import local_supervisor
from pipeline.connectors.clickhouse import apply_schema
from pipeline.connectors.clock import steady, wait
from pipeline.connectors.kafka import apply_topics, members
from pipeline.connectors.local_engines import engines
from pipeline.connectors.local_setup import Say
from pipeline.errors import EngineError, Transient
from pipeline.settings import Settings

JOIN_WITHIN = 90.0
"""Seconds the stages may take to join their groups."""


@dataclass(frozen=True, slots=True)
class Running:
    """The whole pipeline, running. `env` points tools and children at it."""

    settings: Settings
    env: dict[str, str]
    fleet: Fleet


@contextmanager
def pipeline(settings: Settings, say: Say) -> Iterator[Running]:
    """Engines (the user's, those of `tailrace local up`, or our own for the length of the block) and all stages."""
    with _engines(settings, say) as env:
        here = settings.model_copy(
            update={name.removeprefix("TAILRACE_").lower(): _like(settings, name, value) for name, value in env.items()}
        )
        for change in apply_topics(here):
            say(f"topic {change.topic}: {change.action}{f', {change.detail}' if change.detail else ''}")
        for applied in apply_schema(here):
            say(f"schema: {applied}")
        with fleet(here, env, settings.local_dir / "logs", say) as running:
            say(f"started {', '.join(process.name for process in running.processes)}; waiting until they have joined")
            _await_members(here, running)
            yield Running(here, env, running)


def _await_members(settings: Settings, running: Fleet) -> None:
    """Until every process reads its partitions. Raises EngineError if that takes longer than JOIN_WITHIN."""
    deadline = steady() + JOIN_WITHIN
    wanted = Counter(process.stage for process in running.processes)
    while not all(_joined(settings, stage) >= n for stage, n in wanted.items()):
        running.tend()
        if steady() > deadline:
            raise EngineError(f"the stages did not join their groups within {JOIN_WITHIN:.0f} s; see {settings.local_dir}/logs")
        wait(0.3)


def _joined(settings: Settings, stage: str) -> int:
    """Members of the stage's group; a group nobody has joined yet is no error."""
    try:
        return members(settings, stage)
    except Transient:
        return 0


def _like(settings: Settings, name: str, value: str) -> object:
    """`value` in the type of the setting."""
    return type(getattr(settings, name.removeprefix("TAILRACE_").lower()))(value)


@contextmanager
def _engines(settings: Settings, say: Say) -> Iterator[dict[str, str]]:
    if local_supervisor.supervised(settings):
        say("using the engines of `tailrace local up`")
        yield local_supervisor.env(settings)
        return
    say("starting Kafka and ClickHouse")
    with engines(settings, say, settings.local_dir / "data") as running:
        yield {name: value for name, value in running.env().items() if value}
