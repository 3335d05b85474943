"""A release against the one before, over all slices: everything since it began, at the same hours of day.

What a release showed is its successor's baseline: sums by hour of day, kept from the log alone, and fixed when the next one
begins. So there is a baseline once a release was seen to begin, counted from when the contract was applied.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import Extent
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.release import HOURS, Baseline, Release
from pipeline.operators.watch.asked import Asked, Look, Mask
from pipeline.operators.watch.extent import extents
from pipeline.operators.watch.questions import Counted, Question
from pipeline.operators.watch.sums import Sums


@dataclass(slots=True)
class Compared(Asked):
    """State of a comparison. hours: of the release there is, base: of the one before."""

    release: Release = field(default_factory=Release.empty)
    hours: Baseline = field(default_factory=Baseline.empty)
    base: Baseline = field(default_factory=Baseline.empty)

    PARTS: ClassVar[tuple[str, ...]] = (*Asked.PARTS, "release", "hours", "base")

    @classmethod
    def of(cls, question: Question, alpha: float) -> Self:
        """Nothing seen yet."""
        return cls(question, alpha)

    def begins(self, cells: Mask) -> None:
        """Another release begins in these: the one there was is the baseline, and no alarm holds any more."""
        if cells.any():
            for name, column in self.hours.columns.items():
                getattr(self.base, name)[cells] = column[cells]
            for part in (self.release, self.hours, self.alarms):
                part.forget(cells)

    def add(self, hour: int, counted: Counted) -> None:
        """What a whole window says, of the release alone."""
        self.release.add(hour, counted.n, counted.s)
        self.hours.n[:, hour] += counted.n
        self.hours.s[:, hour] += counted.s
        self.spread.add(counted.n, counted.s)

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` is over. Returns of which cells the alarm is; what they are then begins anew."""
        phi, batches = self.dispersion(routes)
        of_day, (means, inverse) = hour % HOURS, self.base.by_hour()
        with np.errstate(all="ignore"):
            base_n, base_mean = 1 / inverse[:, of_day], means[:, of_day]
            over = self.recovered(Data(*self.open_hour(), base_n, base_mean, base_mean), phi, batches, self.base.n.sum(1))
        self.release.forget(over)
        self.close_spread(hour, routes)
        return over

    def open_hour(self) -> tuple[Floats, Floats]:
        """What it holds of the release: how many, and their sum."""
        return self.spread.open_n, self.spread.open_s

    def look(self, hypotheses: Floats, routes: NDArray[np.intp]) -> Look:
        """What is to be said now."""
        phi, batches = self.dispersion(routes)
        data = self.release.data(self.base)
        log_e = self.question.asked.log_e(data, phi, batches)
        needed, nothing = self.needed(hypotheses), np.zeros(len(log_e), np.bool_)
        raised = (self.alarms.firing == 0) & (log_e >= needed)
        return Look(data.n, data.s, data.n, log_e, needed, phi, batches, raised, nothing, data.base_n, data.base_mean)

    def extents(self, look: Look, groups: NDArray[np.intp]) -> list[Extent]:
        """Whether the siblings got worse too, since the release."""
        sums = Sums.of(look.n, look.s, look.base_n, look.base_mean)
        return extents(self.question.asked, sums, groups, look.dispersion, look.batches, self.alpha)

    def excess(self, look: Look) -> Floats:
        """Of the estimate over what the limit allows, relative to the baseline; towards worse."""
        return self.over_limit(look)
