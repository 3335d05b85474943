"""What a report holds, before anybody draws it: sections of tables and plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """How a row is to be seen, whatever its colour: it has a sign and a word too."""

    BAD = "bad"
    DOUBTFUL = "doubtful"
    GOOD = "good"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of texts. marks: one for each row, or none at all. numbers: columns that stand to the right."""

    caption: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    marks: Sequence[Mark] = ()
    numbers: frozenset[str] = frozenset()
    nothing: str = "Nothing in this range."


@dataclass(frozen=True, slots=True)
class Line:
    """Values over time: at_s in Unix seconds, values in base units, None where nothing was measured. low, high: its interval."""

    at_s: Sequence[int]
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over one axis of time. unit: one of `pipeline.model.metrics.Unit`, or "" for numbers. about: what it shows."""

    title: str
    about: str
    unit: str
    lines: Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence, plots, tables."""

    title: str
    about: str = ""
    plots: Sequence[Plot] = ()
    grids: Sequence[Grid] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One page. summary: what the first lines say; from_s, to_s: Unix seconds."""

    title: str
    summary: Sequence[str]
    from_s: int
    to_s: int
    sections: Sequence[Section] = field(default=())
    notes: Sequence[str] = ()
