"""Everything on one machine: engines, topics, schema, stages. `tailrace up` keeps it, `tailrace demo` adds traffic."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.app.processes import Fleet, fleet
from pipeline.connectors import local_supervisor
from pipeline.connectors.clickhouse import apply_schema
from pipeline.connectors.kafka import apply_topics
from pipeline.connectors.local_engines import engines
from pipeline.connectors.local_setup import Say
from pipeline.settings import Settings


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
            say(f"started {', '.join(process.name for process in running.processes)}")
            yield Running(here, env, running)


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
