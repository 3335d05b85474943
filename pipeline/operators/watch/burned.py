"""An error budget over all slices: how fast it burns over a long window and a short one, in times of what it may.

It fires when both burn at the rate the contract names, and the long one surely faster than the budget allows: one bad call of
thirty is no fire. It ends when the short window is below the rate.

Source: Beyer et al., The Site Reliability Workbook (2018), chapter 5.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence import interval
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.asked import Asked, Look, Mask
from pipeline.operators.watch.questions import Counted, Question
from pipeline.operators.watch.sliding import Sliding


@dataclass(slots=True)
class Burned(Asked):
    """State of one burn rate of a budget. The question's bound is the rate times what may be bad."""

    sliding: Sliding = field(default_factory=lambda: Sliding.over(0))
    short: Sliding = field(default_factory=lambda: Sliding.over(0))

    PARTS: ClassVar[tuple[str, ...]] = (*Asked.PARTS, "sliding", "short")

    @classmethod
    def of(cls, question: Question, alpha: float) -> Self:
        """Nothing seen yet."""
        return cls(question, alpha, sliding=Sliding.over(question.window_ns), short=Sliding.over(question.short_ns))

    def add(self, start_ns: int, counted: Counted) -> None:
        """What a whole window says."""
        for ring in (self.sliding, self.short):
            ring.add(start_ns, counted.n, counted.s, counted.seen)
        self.spread.add(counted.n, counted.s)

    def close_hour(self, hour: int, routes: NDArray[np.intp]) -> Mask:
        """`hour` is over; that ends no alarm."""
        self.close_spread(hour, routes)
        return np.zeros(len(self.alarms.firing), np.bool_)

    def look(self, start_ns: int, hypotheses: Floats, routes: NDArray[np.intp]) -> Look:
        """What is to be said now."""
        phi, batches = self.dispersion(routes)
        for ring in (self.sliding, self.short):
            ring.move(start_ns // ring.part_ns)
        (n, s, seen), (short_n, short_s, short_seen) = self.sliding.sums(), self.short.sums()
        bound, firing = self.question.bound, self.alarms.firing > 0
        with np.errstate(all="ignore"):
            short_burns = short_s / short_n >= bound
            burns = short_burns & (s / n >= bound) & (short_seen >= self.question.minimum)
        near = np.flatnonzero(burns & ~firing)
        sure = np.zeros(len(n), np.bool_)
        if len(near):
            low, _ = interval.of_mean(self.question.asked.kind, n[near], s[near], phi[near], batches[near])
            sure[near] = low > self.question.allowed
        log_e, base = np.zeros_like(n), np.full_like(n, bound)
        over = firing & ~short_burns
        return Look(n, s, seen, log_e, self.needed(hypotheses), phi, batches, sure, over, np.full_like(n, np.inf), base)

    def excess(self, look: Look) -> Floats:
        """Of the long window over the rate, relative to it."""
        with np.errstate(all="ignore"):
            return np.nan_to_num(look.s / look.n / self.question.bound - 1, posinf=1e6)
