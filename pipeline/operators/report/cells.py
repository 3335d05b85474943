"""Numbers as the cells of a report: each with its interval, and a dash for what is not known.

Quantiles are of merged digests. Their interval is of ranks: a sample of n has its true q-quantile between those of
q ± 1.96 sqrt(q (1 - q) / n). Ratios have the interval of Agresti and Coull (`pipeline/operators/estimates.py`). Both take calls
for independent; the evidence in the section on promises does not.
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np

from pipeline.model.metrics import Unit
from pipeline.operators.alerts.wording import amount
from pipeline.operators.estimates import Z, interval

LEVELS = tuple(round(float(level), 5) for level in 1 - np.geomspace(0.6, 0.0002, 48))
"""Levels at which digests are asked; between them values are interpolated."""


def quantile(values: Sequence[float | None] | None, level: float, n: int, unit: Unit) -> str:
    """A quantile with its interval; – where the sample cannot hold it. values: at LEVELS."""
    if not values or n * (1 - level) < 1 or (found := _at(values, level)) is None:
        return "–"
    half = Z * sqrt(level * (1 - level) / n)
    low, high = _at(values, max(LEVELS[0], level - half)), _at(values, min(LEVELS[-1], level + half))
    return between(found, low, high, unit)


def _at(values: Sequence[float | None], level: float) -> float | None:
    known = [np.nan if value is None else value for value in values]
    found = float(np.interp(level, LEVELS, known))
    return found if isfinite(found) else None


def ratio(part: float, whole: float) -> str:
    """A share with its interval; – of nothing."""
    if not whole:
        return "–"
    m = min(1.0, part / whole)
    found = interval(m, whole, m * (1 - m))
    return between(m, found.low, found.high, Unit.SHARE)


def usd(nusd: float | None) -> str:
    """Nano-dollars as dollars."""
    return amount(nusd, Unit.NUSD)


def count(n: float) -> str:
    """A whole number."""
    return f"{n:,.0f}"


def between(value: float | None, low: float | None, high: float | None, unit: str) -> str:
    """A value with its interval, where it has one."""
    if value is None:
        return "–"
    return amount(value, unit) if low is None else f"{amount(value, unit)} ({amount(low, unit)} – {amount(high, unit)})"
