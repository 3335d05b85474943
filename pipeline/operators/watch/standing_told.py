"""How a contract stands, as rows of the topic `standings`."""

from collections.abc import Mapping
from typing import Any

from pipeline.model.metrics import Family
from pipeline.model.standing_columns import FAR_MORE, OF_AN_ALERT, STANDINGS
from pipeline.operators.alerts.told import bounded
from pipeline.operators.blocks import encode_rows
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.standing import Finding, standing_now

MOST_TOLD = 200
"""Rows of one contract in one partition, worst first; a message of them has about 100 kB."""

MOST_BYTES = 900_000
"""Of a message: a broker takes 1 MB. Names may be longer than usual (TAILRACE_MAX_TEXT_BYTES); then fewer rows are told."""


def standings_told(watch: ContractWatch, partition: int, lines: Mapping[Family, int]) -> bytes:
    """The block of one contract; lines: up to where windows are whole, by family."""
    found = standing_now(watch, lines, MOST_TOLD)
    rows = [row(one, partition, lines[Family.CALLS]) for one in found]
    while len(block := encode_rows(STANDINGS, rows)) > MOST_BYTES:
        rows = rows[: len(rows) // 2]
    return block


def row(found: Finding, partition: int, at_ns: int) -> dict[str, Any]:
    """A row, by column. partition: of panes. at_ns: of the look."""
    said = bounded(found.alert)
    return {name: getattr(said, name) for name in OF_AN_ALERT} | {
        "slice": dict(said.slice),
        "at_ns": at_ns,
        "partition": partition,
        "verdict": found.verdict.value,
        "missing": min(found.missing, FAR_MORE),
        "finds_nothing": found.finds_nothing,
        "in_points": found.in_points,
    }
