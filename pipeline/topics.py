"""The topics, as typed constants from the files in `schemas/topics`, and the one partitioner.

This is the only place that names a topic. The files say key, partitioning, retention, producers and consumers.
"""

import zlib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml


def schemas_dir() -> Path:
    """Where `schemas/` lies."""
    return shipped("schemas")


def shipped(folder: str) -> Path:
    """A folder that comes with the package: inside it where it is installed, else beside it in a checkout."""
    packaged = Path(str(files("pipeline"))) / f"_{folder}"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parent.parent / folder


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as its file describes it.

    table: where the sink puts its blocks, "" if nowhere. keyed: likewise, by the key of the message. any_key: whatever the key.
    """

    key: str
    name: str
    partitions: str
    config: dict[str, str] = field(default_factory=dict)
    table: str = ""
    keyed: dict[str, str] = field(default_factory=dict)
    any_key: bool = False

    def named(self, prefix: str, otlp: str) -> str:
        """The name on the broker: the collector's for `otlp_spans`, `<prefix>.<name>.v1` for ours."""
        return otlp if self.key == "otlp_spans" else f"{prefix}.{self.name}.v1"


@cache
def topics() -> dict[str, Topic]:
    """All topics by key, in the order of their files' names."""
    found = {}
    for path in sorted((schemas_dir() / "topics").glob("*.yaml")):
        raw: dict[str, Any] = yaml.safe_load(path.read_text())
        found[path.stem] = Topic(
            path.stem,
            raw["name"],
            raw["partitions"],
            {k: str(v) for k, v in raw["config"].items()},
            raw.get("table", ""),
            raw.get("keyed", {}),
            raw.get("any_key", False),
        )
    return found


ANY_KEY = b"*"
"""Stands for every key of a topic whose messages are blocks whatever their key."""


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` among `partitions`: CRC-32 of its UTF-8 bytes, modulo. librdkafka calls it `consistent`.

    Keys: the trace id as 32 lower-case hex digits, or `environment/route`.
    """
    return zlib.crc32(key.encode()) % partitions


def route_key(environment: str, route: str) -> str:
    """The key under which every slice of a route meets in one partition."""
    return f"{environment}/{route}"


STAGES = ("decode", "aggregate", "evaluate", "scores", "watch", "sink")
"""In the order of the flow."""


def inputs(stage: str) -> tuple[str, ...]:
    """Keys of the topics a stage reads in its consumer group."""
    stored = tuple(topic.key for topic in topics().values() if topic.table)
    read = {
        "decode": ("otlp_spans",),
        "aggregate": ("spans",),
        "evaluate": ("samples",),
        "scores": ("scores",),
        "watch": ("panes",),
        "sink": stored,
    }
    return read[stage]


def progress_of(stage: str) -> str:
    """Key of the topic in which a stage says how far it has come. That of watch holds days of evidence, so it has its own."""
    return "watch-state" if stage == "watch" else "progress"
