"""YAML whose every value knows its line, read without trust: bounded before anything is built of it.

Events come from PyYAML's parser; the tree is built here, because its composer follows aliases and nests as deep as the text says.
Plain scalars are those of YAML 1.2's core schema: `no` is a text, and `5:30` is no number of base 60.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.operators.contracts.problems import KeyPath

MAX_BYTES = 65_536
MAX_DEPTH = 12
MAX_NODES = 10_000

NULLS = ("", "~", "null", "Null", "NULL")
TRUES, FALSES = ("true", "True", "TRUE"), ("false", "False", "FALSE")
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,18}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,2})?")


class UnreadableError(ValueError):
    """The text is no document that can be read. `line`: from 1, 0 for all of it. `path`: how far it was read."""

    def __init__(self, says: str, line: int = 0, path: KeyPath = ()) -> None:
        super().__init__(says)
        self.says, self.line, self.path = says, line, path


@dataclass(slots=True)
class Located:
    """A document: its value, and the line of each key path. A key's line is where the key stands, an item's where it begins."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """The line of the deepest part of `path` that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def located(text: str | bytes) -> Located:
    """The one document of a text. Raises UnreadableError."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise UnreadableError(f"it has more than {MAX_BYTES:,} bytes, the most that is read")
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("it is not UTF-8", raw[: error.start].count(b"\n") + 1) from None
    try:
        return _Builder(yaml.parse(decoded, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = "; a pattern that begins with * stands in quotes" if "alias" in said else ""
        raise UnreadableError(f"it is no YAML: {said}{hint}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise UnreadableError(f"it is no YAML: {' '.join(str(error).split())}") from None


class _Builder:
    """Events in, one document out."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.events = events
        self.found = Located()
        self.nodes = 0

    def document(self) -> Located:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self.nodes:
                    raise UnreadableError("a second document begins; a contract has a file of its own", _line(event))
                self.found.value = self.node(next(self.events), ())
        return self.found

    def node(self, event: yaml.Event, path: KeyPath) -> Any:
        """The value that begins with this event."""
        self.nodes += 1
        line = _line(event)
        self.found.lines.setdefault(path, line)
        assert isinstance(event, yaml.NodeEvent), "documents hold nodes"
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise UnreadableError(
                "anchors and aliases (`&`, `*`) are not read: write it out, and quote a text that begins so", line, path
            )
        tag: str | None = event.tag  # type: ignore[attr-defined]
        if tag is not None:
            raise UnreadableError(f"tags such as `{tag:.40}` are not read: leave it out", line, path)
        if len(path) > MAX_DEPTH:
            raise UnreadableError(f"it is nested deeper than {MAX_DEPTH} levels", line, path)
        if self.nodes > MAX_NODES:
            raise UnreadableError(f"it has more than {MAX_NODES:,} values", line, path)
        if isinstance(event, yaml.ScalarEvent):
            text = _text(event, path)
            return _scalar(text) if event.implicit[0] else text
        return self.mapping(path) if isinstance(event, yaml.MappingStartEvent) else self.sequence(path)

    def mapping(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise UnreadableError("a key is to be a plain text", line, path)
            key = _text(event, path)
            if key in found:
                first = self.found.lines[(*path, key)]
                raise UnreadableError(f"the key is there twice, first in line {first}; leave one", line, (*path, key))
            self.found.lines[(*path, key)] = line
            found[key] = self.node(next(self.events), (*path, key))
        return found

    def sequence(self, path: KeyPath) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self.node(event, (*path, len(found))))
        return found


def _text(event: yaml.ScalarEvent, path: KeyPath) -> str:
    """What it says; an escape such as "\\ud800" says no character, and nothing else takes such a text."""
    if any("\ud800" <= char <= "\udfff" for char in event.value):
        raise UnreadableError("half of a character is escaped there; write the character itself", _line(event), path)
    return event.value


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None, "events of a parser know where they are"
    return event.start_mark.line + 1


def _scalar(text: str) -> Any:
    """A plain scalar of the core schema."""
    if text in NULLS:
        return None
    if text in TRUES or text in FALSES:
        return text in TRUES
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text
