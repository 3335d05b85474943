"""A contract in words, part by part: what `tailrace contract show` shows and `diff` compares. No default is left out."""

from pipeline.model.contracts import Contract, Direction, ErrorBudget, Limit, Objective, Regression
from pipeline.operators.contracts.amounts import shown, shown_duration, shown_share

OBJECTIVE = ("objective", "metric", "bound", "over", "n from", "severity")
"""Head of the rows of `objective_row`."""


def objective_row(one: Objective) -> list[str]:
    """An objective in the units people read."""
    side = "at most" if one.direction is Direction.AT_MOST else "at least"
    bound = f"{side} {shown(one.bound, one.metric.unit)}"
    return [one.id, one.metric.name, bound, shown_duration(one.window_ns), f"{one.minimum:,}", one.severity.value]


def worded(contract: Contract) -> dict[str, str]:
    """By part; an objective and a budget are told apart by their ids, so their order is no difference."""
    found = {
        "version": str(contract.version),
        "owner": contract.owner,
        "environment": ", ".join(contract.environments),
        "routes": ", ".join(contract.routes),
        "model": ", ".join(contract.models),
        "release": ", ".join(contract.releases),
        "slices": "; ".join(" × ".join(columns) or "the whole" for columns in contract.slices),
    }
    for one in contract.objectives:
        _, metric, bound, over, n, severity = objective_row(one)
        found[f"objective {one.id}"] = f"{metric} {bound} over {over}, n from {n}, {severity}"
    if contract.regression is not None:
        found |= _regression(contract.regression)
    return found | {f"budget {one.id}": _budget(one) for one in contract.error_budgets}


def differences(old: Contract, new: Contract) -> list[tuple[str, str, str]]:
    """Part, what it was, what it is: in the order of the new one, what is gone last. "" where there is none."""
    before, after = worded(old), worded(new)
    parts = [*after, *(part for part in before if part not in after)]
    return [(part, before.get(part, ""), after.get(part, "")) for part in parts if before.get(part, "") != after.get(part, "")]


def _regression(one: Regression) -> dict[str, str]:
    against = one.baseline.value.replace("_", " ")
    rate = f"confidence {shown_share(one.confidence)}, false discoveries {shown_share(one.false_discovery_rate)}"
    found = {"regression": f"against {against}, {rate}, {one.severity.value}"}
    return found | {f"regression {limit.metric.name}": _limit(limit) for limit in one.limits}


def _limit(one: Limit) -> str:
    percent = shown_share(one.worse)
    return f"{percent.removesuffix('%')} points worse" if one.is_points else f"{percent} worse"


def _budget(one: ErrorBudget) -> str:
    if one.ratio is not None:
        bad = one.ratio.name if one.is_bad_above else f"all but {one.ratio.name}"
    else:
        assert one.measure is not None, "a budget is of a ratio or of a measure"
        bad = f"{one.measure.name} {'above' if one.is_bad_above else 'below'} {shown(one.beyond, one.measure.unit)}"
    rates = "; ".join(
        f"{shown_duration(rate.short_ns)}/{shown_duration(rate.long_ns)} at {rate.rate:g} {rate.severity.value}"
        for rate in one.burn_rates
    )
    return (
        f"{shown_share(one.target)} good over {shown_duration(one.period_ns)}, bad is {bad}, n from {one.minimum:,}; burn {rates}"
    )
