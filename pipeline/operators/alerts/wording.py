"""An alert in one line for people: what, how much, against what, on how many; amounts in the units people read.

Names are of spans, so they are shown short and without what could break a line or a terminal.
"""

from pipeline.model.alerts import TIMES, Alert, AlertKind, AlertState, Extent, Tier
from pipeline.model.contracts import DAY_NS, Baseline, Direction
from pipeline.model.metrics import Unit
from pipeline.model.printable import printable
from pipeline.operators.contracts.amounts import shown, shown_duration

NAME_CHARS = 60
TEXT_CHARS = 1000
MOST_ODDS = 1_000_000
"""Odds beyond it are only said to be so."""

DIGITS = 3
"""Significant ones of what was measured."""


def named(name: str, chars: int = NAME_CHARS) -> str:
    """A name on one line, without control characters and at most so long; (unknown) if it is empty."""
    plain = printable(name[: chars + 1])
    return (plain if len(plain) <= chars else plain[: chars - 1] + "…") or "(unknown)"


def amount(value: float | None, unit: str) -> str:
    """What was measured, to three digits, in the unit people read; – if it is not known."""
    if value is None:
        return "–"
    rounded = float(f"{value:.{DIGITS}g}")
    if unit == TIMES:
        return f"{rounded:g} times"
    sign, size = ("-", -rounded) if rounded < 0 else ("", rounded)
    return sign + shown(size, Unit(unit)) if unit in _UNITS else f"{value:.{DIGITS}g}"


EXTENTS = {Extent.ONLY_HERE: "only here", Extent.EVERYWHERE: "other slices too"}

_UNITS = frozenset(Unit)


def place(alert: Alert) -> str:
    """`support in production, cohort de`."""
    where = f"{named(alert.route)} in {named(alert.environment)}"
    return ", ".join([where, *(f"{column} {named(value)}" for column, value in alert.slice)])


def line(alert: Alert) -> str:
    """At most TEXT_CHARS."""
    match alert.kind:
        case AlertKind.PIPELINE:
            said = alert.detail or alert.rule
        case AlertKind.NO_DATA if alert.state is AlertState.RESOLVED:
            said = f"{place(alert)}: {alert.detail or _no_data(alert)}"
        case _ if is_without_numbers(alert):
            said = f"{place(alert)}: {alert.metric or alert.rule}: {alert.detail}"
        case AlertKind.NO_DATA:
            said = f"{place(alert)}: {_no_data(alert)}"
        case AlertKind.BURN_RATE:
            said = f"{place(alert)}: {_burns(alert)}{_behind(alert)}"
        case AlertKind.OBJECTIVE | AlertKind.REGRESSION:
            said = f"{place(alert)}: {_beyond(alert)}{_behind(alert)}"
    ended = "resolved: " if alert.state is AlertState.RESOLVED else ""
    return named(ended + said, TEXT_CHARS)


def is_without_numbers(alert: Alert) -> bool:
    """Whether it ended though nothing was measured that says so."""
    return alert.state is AlertState.RESOLVED and alert.estimate is None and alert.bound is None and bool(alert.detail)


def _beyond(alert: Alert) -> str:
    value, bound = amount(alert.estimate, alert.unit), amount(alert.bound, alert.unit)
    side = "at most" if alert.direction == Direction.AT_MOST else "at least"
    promised = f"{value}, promised is {side} {bound}" if alert.estimate is not None else f"promised {side} {bound}"
    if alert.kind is AlertKind.REGRESSION:
        promised = f"{value}, {before(alert)} {amount(alert.baseline_estimate, alert.unit)}; allowed is {side} {bound}"
    claim = "" if alert.tier is Tier.ESTABLISHED else " (not established)"
    return f"{alert.metric} is {promised}{claim}"


def before(alert: Alert) -> str:
    """What a metric is compared with; its amount follows."""
    if alert.baseline != Baseline.SAME_HOURS_BEFORE:
        return "before"
    if not alert.window_ns:
        return "the same hours before:"
    days, rest = divmod(alert.window_ns, DAY_NS)
    back = shown_duration(alert.window_ns) if rest or not days else "the day" if days == 1 else f"{days} days"
    return f"the same hours of {back} before:"


def _burns(alert: Alert) -> str:
    over = " and ".join(shown_duration(ns) for ns in (alert.short_window_ns, alert.window_ns) if ns)
    rate, allowed = amount(alert.estimate, TIMES), amount(alert.bound, TIMES)
    return f"the error budget {alert.rule} burns {rate} as fast as it may over {over}, the limit is {allowed}"


def _no_data(alert: Alert) -> str:
    of = alert.metric or ("this slice" if alert.slice else "this route")
    over = f" for {shown_duration(alert.window_ns)}" if alert.window_ns else ""
    return f"nothing of {of}{over}{f': {alert.detail}' if alert.detail else ''}"


def _behind(alert: Alert) -> str:
    """In brackets: interval, how many, over what, which releases, where else."""
    told = [alert.detail] if alert.detail and alert.kind is not AlertKind.NO_DATA else []
    if alert.low is not None and alert.high is not None:
        told.append(f"between {amount(alert.low, alert.unit)} and {amount(alert.high, alert.unit)}")
    over = f" over {shown_duration(alert.window_ns)}" if alert.window_ns and alert.kind is AlertKind.OBJECTIVE else ""
    told.append(f"n {alert.n:,}{over}")
    if alert.release and alert.previous_release:
        told.append(f"release {named(alert.release)} after {named(alert.previous_release)}")
    if alert.extent is not Extent.UNKNOWN:
        told.append(EXTENTS[alert.extent])
    if alert.preliminary:
        told.append("preliminary")
    return f" ({'; '.join(told)})"
