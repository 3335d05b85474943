r"""Where a value may stand in a span: a path. Dialect tables and the user's series file speak in these.

gen_ai.request.model                  an attribute of the span
resource:service.version              an attribute of its resource
like:cache_read                       an attribute nobody told us, by the letters of its name (`alike.py`)
name:                                 the name of the span
scope:                                the name of its instrumentation scope
metadata#route                        a key inside an attribute that holds a JSON object or a map
output.value#usage#0                  keys inside keys, and places in lists
event:First Token Stream Event        the time of the first event of that name, relative to the span's start
event:exception#exception.type        an attribute of the first event of that name that has it
ai.response.msToFirstChunk@ms         a number with its unit (s, ms, us, ns), or an instant (@time); only durations have one
llm.user~^(?:team|org)-(\w+)          of a text what the pattern captures; without a group: `true` where it matches
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

NS_PER = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
INSTANT = "time"
"""The unit of a value that says when, as text in ISO 8601."""

Where = Literal["span", "resource", "event", "like", "name", "scope"]

PREFIXES: dict[str, Where] = {"resource:": "resource", "event:": "event", "like:": "like", "name:": "name", "scope:": "scope"}


@dataclass(frozen=True, slots=True)
class Path:
    """One place.

    keys: into a JSON value or a map, outermost first; of an event: its attribute. unit: a key of NS_PER, INSTANT or "".
    pattern: what a text must match, "" for any. scopes: beginnings of names of instrumentation scopes; only there it counts.
    """

    where: Where
    name: str
    keys: tuple[str, ...] = ()
    unit: str = ""
    pattern: str = ""
    scopes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Path":
        """Read the notation above. Raises ValueError for an empty name, an unknown unit or a pattern that is none."""
        rest, _, pattern = text.partition("~")
        where: Where = next((where for prefix, where in PREFIXES.items() if rest.startswith(prefix)), "span")
        if where != "span":
            rest = rest.partition(":")[2]
        rest, _, unit = rest.partition("@")
        name, *keys = rest.split("#")
        nameless = where in ("name", "scope")
        if bool(name) == nameless or not all(keys) or (nameless and keys) or (unit and unit not in (*NS_PER, INSTANT)):
            raise ValueError(f"not a path: {text!r}")
        if where == "event" and len(keys) > 1:
            raise ValueError(f"not a path: {text!r}: an event has attributes, and nothing in them is searched")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a path: {text!r}: {error}") from None
        return cls(where, name, tuple(keys), unit, pattern)

    @property
    def attribute(self) -> str:
        """Under which name its attribute is kept."""
        return f"like:{self.name}" if self.where == "like" else self.name

    @property
    def is_time_of_event(self) -> bool:
        """Whether it means when an event was, which is no attribute."""
        return self.where == "event" and not self.keys

    @property
    def is_in_document(self) -> bool:
        """Whether it means a place inside a value. Of an event the one key is the name of its attribute."""
        return bool(self.keys) and self.where != "event"

    def __str__(self) -> str:
        where = "" if self.where == "span" else f"{self.where}:"
        keys = "".join(f"#{key}" for key in self.keys)
        unit, pattern = self.unit and f"@{self.unit}", self.pattern and f"~{self.pattern}"
        return f"{where}{self.name}{keys}{unit}{pattern}"


def paths(*texts: str) -> tuple[Path, ...]:
    """Paths in order of priority."""
    return tuple(Path.parse(text) for text in texts)


def within(scopes: Iterable[str], *texts: str) -> tuple[Path, ...]:
    """Paths that count only in spans of scopes whose name begins with one of `scopes`."""
    return tuple(replace(path, scopes=tuple(scopes)) for path in paths(*texts))
