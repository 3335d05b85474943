"""The state of one question over all slices of a contract, and what becomes of its alarms.

An alarm is raised once evidence reaches K / alpha, K being what the contract asks of that route, and is kept. It is over when
there is evidence for that: half of the excess is gone. What the evidence is, `judged.py` and `compared.py` say.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import AlertKind
from pipeline.operators.evidence import bets, recovery
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.dispersion import Dispersion, dispersion
from pipeline.operators.evidence.hypothesis import Kind
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.questions import Question, Told
from pipeline.operators.watch.sums import SUMS, Sums

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Alarms(Cells):
    """Per cell: firing is 1 while an alarm holds, since first_ns; crossed_ns: since when its estimate is beyond the bound, 0 if
    it is not; middle: of its excess; m (cells, bets): evidence that it is over. n, s, expected, squares (`sums.py`): what came
    since a stratum last said something about that.
    """

    firing: Floats
    first_ns: Floats
    crossed_ns: Floats
    middle: Floats
    m: Floats
    n: Floats
    s: Floats
    expected: Floats
    squares: Floats

    NOTHING: ClassVar[dict[str, float]] = {"m": -np.inf}
    WIDE: ClassVar[dict[str, int]] = {"m": len(recovery.BETS)}


@dataclass(slots=True)
class Yesterday(Cells):
    """Dispersion and batches as the last whole day left them, 0 before: what changes today does not widen its own measure."""

    dispersion: Floats
    batches: Floats


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of every cell. n, s, seen: of an objective's window, or since a release. log_e, needed: evidence and its
    line. base_n, base_mean: of what it is compared with; inf and the bound of an objective. exact: the sum itself, where s is the
    part of it that is evidence. a_day: how many times as many a day holds, where evidence is of strata that follow each other.
    days: on how many the baseline rests, of the same hours before; allowed: how far beyond the limit an ordinary day may lie;
    beyond: of their quantiles, as of `shape.py`. since_ns: from when on n, s, seen are, where not of the objective's window; 0
    where they are of it.
    """

    n: Floats
    s: Floats
    seen: Floats
    log_e: Floats
    needed: Floats
    dispersion: Floats
    batches: Floats
    raised: Mask
    over: Mask
    base_n: Floats
    base_mean: Floats
    exact: Floats | None = None
    a_day: Floats | None = None
    days: Floats | None = None
    allowed: Floats | None = None
    beyond: NDArray[np.float32] | None = None
    since_ns: Floats | None = None

    def level(self, told: Told) -> Floats:
        """What is held against the bound: a mean, or the sum itself; nan where there is none."""
        with np.errstate(all="ignore"):
            return self.s if told is Told.AS_FACT else np.asarray((self.s if self.exact is None else self.exact) / self.n)

    def as_evidence(self) -> "Look":
        """The same by what is evidence of it alone."""
        return replace(self, exact=None)


@dataclass(slots=True)
class Asked:
    """One question. alpha: of all that the contract asks of a route."""

    question: Question
    alpha: float
    spread: Dispersion = field(default_factory=Dispersion.empty)
    alarms: Alarms = field(default_factory=Alarms.empty)
    yesterday: Yesterday = field(default_factory=Yesterday.empty)

    PARTS: ClassVar[tuple[str, ...]] = ("spread", "alarms", "yesterday")

    def grow(self, cells: int) -> None:
        """Room for so many slices."""
        for part in self.PARTS:
            getattr(self, part).grow(cells)

    def forget(self, cells: Mask) -> None:
        """These begin anew, but for what lies in windows that slide, and ends with them."""
        for part in self.PARTS:
            if isinstance(state := getattr(self, part), Cells | Early):
                state.forget(cells)

    def keep(self, cells: Mask) -> None:
        """The other slices are no more."""
        for part in self.PARTS:
            getattr(self, part).keep(cells)

    def needed(self, hypotheses: Floats) -> Floats:
        """What the logarithm of the evidence must reach."""
        return np.asarray(np.log(np.maximum(hypotheses, 1) / self.alpha))

    @property
    def ends_by_evidence(self) -> bool:
        """Whether an alarm needs evidence to be over; others end as what they count goes out of their windows."""
        return self.question.told is Told.BY_EVIDENCE and self.question.kind is not AlertKind.BURN_RATE

    def latch(self, look: Look, excess: Floats, evident: Floats, at_ns: int) -> None:
        """Alarms that are raised hold, those that are over do not. excess: of the estimate over the null, relative; evident: of
        what is evidence of it, which decides when it is over.
        """
        self.alarms.forget(look.over)
        crossed = (excess > 0) & (look.seen >= self.question.minimum)
        since = np.where(self.alarms.crossed_ns > 0, self.alarms.crossed_ns, at_ns)
        self.alarms.crossed_ns = np.where(crossed | (self.alarms.firing > 0), since, 0.0)
        self.alarms.firing[look.raised] = 1.0
        self.alarms.first_ns[look.raised] = at_ns
        self.alarms.middle[look.raised] = recovery.halfway(evident)[look.raised]

    def dispersion(self, routes: NDArray[np.intp], live: bool = False) -> tuple[Floats, Floats]:
        """As of yesterday; of a slice that is new today as of now."""
        now = dispersion(self.spread, routes, 1.0 if self.question.asked.kind is Kind.SHARE else 0.0)
        known, then = self.yesterday.batches > 0, (self.yesterday.dispersion, self.yesterday.batches)
        return now if live else (np.where(known, then[0], now[0]), np.where(known, then[1], now[1]))

    def close_spread(self, hour: int, routes: NDArray[np.intp]) -> None:
        """`hour` is over."""
        self.spread.close_hour(self.question.sizes, self.usual(hour))
        if hour % HOURS == HOURS - 1:
            self.spread.close_day()
            self.yesterday.dispersion, self.yesterday.batches = self.dispersion(routes, live=True)

    def usual(self, hour: int) -> tuple[Floats, Floats] | None:  # noqa: ARG002 - of those that know it
        """Of the same hour of the days before how many, and their mean, where hours of the day are not counted alike."""
        return None

    def over_limit(self, look: Look) -> Floats:
        """Of a comparison: by how much the estimate is over what the limit allows, relative to the baseline; towards worse."""
        asked = self.question.asked
        with np.errstate(all="ignore"):
            mean = look.s / look.n
            higher = mean - look.base_mean if asked.in_points else mean / look.base_mean - 1
            return np.nan_to_num((-higher if asked.floor else higher) - asked.limit, posinf=1e6)

    def recovered(self, hour: Data, phi: Floats, batches: Floats, most: Floats | float = np.inf) -> Mask:
        """Of alarms that hold, those that the hours since, up to the one that ends, show to be over. hour: beside what it is
        compared with. So many hours are taken together as it takes to say something: a small slice comes back too. most: calls
        the baseline has in all, however often its hours come.
        """
        alarms, asked = self.alarms, self.question.asked
        firing = alarms.firing > 0
        if not firing.any() or not self.ends_by_evidence:
            return np.zeros(len(firing), np.bool_)
        stratum = Sums(alarms.n, alarms.s, alarms.expected, alarms.squares) + Sums.of(hour.n, hour.s, hour.base_n, hour.base_mean)
        data = stratum.data()
        data = replace(data, base_n=np.minimum(data.base_n, most))
        speaks = firing & recovery.speaks(asked, data, alarms.middle, phi)
        grown = np.logaddexp(alarms.m, 0.0) + bets.growth(recovery.below(asked, data, alarms.middle, phi, batches), recovery.BETS)
        alarms.m = np.where(speaks[:, None], grown, alarms.m)
        for name in SUMS:
            setattr(alarms, name, np.where(firing & ~speaks, getattr(stratum, name), 0.0))
        return np.asarray(firing & (bets.log_mean(alarms.m) - np.log(HOURS) >= np.log(1 / self.alpha)))
