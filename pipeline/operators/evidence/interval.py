"""A running interval: it contains the mean at all looks together, in 95 % of all streams.

{mean : z(mean)² <= (1 + 1/u)(2 ln(1/a) + ln(1 + u))}, u = information / 100: a normal mixture, tightest where the relative
standard error is about a tenth.

Source: Robbins, Annals of Mathematical Statistics 41 (1970); Howard et al., Annals of Statistics 49 (2021);
asymptotic validity: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 52 (2024).
"""

from collections.abc import Callable

import numpy as np

from pipeline.operators.evidence import deviance
from pipeline.operators.evidence.deviance import Data, Floats, Found
from pipeline.operators.evidence.hypothesis import Kind

TUNED_TO = 100.0
"""Information at which it is tightest."""
BITS, PARTS, FEW = 50, 32, 64
"""How finely ends are told; into how many parts what is left is cut at once, of how many cells."""


def radius_squared(information: Floats, alpha: float) -> Floats:
    """What z² may be."""
    u = np.maximum(information / TUNED_TO, 1e-12)
    return np.asarray((1 + 1 / u) * (2 * np.log(1 / alpha) + np.log1p(u)))


def of_mean(kind: Kind, n: Floats, s: Floats, dispersion: Floats, batches: Floats, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Lower and upper end for the mean of n calls. (0, 1), or (0, inf) for sizes, where nothing is known."""

    def at(mean: Floats) -> Found:
        data = Data(n, s, np.full_like(n, np.inf), mean, mean)
        return (deviance.size if kind is Kind.SIZE else deviance.share)(data, 1.0, dispersion, batches)

    with np.errstate(all="ignore"):
        estimate = np.where(n > 0, s / np.maximum(n, 1e-300), np.nan)
    largest = np.where(np.isnan(estimate), 0.0, estimate) * 1e6 if kind is Kind.SIZE else np.ones_like(n)
    return _ends(at, estimate, largest, np.inf if kind is Kind.SIZE else 1.0, alpha)


def of_ratio(kind: Kind, data: Data, dispersion: Floats, batches: Floats, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Lower and upper end for new mean over baseline's; (0, inf) where nothing is known."""

    def at(ratio: Floats) -> Found:
        return (deviance.size if kind is Kind.SIZE else deviance.share)(data, ratio, dispersion, batches)

    with np.errstate(all="ignore"):
        estimate = data.s / data.n / data.base_mean
        largest = np.full_like(estimate, 1e6) if kind is Kind.SIZE else 1 / np.maximum(data.base_mean, 1e-9)
    estimate = np.where(np.isfinite(estimate) & (data.base_n > 0), estimate, np.nan)
    return _ends(at, estimate, largest, np.inf, alpha)


def _ends(at: Callable[[Floats], Found], estimate: Floats, largest: Floats, none: float, alpha: float) -> tuple[Floats, Floats]:
    low = _edge(at, estimate, np.zeros_like(estimate), alpha)
    high = _edge(at, estimate, np.maximum(largest, estimate), alpha)
    known = ~np.isnan(estimate)
    return np.where(known, low, 0.0), np.where(known, high, none)


def _edge(at: Callable[[Floats], Found], inside: Floats, outside: Floats, alpha: float) -> Floats:
    """Between what is inside and what may be outside, the first value that is not inside. What lies beyond it is excluded too,
    though near 0 the information is so small that it would not be by itself: calls as many or more are rarer still there.

    Of few cells a call costs the same for a few dozen values as for one: PARTS are tried at once, of many two.
    """
    parts = PARTS if inside.size <= FEW else 2
    for _ in range(BITS // int(np.log2(parts))):
        tried = inside + np.multiply.outer(np.arange(parts + 1) / parts, outside - inside)
        tried[-1] = outside
        found = at(tried[1:-1])
        keeps = found.z**2 <= radius_squared(found.information, alpha)
        kept = np.logical_and.accumulate(keeps).sum(axis=0)[None]
        inside, outside = np.take_along_axis(tried, kept, 0)[0], np.take_along_axis(tried, kept + 1, 0)[0]
    return outside
