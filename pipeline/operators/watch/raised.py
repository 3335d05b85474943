"""What an alarm that began or ended says: an alert, from the look that decided it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.model.alerts import TIMES, Alert, AlertKind, AlertState, Tier
from pipeline.model.contracts import Contract, Direction
from pipeline.model.metrics import Better
from pipeline.operators.evidence import effect, interval
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.watch.asked import Look
from pipeline.operators.watch.contract_watch import Change
from pipeline.operators.watch.measured_told import measured_told
from pipeline.operators.watch.questions import Question, Told
from pipeline.operators.watch.shares_told import share_told


@dataclass(frozen=True, slots=True)
class Ends:
    """Of what is counted and of what it is compared with, lower and upper end of the running interval."""

    estimate: tuple[float, float]
    base: tuple[float, float]


def ends(question: Question, look: Look, rows: Sequence[int]) -> list[Ends]:
    """Of these slices of a look."""
    at = np.asarray(rows, np.intp)
    phi, batches, base_n = look.dispersion[at], look.batches[at], look.base_n[at]
    is_base = np.isfinite(base_n) & (base_n > 0)
    kind, held = question.asked.kind, np.where(is_base, base_n, 0.0)
    estimate = interval.of_mean(kind, look.n[at], look.s[at], phi, batches)
    base = interval.of_mean(kind, held, held * np.where(is_base, look.base_mean[at], 0.0), phi, batches)
    return [Ends(*both) for both in zip(_pairs(estimate), _pairs(base), strict=True)]


def _pairs(both: tuple[Floats, Floats]) -> list[tuple[float, float]]:
    return list(zip(both[0].tolist(), both[1].tolist(), strict=True))


def alert(contract: Contract, change: Change, known: Ends | None = None) -> Alert:
    """Without what the place in the log adds (`pipeline/operators/alerts/told.py`). known: who tells of many slices asks for all
    of these at once.
    """
    question = change.question
    known = known or ends(question, change.look, [change.row])[0]
    plain = Alert(
        kind=question.kind,
        state=AlertState.FIRING if change.is_firing else AlertState.RESOLVED,
        tier=Tier.ESTABLISHED,
        severity=question.severity.value,
        contract=contract.name,
        contract_version=contract.version,
        contract_hash=contract.hash,
        owner=contract.owner,
        environment=change.slice.environment,
        route=change.slice.route,
        slice=change.slice.values,
        metric=question.metric.name,
        unit=question.metric.unit.value,
        rule=question.rule,
        window_ns=change.back_ns or question.window_ns,
        n=int(change.look.seen[change.row]),
        hypotheses=change.hypotheses,
        first_seen_ns=change.crossed_ns or change.first_ns,
        at_ns=change.at_ns,
        fired_ns=change.first_ns,
        resolved_ns=0 if change.is_firing else change.at_ns,
        extent=change.extent,
        detail=change.why,
    )
    if question.told is Told.AS_FACT:
        return replace(_against_bound(plain, question), estimate=float(change.look.s[change.row]), hypotheses=0)
    if question.kind is AlertKind.BURN_RATE:
        return _burning(_with_estimate(plain, change, known.estimate), question)
    if change.held is not None:
        return measured_told(_with_estimate(_against_baseline(plain, change, known), change, known.estimate), change, change.held)
    held = _against_bound(plain, question) if question.objective else _against_baseline(plain, change, known)
    return _with_estimate(held, change, known.estimate)


def _burning(plain: Alert, question: Question) -> Alert:
    """How fast it burns instead of the share that is bad; a rule of two windows, so no e-value."""
    bad = [None if x is None else (1 - x if question.is_other_part else x) for x in (plain.estimate, plain.low, plain.high)]
    estimate, *ends = (None if x is None else x / question.allowed for x in bad)
    low, high = sorted(end for end in ends if end is not None) if None not in ends else (None, None)
    return replace(
        plain,
        unit=TIMES,
        estimate=estimate,
        low=low,
        high=high,
        bound=question.rate,
        direction=Direction.AT_MOST.value,
        short_window_ns=question.short_ns,
        log_e_value=None,
        needed=None,
        hypotheses=0,
    )


def _against_bound(plain: Alert, question: Question) -> Alert:
    assert question.objective is not None, "an objective has a bound"
    return replace(plain, bound=question.objective.bound, direction=question.objective.direction.value)


def _against_baseline(plain: Alert, change: Change, known: Ends) -> Alert:
    """The bound is what the limit makes of the baseline, standardised to the hours of what is compared with it."""
    assert change.question.baseline is not None, "a comparison is with something"
    look, row, asked = change.look, change.row, change.question.asked
    n, mean = float(look.base_n[row]), float(look.base_mean[row])
    plain = replace(
        plain,
        baseline=change.question.baseline.value,
        release=change.release,
        previous_release=change.previous,
        direction=(Direction.AT_LEAST if asked.floor else Direction.AT_MOST).value,
    )
    if not n > 0:
        return plain
    worse = -asked.limit if asked.floor else asked.limit
    return replace(
        plain,
        baseline_n=int(n),
        baseline_estimate=mean,
        baseline_low=known.base[0],
        baseline_high=known.base[1],
        bound=mean + worse if asked.in_points else mean * (1 + worse),
        detectable=_detectable(change),
    )


def _detectable(change: Change) -> float | None:
    look, row, asked = change.look, change.row, change.question.asked
    found = asked.found(
        Data(*(np.array([c[row]]) for c in (look.n, look.s, look.base_n, look.base_mean, look.base_mean))),
        np.array([look.dispersion[row]]),
        np.array([look.batches[row]]),
    )
    least = effect.detectable(
        found.information * (1.0 if look.a_day is None else look.a_day[row]),
        np.array([look.batches[row]]),
        asked.bets,
        asked.limit + (0.0 if look.allowed is None else look.allowed[row]),
        change.hypotheses * (1 if look.a_day is None else HOURS),
        change.alpha,
        asked.in_points,
        asked.floor,
    )
    return float(least[0]) if np.isfinite(least[0]) else None


def _with_estimate(plain: Alert, change: Change, known: tuple[float, float]) -> Alert:
    look, row, question = change.look, change.row, change.question
    if change.is_firing:
        plain = replace(plain, log_e_value=float(look.log_e[row]), needed=float(look.needed[row]))
    if not look.n[row] > 0:
        return plain
    low, high = sorted(question.value(np.array(known)).tolist())
    mean = float(question.value(np.array(look.s[row] / look.n[row])))
    plain = replace(plain, estimate=mean, low=low, high=high if np.isfinite(high) else None)
    if look.exact is not None:
        return _of_sizes(plain, float(look.exact[row]) / float(look.n[row]), question.asked.floor)
    if question.threshold is None:
        return plain
    plain = replace(plain, detail="; ".join(said for said in (plain.detail, share_told(question, mean, low, high)) if said))
    return _itself(plain, change) if question.has_tail else plain


def _of_sizes(plain: Alert, mean: float, is_floor: bool) -> Alert:
    """The mean itself instead of what is evidence of it. Nothing bounds what was cut: the interval of a ceiling is open above."""
    assert plain.low is not None, "a mean has an interval"
    high = max(mean, plain.high) if is_floor and plain.high is not None else None
    return replace(plain, estimate=mean, low=min(mean, plain.low), high=high)


def _itself(plain: Alert, change: Change) -> Alert:
    """The quantile instead of the share. A bound that is kept is no worse than the bin it was rounded to."""
    question, found = change.question, change.quantile
    measure = question.metric.measure
    assert measure is not None, "a quantile is of a measure"
    value, low, high = (None if one is None else one / measure.scale for one in (found.value, found.low, found.high))
    if value is not None and change.look.s[change.row] <= question.bound * change.look.n[change.row]:
        value = max(value, question.beyond) if measure.better is Better.HIGH else min(value, question.beyond)
    return replace(plain, estimate=value, low=low, high=high)
