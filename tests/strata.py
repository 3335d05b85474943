"""Strata against the same hours of the days before, as watch holds them: by the week, the release and the detector of it."""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence import days
from pipeline.operators.evidence.detector import HOURS, Detector
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from pipeline.operators.evidence.release import Baseline, Release
from pipeline.operators.watch.week import Week

Known = tuple[Floats, Floats]
"""Dispersion and batches of each cell."""


class Strata:
    """Of cells whose days before, (days, cells, 24), were seen in whole. The first hour that is open is 0 of the next day.

    asked, dispersion: what is asked, if days may differ, each cell alone or, with `alike`, all of one route.
    """

    def __init__(
        self,
        base_n: Floats,
        base_s: Floats,
        asked: Hypothesis | None = None,
        dispersion: Floats | None = None,
        alike: bool = False,
    ) -> None:
        cells = base_n.shape[1]
        self.apart, self.allowed = np.zeros((2, cells))
        if asked is not None and dispersion is not None:
            by_day, group = (base_n.swapaxes(0, 1), base_s.swapaxes(0, 1)), np.arange(cells) * (not alike)
            self.apart = days.apart(*by_day, dispersion, group, asked.kind is Kind.SIZE)
        self.detector, self.opened, self.base = Detector.empty(cells), Release.empty(cells), Baseline.empty(cells)
        self.week, self.hour, self._hour = Week.empty(cells), 0, (np.zeros(cells), np.zeros(cells))
        self.week.since[:] = 0.0
        for n, s in zip(np.concatenate(base_n.swapaxes(1, 2)), np.concatenate(base_s.swapaxes(1, 2)), strict=True):
            self.week.close_hour(self.hour, n, s)
            self.hour += 1
        self._fix(np.ones(cells, np.bool_))

    def add(self, n: Floats, s: Floats) -> None:
        """What came in the open hour."""
        self.opened.add(self.hour % HOURS, n, s)
        self._hour = self._hour[0] + n, self._hour[1] + s

    def data(self) -> Data:
        """The open strata beside their baselines."""
        return self.opened.data(self.base)

    def look(self, asked: Hypothesis, known: Known) -> Floats:
        """Logarithm of the evidence as it stands."""
        return self.detector.look(asked, self.data(), *known, self.allowed)

    def close_hour(self, asked: Hypothesis, known: Known, hourly: Floats) -> None:
        """The open hour is over."""
        closed = self.detector.close_hour(self.hour % HOURS, asked, self.data(), *known, hourly, self.allowed)
        self.opened.forget(closed)
        self.week.close_hour(self.hour, *self._hour)
        self.hour, self._hour = self.hour + 1, (np.zeros_like(hourly), np.zeros_like(hourly))
        self._fix(closed)

    def _fix(self, cells: NDArray[np.bool_]) -> None:
        endless = np.full(len(cells), np.inf)
        self.base.n[cells], self.base.s[cells], many = self.week.before(self.hour, self.detector.hours, endless, cells)
        self.allowed[cells] = days.allowed(self.apart[cells], many)
