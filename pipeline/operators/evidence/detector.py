"""A change at an unknown time: bets begin anew with every stratum of hours, and all of them together are watched.

Per bet M <- (M + 1) times what the stratum made of it, when the stratum closes (Shiryaev and Roberts); at a look the same with
what is open, not kept. M less the number of restarts is a martingale under the null, so M by the strata of a day is what may be
compared with an e-value: P(any alarm in the first day) is at most alpha, and between alarms lie 1/alpha days or more. A stratum
that does not say anything begins nothing: otherwise silence alone would be evidence in the end, and be told with the next calls.

A stratum holds as many hours as the cell needs to say something, and is compared with a bound, or with the same hours before. Of
one that has too few calls for a day who asks keeps what there is: it goes on until it says something, so that a small slice is
heard at all.

Source: Shin, Ramdas and Rinaldo, New England Journal of Statistics in Data Science 2 (2024) (e-detectors); Shiryaev, Theory of
Probability and its Applications 8 (1963); Roberts, Technometrics 8 (1966).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.bets import growth, log_mean
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Data, Floats, Found
from pipeline.operators.evidence.hypothesis import ENOUGH_A_STRATUM, Hypothesis

HOURS = 24
"""Of a day; as many strata begin in one at most."""
STRATA = np.array((1, 2, 4, 8, 24))
"""Hours a stratum may have."""
BETS = 5


@dataclass(slots=True)
class Detector(Cells):
    """Per cell: m (cells, bets), logarithms of M; how many hours the open stratum has in all. What is in it, who asks keeps."""

    m: Floats
    hours: Floats

    NOTHING: ClassVar[dict[str, float]] = {"m": -np.inf, "hours": 1.0}
    WIDE: ClassVar[dict[str, int]] = {"m": BETS}

    def look(self, asked: Hypothesis, data: Data, dispersion: Floats, batches: Floats, beyond: Floats | None = None) -> Floats:
        """Logarithm of the evidence as it stands; that of one stake before anything is said. data: the open strata beside their
        baseline, or a bound: then base_n is inf. beyond: how far the null lies beyond the limit, as of `days.py`.
        """
        found = spoken(asked, data, dispersion, batches, beyond)
        worth = log_mean(self._with(found, asked.bets))
        return np.asarray(np.where(np.isneginf(worth), 0.0, worth) - np.log(HOURS))

    def close_hour(
        self,
        hour: int,
        asked: Hypothesis,
        data: Data,
        dispersion: Floats,
        batches: Floats,
        hourly: Floats,
        beyond: Floats | None = None,
    ) -> NDArray[np.bool_]:
        """`hour` of the day is over; returns which strata are. hourly: how many a cell usually has in an hour."""
        over = np.mod(hour + 1, self.hours) == 0
        stepped = self._with(spoken(asked, data, dispersion, batches, beyond), asked.bets)
        self.m = np.where(over[:, None], stepped, self.m)
        needed = asked.needed(data.usual, dispersion, ENOUGH_A_STRATUM[asked.kind])
        self.hours = np.where(over, _stratum(needed, hourly, (hour + 1) % HOURS), self.hours)
        return np.asarray(over)

    def _with(self, stratum: Found, bets: Floats) -> Floats:
        speaks = stratum.information[:, None] > 0
        return np.where(speaks, np.logaddexp(self.m, 0.0) + growth(stratum, bets), self.m)


def spoken(asked: Hypothesis, data: Data, dispersion: Floats, batches: Floats, beyond: Floats | None = None) -> Found:
    """What is found where a stratum holds enough; nothing elsewhere. beyond: at most half of the way to where a mean can lie."""
    by = 0.0 if beyond is None else np.minimum(beyond, asked.farthest(data) / 2)
    found = asked.found(data, dispersion, batches, by)
    enough = enough_a_stratum(asked, data, dispersion)
    return Found(np.where(enough, found.z, 0.0), np.where(enough, found.information, 0.0))


def enough_a_stratum(asked: Hypothesis, data: Data, dispersion: Floats) -> NDArray[np.bool_]:
    """Which strata hold enough to say something."""
    return asked.may_speak(data, dispersion, ENOUGH_A_STRATUM[asked.kind])


def _stratum(needed: Floats, hourly: Floats, next_hour: int) -> Floats:
    """The shortest stratum that holds twice what is needed, of those that may begin with that hour."""
    fitting = STRATA[next_hour % STRATA == 0]
    enough = np.multiply.outer(hourly, fitting) >= 2 * np.nan_to_num(needed, nan=1e18, posinf=1e18)[:, None]
    return np.asarray(np.where(enough.any(1), fitting[enough.argmax(1)], fitting[-1]), np.float64)
