"""One open window: who was seen, and per series what it adds up to. What it adds up is a `Family` of measures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import OVERFLOW, Firing
from pipeline.model.log_time import WindowPolicy
from pipeline.operators.digest import SeriesDigests
from pipeline.operators.kernels import HashSet, add_rows, add_squares, add_values
from pipeline.operators.ladder import SeriesCounts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Series = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """What a series adds up.

    names: of the parts of a series, in order. sums: measures in 64 bits. totals, squares: in 128 bits, by the name of the value
    they add up. digests: likewise. ladders: by what is counted, the name of the value and how many of the ladder's units it has.
    """

    names: tuple[str, ...]
    sums: tuple[str, ...]
    totals: dict[str, str]
    squares: dict[str, str]
    digests: dict[str, str]
    ladders: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """n things to add: `series[code[i]]` is the series of the i-th.

    code: (n,). sums: (n, len(Family.sums)). values: by name (n,) floats, nan where there is none, or integers.
    """

    series: Sequence[Series]
    code: Ints
    sums: Ints
    values: dict[str, NDArray[Any]]


class Window:
    """One open window [start, end) of a family."""

    __slots__ = (
        *(
            "_digests",
            "_family",
            "_high",
            "_ladders",
            "_low",
            "_max_series",
            "_other",
            "_sums",
            "changed",
            "end_ns",
            "final_ns",
            "first_offset",
        ),
        *("keys", "on_time", "overflow", "seen", "slots"),
    )

    def __init__(self, family: Family, start_ns: int, policy: WindowPolicy, final_ns: int, first_offset: int) -> None:
        self.end_ns = start_ns + policy.window_ns
        self.final_ns = final_ns
        self._family = family
        self._max_series = policy.max_series
        self._other: Series = (OVERFLOW,) * len(family.names)
        self.first_offset = first_offset
        self.seen = HashSet()
        self.slots: dict[Series, int] = {}
        self.keys: list[Series] = []
        self.changed: set[int] = set()
        self.on_time = False
        self.overflow = 0
        self._digests = {name: SeriesDigests() for name in family.digests}
        self._ladders = {name: SeriesCounts() for name in family.ladders}
        self._sums = np.zeros((8, len(family.sums)), np.int64)
        wide = len(family.totals) + len(family.squares)
        self._high = np.zeros((wide, 8), np.uint64)
        self._low = np.zeros((wide, 8), np.uint64)

    def fold(self, measured: Measured) -> None:
        """Add things, none of them added before."""
        if len(measured.code) == 0:
            return
        family = self._family
        codes, first, inverse = np.unique(measured.code, return_index=True, return_inverse=True)
        of_code = np.empty(len(codes), np.int64)
        for at in np.argsort(first).tolist():  # who comes first has a slot: codes differ from process to process
            of_code[at] = self._slot(measured.series[codes[at]])
        slots = of_code[inverse]
        self.overflow += int(np.count_nonzero(slots == self.slots.get(self._other, -1)))
        add_rows(self._sums, slots, measured.sums)
        whole = {name: _whole(measured.values[name]) for name in {*family.totals.values(), *family.squares.values()}}
        adding = [*((add_values, name) for name in family.totals.values()), *((add_squares, n) for n in family.squares.values())]
        for i, (add, name) in enumerate(adding):
            add(self._high[i], self._low[i], slots, whole[name])
        for column, name in family.digests.items():
            values = measured.values[name].astype(np.float64, copy=False)
            known = ~np.isnan(values)
            self._digests[column].add(slots[known], values[known])
        for column, (name, scale) in family.ladders.items():
            self._ladders[column].add(slots, measured.values[name].astype(np.float64, copy=False), scale)
        self.changed.update(of_code.tolist())

    def _slot(self, series: Series) -> int:
        """The series' slot; over the limit that of `__other__`."""
        if series not in self.slots:
            if len(self.slots) >= self._max_series:
                series = self._other
            if series not in self.slots:
                self.slots[series] = len(self.keys)
                self.keys.append(series)
                self._make_room()
        return self.slots[series]

    def _make_room(self) -> None:
        if len(self.keys) > len(self._sums):
            self._sums = np.concatenate((self._sums, np.zeros_like(self._sums)))
            self._high, self._low = (np.concatenate((a, np.zeros_like(a)), axis=1) for a in (self._high, self._low))

    def rows(self, slots: Sequence[int], firing: Firing) -> dict[str, list[Any]]:
        """The measures of some series as columns of a pane block. No early one is asked for shares: it carries no counts."""
        family = self._family
        columns: dict[str, list[Any]] = {name: [self.keys[s][i] for s in slots] for i, name in enumerate(family.names)}
        columns |= {name: self._sums[slots, j].tolist() for j, name in enumerate(family.sums)}
        for i, name in enumerate((*family.totals, *family.squares)):
            columns[name] = [str((int(self._high[i, s]) << 64) + int(self._low[i, s])) for s in slots]
        for name, digests in self._digests.items():
            columns[name] = [digests.encode(s) for s in slots]
        for name, counted in self._ladders.items():
            nothing: list[Any] = [[]] * len(slots)
            bins, counts = (nothing, nothing) if firing is Firing.EARLY else counted.of(slots)
            columns[f"{name}_bins"], columns[f"{name}_bin_counts"] = bins, counts
        return columns


def _whole(values: NDArray[Any]) -> Ints:
    """The values as integers, 0 for nan."""
    return np.where(np.isnan(values), 0, values).astype(np.int64)
