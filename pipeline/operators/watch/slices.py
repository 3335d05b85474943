"""Which slices of a contract a series lies in: the route as a whole, and one of each set of columns the contract names.

There is room for so many. Once half of it is taken, slices of which nothing came for longer than anything before is held against
make room: cohorts of experiments, names that somebody made up. One that comes again begins anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.model.contracts import Contract
from pipeline.model.metrics import Family
from pipeline.operators.contracts.scope import fits, is_for
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.panes_read import SERIES_OF
from pipeline.operators.watch.week import HOURS_KEPT

SERIES_KNOWN = 4
"""Series whose slices are remembered, in times of how many slices there may be; then they are found again."""

SILENT_HOURS = HOURS_KEPT + HOURS
"""Of the log: one of which nothing came for so long is in no baseline of the same hours before, and is missed no more."""

TIGHT = 0.5
"""Of the room; while less is taken no slice has to go."""

Here = Callable[[str, str], bool]
"""Whether the panes of an environment and route are for this partition."""

Mask = NDArray[np.bool_]

NO_ROWS: NDArray[np.intp] = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """A part of a route. values: (column, value), in the order the contract names them; () is the route as a whole."""

    environment: str
    route: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Slices:
    """The slices of one contract that were seen, a row each. most: how many there may be; others are left out. here: of which
    routes. left_out: how often a pane lay in one of those that are left out. silent: hours of the log since anything of each.
    """

    contract: Contract
    most: int
    here: Here = lambda *_: True
    found: list[Slice] = field(default_factory=list)
    left_out: int = 0
    silent: Floats = field(default_factory=lambda: np.zeros(0))
    _row: dict[Slice, int] = field(default_factory=dict)
    _routes: dict[tuple[str, str], int] = field(default_factory=dict)
    _route_of: list[int] = field(default_factory=list)
    _groups: dict[tuple[str, str, tuple[str, ...]], int] = field(default_factory=dict)
    _group_of: list[int] = field(default_factory=list)
    _of_series: dict[tuple[Family, tuple[str, ...]], tuple[NDArray[np.intp], int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def routes(self) -> NDArray[np.intp]:
        """Of each slice the number of its route."""
        return np.array(self._route_of, np.intp)

    @property
    def siblings(self) -> NDArray[np.intp]:
        """Of each slice the number of its group: those of its route by the same columns."""
        return np.array(self._group_of, np.intp)

    def speaks_of(self, one: Slice) -> bool:
        """Whether the contract does, and its panes come here."""
        of, columns = self.contract, tuple(column for column, _ in one.values)
        named = {"environment": one.environment, "route": one.route, **dict(one.values)}
        patterns = {"environment": of.environments, "route": of.routes, "model": of.models, "release": of.releases}
        is_one = columns in of.slices and all(fits(named[column], patterns[column]) for column in named.keys() & patterns.keys())
        return is_one and self.here(one.environment, one.route)

    def lacks_room_for(self, one: Slice) -> bool:
        """Whether it would be one of these if there were more room."""
        return one not in self._row and len(self.found) >= self.most and self.speaks_of(one)

    def rows(self, family: Family, series: Sequence[str]) -> NDArray[np.intp]:
        """The slices a series lies in."""
        key = (family, tuple(series))
        known = self._of_series.get(key)
        if known is None:
            if len(self._of_series) >= SERIES_KNOWN * self.most:
                self._of_series.clear()
            known = self._of_series[key] = self._find(family, dict(zip(SERIES_OF[family], series, strict=True)))
        rows, cut = known
        self.left_out += cut
        return rows

    def row(self, environment: str, route: str) -> int:
        """That of a route as a whole; -1 if it has none."""
        return self._row.get(Slice(environment, route), -1)

    def add(self, one: Slice) -> int:
        """Its row; -1 if there is no room."""
        row = self._row.get(one)
        if row is None:
            if len(self.found) >= self.most:
                return -1
            row = self._row[one] = len(self.found)
            self.found.append(one)
            route = self._routes.setdefault((one.environment, one.route), len(self._routes))
            self._route_of.append(route)
            group = (one.environment, one.route, tuple(column for column, _ in one.values))
            self._group_of.append(self._groups.setdefault(group, len(self._groups)))
        return row

    def came(self, rows: NDArray[np.intp]) -> None:
        """Something of these."""
        self.grow()
        self.silent[rows] = 0.0

    def age(self, hours: int) -> None:
        """So many hours of the log are over."""
        self.grow()
        self.silent += hours

    def may_go(self) -> Mask:
        """Those that were silent for long, if there is little room."""
        self.grow()
        return np.asarray((self.silent > SILENT_HOURS) & (len(self.found) > TIGHT * self.most))

    def keep(self, cells: Mask) -> None:
        """The others are no more."""
        found, self.silent = self.found, self.silent[cells]
        self.found = []
        for known in (self._row, self._routes, self._route_of, self._groups, self._group_of, self._of_series):
            known.clear()
        for row in np.flatnonzero(cells):
            self.add(found[row])

    def grow(self) -> None:
        """Room for the slices there are."""
        self.silent = np.concatenate((self.silent, np.zeros(len(self.found) - len(self.silent))))

    def _find(self, family: Family, named: dict[str, str]) -> tuple[NDArray[np.intp], int]:
        """Its slices, and how many there is no room for."""
        environment, route = named["environment"], named["route"]
        fits = is_for(self.contract, environment, route, named.get("model", ""), named["release"])
        if not fits or not self.here(environment, route):
            return NO_ROWS, 0
        rows = [
            self.add(Slice(environment, route, tuple((column, named[column]) for column in columns)))
            for columns in self.contract.slices_of(family)
        ]
        kept = np.array([row for row in rows if row >= 0], np.intp)
        return kept, len(rows) - len(kept)
