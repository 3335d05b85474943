"""Everything on one machine: engines, topics, schema, stages. `tailrace up` keeps it, `tailrace demo` adds traffic."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.app.processes import Fleet, fleet
from pipeline.connectors.clickhouse import apply_schema
from pipeline.connectors.clock import steady, wait
from pipeline.connectors.kafka import apply_topics, members
from pipeline.connectors.local_setup import Say, alone
from pipeline.connectors.local_supervisor import hold
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
def pipeline(settings: Settings, command: str, say: Say, wishes: Mapping[str, str] = MappingProxyType({})) -> Iterator[Running]:
    """Engines (the user's, those of `tailrace local up`, or our own for the length of the block) and all stages.

    wishes: settings of this run, as environment variables, where the user has set none.
    Raises EngineError if another command already runs them in this folder.
    """
    me = f"`tailrace {command}` (process {os.getpid()})"
    with alone(settings.local_dir / "pipeline.lock", me) as other:
        if other:
            raise EngineError(_occupied(settings, other))
        meant = {name: value for name, value in wishes.items() if _field(name) not in settings.model_fields_set}
        with _stages(settings, say, meant) as running:
            yield running


def _occupied(settings: Settings, other: str) -> str:
    kafka = f", Kafka at {settings.kafka_bootstrap}" if settings.kafka_bootstrap else ""
    where = f"{settings.local_dir.resolve()}{kafka}"
    return f"{other} already runs here ({where}): look at it with `tailrace status`, stop it, or set TAILRACE_LOCAL_DIR"


@contextmanager
def _stages(settings: Settings, say: Say, wishes: Mapping[str, str]) -> Iterator[Running]:
    with hold(settings, say) as engines:
        env = {**engines, **wishes}
        here = settings.model_copy(update={_field(name): _like(settings, name, value) for name, value in env.items()})
        _prepare(here, say)
        with fleet(here, env, settings.local_dir / "logs", say) as running:
            say(f"started {', '.join(process.name for process in running.processes)}; waiting until they have joined")
            _await_members(here, running)
            yield Running(here, env, running)


def _prepare(settings: Settings, say: Say) -> None:
    """Topics and schema. What was made is counted, what differs is said one by one."""
    changes = apply_topics(settings)
    if created := sum(change.action == "created" for change in changes):
        say(f"topics: {created} created")
    for change in changes:
        if change.action == "differs":
            say(f"topic {change.topic} differs and is left alone: {change.detail}")
    if applied := apply_schema(settings):
        say(f"schema: {len(applied)} steps applied")


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


def _field(name: str) -> str:
    """The setting of an environment variable."""
    return name.removeprefix("TAILRACE_").lower()


def _like(settings: Settings, name: str, value: str) -> object:
    """`value` in the type of the setting."""
    return type(getattr(settings, _field(name)))(value)
