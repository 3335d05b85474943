"""Which release of a route is the newest. One begins with a name that was not there before, or not for half a day: then it was
rolled back, or released again. Calls without a release belong to none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import OVERFLOW, SERIES
from pipeline.operators.watch.panes_read import Panes

MOST = 64
"""Releases of a route that are remembered; one that comes again after so many others counts as new."""

ABSENT_HOURS = 12

RELEASE = SERIES.index("release")

Names = dict[str, dict[str, dict[str, int]]]
"""By environment and route: the hour in which each release was last seen, in the order in which they began."""


@dataclass(slots=True)
class Releases:
    """Of the routes of a contract."""

    names: Names = field(default_factory=dict)

    def seen(self, series: Iterable[Sequence[str]], hour: int) -> set[tuple[str, str]]:
        """The environments and routes in which one begins with these series of calls. The first of a route is no change."""
        begun = set()
        for environment, route, release in sorted({(one[0], one[1], one[RELEASE]) for one in series}):
            if release in ("", OVERFLOW):
                continue
            known = self.names.setdefault(environment, {}).setdefault(route, {})
            if hour - known.get(release, hour - ABSENT_HOURS - 1) > ABSENT_HOURS:
                if known:
                    begun.add((environment, route))
                known.pop(release, None)
                if len(known) >= MOST:
                    del known[next(iter(known))]
            known[release] = hour
        return begun

    def keep(self, routes: Iterable[tuple[str, str]]) -> None:
        """Other environments and routes are no more."""
        kept = set(routes)
        for environment in list(self.names):
            of = {route: names for route, names in self.names[environment].items() if (environment, route) in kept}
            if of:
                self.names[environment] = of
            else:
                del self.names[environment]

    def current(self, panes: Panes, names: Sequence[str]) -> NDArray[np.bool_]:
        """Which rows are of the newest release of their route. names: of the parts of their series."""
        at = names.index("release")
        return np.array([one[at] == self.pair(one[0], one[1])[0] != "" for one in panes.series], np.bool_)

    def pair(self, environment: str, route: str, back: int = 0) -> tuple[str, str]:
        """The newest release but so many and the one before it; "" where there is none."""
        newest = [*list(self.names.get(environment, {}).get(route, {}))[::-1], "", "", ""]
        return newest[back], newest[back + 1]
