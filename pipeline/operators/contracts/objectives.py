"""Objectives: a metric, a ceiling or a floor, a window."""

from typing import Any

from pipeline.model.contracts import DAY_NS, HOUR_NS, SEVERITY, WINDOWS, Direction, Objective, default_minimum
from pipeline.model.metrics import Better, Kind, Metric, Unit
from pipeline.operators.contracts.amounts import NoAmountError, bound, money, shown_duration
from pipeline.operators.contracts.problems import KeyPath
from pipeline.operators.contracts.reader import Reader, severity

NEVER_BROKEN = {Direction.AT_MOST: 1.0, Direction.AT_LEAST: 0.0}
"""Bounds of shares and scores that hold whatever happens."""


def objective(reader: Reader, path: KeyPath, raw: dict[str, Any]) -> Objective | None:
    """One objective; None with its problems told."""
    of = reader.metric((*path, "metric"), raw["metric"])
    direction = _direction(reader, path, raw, of)
    if of is None or direction is None:
        return None
    at = (*path, direction.value)
    value: float | None
    window: int | None
    if of.kind is Kind.SUM:
        said = reader.amount(at, raw[direction.value], per_time)
        value, window = said or (None, None)
        if "window" in raw:
            reader.wrong((*path, "window"), f"the window of {of.name} is what its bound is per; leave `window` out")
    else:
        value = reader.amount(at, raw[direction.value], lambda it: bound(it, of.unit))
        window = reader.window((*path, "window"), raw["window"]) if "window" in raw else WINDOWS[of.family]
    if value is None or window is None:
        return None
    if of.unit in (Unit.SHARE, Unit.SCORE) and value == NEVER_BROKEN[direction]:
        reader.wrong(at, f"{raw[direction.value]} holds whatever happens; this objective could never be broken")
    return Objective(
        id=raw.get("id") or f"{of.name}.{direction.value}.{shown_duration(window)}",
        metric=of,
        direction=direction,
        bound=float(value),
        window_ns=window,
        minimum=raw.get("minimum") or default_minimum(of),
        severity=severity(raw.get("severity"), SEVERITY),
    )


def per_time(said: object) -> tuple[int, int]:
    """Nano-USD and the window of a sum: `50 USD/day`. Raises NoAmountError."""
    nusd, per = money(said)
    if per not in (HOUR_NS, DAY_NS):
        raise NoAmountError(f'"{said}" does not say per what; write for instance 50 USD/day or $2/hour')
    return nusd, per


def _direction(reader: Reader, path: KeyPath, raw: dict[str, Any], of: Metric | None) -> Direction | None:
    """Whether it is a ceiling or a floor, and may be one."""
    said = [direction for direction in Direction if direction.value in raw]
    if len(said) != 1:
        both = "at_most and at_least are both there; one objective has one bound, so make it two"
        reader.wrong(path, both if said else "it has no bound: add at_most or at_least")
        return None
    if of is None:
        return None
    allowed = {Better.LOW: Direction.AT_MOST, Better.HIGH: Direction.AT_LEAST}.get(of.better, said[0])
    if said[0] is not allowed:
        ceiling = (
            "less is better, so its bound is a ceiling" if of.better is Better.LOW else "more is better, so its bound is a floor"
        )
        reader.wrong((*path, said[0].value), f"of {of.name} {ceiling}: write {allowed.value}")
        return None
    return allowed
