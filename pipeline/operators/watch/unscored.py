"""Which evaluators have fallen silent where calls go on: by what is known of their scores more should have come, and none did.

A sample is judged, so gaps are natural, and how long they are nobody has to say: scores come in `a` windows while calls come for
a time T, and the probability that none comes for so long as t is

    (T / (T + t)) ** a

as in `silence.py`. Time has three clocks here, and the most probable counts: minutes in which calls came, so that nights are no
silence; calls, so that a route with few of them may have no score for long; and minutes of the scores' own log, so that calls
that are caught up after a pause all at once are none. Where traffic grows and the share that is judged falls with it, or the
other way round, one of the first two goes on as before.

What is said at all is a word: a score, and also that there is nothing to judge, or no money for it. Judgements that failed are
none. Only whole routes are missed, for evaluators that the contract asks: who dies is silent for all slices, and those of a
sample are small.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pipeline.model.contracts import MINUTE_NS
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.silence import (
    ALPHA,
    AS_LONG_BEFORE,
    AS_NEVER_BEFORE,
    FORGETS_A_DAY,
    GIVEN_UP_DAYS,
    LOOKS,
    Mask,
    Missed,
)
from pipeline.operators.watch.slices import Slice

Place = tuple[str, str, str]
"""Environment, route and evaluator."""

CALLED, LOG, CALLS = range(3)
"""Clocks: minutes in which calls came, minutes of the scores' log, calls."""


@dataclass(slots=True)
class Heard(Cells):
    """Per place. first_ns, last_ns: ends of the first and the last window with a word; came: how many after the first. before,
    since: by clock, the time up to the last word and from it on. longest: -ln of the probability of the most improbable silence
    before. fired_ns: since when it is missed, 0 if it is not.
    """

    first_ns: Floats
    last_ns: Floats
    came: Floats
    longest: Floats
    fired_ns: Floats
    before: Floats
    since: Floats

    WIDE: ClassVar[dict[str, int]] = {"before": 3, "since": 3}

    @property
    def unlikely(self) -> Floats:
        """-ln of the probability of the silence that is."""
        share = np.divide(self.since, self.before, out=np.zeros_like(self.since), where=self.before > 0)
        return np.asarray(self.came * np.log1p(share.min(1)))


@dataclass(slots=True)
class Unscored:
    """Of the routes of a contract. asked: evaluators. shortest_ns: no silence is shorter. most: places there may be. at_ns: up to
    which the scores' log has passed.
    """

    asked: frozenset[str]
    hour_ns: int
    shortest_ns: int
    most: int
    places: dict[Place, int] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard.empty)
    at_ns: int = 0
    over: list[Missed] = field(default_factory=list)

    def called(self, minutes: float, calls: Mapping[tuple[str, str], float]) -> None:
        """A whole window with so many calls of each route."""
        for (environment, route, _), row in self.places.items():
            if n := calls.get((environment, route), 0.0):
                self.heard.since[row, CALLED] += minutes
                self.heard.since[row, CALLS] += n

    def said(self, end_ns: int, places: Collection[Place]) -> None:
        """A whole window of scores that holds words of these; windows come in order, and those without any are not told."""
        self._pass(end_ns)
        for place in places:
            if place not in self.places and len(self.places) < self.most:
                self.places[place] = len(self.places)
        self.heard.grow(len(self.places))
        heard, rows = self.heard, np.array(sorted(self.places[one] for one in places if one in self.places), np.intp)
        named = [*self.places]
        for row in rows[heard.fired_ns[rows] > 0]:
            self.over.append(self._ended(named[row], int(row), end_ns, "scores come again"))
        heard.longest[rows] = np.maximum(heard.longest, heard.unlikely)[rows]
        known = rows[heard.last_ns[rows] > 0]
        heard.came[known] += 1
        heard.before[known] += heard.since[known]
        heard.first_ns[rows[heard.last_ns[rows] == 0]] = end_ns
        heard.last_ns[rows], heard.fired_ns[rows], heard.since[rows] = end_ns, 0.0, 0.0

    def passed(self, line_ns: int) -> Iterator[Missed]:
        """All windows of scores up to there are whole: what fell silent, and what did no more."""
        self._pass(line_ns)
        over, self.over = self.over, []
        yield from over
        yield from self._silent(line_ns)
        yield from self._given_up(line_ns)

    def firing(self) -> Iterator[tuple[Slice, str]]:
        """What is missed: where, and of which metric."""
        for (environment, route, evaluator), row in self.places.items():
            if self.heard.fired_ns[row] > 0:
                yield Slice(environment, route), metric_of(evaluator)

    def keep(self, cells: Mask) -> None:
        """The other places are no more."""
        self.heard.keep(cells)
        self.places = {place: i for i, place in enumerate(place for place, row in self.places.items() if cells[row])}

    def _silent(self, line_ns: int) -> Iterator[Missed]:
        heard, unlikely = self.heard, self.heard.unlikely
        silent_ns = line_ns - heard.last_ns
        late = (heard.fired_ns == 0) & (silent_ns >= self.shortest_ns)
        late &= heard.last_ns - heard.first_ns >= AS_LONG_BEFORE * silent_ns
        named, routes = [*self.places], [place[:2] for place in self.places]
        for row in np.flatnonzero(late & (unlikely >= AS_NEVER_BEFORE * heard.longest)):
            k = routes.count(routes[row])
            needed = max(float(np.log(k * LOOKS / ALPHA)), AS_NEVER_BEFORE * float(heard.longest[row]))
            if unlikely[row] < needed:
                continue
            heard.fired_ns[row] = line_ns
            (environment, route, evaluator), calls = named[row], heard.since[row, CALLS]
            told = (
                f"{calls:,.0f} calls came since, before scores came with every {heard.before[row, CALLS] / heard.came[row]:,.3g}"
            )
            about = (Slice(environment, route), True, int(heard.last_ns[row]), line_ns, line_ns, told)
            yield Missed(*about, float(unlikely[row]), needed, k, metric_of(evaluator))

    def _given_up(self, line_ns: int) -> Iterator[Missed]:
        gone = line_ns - self.heard.last_ns > GIVEN_UP_DAYS * HOURS * self.hour_ns
        for place, row in self.places.items():
            if gone[row] and self.heard.fired_ns[row] > 0:
                yield self._ended(place, row, line_ns, "no score came, and it is missed no more")
        if gone.any():
            self.keep(~gone)

    def _ended(self, place: Place, row: int, at_ns: int, why: str) -> Missed:
        last_ns, fired_ns = int(self.heard.last_ns[row]), int(self.heard.fired_ns[row])
        return Missed(Slice(*place[:2]), False, last_ns, at_ns, fired_ns, why, metric=metric_of(place[2]))

    def _pass(self, to_ns: int) -> None:
        """The scores' log goes on; of a jump of more than a day a day counts. What is known is a day older with each."""
        at_ns = self.at_ns or to_ns
        if to_ns <= at_ns:
            self.at_ns = at_ns
            return
        day_ns = HOURS * self.hour_ns
        self.heard.since[:, LOG] += min(to_ns - at_ns, day_ns) / MINUTE_NS
        left = FORGETS_A_DAY ** (to_ns // day_ns - at_ns // day_ns)
        for name in ("came", "before", "longest"):
            setattr(self.heard, name, getattr(self.heard, name) * left)
        self.at_ns = to_ns


def metric_of(evaluator: str) -> str:
    """Of which it is told that there is nothing of it."""
    return f"{evaluator}.mean"
