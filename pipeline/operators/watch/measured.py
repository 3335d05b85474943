"""A quantile or a mean of a release against the one before, over all slices.

The first calls of a release choose a rung (`choices.py`), all later ones are counted by it, by hour of day: its successor's
baseline. The successor counts by what the limit makes of that rung, from its first call on, and chooses one of its own meanwhile.
A release that ends before it chose leaves no baseline. How much a slice scatters is seen by its own rung, which a change at a
release moves too.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.asked import Look, Mask
from pipeline.operators.watch.choices import Choice
from pipeline.operators.watch.compared import Compared
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.questions import Question


@dataclass(slots=True)
class Rungs(Cells):
    """Per cell: rung, nan until it is chosen; n: of how many calls, or how many there are so far."""

    rung: Floats
    n: Floats

    NOTHING: ClassVar[dict[str, float]] = {"rung": np.nan}


@dataclass(slots=True)
class Hour(Cells):
    """Per cell: what the open hour holds against the baseline."""

    n: Floats
    s: Floats


@dataclass(frozen=True, slots=True)
class Held:
    """What a slice is held against, in the measure's unit, None where it is not known: the rung before, what the limit makes of
    it, the rung that this release chose or would choose by now. chosen_by: how many calls chose the rung before, or are there so
    far to choose it; enough: how many it takes. alike: that they are the same at all hours of the day.
    """

    before: float | None
    allowed: float | None
    now: float | None
    chosen_by: int
    enough: int
    alike: bool = True


@dataclass(slots=True)
class Measured(Compared):
    """State of a comparison of a quantile or a mean. own: of the release there is, against: of the one before."""

    own: Rungs = field(default_factory=Rungs.empty)
    against: Rungs = field(default_factory=Rungs.empty)
    hour: Hour = field(default_factory=Hour.empty)
    early: Early = field(default_factory=Early.empty)

    PARTS: ClassVar[tuple[str, ...]] = (*Compared.PARTS, "own", "against", "hour", "early")

    @classmethod
    def of(cls, question: Question, alpha: float) -> Self:
        """Nothing seen yet."""
        return cls(question, alpha)

    @property
    def choice(self) -> Choice:
        """What its first calls choose."""
        assert self.question.choice is not None, "a comparison of a quantile or a mean has a choice"
        return self.question.choice

    def begins(self, cells: Mask) -> None:
        """Another release begins in these: what the one there was has chosen is what it is held against."""
        Compared.begins(self, cells)
        for name, column in self.own.columns.items():
            getattr(self.against, name)[cells] = column[cells]
        for part in (self.own, self.hour, self.early):
            part.forget(cells)
        for name in ("open_n", "open_s", "last_n"):  # by another rung
            getattr(self.spread, name)[cells] = 0.0

    def count(self, hour: int, n: Floats, counts: Counts) -> None:
        """What a whole window says, of the release alone. n: of each cell; counts: by cell, whose entries rise."""
        choice, chosen = self.choice, ~np.isnan(self.own.rung)
        held = choice.now(counts, choice.limits(self.against.rung))
        self.release.add(hour, n, held)
        self.hour.n += n
        self.hour.s += held
        own_n, own_s = np.where(chosen, n, 0.0), choice.before(counts, self.own.rung)
        self.hours.n[:, hour] += own_n
        self.hours.s[:, hour] += own_s
        self.spread.add(own_n, own_s)
        if not chosen.all():
            self._choose(n, counts, chosen)

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` is over. Returns of which cells the alarm is; what they are then begins anew."""
        over = Compared.close_hour(self, hour, routes)
        self.hour.forget(np.ones(len(over), np.bool_))
        return over

    def open_hour(self) -> tuple[Floats, Floats]:
        """Against the baseline."""
        return self.hour.n, self.hour.s

    def held(self, look: Look, row: int) -> Held:  # noqa: ARG002 - as `MeasuredHours.held`
        """What a slice is held against."""
        choice, before = self.choice, self.against.rung[row : row + 1]
        now = self.own.rung[row]
        if np.isnan(now):
            now = self.early.rungs(choice.tail * self.own.n, choice.from_below)[row]
        then, allowed, now = (choice.value(float(rung)) for rung in (before[0], choice.limits(before)[0], now))
        return Held(then, allowed, now, int(self.against.n[row]), choice.enough)

    def _choose(self, n: Floats, counts: Counts, chosen: Mask) -> None:
        """Cells that have enough calls choose; those calls are not counted."""
        choice = self.choice
        self.own.n += np.where(chosen, 0.0, n)
        self.early.add(counts, ~chosen, choice.from_below, choice.kept(self.own.n))
        ripe = ~chosen & (self.own.n >= choice.enough)
        if ripe.any():
            self.own.rung[ripe] = self.early.rungs(choice.tail * self.own.n, choice.from_below)[ripe]
            self.early.forget(ripe)


def state_of(question: Question, alpha: float) -> Compared:
    """Of a comparison, nothing seen yet."""
    return (Measured if question.choice is not None else Compared).of(question, alpha)
