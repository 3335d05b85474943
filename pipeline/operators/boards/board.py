"""One board as it is provisioned, and what may be asked of it: a query by where it stands, never by its text."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pipeline.operators.boards.macros import ALL, Selection, TimeRange, expand

LAST_SECOND: Final = 2**32 - 1
"""What a DateTime of ClickHouse holds."""

LONGEST_INTERVAL: Final = 400 * 86_400
MOST_VALUES: Final = 1_000
"""Selected at once in one variable."""

MOST_LETTERS: Final = 4_096
"""Of one value."""


class AskedWronglyError(ValueError):
    """No query of a board is meant, or nothing that can be selected."""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One query of a board: of a panel, or of a variable. `begin`, `end`: milliseconds since 1970; `interval`: seconds."""

    board: str
    panel: int | None = None
    variable: str | None = None
    ref_id: str = msgspec.field(default="A", name="refId")
    variables: dict[str, str | list[str]] = {}
    begin: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")
    interval: int = 60


@dataclass(frozen=True, slots=True)
class Variable:
    """What may be selected: one value or several, and whether All."""

    multi: bool
    include_all: bool


@dataclass(frozen=True, slots=True)
class Board:
    """A board: `document` as provisioned, its queries by (panel or variable, refId), and the variables they may use."""

    uid: str
    title: str
    document: Mapping[str, Any]
    queries: Mapping[tuple[int | str, str], str]
    variables: Mapping[str, Variable]

    @classmethod
    def read(cls, text: str) -> "Board":
        """A provisioned JSON file."""
        document: dict[str, Any] = json.loads(text)
        listed = document.get("templating", {}).get("list", [])
        queries = {
            (panel["id"], target.get("refId", "A")): target["rawSql"]
            for panel in panels(document)
            for target in panel.get("targets", [])
            if "rawSql" in target
        }
        for one in listed:
            if one["type"] == "query":
                query = one["query"]
                queries[one["name"], "A"] = query if isinstance(query, str) else query["rawSql"]
        variables = {
            one["name"]: Variable(one.get("multi", False), one.get("includeAll", False))
            for one in listed
            if one["type"] != "datasource"
        }
        return cls(document["uid"], document["title"], document, queries, variables)

    def sql(self, ask: Ask) -> str:
        """What the store is asked. Raises AskedWronglyError, and NotExpandedError for a board that says more than we know."""
        if (ask.panel is None) == (ask.variable is None):
            raise AskedWronglyError("a query is one of a panel or one of a variable")
        place = (ask.panel if ask.panel is not None else str(ask.variable), ask.ref_id)
        if place not in self.queries:
            raise AskedWronglyError(f"{self.uid} has no query {place[1]} of {place[0]}")
        return expand(self.queries[place], self._chosen(ask.variables), _over(ask))

    def _chosen(self, asked: Mapping[str, str | list[str]]) -> dict[str, Selection]:
        """A value, several or All for every variable; All of those that are not named, or nothing where there is no All."""
        if unknown := asked.keys() - self.variables.keys():
            raise AskedWronglyError(f"{self.uid} has no variable {min(unknown)}")
        return {
            name: _selection(name, variable, asked[name]) if name in asked else ALL if variable.include_all else ""
            for name, variable in self.variables.items()
        }


def panels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, those inside collapsed rows too; a row itself is none."""
    for panel in document.get("panels", []):
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


def _selection(name: str, variable: Variable, value: str | list[str]) -> Selection:
    several = [value] if isinstance(value, str) else value
    if len(several) > MOST_VALUES or any(len(one) > MOST_LETTERS for one in several):
        raise AskedWronglyError(f"of {name} at most {MOST_VALUES} values of {MOST_LETTERS} letters can be selected")
    if ALL in several:
        return ALL
    if not variable.multi:
        if len(several) > 1:
            raise AskedWronglyError(f"{name} takes one value")
        return several[0] if several else ""
    return tuple(several) if several else ""


def _over(ask: Ask) -> TimeRange:
    start, end = ask.begin // 1000, ask.end // 1000
    if not 0 <= start <= end <= LAST_SECOND:
        raise AskedWronglyError("from and to are milliseconds since 1970, from before to, both before 2106")
    if not 0 <= ask.interval <= LONGEST_INTERVAL:
        raise AskedWronglyError(f"an interval has 0 to {LONGEST_INTERVAL} seconds")
    return TimeRange(start, end, ask.interval)
