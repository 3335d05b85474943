"""An objective over all slices: its own window for the estimate, and evidence since an unknown time that its bound is broken.

Where the window holds fewer than the minimum sample, the estimate is of all since the open stratum began, if that is more: of a
slice with few calls it is what the evidence is of. A sum over its bound is a fact while it is so.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.detector import Detector, enough_a_stratum
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.hypothesis import ENOUGH_A_STRATUM
from pipeline.operators.watch.asked import Asked, Look, Mask
from pipeline.operators.watch.quantiles import NO_QUANTILE, Quantile, quantile
from pipeline.operators.watch.questions import Counted, Question, Told
from pipeline.operators.watch.sliding import Sliding
from pipeline.operators.watch.strata import Closed, Stratum
from pipeline.operators.watch.tails import Tail


@dataclass(slots=True)
class Judged(Asked):
    """State of an objective. tail: of a quantile the counts around its bound, over its window."""

    sliding: Sliding = field(default_factory=lambda: Sliding.over(0))
    opened: Stratum = field(default_factory=Stratum.empty)
    closed: Closed = field(default_factory=Closed.empty)
    detector: Detector = field(default_factory=Detector.empty)
    tail: Tail = field(default_factory=Tail)

    PARTS: ClassVar[tuple[str, ...]] = (*Asked.PARTS, "sliding", "opened", "closed", "detector", "tail")

    @classmethod
    def of(cls, question: Question, alpha: float) -> Self:
        """Nothing seen yet."""
        return cls(question, alpha, sliding=Sliding.over(question.window_ns, exact=question.cut is not None))

    def add(self, start_ns: int, counted: Counted) -> None:
        """What a whole window says."""
        self.sliding.add(start_ns, counted.n, counted.s, counted.seen, counted.exact)
        self.spread.add(counted.n, counted.s)
        self.opened.add(start_ns, counted)

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` is over. Returns of which cells the alarm is."""
        phi, batches = self.dispersion(routes)
        data = self._data()
        of_hour = Data(self.spread.open_n, self.spread.open_s, data.base_n, data.base_mean, data.base_mean)
        over = self.recovered(of_hour, phi, batches)
        speaks = enough_a_stratum(self.question.asked, data, phi)
        closed = speaks & self.detector.close_hour(hour, self.question.asked, data, phi, batches, self.spread.hourly())
        self.closed.close_hour(closed, self.opened)
        self.closed.forget(over)
        self.opened.forget(closed | over)
        self.detector.forget(over)
        self.close_spread(hour, routes)
        return over

    def look(self, start_ns: int, hypotheses: Floats, routes: NDArray[np.intp]) -> Look:
        """What is to be said now. hypotheses: of each cell's route."""
        phi, batches = self.dispersion(routes)
        self.sliding.move(start_ns // self.sliding.part_ns)
        self.tail.move(self.sliding)
        n, s, seen = self.sliding.sums()
        exact = self.sliding.exact.sum(1) if self.question.cut is not None else None
        needed, data, since_ns = self.needed(hypotheses), self._data(), None
        if self.question.told is Told.BY_EVIDENCE:
            opened, few = self.opened, (seen < self.question.minimum) & (seen < self.opened.seen)
            n, s, seen, since_ns = (
                np.where(few, of_stratum, of_window)
                for of_stratum, of_window in ((opened.n, n), (opened.s, s), (opened.seen, seen), (opened.since_ns, 0.0))
            )
            exact = None if exact is None else np.where(few, opened.exact, exact)
        enough, firing = seen >= self.question.minimum, self.alarms.firing > 0
        log_e, raised, over = np.zeros_like(n), np.zeros(len(n), np.bool_), np.zeros(len(n), np.bool_)
        if self.question.told is Told.AS_FACT:
            raised, over = ~firing & enough & (s > self.question.bound), firing & (s <= self.question.bound)
        elif self.question.told is Told.BY_EVIDENCE:
            log_e = self.detector.look(self.question.asked, data, phi, batches)
            raised = ~firing & enough & (log_e >= needed)
        base = (data.base_n, data.base_mean)
        return Look(n, s, seen, log_e, needed, phi, batches, raised, over, *base, exact, since_ns=since_ns)

    def stands(self, look: Look) -> Look:
        """The same for who asks how it stands, not whether to alert: what the last closed stratum said goes on until the open one
        says something by itself, so a small slice is not one of three calls whenever a stratum was closed.
        """
        if self.question.told is not Told.BY_EVIDENCE or look.since_ns is None:
            return look
        both, speaks = self.closed.with_opened(self.opened), enough_a_stratum(self.question.asked, self._data(), look.dispersion)
        of_window = (look.since_ns == 0) & (look.seen >= self.question.minimum)
        more = ~of_window & ~speaks & (self.closed.seen >= self.opened.seen) & (both.seen > look.seen)
        names = ("n", "s", "seen", "since_ns", *(() if look.exact is None else ("exact",)))
        return replace(look, **{name: np.where(more, getattr(both, name), getattr(look, name)) for name in names})

    def lacks(self, look: Look) -> Floats:
        """How many more calls it takes until evidence says something for the first time, at the rate that is seen now."""
        seen = self._worse(self.opened.n, self.opened.s)
        needed = self.question.asked.needed(seen, look.dispersion, ENOUGH_A_STRATUM[self.question.asked.kind])
        more = np.nan_to_num(needed, nan=self.question.minimum) - np.maximum(self.opened.n, look.n)
        return np.asarray(np.where(np.isfinite(self.detector.m).any(1), 0.0, more))

    def excess(self, look: Look) -> Floats:
        """Of the estimate over the bound, of a floor under it, relative to it."""
        with np.errstate(all="ignore"):
            higher = look.level(self.question.told) / self.question.bound - 1
            return np.nan_to_num(-higher if self.question.asked.floor else higher, posinf=1e6)

    def quantile(self, look: Look, row: int) -> Quantile:
        """The quantile the objective is about, in a slice."""
        question = self.question
        if not question.has_tail or question.threshold is None or _is_of_stratum(look, row):
            return NO_QUANTILE
        n, phi, batches = (float(column[row]) for column in (look.n, look.dispersion, look.batches))
        return quantile(question.threshold, self.tail.of(row), n, question.bound, phi, batches)

    def _data(self) -> Data:
        """What the open stratum says, once it holds the minimum sample. What is enough is judged by the worse of the bound and
        what was seen: of a slice of which all calls fail a few say so, and what does not say anything yet stays open, so nothing
        is chosen by what it says.
        """
        n, s = (np.where(self.opened.seen >= self.question.minimum, one, 0.0) for one in (self.opened.n, self.opened.s))
        bound = np.full(len(n), self.question.bound)
        return Data(n, s, np.full_like(bound, np.inf), bound, self._worse(n, s))

    def _worse(self, n: Floats, s: Floats) -> Floats:
        """Of the bound and the mean of these."""
        worse, bound = np.minimum if self.question.asked.floor else np.maximum, np.full(len(n), self.question.bound)
        return np.asarray(worse(np.divide(s, n, out=bound.copy(), where=n > 0), bound))


def _is_of_stratum(look: Look, row: int) -> bool:
    return look.since_ns is not None and look.since_ns[row] > 0
