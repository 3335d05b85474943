"""How much wider means scatter than those of independent calls would: sessions, bursts, and the shape of costs and scores.

Means of successive hours are compared, so the course of the day is not seen (von Neumann's differences). What few hours of one
cell say is drawn to what all cells of the route say. 15 % are added: of sessions that live seven minutes an hour sees nearly all,
not all.

An hour should be eight times as long as a session; of sessions of half an hour the dispersion comes out too small by half.

Source: von Neumann, Annals of Mathematical Statistics 12 (1941); batch means: Law and Kelton, Simulation Modeling (2000), 9.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Floats

SLACK = 1.15
POOL_BATCHES = 20.0
"""What the route's dispersion weighs, in batches of the cell."""
KEPT_A_DAY = 0.9
SETTLED_PAIRS, SETTLED_SHARES, MOST_OF_ONE = 8, 2, 9.0
"""Once there are so many pairs of hours, of shares fewer, one counts no more than three standard deviations squared: an incident
is no dispersion, and would hide itself and the next ones for days. Shares scatter at least as much as independent calls, so the
measure of a few pairs is soon large enough to let in what there really is."""
CALLS_PER_EVENT = 5.0
"""So many sizes or scores say as much about scatter as one event."""


@dataclass(slots=True)
class Dispersion(Cells):
    """Sums over hours, per cell.

    squares: of differences of successive hourly means, each scaled to the variance of one call. expected: what that is for
    independent calls. pairs: how many. events: of the hours. n, s: of all hours, for the long mean. last_n, last_mean: of the
    hour before, or as many as say as much about how far it was from the usual, and how far; open_n, open_s: of this one.
    """

    squares: Floats
    expected: Floats
    pairs: Floats
    events: Floats
    n: Floats
    s: Floats
    last_n: Floats
    last_mean: Floats
    open_n: Floats
    open_s: Floats

    def add(self, n: Floats, s: Floats) -> None:
        """What came in the hour that is open."""
        self.open_n += n
        self.open_s += s

    def close_hour(self, sizes: bool, usual: tuple[Floats, Floats] | None = None) -> None:
        """An hour is over. sizes: the variance function is m², else m(1 - m). usual: how many the same hour of the days before
        held, and their mean: then hours are compared by how far they are from it, and those without one are not.
        """
        n, some = self.open_n, self.open_n > 0
        self.n += n
        self.s += self.open_s
        mean = np.divide(self.open_s, n, out=np.zeros_like(n), where=some)
        long = np.divide(self.s, self.n, out=np.zeros_like(n), where=self.n > 0)
        if usual is not None:
            base_n, base_mean = usual
            some = some & (base_n > 0)
            mean, n = np.where(some, mean - base_mean, 0.0), np.where(some, n / (1 + n / np.maximum(base_n, 1.0)), 0.0)
        pair = some & (self.last_n > 0)
        weight = np.divide(n * self.last_n, n + self.last_n, out=np.zeros_like(n), where=pair)
        one = long * long if sizes else long * (1 - long)
        own = np.divide(self.squares, self.expected, out=np.zeros_like(n), where=self.expected > 0)
        settled = (self.pairs >= SETTLED_PAIRS) & (own > 0) if sizes else self.pairs >= SETTLED_SHARES
        most = np.where(settled, MOST_OF_ONE * (own if sizes else np.maximum(own, 1.0)) * one, np.inf)
        self.squares += np.minimum(weight * (mean - self.last_mean) ** 2, most)
        self.expected += np.where(pair, one, 0.0)
        self.pairs += pair
        self.events += np.where(some, self.open_n / CALLS_PER_EVENT if sizes else self.open_s, 0.0)
        self.last_n, self.last_mean = np.where(some, n, self.last_n), np.where(some, mean, self.last_mean)
        self.open_n, self.open_s = np.zeros_like(n), np.zeros_like(n)

    def close_day(self) -> None:
        """What is old counts less."""
        for name in ("squares", "expected", "pairs", "events", "n", "s"):
            setattr(self, name, getattr(self, name) * KEPT_A_DAY)

    def hourly(self) -> Floats:
        """How many came in an hour, in the mean over those with any."""
        return np.divide(self.n, self.pairs + 1)


def dispersion(sums: Dispersion, group: NDArray[np.intp], least: float) -> tuple[Floats, Floats]:
    """The dispersion of each cell, and how many batches are behind it: 0 where nothing is known of its group. A share that is 1
    in every hour scatters by nothing, and must not be silent for that.

    Args:
        group: of each cell, counted from 0: cells of one group are drawn to what they have in common.
        least: 1 for shares, which never scatter less; 0 for sizes and scores.
    """
    groups = int(group.max(initial=-1)) + 1
    per_pair = np.maximum(sums.events, 1.0) / np.maximum(sums.pairs, 1.0)
    batches = sums.pairs * 2 / 3 * 2 / (2 + 1 / per_pair)
    all_bad = (sums.expected == 0) & (sums.n > 0) & (sums.s >= sums.n)
    alone, batches = np.where(all_bad, batches, 0.0), np.where(sums.expected > 0, batches, 0.0)
    own = np.divide(sums.squares, sums.expected, out=np.zeros_like(batches), where=sums.expected > 0)
    in_pool = np.bincount(group, batches, groups)
    pool = np.divide(np.bincount(group, batches * own, groups), in_pool, out=np.zeros(groups), where=in_pool > 0)
    pooled = np.minimum(in_pool, POOL_BATCHES)[group]
    both = pooled + batches
    found = SLACK * np.divide(pooled * pool[group] + batches * own, both, out=np.ones_like(both), where=both > 0)
    found, both = np.where(both > 0, found, SLACK), np.where(both > 0, both, alone)
    return np.maximum(least, found), both
