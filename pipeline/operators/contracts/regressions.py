"""What must not become worse than before, and by how much it may."""

from collections.abc import Sequence
from typing import Any

from pipeline.model.contracts import (
    BASELINE,
    CONFIDENCE,
    FALSE_DISCOVERY_RATE,
    LIMIT,
    SEVERITY,
    Baseline,
    Limit,
    Regression,
)
from pipeline.model.metrics import Metric, metric
from pipeline.operators.contracts.amounts import NoAmountError, points, share
from pipeline.operators.contracts.problems import KeyPath
from pipeline.operators.contracts.reader import Reader, repeated, severity

AT = ("regression",)
MOST_FALSE = 0.5


def regression(reader: Reader, raw: dict[str, Any], promised: Sequence[str]) -> Regression | None:
    """The section; None with its problems told. promised: names that objectives give their metrics, good or not."""
    metrics = _metrics(reader, raw, promised)
    limits = _limits(reader, raw, metrics)
    confidence = _rate(reader, raw, "confidence", CONFIDENCE, (0.5, 1.0))
    false = _rate(reader, raw, "false_discovery_rate", FALSE_DISCOVERY_RATE, (0.0, MOST_FALSE))
    if confidence is None or false is None:
        return None
    baseline = Baseline(raw.get("baseline", BASELINE))
    return Regression(baseline, limits, confidence, false, severity(raw.get("severity"), SEVERITY))


def _metrics(reader: Reader, raw: dict[str, Any], promised: Sequence[str]) -> tuple[Metric, ...]:
    """Those that are named, else those of the objectives that can become worse."""
    if "metrics" not in raw:
        known = [one for name in dict.fromkeys(promised) if (one := metric(name)) is not None]
        found = tuple(one for one in known if one.can_regress)
        if known and not found:
            reader.wrong(AT, "no objective has a metric that can become worse: a sum grows with its traffic; name `metrics`")
        return found
    at = (*AT, "metrics")
    for index in repeated(raw["metrics"]):
        reader.wrong((*at, index), "it is there twice; leave one")
    named = [(index, reader.metric((*at, index), name)) for index, name in enumerate(raw["metrics"])]
    for index, one in named:
        if one is not None and not one.can_regress:
            reader.wrong((*at, index), f"{one.name} cannot become worse: a sum grows with its traffic; leave it out")
    return tuple(one for _, one in named if one is not None)


def _limits(reader: Reader, raw: dict[str, Any], metrics: Sequence[Metric]) -> tuple[Limit, ...]:
    """One for each metric."""
    own: dict[str, Any] = raw.get("limits", {})
    names = {one.name for one in metrics}
    for name in own:
        path = (*AT, "limits", name)
        if reader.metric(path, name) is not None and name not in names:
            reader.wrong(path, f"{name} is not compared; add it to regression.metrics, or an objective for it")
    found = [_limit(reader, (*AT, "limits", one.name), own[one.name], one) for one in metrics if one.name in own]
    common = raw.get("limit")
    found += [
        Limit(one, LIMIT) if common is None else _limit(reader, (*AT, "limit"), common, one)
        for one in metrics
        if one.name not in own
    ]
    by_name = {limit.metric.name: limit for limit in found if limit is not None}
    return tuple(by_name[one.name] for one in metrics if one.name in by_name)


def _limit(reader: Reader, path: KeyPath, said: Any, of: Metric) -> Limit | None:
    """Relative, or of shares and scores in points."""
    absolute = points(said)
    if absolute is not None and not of.is_share:
        reader.wrong(path, f"{of.name} is no share, so its limit is relative; write for instance 2%")
        return None
    value = absolute if absolute is not None else reader.amount(path, said, _relative)
    if value is None:
        return None
    if not 0 < value < 1:
        reader.wrong(path, f"{said} is out of range; a limit is above 0% and below 100%")
        return None
    return Limit(of, value, is_points=absolute is not None)


def _relative(said: object) -> float:
    try:
        return share(said)
    except NoAmountError:
        raise NoAmountError(
            f"{said!r:.60} is no limit; write 2% for two percent of the baseline, or of a share 1 point for one of its hundred"
        ) from None


def _rate(reader: Reader, raw: dict[str, Any], key: str, default: float, between: tuple[float, float]) -> float | None:
    """A share strictly between two."""
    if key not in raw:
        return default
    value = reader.amount((*AT, key), raw[key], share)
    if value is not None and not between[0] < value < between[1]:
        reader.wrong((*AT, key), f"{raw[key]} is out of range; it is above {between[0]:.0%} and below {between[1]:.0%}")
        return None
    return value
