"""One contract over the routes of a partition: whole windows in, alarms that begin and end out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import Extent
from pipeline.model.contracts import MINUTE_NS, Baseline, Contract
from pipeline.model.metrics import Family
from pipeline.operators.contracts.amounts import shown_duration
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.asked import Asked, Look, Mask
from pipeline.operators.watch.burned import Burned
from pipeline.operators.watch.compared import Compared
from pipeline.operators.watch.judged import Judged
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.measured import Held, Measured, state_of
from pipeline.operators.watch.measured_hours import MeasuredHours, usual_of
from pipeline.operators.watch.panes_read import SAYS, SERIES_OF, Panes
from pipeline.operators.watch.quantiles import NO_QUANTILE, Quantile
from pipeline.operators.watch.questions import Counted, Question, asked_of, burn_rates, comparisons, objectives
from pipeline.operators.watch.releases import Releases
from pipeline.operators.watch.same_hours import SameHours
from pipeline.operators.watch.silence import Missed, Silence
from pipeline.operators.watch.slices import SILENT_HOURS, Here, Slice, Slices
from pipeline.operators.watch.unscored import Place, Unscored

ALPHA = 0.05
"""Of all that a contract promises one route: how often noise may raise an alarm, as long as anybody looks."""

Ints = NDArray[np.intp]
State = Judged | Burned | Compared | SameHours

LASTED = "it lasted for a week, so it is what is usual now"
GONE = "nothing came for more than {}, so nothing is known of it any more"


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that began or ended. at_ns: end of the window that decided. first_ns: when it began; crossed_ns: since when the
    estimate is beyond the bound. row: of the look. quantile: that the question is about. held: what a quantile or a mean of a
    release is held against. back_ns: how far back the same hours before go, or what is told of an objective if not its window.
    extent: of one that began. why: one ended, if that is not what the look says.
    """

    question: Question
    slice: Slice
    is_firing: bool
    at_ns: int
    first_ns: int
    crossed_ns: int
    look: Look
    row: int
    hypotheses: int
    alpha: float
    release: str = ""
    previous: str = ""
    quantile: Quantile = NO_QUANTILE
    held: Held | None = None
    back_ns: int = 0
    extent: Extent = Extent.UNKNOWN
    why: str = ""


@dataclass(slots=True)
class ContractWatch:
    """State of one contract. compared: with the release before; usual: with the same hours before. hour_ns: of what is an hour
    to the evidence. hours: by family, the open one. day_over: that a day ended since it was looked for room.
    """

    contract: Contract
    slices: Slices
    judged: list[Judged | Burned]
    compared: list[Compared]
    usual: list[SameHours]
    hour_ns: int
    silence: Silence
    unscored: Unscored
    releases: Releases = field(default_factory=Releases)
    hours: dict[str, int] = field(default_factory=dict)
    day_over: bool = False

    @classmethod
    def of(cls, contract: Contract, hour_ns: int, most_slices: int, here: Here = lambda *_: True) -> "ContractWatch":
        """Nothing seen yet."""
        judged: list[Judged | Burned] = [Judged.of(question, ALPHA) for question in asked_of(contract, objectives(contract))]
        judged += [Burned.of(question, ALPHA) for question in asked_of(contract, burn_rates(contract))]
        alpha = 1 - contract.regression.confidence if contract.regression else ALPHA
        asked = asked_of(contract, comparisons(contract))
        compared = [state_of(question, alpha) for question in asked if question.baseline is Baseline.PREVIOUS_RELEASE]
        usual = [usual_of(question, alpha) for question in asked if question.baseline is Baseline.SAME_HOURS_BEFORE]
        slices = Slices(contract, most_slices, here)
        shortest_ns = min(objective.window_ns for objective in contract.objectives)
        of_scores = frozenset(one.question.metric.evaluator for one in (*judged, *compared, *usual)) - {""}
        unscored = Unscored(of_scores, hour_ns, shortest_ns, most_slices)
        return cls(contract, slices, judged, compared, usual, hour_ns, Silence(slices, hour_ns, shortest_ns), unscored)

    @property
    def asked(self) -> list[Asked]:
        """All questions."""
        return [*self.judged, *self.compared, *self.usual]

    @property
    def ladders(self) -> dict[Family, tuple[str, ...]]:
        """By family what is to be counted over the ladder to answer them."""
        found = {(one.question.family, one.question.ladder) for one in self.asked if one.question.ladder}
        return {family: tuple(sorted(name for of, name in found if of is family)) for family in Family}

    def fold(self, family: Family, start_ns: int, end_ns: int, panes: Panes) -> Iterator[Change]:
        """Take in a whole window; then say what changed. Windows of a family come in order."""
        yield from self._hours(family, start_ns // self.hour_ns, start_ns)
        placed = [self.slices.rows(family, series) for series in panes.series]
        for one in self.asked:
            one.grow(len(self.slices))
        if family is Family.CALLS and (self.compared or self.usual):
            yield from self._releases(panes, placed, end_ns)
        chosen = np.repeat(np.arange(len(placed)), [len(rows) for rows in placed])
        rows = np.concatenate(placed) if placed else np.zeros(0, np.intp)
        self.slices.came(rows)
        if family is Family.CALLS:
            calls = np.bincount(rows, panes.numbers["requests"][chosen], len(self.slices)).astype(np.float64)
            self.silence.window(start_ns, end_ns, calls)
            self.unscored.called((end_ns - start_ns) / MINUTE_NS, self._of_routes(calls))
        elif family is Family.SCORES:
            self.unscored.said(end_ns, self._words(panes, placed))
        for judged in self.judged:
            if judged.question.family is family:
                judged.add(start_ns, self._counted(judged.question, panes, chosen, rows))
                tail = judged.question.tail(panes)
                if isinstance(judged, Judged) and tail is not None:
                    judged.tail.add(judged.sliding, start_ns, tail.spread(chosen, rows, len(placed)))
        hour = start_ns // self.hour_ns % HOURS
        self._compare([one for one in self.usual if one.question.family is family], hour, panes, chosen, rows)
        if compared := [one for one in self.compared if one.question.family is family]:
            kept = self.releases.current(panes, SERIES_OF[family])[chosen]
            self._compare(compared, hour, panes, chosen[kept], rows[kept])
        yield from self._looks(family, start_ns, end_ns)

    def _compare(self, of: Sequence[Compared | SameHours], hour: int, panes: Panes, chosen: Ints, rows: Ints) -> None:
        """Count what is compared. What lies in each slice of a ladder is found once for all that ask."""
        ladders = {one.question.ladder for one in of if isinstance(one, Measured | MeasuredHours)}
        counts = {
            name: panes.ladders.get(name, Counts.none()).spread(chosen, rows, len(panes.series)).rising() for name in ladders
        }
        for compared in of:
            counted = self._counted(compared.question, panes, chosen, rows)
            if isinstance(compared, Measured | MeasuredHours):
                compared.count(hour, counted.n, counts[compared.question.ladder])
            else:
                compared.add(hour, counted)

    def passed(self, family: Family, line_ns: int) -> Iterator[Change]:
        """All windows up to there are whole: time has passed, also where nothing came."""
        if len(self.slices):
            yield from self._hours(family, (line_ns - 1) // self.hour_ns, line_ns)
            yield from self._looks(family, line_ns - 1, line_ns)
            yield from self._gone(family, line_ns)
        if self.day_over:
            self._make_room()

    def missed(self, family: Family, line_ns: int) -> Iterator[Missed]:
        """What fell silent, or did no more, once all windows of a family up to there are whole and were folded."""
        if family is Family.CALLS:
            yield from self.silence.passed(line_ns)
        elif family is Family.SCORES:
            yield from self.unscored.passed(line_ns)

    def looks(self, last: Mapping[Family, int]) -> Iterator[tuple[State, Look]]:
        """How every question stands. last: by family that was folded, the start of its last window."""
        for family, start_ns in last.items():
            for asked in self._of(family):
                asked.grow(len(self.slices))
                look = self._look(asked, start_ns)
                yield asked, asked.stands(look) if isinstance(asked, Judged) else look

    def change(self, asked: Asked, look: Look, row: int, at_ns: int) -> Change:
        """A slice as it stands, as if an alarm began there."""
        return self._change(asked, look, row, True, at_ns, self.hypotheses())

    def release_of(self, question: Question, where: Slice, back: int = 0) -> tuple[str, str]:
        """What a comparison compares there; ("", "") of other questions."""
        of_releases = question.baseline is Baseline.PREVIOUS_RELEASE
        return self.releases.pair(where.environment, where.route, back) if of_releases else ("", "")

    def _counted(self, question: Question, panes: Panes, chosen: Ints, rows: Ints) -> Counted:
        """What a question counts in each slice. chosen: rows of panes, rows: the slice each lies in."""
        if question.metric.evaluator and len(chosen):
            said = np.array([series[-1] == question.metric.evaluator for series in panes.series], np.bool_)[chosen]
            chosen, rows = chosen[said], rows[said]
        sums = {
            name: np.bincount(rows, column[chosen], len(self.slices)).astype(np.float64)
            if len(chosen)
            else np.zeros(len(self.slices))
            for name, column in question.numbers(panes).items()
        }
        return question.counted(sums)

    def _of_routes(self, calls: Floats) -> dict[tuple[str, str], float]:
        """Of those whose scores are waited for."""
        places = {one[:2] for one in self.unscored.places}
        return {place: float(calls[row]) for place in places if (row := self.slices.row(*place)) >= 0}

    def _words(self, panes: Panes, placed: list[Ints]) -> set[Place]:
        """Which evaluators that are asked said something of which routes."""
        words, names = np.sum([panes.numbers[name] for name in SAYS], axis=0), SERIES_OF[Family.SCORES]
        environment, route, evaluator = (names.index(name) for name in ("environment", "route", "evaluator"))
        those = (one for one, n, rows in zip(panes.series, words, placed, strict=True) if n and len(rows))
        return {(one[environment], one[route], one[evaluator]) for one in those if one[evaluator] in self.unscored.asked}

    def _releases(self, panes: Panes, placed: list[Ints], at_ns: int) -> Iterator[Change]:
        """Where another release has begun, what is compared begins anew."""
        mine = (series for series, rows in zip(panes.series, placed, strict=True) if len(rows))
        begun = self.releases.seen(mine, self.hours[Family.CALLS])
        if not begun:
            return
        cells = np.array([(one.environment, one.route) in begun for one in self.slices.found], np.bool_)
        counts, routes = self.hypotheses(), self.slices.routes
        for compared in self.compared:
            look = compared.look(counts, routes)
            ended = compared.alarms.firing * cells > 0
            yield from [self._change(compared, look, int(row), False, at_ns, counts, back=1) for row in np.flatnonzero(ended)]
            compared.begins(cells)
        for usual in self.usual:
            usual.begins(cells)

    def _hours(self, family: Family, hour: int, at_ns: int) -> Iterator[Change]:
        """Hours that are over by now. After a day without a word nothing is made of the hours in between."""
        before, newest = self.hours.get(family, hour), max(self.hours.values(), default=hour)
        self.hours[family] = max(hour, before)
        self.slices.age(min(max(self.hours.values()) - newest, HOURS))
        self.day_over |= hour // HOURS > before // HOURS
        for one in range(max(before, hour - HOURS), hour):
            for asked in self._of(family):
                look, held = self._look(asked, at_ns), dict[int, Held]()
                if isinstance(asked, Measured | MeasuredHours):
                    held = {int(row): asked.held(look, int(row)) for row in np.flatnonzero(asked.alarms.firing)}
                over = asked.close_hour(one, self.slices.routes)
                lasted = asked.lasted if isinstance(asked, SameHours) else np.zeros_like(over)
                for end in self._ended(asked, look, over, at_ns):
                    yield replace(end, held=held.get(end.row), why=LASTED if lasted[end.row] else "")
                asked.alarms.forget(over)

    def _gone(self, family: Family, at_ns: int) -> Iterator[Change]:
        """Of slices of which nothing came for long nobody will say that an alarm is over: they begin anew."""
        silent = self.slices.silent > SILENT_HOURS
        why = GONE.format(shown_duration(SILENT_HOURS * self.hour_ns))
        for asked in self._of(family) if silent.any() else ():
            gone = (asked.alarms.firing > 0) & silent
            if gone.any() and asked.ends_by_evidence:
                yield from (replace(end, why=why) for end in self._ended(asked, self._look(asked, at_ns - 1), gone, at_ns))
                asked.forget(gone)

    def _make_room(self) -> None:
        """Slices that may go and of which nothing is told are no more; a route stays with its last part."""
        self.day_over = False
        self.silence.grow()
        for asked in self.asked:
            asked.grow(len(self.slices))
        firing = [self.silence.known.fired_ns, *(asked.alarms.firing for asked in self.asked)]
        stays = ~self.slices.may_go() | np.any(firing, axis=0)
        routes, whole = self.slices.routes, np.array([not one.values for one in self.slices.found], np.bool_)
        stays |= whole & (np.bincount(routes, stays) > 0)[routes]
        if stays.all():
            return
        self.slices.keep(stays)
        self.silence.keep(stays)
        self.releases.keep((one.environment, one.route) for one in self.slices.found)
        for asked in self.asked:
            asked.keep(stays)
            asked.grow(len(self.slices))

    def _looks(self, family: Family, start_ns: int, end_ns: int) -> Iterator[Change]:
        counts = self.hypotheses()
        for asked in self._of(family):
            look = self._look(asked, start_ns)
            yield from self._ended(asked, look, look.over, end_ns)
            asked.latch(look, asked.excess(look), asked.excess(look.as_evidence()), end_ns)
            raised = np.flatnonzero(look.raised)
            changes = [self._change(asked, look, int(row), True, end_ns, counts) for row in raised]
            if changes and isinstance(asked, Compared | SameHours):
                found = asked.extents(look, self.slices.siblings)
                changes = [replace(change, extent=found[change.row]) for change in changes]
            yield from changes

    def _of(self, family: Family) -> Iterator[State]:
        yield from (one for one in self.judged if one.question.family is family)
        yield from (one for one in self.compared if one.question.family is family)
        yield from (one for one in self.usual if one.question.family is family)

    def _look(self, asked: State, at_ns: int) -> Look:
        counts, routes = self.hypotheses(), self.slices.routes
        return asked.look(counts, routes) if isinstance(asked, Compared | SameHours) else asked.look(at_ns, counts, routes)

    def _ended(self, asked: Asked, look: Look, over: Mask, at_ns: int) -> list[Change]:
        counts = self.hypotheses()
        return [self._change(asked, look, int(row), False, at_ns, counts) for row in np.flatnonzero(over)]

    def hypotheses(self) -> Floats:
        """Of each slice how much the contract asks of its route."""
        routes = self.slices.routes
        return np.bincount(routes)[routes].astype(np.float64) * max(1, len(self.asked)) if len(routes) else np.zeros(0)

    def _change(self, asked: Asked, look: Look, row: int, is_firing: bool, at_ns: int, counts: Floats, back: int = 0) -> Change:
        first, crossed, where = int(asked.alarms.first_ns[row]), int(asked.alarms.crossed_ns[row]), self.slices.found[row]
        names = self.release_of(asked.question, where, back)
        itself = asked.quantile(look, row) if isinstance(asked, Judged) else NO_QUANTILE
        held = asked.held(look, row) if isinstance(asked, Measured | MeasuredHours) else None
        n = int(counts[row])
        change = Change(asked.question, where, is_firing, at_ns, first, crossed, look, row, n, asked.alpha, *names, itself, held)
        if look.since_ns is not None and look.since_ns[row] > 0:
            return replace(change, back_ns=at_ns - int(look.since_ns[row]))
        return change if look.days is None else replace(change, back_ns=int(look.days[row]) * HOURS * self.hour_ns)
