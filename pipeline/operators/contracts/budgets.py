"""Error budgets: how large a share may be bad over a period, and how fast that may be used up."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pipeline.model.contracts import (
    BURN_RATES,
    LEAST_N,
    LONGEST_PERIOD_NS,
    PERIOD_NS,
    SEVERITY,
    SHORTEST_PERIOD_NS,
    BurnRate,
    Direction,
    ErrorBudget,
    Objective,
)
from pipeline.model.metrics import MEASURES, METRICS, Better, Kind, Measure, Metric, metric
from pipeline.operators.contracts.amounts import bound, duration_ns, share, shown, shown_duration, shown_share
from pipeline.operators.contracts.problems import KeyPath
from pipeline.operators.contracts.reader import Reader, severity


@dataclass(frozen=True, slots=True)
class Subject:
    """What a budget is of. target: what follows from an objective, None if nothing does."""

    ratio: Metric | None = None
    measure: Measure | None = None
    beyond: float = 0.0
    target: float | None = None

    @property
    def name(self) -> str:
        """Of the budget, unless it is named otherwise."""
        if self.measure is None:
            assert self.ratio is not None, "a budget is of a ratio or of a measure"
            return self.ratio.name
        side = "below" if self.measure.better is Better.HIGH else "above"
        return f"{self.measure.name}.{side}.{shown(self.beyond, self.measure.unit).replace('$', '').replace(' tokens/s', '')}"


def budget(reader: Reader, path: KeyPath, raw: dict[str, Any], objectives: Mapping[str, Objective | None]) -> ErrorBudget | None:
    """One budget; None with its problems told. objectives: those of the contract by id, None for one that cannot be read."""
    subject = _subject(reader, path, raw, objectives)
    follows = None if subject is None else subject.target
    target = reader.amount((*path, "target"), raw["target"], share) if "target" in raw else follows
    period = reader.amount((*path, "period"), raw["period"], duration_ns) if "period" in raw else PERIOD_NS
    if subject is not None and subject.target is None and "target" not in raw:
        reader.wrong(path, "target is missing: it is to be the share that is to be good, in percent: 99.5%")
    if target is not None and not 0 < target < 1:
        reader.wrong((*path, "target"), "it is to be above 0% and below 100%: without a bad call allowed there is no budget")
        return None
    if period is not None and not SHORTEST_PERIOD_NS <= period <= LONGEST_PERIOD_NS:
        shortest, longest = shown_duration(SHORTEST_PERIOD_NS), shown_duration(LONGEST_PERIOD_NS)
        reader.wrong((*path, "period"), f"{raw['period']} is out of range; a period is from {shortest} to {longest}")
        return None
    if subject is None or target is None or period is None:
        return None
    rates = _burn_rates(reader, path, raw, 1 - target, period)
    name = raw.get("id") or f"{subject.name}.{shown_duration(period)}"
    minimum = raw.get("minimum") or LEAST_N
    return ErrorBudget(name, subject.ratio, subject.measure, float(subject.beyond), target, period, minimum, rates)


def _subject(reader: Reader, path: KeyPath, raw: dict[str, Any], objectives: Mapping[str, Objective | None]) -> Subject | None:
    """What `of` names: an objective, a measure or a ratio."""
    of, at = raw["of"], (*path, "of")
    sides: list[str] = [side for side in ("above", "below") if side in raw]
    if of in MEASURES:
        return _beyond(reader, path, raw, MEASURES[of], sides)
    if sides:
        reader.wrong((*path, sides[0]), f"only a measure has a bound here ({', '.join(MEASURES)}); {of} has none")
        return None
    if of in objectives:
        named = objectives[of]
        return None if named is None else _of_objective(reader, at, named)
    found = metric(of)
    if found is not None and found.kind is Kind.RATIO:
        reader.metric(at, of)
        return Subject(ratio=found)
    if found is not None:
        measure = found.measure.name if found.measure and found.measure.ladder else ""
        instead = f"name the measure {measure} and a bound, or the id of an objective" if measure else "name a ratio"
        reader.wrong(at, f"{of} is no share of calls; {instead}")
        return None
    near = get_close_matches(of, [*objectives, *_RATIOS, *MEASURES], 1)
    there = f"nearest: {near[0]}" if near else f"there are {', '.join([*_RATIOS, *MEASURES, *objectives])}"
    reader.wrong(at, f'no ratio, measure or objective "{of:.100}"; {there}')
    return None


_RATIOS = [one.name for one in METRICS.values() if one.kind is Kind.RATIO]


def _beyond(reader: Reader, path: KeyPath, raw: dict[str, Any], of: Measure, sides: list[str]) -> Subject | None:
    """The share of a measure beyond a bound."""
    side = "below" if of.better is Better.HIGH else "above"
    if sides != [side]:
        reader.wrong(path, f"of {of.name} bad is what lies {side} a bound: write `{side}` with one, and nothing else")
        return None
    value = reader.amount((*path, side), raw[side], lambda it: bound(it, of.unit))
    return None if value is None else Subject(measure=of, beyond=value)


def _of_objective(reader: Reader, at: KeyPath, one: Objective) -> Subject | None:
    """The share that breaks an objective; its bound is the target, or of a quantile what is beyond it."""
    if one.metric.kind is Kind.RATIO:
        good = one.bound if one.direction is Direction.AT_LEAST else 1 - one.bound
        return Subject(ratio=one.metric, target=round(good, 12))
    if one.metric.kind is Kind.QUANTILE:
        share_good = one.metric.quantile if one.direction is Direction.AT_MOST else 1 - one.metric.quantile
        return Subject(measure=one.metric.measure, beyond=one.bound, target=round(share_good, 12))
    reader.wrong(
        at, f"{one.metric.name} is a {one.metric.kind.value}, which no share of calls breaks; name a ratio or a quantile"
    )
    return None


def _burn_rates(reader: Reader, path: KeyPath, raw: dict[str, Any], allowed: float, period: int) -> tuple[BurnRate, ...]:
    """Its own, or the usual ones; those that could never speak are told."""
    if "burn_rates" not in raw:
        for one in BURN_RATES:
            if one.rate * allowed >= 1:
                reader.note(
                    path, f"a burn rate of {one.rate:g} cannot be reached: all calls bad are {1 / allowed:.3g} times the budget"
                )
        return tuple(one for one in BURN_RATES if one.long_ns <= period)
    found = []
    for index, said in enumerate(raw["burn_rates"]):
        at = (*path, "burn_rates", index)
        short, long = (reader.window((*at, key), said[key]) for key in ("short", "long"))
        if short is None or long is None:
            continue
        if not short < long <= period:
            reader.wrong(at, "short is to be shorter than long, and long no longer than the period")
        elif said["rate"] * allowed >= 1:
            worst = f"{1 / allowed:.3g}"
            reader.wrong(
                (*at, "rate"), f"with a target of {shown_share(round(1 - allowed, 12))} all calls bad burn at {worst}: take less"
            )
        found.append(BurnRate(short, long, float(said["rate"]), severity(said.get("severity"), SEVERITY)))
    return tuple(found)
