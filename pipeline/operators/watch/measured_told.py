"""A quantile or a mean beside what it was before, in the words of whoever waits or pays."""

from dataclasses import replace

from pipeline.model.alerts import Alert
from pipeline.model.contracts import Baseline, Direction
from pipeline.model.metrics import Better, Measure, Unit
from pipeline.operators.alerts.wording import amount, named
from pipeline.operators.watch.contract_watch import Change
from pipeline.operators.watch.measured import Held
from pipeline.operators.watch.shares_told import WORDS

_OF_THIS_HOUR = "other hours of the day have thresholds of their own"


def measured_told(alert: Alert, change: Change, held: Held) -> Alert:
    """The alert, which speaks of what was counted, in the metric itself and with what was counted as its detail."""
    measure, choice = change.question.metric.measure, change.question.choice
    assert measure is not None, "a quantile or a mean is of a measure"
    assert choice is not None, "its comparison has a choice"
    if not alert.baseline_n:
        detail = _together(alert.detail, _none(change, held))
        return replace(alert, estimate=held.now if not choice.is_mean else None, low=None, high=None, detail=detail)
    if choice.is_mean:
        cap = f"each of the {_what(measure)} counts as {amount(held.before, measure.unit)} at most" if held.before else ""
        return replace(alert, detail=_together(alert.detail, cap, "" if held.alike or not cap else _OF_THIS_HOUR))
    shares = f"{_share(alert.estimate, measure, held.allowed)}; before {_share(alert.baseline_estimate, measure, held.before)}"
    return replace(
        alert,
        estimate=_estimate(change, held, choice.below),
        low=None,
        high=None,
        bound=held.allowed,
        direction=(Direction.AT_LEAST if measure.better is Better.HIGH else Direction.AT_MOST).value,
        baseline_estimate=held.before,
        baseline_low=None,
        baseline_high=None,
        detectable=None,
        detail=_together(alert.detail, shares, "" if held.alike else _OF_THIS_HOUR),
    )


def _together(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _share(share: float | None, measure: Measure, beyond: float | None) -> str:
    return f"{amount(share, Unit.SHARE)} of {WORDS[measure.name].format(amount(beyond, measure.unit))}"


def _what(measure: Measure) -> str:
    return WORDS[measure.name].split()[0]


def _estimate(change: Change, held: Held, below: bool) -> float | None:
    """What is known of where it lies, on the side of the limit on which what was counted says it does."""
    look, row, choice = change.look, change.row, change.question.choice
    assert choice is not None, "its comparison has a choice"
    share = choice.tail if change.question.baseline is Baseline.PREVIOUS_RELEASE else look.base_mean[row]
    if held.now is None or held.allowed is None:
        return held.now
    is_beyond = bool(look.s[row] > share * look.n[row])
    return max(held.now, held.allowed) if is_beyond != below else min(held.now, held.allowed)


def _none(change: Change, held: Held) -> str:
    """Why there is no baseline."""
    if change.question.baseline is Baseline.SAME_HOURS_BEFORE:
        few = f"{held.chosen_by:,} of the {held.enough:,} that choose a threshold for their hours of the day"
        return "" if held.before is not None else f"no baseline: {few}"
    if not change.previous:
        return ""
    if held.chosen_by >= held.enough or not held.chosen_by:
        return f"no baseline: release {named(change.previous)} had no calls here that could be counted"
    few = f"{held.chosen_by:,} of the {held.enough:,} that choose what the next release is held against"
    return f"no baseline: release {named(change.previous)} had {few}"
