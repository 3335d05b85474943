"""A change at a known time: everything since a release, against the release before it at the same hours of day.

Traffic at noon is another than at night, and a release at noon is compared with noon: the baseline's mean of each hour of day
weighs as much as new calls came in that hour. Its effective number falls by how uneven that makes it. A function of sums alone.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Data, Floats

HOURS = 24


@dataclass(slots=True)
class Baseline(Cells):
    """What a release is compared with, per cell and hour of day: how many, and their sum."""

    n: Floats
    s: Floats

    WIDE: ClassVar[dict[str, int]] = {"n": HOURS, "s": HOURS}

    def by_hour(self) -> tuple[Floats, Floats]:
        """Means of the hours, that of the whole day where one has no calls, nan without any; and 1 / how many calls say so."""
        all_n, all_s = self.n.sum(1), self.s.sum(1)
        with np.errstate(all="ignore"):
            mean = np.where(self.n > 0, self.s / self.n, (all_s / all_n)[:, None])
            return mean, 1 / np.where(self.n > 0, self.n, all_n[:, None])


@dataclass(slots=True)
class Release(Cells):
    """Per cell: hours (cells, 24), new calls by hour of day, of all days; n: of all of them; s: their sum."""

    hours: Floats
    n: Floats
    s: Floats

    WIDE: ClassVar[dict[str, int]] = {"hours": HOURS}

    def add(self, hour: int, n: Floats, s: Floats) -> None:
        """What came in an hour of day."""
        self.hours[:, hour] += n
        self.n += n
        self.s += s

    def data(self, base: Baseline) -> Data:
        """Beside the baseline, standardised to the hours of the new calls. base_n is 0 where there is none, or nothing new."""
        means, inverse = base.by_hour()
        base_n, base_s = base.n.sum(1), base.s.sum(1)
        with np.errstate(all="ignore"):
            effective = self.n * self.n / np.einsum("ij,ij,ij->i", self.hours, self.hours, inverse)
            mean = np.einsum("ij,ij->i", self.hours, means) / self.n
            known = (base_n > 0) & (self.n > 0)
            usual = (self.s + base_s) / (self.n + base_n)
        return Data(self.n, self.s, np.where(known, effective, 0.0), np.where(known, mean, np.nan), usual)
