"""How every promise of a contract stands after the windows that were folded: what watch told, and what it had no reason to tell.

An alarm that was raised is established, also where it was over again later. Elsewhere the estimate tells, or that there is not
enough to tell from. The numbers are those an alert would have, so both say the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import Alert, AlertKind
from pipeline.model.contracts import Baseline, Contract, Severity
from pipeline.model.metrics import Family
from pipeline.operators.contracts.amounts import shown_duration
from pipeline.operators.evidence import effect
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.hypothesis import ENOUGH, ENOUGH_A_STRATUM
from pipeline.operators.watch.asked import Look, Mask
from pipeline.operators.watch.contract_watch import Change, ContractWatch, State
from pipeline.operators.watch.measured import Measured
from pipeline.operators.watch.measured_hours import MeasuredHours
from pipeline.operators.watch.panes_read import Panes
from pipeline.operators.watch.questions import Question, Told
from pipeline.operators.watch.raised import alert
from pipeline.operators.watch.slices import Slice

Codes = NDArray[np.int8]


class Verdict(StrEnum):
    """Of one rule and slice, worst first."""

    BROKEN = "broken"
    """Established: there is evidence at the stated rate of error, or it is a fact."""
    CROSSED = "crossed"
    """The estimate lies beyond the bound; nothing is claimed."""
    TOO_FEW = "not enough data"
    KEPT = "kept"


ORDER = (Verdict.BROKEN, Verdict.CROSSED, Verdict.TOO_FEW, Verdict.KEPT)
"""Of codes: the numbers of verdicts in arrays."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule and slice. alert: its numbers. missing: how many more calls (traces, scores) it takes to say something.

    over_ns: when an alarm that was raised was over again; 0: it holds, or there was none. finds_nothing: calls there are, but no
    change up to the largest that is looked for would be found. in_points: the smallest change that would be found is absolute.
    """

    verdict: Verdict
    alert: Alert
    missing: int = 0
    over_ns: int = 0
    finds_nothing: bool = False
    in_points: bool = False


@dataclass(slots=True)
class Standing:
    """findings: worst first, as many as were asked for. counts: of all, by rule and verdict. severities: of rules.

    not_compared: comparisons without a release that began.
    """

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, Counter[Verdict]] = field(default_factory=dict)
    severities: dict[str, Severity] = field(default_factory=dict)
    not_compared: list[str] = field(default_factory=list)

    def exit_code(self, strict: bool) -> int:
        """Of promises of severity page and ticket. 0: they are kept. 1: one is broken (`strict`: or crossed). 2: none is, but of
        one no slice has enough data, or there is none.
        """
        judged = [found for rule, found in self.counts.items() if self.severities[rule] is not Severity.INFO]
        bad = (Verdict.BROKEN, Verdict.CROSSED) if strict else (Verdict.BROKEN,)
        if any(found[verdict] for found in judged for verdict in bad):
            return 1
        return 2 if not judged or any(found.keys() <= {Verdict.TOO_FEW} for found in judged) else 0


@dataclass(slots=True)
class Fold:
    """A contract's watch, what it told, and the last window of each family.

    told: by question, slice and release what was told first, and when the last alarm was over; 0: it holds. A change is put into
    words at once: its look is of state that goes on. since_ns: what was over by then is not told; what came before only teaches
    what is usual. release: of a comparison with the same hours before, the newest one while it may be told; "": any.
    """

    watch: ContractWatch
    since_ns: int = 0
    release: str = ""
    told: dict[str, dict[tuple[Slice, str], tuple[Alert, int]]] = field(default_factory=dict)
    last: dict[Family, tuple[int, int]] = field(default_factory=dict)

    def fold(self, family: Family, start_ns: int, end_ns: int, panes: Panes) -> None:
        """Take in a whole window."""
        for change in self.watch.fold(family, start_ns, end_ns, panes):
            known, key = self.told.setdefault(change.question.identity, {}), (change.slice, change.release)
            if not self._of_release(change):
                continue
            if change.is_firing:
                goes_on = key in known and self._lies_in(known[key])
                known[key] = (known[key][0] if goes_on else alert(self.watch.contract, change), 0)
            elif key in known:
                known[key] = (known[key][0], change.at_ns)
        self.last[family] = (start_ns, end_ns)

    def broken(self, question: Question) -> dict[Slice, tuple[Alert, int]]:
        """What was told of a question, of the releases that are the newest."""
        known = self.told.get(question.identity, {})
        return {
            where: told
            for (where, release), told in known.items()
            if self.watch.release_of(question, where)[0] == release and self._lies_in(told)
        }

    def _lies_in(self, told: tuple[Alert, int]) -> bool:
        return not told[1] or told[1] > self.since_ns

    def _of_release(self, change: Change) -> bool:
        if not self.release or change.question.baseline is not Baseline.SAME_HOURS_BEFORE:
            return True
        return self.watch.releases.pair(change.slice.environment, change.slice.route)[0] == self.release


@dataclass(frozen=True, slots=True)
class Chosen:
    """A slice's row of a look, by its verdict and how far it is beyond its bound. told: of an alarm."""

    code: int
    weight: float
    fold: Fold
    asked: State
    look: Look
    row: int
    told: tuple[Alert, int] | None

    @property
    def order(self) -> tuple[int, int, float]:
        """Worst first."""
        return self.code, _RANK[self.asked.question.severity], -self.weight


_RANK = {Severity.PAGE: 0, Severity.TICKET: 1, Severity.INFO: 2}


def standing(folds: Iterable[tuple[Fold, set[AlertKind]]], most: int, needs_release: bool = False) -> Standing:
    """Of all promises of these kinds. needs_release: that there is no release before makes it too little data, not no matter."""
    found, chosen = Standing(), list[Chosen]()
    for fold, kinds in folds:
        for asked, look in fold.watch.looks({family: start for family, (start, _) in fold.last.items()}):
            if asked.question.kind in kinds:
                chosen += _judged(found, fold, asked, look, most, needs_release)
    found.findings = [_finding(one) for one in sorted(chosen, key=lambda one: one.order)[:most]]
    return found


def _judged(found: Standing, fold: Fold, asked: State, look: Look, most: int, needs_release: bool) -> Iterator[Chosen]:
    """Count the verdicts of a question, and choose the worst slices."""
    question, slices = asked.question, fold.watch.slices.found
    broken = fold.broken(question)
    codes, weight = _codes(asked, look, fold.watch.hypotheses(), np.array([one in broken for one in slices], np.bool_))
    rows = np.arange(len(slices))
    if question.baseline is Baseline.PREVIOUS_RELEASE and not needs_release:
        rows = rows[np.array([fold.watch.release_of(question, one)[1] != "" for one in slices], np.bool_)]
        if not len(rows):
            found.not_compared.append(question.rule)
            return
    rule = label(question)
    found.severities[rule] = question.severity
    numbers = np.bincount(codes[rows], minlength=len(ORDER))
    found.counts[rule] = Counter({ORDER[code]: int(n) for code, n in enumerate(numbers) if n})
    for row in rows[np.lexsort((-weight[rows], codes[rows]))[:most]]:
        yield Chosen(int(codes[row]), float(weight[row]), fold, asked, look, int(row), broken.get(slices[row]))


def label(question: Question) -> str:
    """Its rule; a budget has several burn rates."""
    if question.kind is not AlertKind.BURN_RATE:
        return question.rule
    return f"{question.rule} {shown_duration(question.short_ns)}/{shown_duration(question.window_ns)}"


def _codes(asked: State, look: Look, hypotheses: Floats, broken: Mask) -> tuple[Codes, Floats]:
    """Of each slice the number of its verdict, and by how much it lies beyond its bound."""
    excess = asked.excess(look)
    codes = np.full(len(excess), ORDER.index(Verdict.KEPT), np.int8)
    codes[(excess > 0)] = ORDER.index(Verdict.CROSSED)
    codes[(_missing(asked, look) > 0) | _unfindable(asked, look, hypotheses)] = ORDER.index(Verdict.TOO_FEW)
    codes[broken] = ORDER.index(Verdict.BROKEN)
    return codes, excess


def _missing(asked: State, look: Look) -> Floats:
    """How many more there would have to be: for the minimum sample of the window, and for evidence to speak at all."""
    question = asked.question
    missing = question.minimum - look.seen
    if question.told is Told.BY_EVIDENCE and question.kind is not AlertKind.BURN_RATE:
        if question.kind is AlertKind.REGRESSION:
            enough = ENOUGH if question.baseline is Baseline.PREVIOUS_RELEASE else ENOUGH_A_STRATUM
            needed = question.asked.needed(_usual(look), look.dispersion, enough[question.asked.kind])
            lies = np.minimum(look.n, look.base_n)
            if isinstance(asked, Measured):  # no call of this release is one of the release before
                needed = np.where(look.base_n > 0, needed, 0.0)
            if isinstance(asked, MeasuredHours):
                missing = np.maximum(missing, asked.to_choose())
        else:
            needed = question.asked.needed(look.base_mean, look.dispersion, ENOUGH_A_STRATUM[question.asked.kind])
            lies = asked.spread.n + asked.spread.open_n
        missing = np.maximum(missing, np.minimum(np.nan_to_num(needed, nan=question.minimum, posinf=2**53), 2**53) - lies)
    return np.maximum(np.ceil(missing), 0.0)


def _usual(look: Look) -> Floats:
    with np.errstate(all="ignore"):
        known = look.base_n > 0
        n = look.n + np.where(known, look.base_n, 0.0)
        return np.asarray((look.s + np.where(known, look.base_n * look.base_mean, 0.0)) / n)


def _unfindable(asked: State, look: Look, hypotheses: Floats) -> Mask:
    """Of comparisons those in which not even the largest change that is looked for would be found."""
    found = np.zeros(len(look.n), np.bool_)
    question = asked.question.asked
    if asked.question.kind is not AlertKind.REGRESSION:
        return found
    usual = _usual(look)
    with np.errstate(all="ignore"):
        information = question.found(
            Data(look.n, look.s, look.base_n, look.base_mean, usual), look.dispersion, look.batches
        ).information
    information, looks = information * (1.0 if look.a_day is None else look.a_day), 1 if look.a_day is None else HOURS
    largest = question.limit + question.bets.max() * (1.0 if question.in_points else question.r)
    for count in np.unique(hypotheses):
        of = hypotheses == count
        least = effect.detectable(
            np.nan_to_num(information[of]),
            look.batches[of],
            question.bets,
            question.limit,
            int(count) * looks,
            asked.alpha,
            question.in_points,
            question.floor,
        )
        found[of] = ~(least <= largest)
    return found


def _finding(one: Chosen) -> Finding:
    watch, question, verdict = one.fold.watch, one.asked.question, ORDER[one.code]
    if one.told is not None:
        return Finding(verdict, one.told[0], over_ns=one.told[1])
    at_ns = one.fold.last[question.family][1]
    said = alert(watch.contract, watch.change(one.asked, one.look, one.row, at_ns))
    too_few = verdict is Verdict.TOO_FEW
    missing = int(_missing(one.asked, one.look)[one.row]) if too_few else 0
    return Finding(verdict, said, missing, finds_nothing=too_few and not missing, in_points=question.asked.in_points)


def not_judged(contract: Contract, watch: ContractWatch) -> Iterator[str]:
    """Rules of a contract that nothing answers yet."""
    answered = {asked.question.rule for asked in watch.asked}
    yield from (one.id for one in contract.objectives if one.id not in answered)
    regression = contract.regression
    for limit in regression.limits if regression else ():
        rule = f"regression {limit.metric.name}"
        if rule not in answered:
            yield rule
    yield from (one.id for one in contract.error_budgets if one.id not in answered)
