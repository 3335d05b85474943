"""Panes as columns, and those of windows that are not whole yet.

Evidence sees a window once: of the firings of a source that of the window being on time, which comes at one position of its log
in every replay. What came later stays out, and is counted. Firings that are repeated are the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.model.columns import SERIES, TRACE_SERIES, Firing
from pipeline.model.metrics import MEASURES, METRICS, SCORE, Family
from pipeline.operators.watch.ladders import Counts

Floats = NDArray[np.float64]

WHOLE = {Family.CALLS: Firing.ON_TIME, Family.TRACES: Firing.FINAL, Family.SCORES: Firing.FINAL}
"""The firing that evidence sees. Windows of traces and of scores fire when they are whole: nothing comes too late for them."""

SERIES_OF = {
    Family.CALLS: SERIES,
    Family.TRACES: TRACE_SERIES,
    Family.SCORES: (*SERIES, "evaluator"),
}

SAYS = ("ok", "skipped", "over_budget")
"""Counts of scores by which an evaluator says something, be it that there is nothing to judge or no money for it."""

_OF_SCORES = (*SAYS, "checked", "weight", "weight_sq", "value_sum", "checked_weight", "checked_weight_sq", "fails_weight")


def _numbers(family: Family) -> tuple[str, ...]:
    if family is Family.SCORES:
        return _OF_SCORES
    found = [m for m in METRICS.values() if m.family is family]
    names = {name for m in found for name in (m.events, m.of, m.n, *m.unknown)}
    names |= {name for m in MEASURES.values() if m.family is family for name in (m.count, m.total, *m.unknown)}
    return tuple(sorted(names - {""}))


NUMBERS = {family: _numbers(family) for family in Family}
"""The columns of panes that metrics are made of."""

LADDERS = {family: tuple(one.ladder for one in MEASURES.values() if one.family is family and one.ladder) for family in Family}
"""What is counted over the ladder, each in two columns: bins and counts."""

assert SCORE.count in _OF_SCORES


@dataclass(frozen=True, slots=True)
class Panes:
    """Rows of one window. series: (rows,) tuples as in SERIES_OF. source: (rows,) log ids. numbers: by column (rows,).
    ladders: by what is counted over the ladder; nothing of panes that carry none.
    """

    series: tuple[tuple[str, ...], ...]
    source: tuple[str, ...]
    numbers: dict[str, Floats]
    ladders: dict[str, Counts] = field(default_factory=dict)

    def taken(self, rows: NDArray[np.intp]) -> "Panes":
        """Some of the rows; they rise."""
        return Panes(
            tuple(self.series[i] for i in rows),
            tuple(self.source[i] for i in rows),
            {name: column[rows] for name, column in self.numbers.items()},
            {name: counts.taken(rows, len(self.series)) for name, counts in self.ladders.items()},
        )


def read_panes(value: bytes, family: Family) -> dict[tuple[int, int], Panes]:
    """The rows of a block that evidence sees, by window (start, end). Raises ValueError for anything else."""
    block = orjson.loads(value)
    try:
        firing = block["firing"]
        rows = [i for i, said in enumerate(firing) if said == WHOLE[family].value]
        windows: dict[tuple[int, int], list[int]] = {}
        for i in rows:
            windows.setdefault((int(block["window_start_ns"][i]), int(block["window_end_ns"][i])), []).append(i)
        return {window: _rows(block, family, chosen) for window, chosen in windows.items()}
    except (KeyError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"no block of panes: {error!r:.100}") from None


def _rows(block: dict[str, list[Any]], family: Family, rows: list[int]) -> Panes:
    names = [block[name] for name in SERIES_OF[family]]
    return Panes(
        tuple(tuple(column[i] for column in names) for i in rows),
        tuple(block["source"][i] for i in rows),
        {name: np.array([float(block[name][i]) for i in rows]) for name in NUMBERS[family]},
        {name: _counts(block, name, rows) for name in LADDERS[family]},
    )


def _counts(block: dict[str, list[Any]], name: str, rows: list[int]) -> Counts:
    """Blocks of before have none."""
    if f"{name}_bins" not in block:
        return Counts.none()
    bins, counts = block[f"{name}_bins"], block[f"{name}_bin_counts"]
    return Counts.of([bins[i] for i in rows], [counts[i] for i in rows])


@dataclass(slots=True)
class Waiting:
    """Panes of windows that are not whole, with the first offset they came from."""

    held: dict[tuple[Family, int, int], list[Panes]] = field(default_factory=dict)
    first: dict[tuple[Family, int, int], int] = field(default_factory=dict)
    late: int = 0

    def add(self, family: Family, window: tuple[int, int], panes: Panes, offset: int, line_ns: int) -> None:
        """Keep them; those of a window that was whole already only count."""
        if window[1] <= line_ns:
            self.late += len(panes.series)
            return
        key = (family, *window)
        self.held.setdefault(key, []).append(panes)
        self.first.setdefault(key, offset)

    def whole(self, family: Family, line_ns: int) -> Iterator[tuple[int, int, Panes]]:
        """Windows that end by then, by rising end: start, end, each series of each source once."""
        for key in sorted((key for key in self.held if key[0] is family and key[2] <= line_ns), key=lambda key: (key[2], key[1])):
            del self.first[key]
            yield key[1], key[2], _once(self.held.pop(key))

    def held_from(self, position: int) -> int:
        """First offset that is still needed."""
        return min(self.first.values(), default=position)


def _once(blocks: list[Panes]) -> Panes:
    seen: dict[tuple[tuple[str, ...], str], int] = {}
    series = [one for block in blocks for one in block.series]
    source = [one for block in blocks for one in block.source]
    for i, key in enumerate(zip(series, source, strict=True)):
        seen.setdefault(key, i)
    rows = np.fromiter(seen.values(), np.intp, len(seen))
    numbers = {name: np.concatenate([block.numbers[name] for block in blocks]) for name in blocks[0].numbers}
    sizes = [len(block.series) for block in blocks]
    ladders = {name: Counts.together([block.ladders[name] for block in blocks], sizes) for name in blocks[0].ladders}
    return Panes(tuple(series), tuple(source), numbers, ladders).taken(rows)
