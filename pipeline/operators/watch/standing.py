"""How every promise of a contract stands after the windows that were folded: what watch told, and what it had no reason to tell.

An alarm that was raised is established, also where it was over again later. Elsewhere the estimate tells, or that there is not
enough to tell from. The numbers are those an alert would have, so both say the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
from pipeline.operators.watch.contract_watch import ContractWatch, State
from pipeline.operators.watch.folded import Fold
from pipeline.operators.watch.judged import Judged
from pipeline.operators.watch.likely import likely
from pipeline.operators.watch.measured import Measured
from pipeline.operators.watch.measured_hours import MeasuredHours
from pipeline.operators.watch.questions import Question
from pipeline.operators.watch.raised import Ends, alert, ends
from pipeline.operators.watch.slices import Slice

Codes = NDArray[np.int8]
Rows = NDArray[np.intp]


class Verdict(StrEnum):
    """Of one rule and slice, worst first."""

    BROKEN = "broken"
    """Established: there is evidence at the stated rate of error, or it is a fact."""
    LIKELY = "likely"
    """Beyond the bound, and on a list of which no more than the contract's rate of false discoveries is expected to be wrong."""
    CROSSED = "crossed"
    """The estimate lies beyond the bound; nothing is claimed."""
    TOO_FEW = "not enough data"
    KEPT = "kept"


ORDER = (Verdict.BROKEN, Verdict.LIKELY, Verdict.CROSSED, Verdict.TOO_FEW, Verdict.KEPT)
"""Of codes: the numbers of verdicts in arrays."""

BEYOND = ORDER[: ORDER.index(Verdict.TOO_FEW)]
"""Those of what is not as promised."""


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

    def count(self, question: Question, codes: Codes) -> None:
        """What was found of a question."""
        rule, numbers = label(question), np.bincount(codes, minlength=len(ORDER))
        self.severities[rule] = question.severity
        self.counts[rule] = Counter({ORDER[code]: int(n) for code, n in enumerate(numbers) if n})

    def exit_code(self, strict: bool) -> int:
        """Of promises of severity page and ticket. 0: they are kept. 1: one is broken (`strict`: or likely or crossed). 2: none
        is, but of one no slice has enough data, or there is none.
        """
        judged = [found for rule, found in self.counts.items() if self.severities[rule] is not Severity.INFO]
        bad = BEYOND if strict else (Verdict.BROKEN,)
        if any(found[verdict] for found in judged for verdict in bad):
            return 1
        return 2 if not judged or any(found.keys() <= {Verdict.TOO_FEW} for found in judged) else 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A slice's row of a look, by its verdict and how far it is beyond its bound. at_ns: of the look. told: of an alarm.
    missing: how many more it takes."""

    code: int
    weight: float
    watch: ContractWatch
    at_ns: int
    asked: State
    look: Look
    row: int
    missing: float
    told: tuple[Alert, int] | None = None

    @property
    def order(self) -> tuple[int, int, float]:
        """Worst first."""
        return self.code, _RANK[self.asked.question.severity], -self.weight


_RANK = {Severity.PAGE: 0, Severity.TICKET: 1, Severity.INFO: 2}


def standing(folds: Iterable[tuple[Fold, set[AlertKind]]], most: int, needs_release: bool = False) -> Standing:
    """Of all promises of these kinds. needs_release: that there is no release before makes it too little data, not no matter."""
    found, chosen = Standing(), list[Chosen]()
    for fold, kinds in folds:
        watch = fold.watch
        looks = list(watch.looks({family: start for family, (start, _) in fold.last.items()}))
        for (asked, look), listed in zip(looks, likely(watch, looks), strict=True):
            if asked.question.kind not in kinds:
                continue
            told = fold.broken(asked.question)
            broken = np.array([one in told for one in watch.slices.found], np.bool_)
            codes, weight, missing = _codes(asked, look, watch.hypotheses(), listed, broken)
            rows = np.arange(len(codes)) if needs_release else _compared(watch, asked)
            if not len(rows):
                found.not_compared.append(asked.question.rule)
                continue
            found.count(asked.question, codes[rows])
            at_ns = fold.last[asked.question.family][1]
            chosen += _worst(watch, asked, look, (codes, weight, missing), rows, at_ns, most, told)
    found.findings = _findings(chosen, most)
    return found


def standing_now(watch: ContractWatch, lines: Mapping[Family, int], most: int) -> list[Finding]:
    """How everything stands at this look, worst first: broken is what holds. lines: up to where windows are whole, by family."""
    looks, chosen = list(watch.looks({family: line - 1 for family, line in lines.items()})), list[Chosen]()
    for (asked, look), listed in zip(looks, likely(watch, looks), strict=True):
        codes, weight, missing = _codes(asked, look, watch.hypotheses(), listed, asked.alarms.firing > 0)
        rows, at_ns = _compared(watch, asked), lines[asked.question.family]
        chosen += _worst(watch, asked, look, (codes, weight, missing), rows, at_ns, most, {})
    return _findings(chosen, most)


def _compared(watch: ContractWatch, asked: State) -> Rows:
    """Rows of the slices a question can be asked of: of a release, where one came before."""
    slices = watch.slices.found
    if asked.question.baseline is not Baseline.PREVIOUS_RELEASE:
        return np.arange(len(slices))
    return np.flatnonzero([watch.release_of(asked.question, one)[1] != "" for one in slices])


def _worst(
    watch: ContractWatch,
    asked: State,
    look: Look,
    judged: tuple[Codes, Floats, Floats],
    rows: Rows,
    at_ns: int,
    most: int,
    told: Mapping[Slice, tuple[Alert, int]],
) -> Iterator[Chosen]:
    """Of these rows of a question the worst. judged: as `_codes` does; told: what an alarm said of a slice."""
    codes, weight, missing = judged
    for row in rows[np.lexsort((-weight[rows], codes[rows]))[:most]].tolist():
        of = told.get(watch.slices.found[row])
        yield Chosen(int(codes[row]), float(weight[row]), watch, at_ns, asked, look, row, float(missing[row]), of)


def _findings(chosen: list[Chosen], most: int) -> list[Finding]:
    worst = sorted(chosen, key=lambda one: one.order)[:most]
    of_look: dict[int, list[Chosen]] = {}
    for one in worst:
        of_look.setdefault(id(one.look), []).append(one)
    known = {
        id(one): found
        for those in of_look.values()
        for one, found in zip(those, ends(those[0].asked.question, those[0].look, [one.row for one in those]), strict=True)
    }
    return [_finding(one, known[id(one)]) for one in worst]


def label(question: Question) -> str:
    """Its rule; a budget has several burn rates."""
    if question.kind is not AlertKind.BURN_RATE:
        return question.rule
    return f"{question.rule} {shown_duration(question.short_ns)}/{shown_duration(question.window_ns)}"


def _codes(asked: State, look: Look, hypotheses: Floats, listed: Mask, broken: Mask) -> tuple[Codes, Floats, Floats]:
    """Of each slice the number of its verdict, by how much it lies beyond its bound, and how many more it takes."""
    excess, missing = asked.excess(look), _missing(asked, look)
    codes = np.full(len(excess), ORDER.index(Verdict.KEPT), np.int8)
    codes[(excess > 0)] = ORDER.index(Verdict.CROSSED)
    codes[(missing > 0) | _unfindable(asked, look, hypotheses)] = ORDER.index(Verdict.TOO_FEW)
    codes[listed & (excess > 0) & (look.seen >= asked.question.minimum)] = ORDER.index(Verdict.LIKELY)
    codes[broken] = ORDER.index(Verdict.BROKEN)
    return codes, excess, missing


def _missing(asked: State, look: Look) -> Floats:
    """How many more there would have to be: for the minimum sample of the window, and for evidence to speak at all."""
    question = asked.question
    missing = question.minimum - look.seen
    if isinstance(asked, Judged) and asked.ends_by_evidence:
        missing = np.maximum(missing, asked.lacks(look))
    elif question.kind is AlertKind.REGRESSION:
        enough = ENOUGH if question.baseline is Baseline.PREVIOUS_RELEASE else ENOUGH_A_STRATUM
        needed = question.asked.needed(_usual(look), look.dispersion, enough[question.asked.kind])
        lies = np.minimum(look.n, look.base_n)
        if isinstance(asked, Measured):  # no call of this release is one of the release before
            needed = np.where(look.base_n > 0, needed, 0.0)
        if isinstance(asked, MeasuredHours):
            missing = np.maximum(missing, asked.to_choose())
        missing = np.maximum(missing, np.nan_to_num(needed, nan=question.minimum, posinf=2**53) - lies)
    return np.ceil(np.clip(missing, 0.0, 2**53))


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
    allowed = np.zeros(len(look.n)) if look.allowed is None else look.allowed
    largest = question.limit + question.bets.max() * (1.0 if question.in_points else question.r)
    for count in np.unique(hypotheses):
        of = hypotheses == count
        least = effect.detectable(
            np.nan_to_num(information[of]),
            look.batches[of],
            question.bets,
            question.limit + allowed[of],
            int(count) * looks,
            asked.alpha,
            question.in_points,
            question.floor,
        )
        found[of] = ~(least <= largest)
    return found


def _finding(one: Chosen, known: Ends) -> Finding:
    watch, question, verdict = one.watch, one.asked.question, ORDER[one.code]
    if one.told is not None:
        return Finding(verdict, one.told[0], over_ns=one.told[1])
    said = alert(watch.contract, watch.change(one.asked, one.look, one.row, one.at_ns), known)
    too_few = verdict is Verdict.TOO_FEW
    missing = int(one.missing) if too_few else 0
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
