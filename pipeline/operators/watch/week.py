"""What the hours of the last week held, and of it what lies at the same hours of the days before."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats

DAYS = 7
"""So many before at most: a weekday has one of its kind among them."""
HOURS_KEPT = DAYS * HOURS

_DAYS_BACK = np.arange(1, DAYS + 1)[:, None]
_HOURS, _PLACES = np.arange(HOURS), np.arange(HOURS_KEPT)


@dataclass(slots=True)
class Week(Cells):
    """Per cell: n, s (cells, 168), how many and their sum, at the place of the hour; since: the first hour that was seen from its
    beginning, nan before it; last: the hour that ended last. Hours are counted from 1970.
    """

    n: NDArray[np.float32]
    s: NDArray[np.float32]
    since: Floats
    last: Floats

    NOTHING: ClassVar[dict[str, float]] = {"since": np.nan}
    WIDE: ClassVar[dict[str, int]] = {"n": HOURS_KEPT, "s": HOURS_KEPT}
    KINDS: ClassVar[dict[str, DTypeLike]] = {"n": np.float32, "s": np.float32}

    def close_hour(self, hour: int, n: Floats, s: Floats) -> None:
        """`hour` is over, and held that. Of hours that were never closed nothing is known."""
        between = min(hour - 1 - int(self.last.max(initial=0)), HOURS_KEPT)
        for missed in range(hour - between, hour):
            self.n[:, missed % HOURS_KEPT] = self.s[:, missed % HOURS_KEPT] = 0.0
        self.n[:, hour % HOURS_KEPT], self.s[:, hour % HOURS_KEPT] = n, s
        self.since = np.where(np.isnan(self.since), hour + 1, self.since)
        self.last[:] = hour

    def usual(self, hour: int) -> tuple[Floats, Floats]:
        """Of the hours a day and more before the one that ended last: how many, and their mean; 0 of none."""
        at = (hour - HOURS * np.arange(1, DAYS)) % HOURS_KEPT
        n, s = (column[:, at].sum(1, np.float64) for column in (self.n, self.s))
        return n, np.divide(s, n, out=np.zeros_like(n), where=n > 0)

    def begin(self, cells: NDArray[np.bool_], hour: int) -> None:
        """Of some cells nothing is known of the hours before this one."""
        self.n[cells], self.s[cells], self.since[cells] = 0.0, 0.0, hour

    def forget_from(self, hours: Floats, cells: NDArray[np.bool_]) -> None:
        """Of some cells nothing is known of the hours from these on."""
        last = self.last[cells, None]
        since = last - (last - _PLACES) % HOURS_KEPT >= hours[cells, None]
        for column in (self.n, self.s):
            column[cells] = np.where(since, 0.0, column[cells])

    def by_day(self, hour: int, until: Floats) -> tuple[Floats, Floats]:
        """Of the days before `hour`, the one after the last: how many and their sum, (cells, days, 24), of those days that the
        cell was seen through, before the hour `until`.
        """
        at = (hour + _HOURS - HOURS * _DAYS_BACK) % HOURS_KEPT
        begins = hour - HOURS * _DAYS_BACK[:, 0]
        counts = (begins >= self.since[:, None]) & (begins + HOURS <= until[:, None])
        n, s = (np.where(counts[:, :, None], column[:, at].astype(np.float64), 0.0) for column in (self.n, self.s))
        return n, s

    def before(self, hour: int, hours: Floats, until: Floats, cells: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        """Of some cells, for so many hours from `hour` on, the one after the last: how many there were and their sum by hour of
        day, and on how many days. A day counts if the cell was seen through all of those hours, before the hour `until`.
        """
        at = (hour + _HOURS - HOURS * _DAYS_BACK) % HOURS_KEPT
        n, s = (column[cells][:, at].astype(np.float64) for column in (self.n, self.s))
        asked = hours[cells, None, None] > _HOURS
        begins = hour - HOURS * _DAYS_BACK[:, 0]
        counts = (begins >= self.since[cells, None]) & (begins + hours[cells, None] <= until[cells, None])
        n = np.where(asked & counts[:, :, None], n, 0.0)
        s = np.where(n > 0, s, 0.0)
        turned = (_HOURS - hour) % HOURS
        return n.sum(1)[:, turned], s.sum(1)[:, turned], (n.sum(2) > 0).sum(1).astype(np.float64)
