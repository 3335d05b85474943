"""What an objective's strata hold: the open one, and the last that was closed.

Evidence is of the open one alone, and begins anew with it. What is told of a small slice between alarms does not: until the open
stratum says something by itself, the last closed one and what came since are told together, as one time that began with it.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.asked import Mask
from pipeline.operators.watch.questions import Counted
from pipeline.operators.watch.week import HOURS_KEPT


@dataclass(slots=True)
class Stratum(Cells):
    """Per cell: what it holds, as counted. since_ns: the start of its first window with anything."""

    n: Floats
    s: Floats
    seen: Floats
    exact: Floats
    since_ns: Floats

    def add(self, start_ns: int, counted: Counted) -> None:
        """What a whole window says."""
        self.since_ns[(self.seen == 0) & (counted.seen > 0)] = start_ns
        self.n += counted.n
        self.s += counted.s
        self.seen += counted.seen
        if counted.exact is not None:
            self.exact += counted.exact


@dataclass(slots=True)
class Closed(Stratum):
    """The last one that said something. hours: of the log, since it was closed; after a week it is told no more."""

    hours: Floats

    def close_hour(self, closed: Mask, opened: Stratum) -> None:
        """An hour is over, and with it these."""
        for name, column in opened.columns.items():
            setattr(self, name, np.where(closed, column, getattr(self, name)))
        self.hours = np.where(closed | (self.seen == 0), 0.0, self.hours + 1)
        self.forget(self.hours > HOURS_KEPT)

    def with_opened(self, opened: Stratum) -> Stratum:
        """Both together, where there was one."""
        n, s, seen, exact = (
            getattr(self, name) + np.where(self.seen > 0, getattr(opened, name), 0.0) for name in ("n", "s", "seen", "exact")
        )
        return Stratum(n, s, seen, exact, self.since_ns)
