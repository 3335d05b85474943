"""What `tailrace check` found, for people and for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.app.contracts import utc
from pipeline.model.alerts import Alert, Extent
from pipeline.model.contracts import Baseline, Contract, Direction
from pipeline.model.standing_columns import FAR_MORE
from pipeline.operators.alerts.wording import EXTENTS, amount, before, named
from pipeline.operators.watch.standing import BEYOND, Finding, Standing, Verdict


@dataclass(frozen=True, slots=True)
class Checked:
    """from_ns, to_ns: first start and last end of what was judged. open_windows: left out, because they are not whole."""

    contract: Contract
    standing: Standing
    from_ns: int
    to_ns: int
    windows: int
    open_windows: int
    not_judged: tuple[str, ...]
    slices_left_out: int


FINDABLE = 10
"""A change by more, tenfold or a thousand points, is none that is looked for."""

OUTCOMES = ("keeps", "breaks", "not enough data")
"""By exit code."""

NAMES = ("verdict", "severity", "rule", "route", "slice", "n", "estimate", "95 % between", "bound", "evidence", "why")

SHARED = (NAMES.index("rule"), NAMES.index("severity"))
"""What findings of one rule have in common: a heading where a line is too short for all."""


def row(found: Finding) -> list[str]:
    """A finding in the units people read, in the order of NAMES."""
    one = found.alert
    side = "" if one.bound is None else ("≤ " if one.direction == Direction.AT_MOST else "≥ ")
    between = "" if one.low is None else f"{amount(one.low, one.unit)} – {amount(one.high, one.unit)}"
    return [
        found.verdict.value,
        one.severity,
        one.rule,
        f"{named(one.route)} in {named(one.environment)}",
        ", ".join(f"{column} {named(value)}" for column, value in one.slice) or "the whole",
        f"{one.n:,}",
        amount(one.estimate, one.unit),
        between,
        side + amount(one.bound, one.unit),
        _evidence(one),
        why(found),
    ]


def rows(findings: Sequence[Finding], every: bool = False) -> list[list[str]]:
    """What is broken or crossed and what is said of a whole route, a row each; slices of which a rule says the same share one.

    every: a row for each slice, but where nothing at all was counted.
    """
    told: dict[object, list[Finding]] = {}
    for one in sorted(findings, key=_is_silent):
        alert, is_silent = one.alert, _is_silent(one)
        alone = not is_silent and (every or one.verdict in BEYOND or not alert.slice)
        key = id(one) if alone else (alert.environment, alert.route, alert.rule, one.verdict, is_silent)
        told.setdefault(key, []).append(one)
    return [row(those[0]) if len(those) == 1 and those[0].alert.n else _together(those) for those in told.values()]


def _is_silent(one: Finding) -> bool:
    return one.verdict is Verdict.TOO_FEW and not one.alert.n


def _together(those: Sequence[Finding]) -> list[str]:
    """One row of slices, with the least and the most there is."""
    cells, unit = row(those[0]), those[0].alert.unit
    estimates = [one.alert.estimate for one in those if one.alert.estimate is not None]
    calls = [one.alert.n for one in those]
    where = f"{len(those):,} slices" if len(those) > 1 else cells[4]
    return [
        *cells[:4],
        where,
        _span(f"{min(calls):,}", f"{max(calls):,}"),
        _span(amount(min(estimates), unit), amount(max(estimates), unit)) if estimates else "–",
        "",
        cells[8] if len({one.alert.bound for one in those}) == 1 else "",
        "",
        _why_together(those),
    ]


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} – {high}"


def _why_together(those: Sequence[Finding]) -> str:
    if those[0].verdict is not Verdict.TOO_FEW:
        return ""
    if not any(one.alert.n for one in those):
        return "nothing was counted"
    told, missing = [], [one.missing for one in those if 0 < one.missing < FAR_MORE]
    if missing:
        told.append(_span(f"{min(missing):,}", f"{max(missing):,}") + " more needed")
    nothing = sum(one.finds_nothing for one in those)
    if nothing:
        told.append(f"{nothing:,} would find no change that is looked for")
    return ", ".join(told) or "far more needed"


def _evidence(one: Alert) -> str:
    """Against what it needs, both as logarithms."""
    return "" if one.log_e_value is None or not one.needed or not one.hypotheses else f"{one.log_e_value:.1f} of {one.needed:.1f}"


def why(found: Finding) -> str:
    """What the numbers do not say."""
    one = found.alert
    told = [one.detail] if one.detail else []
    if found.missing:
        told.append(f"{found.missing:,} more needed" if found.missing < FAR_MORE else "far more needed")
    if found.finds_nothing:
        told.append("no change that is looked for would be found")
    if found.verdict is Verdict.BROKEN:
        told.append(f"since {utc(one.first_seen_ns)}")
        if found.over_ns:
            told.append(f"over since {utc(found.over_ns)}")
    if one.extent is not Extent.UNKNOWN:
        told.append(EXTENTS[one.extent])
    if one.previous_release:
        told.append(f"release {named(one.release)} after {named(one.previous_release)}")
    elif one.baseline == Baseline.SAME_HOURS_BEFORE:
        told.append(before(one).rstrip(":") if one.window_ns else "no day before on which these hours were seen in whole")
    elif one.baseline:
        told.append("no release before it")
    if one.detectable is not None and found.verdict is not Verdict.BROKEN and not found.finds_nothing:
        change = f"{one.detectable * 100:.2g} points" if found.in_points else f"{one.detectable:.0%}"
        told.append(f"finds a change of {change}" if one.detectable <= FINDABLE else "finds hardly any change")
    return ", ".join(told)


def summary(done: Checked, code: int) -> str:
    """One line: what was found of everything, shown or not."""
    total: dict[Verdict, int] = {}
    for counts in done.standing.counts.values():
        for verdict, n in counts.items():
            total[verdict] = total.get(verdict, 0) + n
    said = ", ".join(f"{total[verdict]:,} {verdict}" for verdict in Verdict if verdict in total) or "nothing to judge"
    span = f"{utc(done.from_ns)} to {utc(done.to_ns)} UTC, {done.windows:,} windows"
    return f"{done.contract.name} {done.contract.version}, {span}: {said}. Outcome: {OUTCOMES[code]}"


def meant(done: Checked, code: int) -> dict[str, Any]:
    """All of it, in base units."""
    return {
        "contract": done.contract.name,
        "version": done.contract.version,
        "hash": done.contract.hash,
        "from_ns": done.from_ns,
        "to_ns": done.to_ns,
        "windows": done.windows,
        "open_windows": done.open_windows,
        "slices_left_out": done.slices_left_out,
        "exit_code": code,
        "outcome": OUTCOMES[code],
        "not_compared": done.standing.not_compared,
        "not_judged": list(done.not_judged),
        "rules": {
            rule: {"severity": done.standing.severities[rule].value, **{verdict.value: counts[verdict] for verdict in Verdict}}
            for rule, counts in done.standing.counts.items()
        },
        "findings": [_told(one) for one in done.standing.findings],
    }


FIELDS = (
    *(
        "kind",
        "severity",
        "rule",
        "environment",
        "route",
        "metric",
        "unit",
        "window_ns",
        "short_window_ns",
        "n",
        "estimate",
        "low",
        "high",
    ),
    *("bound", "direction", "baseline", "baseline_n", "baseline_estimate", "baseline_low", "baseline_high"),
    *("release", "previous_release", "log_e_value", "needed", "hypotheses", "detectable", "extent", "first_seen_ns", "at_ns"),
)
"""Of an alert, as `schemas/json/alerts.json` says them."""


def _told(found: Finding) -> dict[str, Any]:
    beside = {"verdict": found.verdict.value, "missing": found.missing, "over_ns": found.over_ns, "why": why(found)}
    return beside | {"slice": dict(found.alert.slice)} | {name: getattr(found.alert, name) for name in FIELDS}
