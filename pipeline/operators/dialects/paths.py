"""Where a value may stand in a span: a path. Dialect tables and the user's series file speak in these.

gen_ai.request.model              an attribute of the span
resource:service.version          an attribute of its resource
metadata#route                    a key inside an attribute that holds a JSON object
event:First Token Stream Event    the time of the first event of that name, relative to the span's start
ai.response.msToFirstChunk@ms     a number with its unit (s, ms); only durations have one
"""

from dataclasses import dataclass
from typing import Literal

NS_PER = {"s": 1_000_000_000, "ms": 1_000_000}


@dataclass(frozen=True, slots=True)
class Path:
    """One place. `key` is a key of a JSON object ("" if the value itself is meant), `unit` a key of NS_PER or ""."""

    where: Literal["span", "resource", "event"]
    name: str
    key: str = ""
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> "Path":
        """Read the notation above. Raises ValueError for an empty name or an unknown unit."""
        where: Literal["span", "resource", "event"] = "span"
        if text.startswith("resource:"):
            where, text = "resource", text.removeprefix("resource:")
        elif text.startswith("event:"):
            where, text = "event", text.removeprefix("event:")
        text, _, unit = text.partition("@")
        name, _, key = text.partition("#")
        if not name or (unit and unit not in NS_PER):
            raise ValueError(f"not a path: {text!r}{'@' + unit if unit else ''}")
        return cls(where, name, key, unit)


def paths(*texts: str) -> tuple[Path, ...]:
    """Paths in order of priority."""
    return tuple(Path.parse(text) for text in texts)
