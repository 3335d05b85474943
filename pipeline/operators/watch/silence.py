"""Which slices have fallen silent: calls came, by what is known of them more should have come, and none did.

What comes is windows with at least one call, so a burst is one. If they came at random at a rate that is known from `a` windows
with a call in a time T, the probability that none comes for so long as t is

    (T / (T + t)) ** a

the product of that over the hours of the day, each with its own a and T: nights are told from days, and where little is known of
a slice, its silence says little. A slice falls silent when that is below alpha / (K * looks), K being the slices of its route
and looks the windows of 30 days: at most alpha false alarms a route and month. It must also be silent for the shortest window of
an objective, and have a logarithm three times that of the most improbable silence before: that keeps sessions, weekends and
batches quiet once they were seen. What is kept of that silence fades by 7 % a day.

For a whole route time passes by the log; for a slice of it only while the route is not silent itself. So a route that falls
silent is one alarm, and so is a slice with all that lies in it.

Source: the probability is that of no event of a Poisson process whose rate has a gamma posterior, a negative binomial at 0
(Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), 2.6).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.model.contracts import MINUTE_NS
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.slices import Slice, Slices

ALPHA = 0.05
"""False alarms of a route in 30 days."""

LOOKS = 30 * 24 * 60
FORGETS_A_DAY = 0.93
"""Of what is known and of the longest silence so much is left after a day: of one a week ago six tenths."""

AS_NEVER_BEFORE = 3
"""Times the longest silence that was: the day before, or a week ago 1.8 times."""

A_WHOLE = 0.9
"""Of an hour: after a day 0.93 of it is left."""

AS_LONG_BEFORE = 2
"""Times as long a slice must have been there before: what came once for ten minutes may have been a session."""

GIVEN_UP_DAYS = 7
"""A slice silent for so long is missed no more."""

NEVER_SEEN_HOURS = 24
"""A route of which nothing came since its contract is in force is missed after so long."""

NOT_MISSED = frozenset({"release"})
"""Slices by these end as a matter of course."""

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]


@dataclass(slots=True)
class Known(Cells):
    """Per slice. first_ns, last_ns: ends of its first and last window with a call, 0 before there is one. unlikely: -ln of the
    probability that it is silent since; longest: the largest that was. fired_ns: since when it is missed, 0 if it is not. came,
    passed: by hour of day the windows with a call, and the minutes there were.
    """

    first_ns: Floats
    last_ns: Floats
    unlikely: Floats
    longest: Floats
    fired_ns: Floats
    came: Floats
    passed: Floats

    WIDE: ClassVar[dict[str, int]] = {"came": HOURS, "passed": HOURS}


@dataclass(frozen=True, slots=True)
class Missed:
    """A silence that began to be one, or is over. since_ns: end of the last window with a call, or when the contract began.
    at_ns: end of the window that decided; fired_ns: of the one that decided that it began. detail: why.
    metric: of scores; "" of calls.
    """

    slice: Slice
    is_firing: bool
    since_ns: int
    at_ns: int
    fired_ns: int
    detail: str
    unlikely: float | None = None
    needed: float | None = None
    hypotheses: int = 0
    metric: str = ""


@dataclass(slots=True)
class Silence:
    """Of the slices of a contract. shortest_ns: no silence is shorter. at_ns: up to which time has passed for whole routes; hour:
    its number since 1970.

    expected: routes by their exact names, each with when the contract began and since when it is missed; those that were seen are
    taken out, and stay in `seen`.
    """

    slices: Slices
    hour_ns: int
    shortest_ns: int
    known: Known = field(default_factory=Known.empty)
    at_ns: int = 0
    hour: int = 0
    expected: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    over: list[Missed] = field(default_factory=list)
    _may: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    _whole: Rows = field(default_factory=lambda: np.zeros(0, np.intp))

    def expect(self, places: set[tuple[str, str]]) -> None:
        """The routes that the contract names exactly and that are watched here. Seen are those with calls: panes of traces and
        of scores make slices too.
        """
        self.grow()
        found = {(one.environment, one.route) for row, one in enumerate(self.slices.found) if self.known.last_ns[row] > 0}
        self.seen = (self.seen | found) & places
        self.expected = {place: self.expected.get(place, (0, 0)) for place in sorted(places - self.seen)}

    def window(self, start_ns: int, end_ns: int, calls: Floats) -> None:
        """A whole window with so many calls of each slice; windows come in order, and those without any call are not told."""
        self._pass(start_ns)
        self.grow()
        self._enter(start_ns // self.hour_ns)
        known, came, hour, minutes = self.known, calls > 0, self.hour % HOURS, (end_ns - start_ns) / MINUTE_NS
        self._wait(np.flatnonzero(~came & (self._is_whole | came[self._whole])), hour, minutes)
        for row in np.flatnonzero(came & (known.fired_ns > 0)):
            one = self.slices.found[row]
            self.over.append(self._ended(one, int(known.last_ns[row]), end_ns, int(known.fired_ns[row]), "calls come again"))
        known.longest[came] = np.maximum(known.longest, known.unlikely)[came]
        known.unlikely[came] = known.fired_ns[came] = 0.0
        known.first_ns[came & (known.last_ns == 0)] = end_ns
        known.last_ns[came] = end_ns
        known.came[came, hour] += 1
        known.passed[came, hour] += minutes
        self.at_ns = max(self.at_ns, end_ns)
        if self.expected:
            self._seen({(one.environment, one.route) for one in (self.slices.found[row] for row in np.flatnonzero(came))}, end_ns)

    def passed(self, line_ns: int) -> Iterator[Missed]:
        """All windows up to there are whole: what fell silent, and what did no more."""
        self._pass(line_ns)
        self.grow()
        over, self.over = self.over, []
        yield from over
        yield from self._given_up(line_ns)
        yield from self._never_seen(line_ns)
        yield from self._silent(line_ns)

    def firing(self) -> Iterator[tuple[Slice, int, int]]:
        """What is missed: where, since when, and when it was told."""
        for row in np.flatnonzero(self.known.fired_ns > 0):
            yield self.slices.found[row], int(self.known.last_ns[row]), int(self.known.fired_ns[row])
        yield from ((Slice(*place), since, fired) for place, (since, fired) in self.expected.items() if fired)

    def grow(self) -> None:
        """Room for the slices there are. One whose route has no row waits by itself."""
        begin, new = len(self._may), self.slices.found[len(self._may) :]
        if new:
            may = [not NOT_MISSED & {column for column, _ in one.values} for one in new]
            self._may = np.concatenate((self._may, np.array(may, np.bool_)))
            whole = np.array([self.slices.add(Slice(one.environment, one.route)) for one in new], np.intp)
            own = np.arange(begin, begin + len(new))
            self._whole = np.concatenate((self._whole, np.where(whole >= 0, whole, own)))
            self.known.grow(len(self.slices))

    def keep(self, cells: Mask) -> None:
        """The other slices are no more, and `slices` knows it."""
        self.known.keep(cells)
        self._may, self._whole = self._may[:0], self._whole[:0]
        self.grow()

    def _silent(self, line_ns: int) -> Iterator[Missed]:
        known, k = self.known, self._hypotheses()
        needed = np.maximum(np.log(np.maximum(k, 1) * LOOKS / ALPHA), AS_NEVER_BEFORE * known.longest)
        late = (known.last_ns > 0) & (known.fired_ns == 0) & (line_ns - known.last_ns >= self.shortest_ns)
        late &= known.last_ns - known.first_ns >= AS_LONG_BEFORE * (line_ns - known.last_ns)
        rows = np.flatnonzero(late & (known.unlikely >= needed) & self._may)
        if not len(rows):
            return
        silent = [self.slices.found[row] for row in np.flatnonzero(known.fired_ns > 0)]
        for row in sorted(rows, key=lambda row: (len(self.slices.found[row].values), row)):
            one = self.slices.found[row]
            if any(_lies_in(one, other) for other in silent):
                continue
            silent.append(one)
            known.fired_ns[row] = line_ns
            came, minutes = float(known.came[row].sum()), float(known.passed[row].sum())
            told = f"before, calls came in {came:,.0f} windows of {minutes:,.0f} minutes"
            last_ns, unlikely = int(known.last_ns[row]), float(known.unlikely[row])
            yield Missed(one, True, last_ns, line_ns, line_ns, told, unlikely, float(needed[row]), int(k[row]))

    def _given_up(self, line_ns: int) -> Iterator[Missed]:
        known = self.known
        gone = (known.last_ns > 0) & (line_ns - known.last_ns > GIVEN_UP_DAYS * HOURS * self.hour_ns)
        for row in np.flatnonzero(gone & (known.fired_ns > 0)):
            one, last_ns, fired_ns = self.slices.found[row], int(known.last_ns[row]), int(known.fired_ns[row])
            yield self._ended(one, last_ns, line_ns, fired_ns, "nothing came, and it is missed no more")
        if gone.any():
            known.forget(gone)

    def _never_seen(self, line_ns: int) -> Iterator[Missed]:
        for place, (since_ns, fired_ns) in self.expected.items():
            if not since_ns:
                self.expected[place] = (line_ns, 0)
            elif not fired_ns and line_ns - since_ns >= NEVER_SEEN_HOURS * self.hour_ns:
                self.expected[place] = (since_ns, line_ns)
                yield Missed(Slice(*place), True, since_ns, line_ns, line_ns, "never seen since the contract is in force")

    def _ended(self, where: Slice, since_ns: int, at_ns: int, fired_ns: int, why: str) -> Missed:
        return Missed(where, False, since_ns, at_ns, fired_ns, why)

    def _seen(self, routes: set[tuple[str, str]], end_ns: int) -> None:
        for place in [place for place in self.expected if place in routes]:
            since_ns, fired_ns = self.expected.pop(place)
            self.seen.add(place)
            if fired_ns:
                self.over.append(self._ended(Slice(*place), since_ns, end_ns, fired_ns, "the first calls came"))

    @property
    def _is_whole(self) -> Mask:
        return np.asarray(self._whole == np.arange(len(self._whole)))

    def _hypotheses(self) -> Floats:
        routes = self.slices.routes
        return np.bincount(routes)[routes].astype(np.float64) if len(routes) else np.zeros(0)

    def _pass(self, to_ns: int) -> None:
        """Time without a call of any route, hour by hour; after a day without a word nothing is made of the hours in between."""
        whole, at_ns = np.flatnonzero(self._is_whole), max(self.at_ns or to_ns, to_ns - (HOURS - 1) * self.hour_ns)
        while at_ns < to_ns:
            self._enter(at_ns // self.hour_ns)
            until_ns = min(to_ns, (self.hour + 1) * self.hour_ns)
            self._wait(whole, self.hour % HOURS, (until_ns - at_ns) / MINUTE_NS)
            at_ns = until_ns
        self.at_ns = max(self.at_ns, to_ns)

    def _enter(self, hour: int) -> None:
        """Of the hours of the day that begin what is known is a day older. Sixteenths are precise enough, and take few bytes."""
        for one in range(max(self.hour + 1, hour - HOURS + 1), hour + 1) if self.hour else ():
            for column in (self.known.came, self.known.passed):
                column[:, one % HOURS] = np.round(column[:, one % HOURS] * FORGETS_A_DAY * 16) / 16
            self.known.longest *= FORGETS_A_DAY ** (1 / HOURS)
        self.hour = max(self.hour, hour)

    def _wait(self, rows: Rows, hour: int, minutes: float) -> None:
        """So much of an hour of the day passed without a call in these. Of an hour of the day that was not there yet, the hour
        before tells.
        """
        known = self.known
        rows = rows[known.last_ns[rows] > 0]
        new = (known.came[rows, hour] == 0) & (known.passed[rows, hour] * MINUTE_NS < A_WHOLE * self.hour_ns)
        by = np.where(new, (hour - 1) % HOURS, hour)
        before = known.passed[rows, by] + np.where(new, known.passed[rows, hour], 0.0)
        with np.errstate(all="ignore"):
            grown = known.came[rows, by] * np.log1p(minutes / before)
        known.unlikely[rows] += np.where(before > 0, grown, 0.0)
        known.passed[rows, hour] += minutes


def _lies_in(one: Slice, other: Slice) -> bool:
    """Whether a slice is part of another one."""
    same = (one.environment, one.route) == (other.environment, other.route)
    return same and set(other.values) <= set(one.values)
