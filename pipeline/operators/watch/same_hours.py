"""A slice against the same hours of the days before: a change at an unknown time.

The sums of each hour of the last week are kept, from the log alone. A stratum of hours begins, of as many as the slice needs to
say something, and with it its baseline is fixed: the same hours of up to seven days, of those that were seen in whole. Bets
begin anew with every stratum (`evidence/detector.py`), and with every release.

While an alarm holds it is held against the days before it. Once it is over its hours are nobody's baseline; if none of the days
before is in the last week any more, what lasts is what is usual: then it ends, and its hours are the baseline.

What is told of a slice is what lies since the likeliest time of the change: strata are added up while together they speak for
one.

Source: Page, Biometrika 41 (1954) (since when); for the rest `evidence/detector.py`.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import Extent
from pipeline.operators.evidence import bets, days
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS, Detector, enough_a_stratum, spoken
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.hypothesis import ENOUGH_A_STRATUM
from pipeline.operators.evidence.release import Baseline, Release
from pipeline.operators.watch.around import Around
from pipeline.operators.watch.asked import Asked, Look, Mask
from pipeline.operators.watch.extent import extents
from pipeline.operators.watch.questions import Counted, Question
from pipeline.operators.watch.sums import SUMS, Sums
from pipeline.operators.watch.week import HOURS_KEPT, Week


@dataclass(slots=True)
class Before(Cells):
    """Per cell: on how many days the baseline of the open stratum rests. until: the hour in which the alarm that holds began, inf
    without one: what came since is no baseline. begins: the hour in which the open stratum did, 0 where that is
    not known. apart: by how much days differ (`evidence/days.py`), as the last whole day left it; allowed: what the open stratum
    allows for it.
    """

    days: Floats
    apart: Floats
    allowed: Floats
    until: Floats
    begins: Floats

    NOTHING: ClassVar[dict[str, float]] = {"until": np.inf}


@dataclass(slots=True)
class Run(Cells):
    """Per cell the closed strata since the likeliest change, or the last one if there is none. n, s, expected, squares: their
    sums (`sums.py`). worth: logarithm of the evidence of these strata for a change, 0 if there is none. begins: the hour in
    which the first of them did; 0 if there is none.
    """

    n: Floats
    s: Floats
    expected: Floats
    squares: Floats
    worth: Floats
    begins: Floats

    def add(self, over: Mask, data: Data, worth: Floats, begin: Floats) -> None:
        """Strata that are over, the logarithm of what they are worth by themselves, and the hours in which they began."""
        goes_on = ~over | (self.worth > 0)
        more = _sums(data)
        for name in SUMS:
            setattr(self, name, np.where(goes_on, getattr(self, name), 0.0) + np.where(over, getattr(more, name), 0.0))
        self.begins = np.where(goes_on & (self.begins > 0), self.begins, np.where(over, begin, 0.0))
        self.worth = np.where(over, np.maximum(self.worth, 0.0) + worth, self.worth)

    def with_open(self, data: Data, speaks: Mask) -> Data:
        """With the open stratum; without strata that speak for no change, if the open one speaks alone."""
        counts = self.counts(speaks)
        closed = Sums(*(np.where(counts, getattr(self, name), 0.0) for name in SUMS))
        found = (closed + _sums(data)).data()
        known = found.base_n > 0
        return replace(found, n=np.where(known, found.n, data.n), s=np.where(known, found.s, data.s))

    def counts(self, speaks: Mask) -> Mask:
        """Of which cells the closed strata count. speaks: of which the open one speaks alone."""
        return (self.worth > 0) | ~speaks


def _sums(data: Data) -> Sums:
    return Sums.of(data.n, data.s, data.base_n, data.base_mean)


@dataclass(slots=True)
class SameHours(Asked):
    """State of a comparison with the same hours before. opened: what came in the open stratum; base: what it is held against.
    lasted: of which cells the hour that ended last ended an alarm because it lasted.
    """

    detector: Detector = field(default_factory=Detector.empty)
    week: Week = field(default_factory=Week.empty)
    opened: Release = field(default_factory=Release.empty)
    base: Baseline = field(default_factory=Baseline.empty)
    before: Before = field(default_factory=Before.empty)
    run: Run = field(default_factory=Run.empty)
    lasted: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))

    PARTS: ClassVar[tuple[str, ...]] = (*Asked.PARTS, "detector", "week", "opened", "base", "before", "run")
    KNOWN_HOURS: ClassVar[int] = HOURS_KEPT - HOURS
    """So far back at most it is known what each hour held against its baseline."""

    @classmethod
    def of(cls, question: Question, alpha: float) -> Self:
        """Nothing seen yet."""
        return cls(question, alpha)

    def begins(self, cells: Mask) -> None:
        """A release begins in these: evidence begins anew. What fires goes on until it is over."""
        for part in (self.detector, self.opened, self.run):
            part.forget(cells)
        self.before.begins[cells] = 0.0

    def keep(self, cells: Mask) -> None:
        """The other slices are no more."""
        Asked.keep(self, cells)
        self.lasted = self.lasted[:0]

    def add(self, hour: int, counted: Counted) -> None:
        """What a whole window says. hour: of the day."""
        self.opened.add(hour, counted.n, counted.s)
        self.spread.add(counted.n, counted.s)

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` since 1970 is over. Returns of which cells the alarm is."""
        phi, batches = self.dispersion(routes)
        asked, of_day, data = self.question.asked, hour % HOURS, self.opened.data(self.base)
        firing, until = self.alarms.firing > 0, self.before.until
        self.before.until = np.where(firing, np.minimum(until, hour), np.inf)
        recovered = self.recovered(self._hour(of_day), phi, batches, self.week.n.sum(1, np.float64))
        self.lasted = firing & ~recovered & (hour + 1 - self.before.until >= HOURS_KEPT)
        over = recovered | self.lasted
        worth = bets.log_e(spoken(asked, data, phi, batches, self.before.allowed), asked.bets)
        hours = self.detector.hours
        closed = self.detector.close_hour(of_day, asked, data, phi, batches, self.spread.hourly(), self.before.allowed)
        stays = (hours == HOURS) & self._lacks(data, phi)  # of less than a day the baseline holds those hours alone
        closed &= ~(stays & (hour + 1 - self.before.begins < HOURS_KEPT))  # and what is older is no baseline
        self.add_strata(closed, data, worth, np.where(self.before.begins > 0, self.before.begins, hour + 1 - hours))
        self.opened.forget(closed)
        self.begins(over)
        self.week.close_hour(hour, self.spread.open_n, self.spread.open_s)
        self.week.forget_from(self.before.until, recovered)
        self.before.until[over] = np.inf
        self.close_spread(hour, routes)
        if of_day == HOURS - 1:
            by_day = self.week.by_day(hour + 1, self.before.until)
            self.before.apart = days.apart(*by_day, self.dispersion(routes)[0], routes, self.question.sizes)
        self._fix(hour + 1, closed | over)
        return over

    def look(self, hypotheses: Floats, routes: NDArray[np.intp]) -> Look:
        """What is to be said now."""
        phi, batches = self.dispersion(routes)
        asked, data = self.question.asked, self.opened.data(self.base)
        log_e = self.detector.look(asked, data, phi, batches, self.before.allowed)
        told = self.run.with_open(data, self.speaks(phi))
        needed, nothing = self.needed(hypotheses), np.zeros(len(log_e), np.bool_)
        raised = (self.alarms.firing == 0) & (log_e >= needed)
        look = Look(told.n, told.s, told.n, log_e, needed, phi, batches, raised, nothing, told.base_n, told.base_mean)
        with np.errstate(all="ignore"):
            a_day = np.nan_to_num(self.spread.hourly() * HOURS / told.n, posinf=1.0)
        days_of, allowed = self.before.days.copy(), self.before.allowed.copy()  # the next stratum fixes its own
        return replace(look, a_day=np.maximum(a_day, 1.0), days=days_of, allowed=allowed)

    def add_strata(self, closed: Mask, data: Data, worth: Floats, begin: Floats) -> None:
        """Strata are over. worth: of each by itself, begin: the hour in which it began."""
        self.run.add(closed, data, worth, begin)

    def open_hour(self) -> tuple[Floats, Floats]:
        """What it holds against the baseline: how many, and their sum."""
        return self.spread.open_n, self.spread.open_s

    def last_hours(self) -> NDArray[np.float32] | None:
        """What the last 24 hours held against the baseline, by hour of day; None where the week says it."""
        return None

    def excess(self, look: Look) -> Floats:
        """Of the estimate over what the limit allows."""
        return self.over_limit(look)

    def extents(self, look: Look, groups: NDArray[np.intp]) -> list[Extent]:
        """Whether the siblings got worse too, of slices whose alarm is raised: since the change of the slice."""
        found, hour = [Extent.UNKNOWN] * len(look.n), int(self.week.last.max(initial=0)) + 1
        counts = self.run.counts(self.speaks(look.dispersion)) & (self.run.begins > 0)
        of_open = np.where(self.before.begins > 0, self.before.begins, hour // self.detector.hours * self.detector.hours)
        begins = np.where(counts, self.run.begins, of_open)
        rows = np.flatnonzero(np.isin(groups, groups[look.raised]))
        phi, batches, starts, open_n, open_s = (
            one[rows] for one in (look.dispersion, look.batches, HOURS / self.detector.hours, *self.open_hour())
        )
        around = Around.of(self.week, rows, hour, open_n, open_s, self.last_hours())
        of_group = np.unique(groups[rows], return_inverse=True)[1]
        for begin in np.unique(begins[look.raised]):
            sums = around.since(int(max(begin, hour - self.KNOWN_HOURS)))
            those = extents(self.question.asked, sums, of_group, phi, batches, self.alpha, starts)
            for at in np.flatnonzero((look.raised & (begins == begin))[rows]):
                found[rows[at]] = those[at]
        return found

    def speaks(self, phi: Floats) -> Mask:
        """Of which cells the open stratum holds enough to say something."""
        return enough_a_stratum(self.question.asked, self.opened.data(self.base), phi)

    def _lacks(self, data: Data, phi: Floats) -> Mask:
        """Of which cells the open stratum has too few calls yet, where its baseline has enough."""
        asked = self.question.asked
        needed = asked.needed(data.usual, phi, ENOUGH_A_STRATUM[asked.kind])
        return np.asarray((data.n < needed) & (data.base_n >= needed))

    def _hour(self, of_day: int) -> Data:
        """The hour that ends, beside the same hour before."""
        means, inverse = self.base.by_hour()
        with np.errstate(all="ignore"):
            base_n, mean = 1 / inverse[:, of_day], means[:, of_day]
        return Data(*self.open_hour(), base_n, mean, mean)

    def _fix(self, hour: int, cells: Mask) -> None:
        """Strata begin with that hour: these are their baselines, whatever comes."""
        if cells.any():
            n, s, many = self.week.before(hour, self.detector.hours, self.before.until, cells)
            self.base.n[cells], self.base.s[cells] = n, s
            self.before.days[cells] = many
            mean = np.divide(s.sum(1), n.sum(1), out=np.zeros_like(many), where=n.sum(1) > 0)
            of_one = mean if self.question.asked.in_points else 1.0
            self.before.allowed[cells] = days.allowed(self.before.apart[cells], many) * of_one
            self.before.begins[cells] = hour
