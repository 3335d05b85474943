"""What slices had since an hour of the last week, beside the same hours of the days before it: summed once for all hours."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.sums import Sums
from pipeline.operators.watch.week import DAYS, HOURS_KEPT, Week


@dataclass(frozen=True, slots=True)
class Around:
    """Of hours from `first` on, the last eight days of which the open hour is the last that holds something; a row each, slices
    are columns. n, s, squares: of it and the same hours after it, of n and its square. base_n, base_s: of it and those before.
    """

    first: int
    n: Floats
    s: Floats
    squares: Floats
    base_n: Floats
    base_s: Floats

    @classmethod
    def of(
        cls,
        week: Week,
        rows: NDArray[np.intp],
        hour: int,
        open_n: Floats,
        open_s: Floats,
        last: NDArray[np.float32] | None = None,
    ) -> Self:
        """Of some slices. hour: the one that is open, which holds open_n, open_s of these. last: of all slices, by hour of day,
        sums of the last 24 hours, where what is compared with the week is counted otherwise; then nothing is known before them.
        """
        first = hour - HOURS_KEPT
        places = np.arange(first, hour) % HOURS_KEPT
        days = np.zeros((2, DAYS + 1, HOURS, len(rows)))
        for at, (column, now) in enumerate(((week.n, open_n), (week.s, open_s))):
            days[at, :DAYS] = column[rows].T[places].reshape(DAYS, HOURS, -1)
            days[at, DAYS, 0] = now
        n, s = days
        new = s
        if last is not None:
            new = np.zeros_like(s)
            new[DAYS - 1], new[DAYS, 0] = last[rows].T[places[-HOURS:] % HOURS], open_s
        after = (np.cumsum(one[::-1], 0)[::-1] for one in (n, new, n * n))
        before = (np.cumsum(one, 0) for one in (n, s))
        return cls(first, *(one.reshape(-1, len(rows)) for one in (*after, *before)))

    def since(self, begin: int) -> Sums:
        """From that hour on, against the same hours before it; it has a day before it within the week."""
        at = begin - self.first
        new, old = slice(at, at + HOURS), slice(at - HOURS, at)
        n, s, squares, base_n, base_s = self.n[new], self.s[new], self.squares[new], self.base_n[old], self.base_s[old]
        known = base_n > 0
        with np.errstate(all="ignore"):
            expected, squares = n * (base_s / base_n), squares / base_n
        return Sums(*(np.where(known, one, 0.0).sum(0) for one in (n, s, expected, squares)))
