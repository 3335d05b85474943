"""A quantile or a mean of a slice against the same hours of the days before, over all slices.

The first calls choose a rung (`choices.py`) for their hours of the day: an hour with enough of them has one of its own, others
share one with the hours that follow, and one without calls that of the hour before. Once every hour has one, all calls are
counted by it: into the week by the rung itself, against the week by what the limit makes of it. So the rungs decide how much
is found, not whether it is true: no call that chose is counted, and an hour is counted by the same rung before and now.

They stay until they lie elsewhere in the distribution: until at the end of a day the week says that the odds to lie beyond them
are three times what they should be, or a third, or that a mean is twice what it was, or half; or until an alarm ended because it
lasted. Then the calls that follow choose others while these are still asked, and the week begins anew with the others. While an
alarm holds none take over.

Whole ladders of a week would spare that, and take 170 kB a slice and measure of 20 calls a minute, where this takes 2.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.watch.asked import Look, Mask
from pipeline.operators.watch.choices import Choice
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.measured import Held
from pipeline.operators.watch.questions import Question
from pipeline.operators.watch.same_hours import SameHours
from pipeline.operators.watch.shape import Shape, farther

FAR_ODDS, FAR_MEAN = 3.0, 2.0
"""How many times as much, or as little, lies beyond rungs that are to be chosen anew; and of means of what is cut."""

Singles = NDArray[np.float32]


@dataclass(slots=True)
class Rungs(Cells):
    """Per cell: rung, chosen (cells, 24), by hour of day those that are asked and those that were chosen to follow, nan before.
    mean: what a mean was when they were new, nan before. choosing: 1 while some are chosen; n: calls that choose the next one;
    hours: from how many hours that are over they are.
    """

    rung: Singles
    chosen: Singles
    mean: Floats
    choosing: Floats
    n: Floats
    hours: Floats

    NOTHING: ClassVar[dict[str, float]] = {"rung": np.nan, "chosen": np.nan, "mean": np.nan, "choosing": 1.0}
    WIDE: ClassVar[dict[str, int]] = {"rung": HOURS, "chosen": HOURS}
    KINDS: ClassVar[dict[str, DTypeLike]] = {"rung": np.float32, "chosen": np.float32}

    def choose(self, cells: Mask) -> None:
        """Others are to be chosen."""
        self.choosing[cells], self.n[cells], self.hours[cells] = 1.0, 0.0, 0.0

    def close_hour(self, of_day: int, found: Floats, enough: float) -> Mask:
        """It is over. found: what the calls choose by now. Returns of which cells they chose.

        Where calls chose and none came since, an hour has the rung of the one before: it may never have any. More than a day of
        hours, as a weekend, takes no rung away from those that have one.
        """
        silent = (self.choosing > 0) & (self.n == 0) & np.isnan(self.chosen[:, of_day])
        self.chosen[silent, of_day] = self.chosen[silent, of_day - 1]
        self.hours += (self.choosing > 0) & (self.n > 0)
        ripe = (self.choosing > 0) & (self.n >= enough)
        theirs = (of_day - np.arange(HOURS)) % HOURS < np.maximum(self.hours, 1)[:, None]
        theirs &= np.isnan(self.chosen) | (self.hours <= HOURS)[:, None]
        self.chosen = np.where(ripe[:, None] & theirs, found[:, None], self.chosen).astype(np.float32)
        self.n[ripe] = self.hours[ripe] = 0.0
        return ripe

    def take_over(self, cells: Mask) -> None:
        """Those that were chosen are asked."""
        self.rung[cells] = self.chosen[cells]
        self.chosen[cells], self.mean[cells], self.choosing[cells] = np.nan, np.nan, 0.0
        self.n[cells], self.hours[cells] = 0.0, 0.0


@dataclass(slots=True)
class LastDay(Cells):
    """Per cell what was counted against the week: s (cells, 24) in the last 24 hours, by hour of day; open_s: in the open one."""

    s: Singles
    open_s: Floats

    WIDE: ClassVar[dict[str, int]] = {"s": HOURS}
    KINDS: ClassVar[dict[str, DTypeLike]] = {"s": np.float32}

    def close_hour(self, of_day: int) -> None:
        """It is over."""
        self.s[:, of_day] = self.open_s
        self.open_s = np.zeros_like(self.open_s)


@dataclass(slots=True)
class MeasuredHours(SameHours):
    """State of a comparison of a quantile or a mean with the same hours before. early: of the calls that choose."""

    own: Rungs = field(default_factory=Rungs.empty)
    last_day: LastDay = field(default_factory=LastDay.empty)
    early: Early = field(default_factory=Early.empty)
    shape: Shape = field(default_factory=Shape.empty)

    PARTS: ClassVar[tuple[str, ...]] = (*SameHours.PARTS, "own", "last_day", "early", "shape")
    KNOWN_HOURS: ClassVar[int] = HOURS - 1

    @property
    def choice(self) -> Choice:
        """What the first calls choose."""
        assert self.question.choice is not None, "a comparison of a quantile or a mean has a choice"
        return self.question.choice

    def begins(self, cells: Mask) -> None:
        """A release begins in these: evidence begins anew."""
        SameHours.begins(self, cells)
        self.shape.forget(cells)

    def count(self, hour: int, n: Floats, counts: Counts) -> None:
        """What a whole window says. n: of each cell; counts: by cell, whose entries rise."""
        choice, rung = self.choice, self.own.rung[:, hour].astype(np.float64)
        seen, held = np.where(np.isnan(rung), 0.0, n), choice.now(counts, choice.limits(rung))
        self.opened.add(hour, seen, held)
        self.last_day.open_s += held
        self.spread.add(seen, choice.before(counts, rung))
        if not choice.is_mean:
            self.shape.add(counts, rung, choice.below)
        taken = (self.own.choosing > 0) & (self.own.n < choice.enough)
        if taken.any():
            self.own.n += np.where(taken, n, 0.0)
            self.early.add(counts, taken, choice.from_below, choice.kept(self.own.n))

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` since 1970 is over. Returns of which cells the alarm is."""
        over = SameHours.close_hour(self, hour, routes)
        self.last_day.close_hour(hour % HOURS)
        choice, own, idle = self.choice, self.own, (self.alarms.firing == 0) | over
        chose = own.choosing > 0
        if own.choosing.any():
            self.early.forget(own.close_hour(hour % HOURS, self._found(), choice.enough))
            whole = (own.choosing > 0) & ~np.isnan(own.chosen).any(1) & idle
            if whole.any():
                self._take_over(whole, hour)
        if hour % HOURS == HOURS - 1:
            own.choose(self._far(idle))
        own.choose(self.lasted & ~chose)  # not those whose new ones take over in this hour
        return over

    def usual(self, hour: int) -> tuple[Floats, Floats]:
        """Two hours of the day have two rungs, whose shares differ by how well they were chosen: the days before know."""
        return self.week.usual(hour)

    def open_hour(self) -> tuple[Floats, Floats]:
        """Against the baseline."""
        return self.spread.open_n, self.last_day.open_s

    def last_hours(self) -> Singles:
        """By hour of day, against the baseline."""
        return self.last_day.s

    def look(self, hypotheses: Floats, routes: NDArray[np.intp]) -> Look:
        """What is to be said now."""
        look = SameHours.look(self, hypotheses, routes)
        return (
            look if self.choice.is_mean else replace(look, beyond=self.shape.since(self.run.counts(self.speaks(look.dispersion))))
        )

    def held(self, look: Look, row: int) -> Held:
        """What a slice is held against in the open hour."""
        choice, own, of_day = self.choice, self.own, (int(self.week.last.max(initial=0)) + 1) % HOURS
        rung = own.rung[row : row + 1, of_day].astype(np.float64)
        before, allowed = (choice.value(float(one[0])) for one in (rung, choice.limits(rung)))
        now = None
        if not choice.is_mean and look.base_n[row] > 0 and look.n[row] > 0:
            assert look.beyond is not None, "a look at a quantile says how its values lie"
            more = round(farther(look.beyond[row], float(look.n[row]), float(look.base_mean[row])))
            now = choice.value(float(rung[0]) + (-more if choice.below else more))
        alike = bool((own.rung[row] == own.rung[row, 0]).all())
        missing = int(choice.enough - own.n[row]) if np.isnan(rung[0]) else 0
        return Held(before, allowed, now, max(choice.enough - missing, 0), choice.enough, alike)

    def to_choose(self) -> Floats:
        """How many calls it takes at least until something is counted."""
        return np.where(np.isnan(self.own.rung[:, 0]), np.maximum(self.choice.enough - self.own.n, 1.0), 0.0)

    def add_strata(self, closed: Mask, data: Data, worth: Floats, begin: Floats) -> None:
        """Strata are over."""
        self.shape.close(closed, self.run.worth > 0)
        SameHours.add_strata(self, closed, data, worth, begin)

    def _found(self) -> Floats:
        return self.early.rungs(self.choice.tail * self.own.n, self.choice.from_below)

    def _take_over(self, cells: Mask, hour: int) -> None:
        """All that was counted was counted by other rungs."""
        self.early.forget(cells)
        for part in (self.base, self.before, self.last_day, self.spread):
            part.forget(cells)
        self.begins(cells)
        self.week.begin(cells, hour + 1)
        self.own.take_over(cells)

    def _far(self, among: Mask) -> Mask:
        """Of which of these the week says that the rungs are none for what is asked."""
        n, s = self.week.n.sum(1, np.float64), self.week.s.sum(1, np.float64)
        known = among & (self.own.choosing == 0) & (n >= self.choice.enough)
        with np.errstate(all="ignore"):
            mean = s / n
            if self.choice.is_mean:
                self.own.mean = np.where(known & np.isnan(self.own.mean), mean, self.own.mean)
                times, far = mean / self.own.mean, FAR_MEAN
            else:
                times, far = mean / (1 - mean) / (self.choice.tail / (1 - self.choice.tail)), FAR_ODDS
            return np.asarray(known & ((times > far) | (times < 1 / far)))


def usual_of(question: Question, alpha: float) -> SameHours:
    """Of a comparison with the same hours before, nothing seen yet."""
    return (MeasuredHours if question.choice is not None else SameHours).of(question, alpha)
