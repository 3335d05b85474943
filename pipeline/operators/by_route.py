"""Panes on their way to the topic `panes`: by the route of their series, so that all slices of a route meet in one partition."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.model.columns import Column
from pipeline.model.stream import Message
from pipeline.operators.blocks import encode_bounded
from pipeline.topics import partition_of, route_key

Columns = dict[str, list[Any]]


def by_route(
    topic: str, partitions: int, table: Sequence[Column], firings: Sequence[Columns], key: bytes | None
) -> list[Message]:
    """Everything fired in one step as messages of `topic`, in the order of firing. key: of the messages."""
    blocks: dict[int, Columns] = defaultdict(lambda: {column.name: [] for column in table})
    for fired in firings:
        rows: dict[int, list[int]] = defaultdict(list)
        for i, (environment, route) in enumerate(zip(fired["environment"], fired["route"], strict=True)):
            rows[partition_of(route_key(environment, route), partitions)].append(i)
        for p, chosen in rows.items():
            for name, values in blocks[p].items():
                values += [fired[name][i] for i in chosen]
    return [Message(topic, p, block, key) for p, columns in sorted(blocks.items()) for block in encode_bounded(table, columns)]
