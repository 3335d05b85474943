"""How far the mean of new data lies above what a null allows: the signed root of a quasi-deviance, and its information.

New data are (n, s): how many, and their sum. The baseline is (base_n, base_mean); base_n may be infinite, and is then a bound.
The baseline's own error is in the statistic, so nothing is spent on it: with a fixed, uncertain baseline, z times the root of
the information is a Brownian motion in the information, whose drift is the excess over the null.

Ratios, shares above a threshold and scores in [0, 1] have the variance function m(1 - m), costs and times m². How much wider they
scatter than that is the dispersion (`dispersion.py`).

Source: Wedderburn, Biometrika 61 (1974) (quasi-likelihood); McCullagh and Nelder, Generalized Linear Models (1989), 2.3 and 9;
Miettinen and Nurminen, Statistics in Medicine 4 (1985) (difference of two proportions under its null); Scharfstein, Tsiatis and
Robins, JASA 92 (1997) (information as time); Wallace, Annals of Mathematical Statistics 30 (1959) (Student to normal).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Data:
    """What is compared, per cell. n, s: how many and their sum. base_n: of the baseline, in calls that say as much; inf for a
    bound. base_mean: its mean. usual: the mean by which it is judged whether that is enough, that of all there is: what few calls
    happen to say must not decide whether they are heard.
    """

    n: Floats
    s: Floats
    base_n: Floats
    base_mean: Floats
    usual: Floats


@dataclass(frozen=True, slots=True)
class Found:
    """z: standard normal at the null, above 0 where the data lie above it. information: of the mean's ratio to the baseline (or
    their difference, for limits in points), in units of the squared ratio (difference), at the means that are likeliest under the
    null. Both 0 where nothing can be said.
    """

    z: Floats
    information: Floats


def share(data: Data, r: float | Floats, dispersion: Floats, batches: Floats) -> Found:
    """Null: the share is r times the baseline's. batches: behind the dispersion, inf if it is known."""
    with np.errstate(all="ignore"):
        n, s, m, p = data.n, data.s, data.base_n, data.base_mean
        known = np.isinf(m)
        m = np.where(known, 1.0, m)
        a, b, c = (n + m) * r, -(r * (n + m * p) + s + m), s + m * p
        base = np.where(known, p, (-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0.0))) / (2 * a))
        new = r * base
        deviance = _binomial(s, n, new) + np.where(known, 0.0, _binomial(m * p, m, base))
        information = 1 / (dispersion * ((1 - new) / new / n + np.where(known, 0.0, (1 - base) / base / m)))
        return _found(deviance, s / n - r * p, information, dispersion, batches)


def points(data: Data, limit: float | Floats, dispersion: Floats, batches: Floats) -> Found:
    """Null: the share is the baseline's and `limit` more (in parts of one)."""
    with np.errstate(all="ignore"):
        n, s, m, p = data.n, data.s, data.base_n, data.base_mean
        known = np.isinf(m)
        m = np.where(known, 1.0, m)
        base = np.where(known, p, _base_under_difference(n, s, m, m * p, limit))
        new = base + limit
        deviance = _binomial(s, n, new) + np.where(known, 0.0, _binomial(m * p, m, base))
        information = 1 / (dispersion * (new * (1 - new) / n + np.where(known, 0.0, base * (1 - base) / m)))
        return _found(deviance, s / n - p - limit, information, dispersion, batches)


def size(data: Data, r: float | Floats, dispersion: Floats, batches: Floats) -> Found:
    """Null: the mean of positive values is r times the baseline's."""
    with np.errstate(all="ignore"):
        n, s, m, mean = data.n, data.s, data.base_n, data.base_mean
        known = np.isinf(m)
        m = np.where(known, 1.0, m)
        base = np.where(known, mean, (s / r + m * mean) / (n + m))
        of_base = np.where(known, s / (r * mean) - n, m * np.log(base / mean))
        deviance = 2 * (n * np.log(r * base * n / s) + of_base)
        information = 1 / (dispersion * (1 / n + np.where(known, 0.0, 1 / m)))
        return _found(deviance, s / n - r * mean, information, dispersion, batches)


def _found(deviance: Floats, excess: Floats, information: Floats, dispersion: Floats, batches: Floats) -> Found:
    squared = np.maximum(deviance, 0.0) / dispersion
    bounded = np.where(np.isinf(batches), 1e9, batches)
    normal = np.sqrt(bounded * np.log1p(squared / bounded)) * (8 * bounded + 1) / (8 * bounded + 3)
    z = np.copysign(normal, excess)
    sound = np.isfinite(z) & np.isfinite(information) & (batches > 0)
    return Found(np.where(sound, z, 0.0), np.where(sound, information, 0.0))


def _binomial(s: Floats, n: Floats, p: Floats) -> Floats:
    """Deviance of s events of n from the share p."""
    return 2 * (_entropy(s, s / (n * p)) + _entropy(n - s, (n - s) / (n * (1 - p))))


def _entropy(x: Floats, ratio: Floats) -> Floats:
    return np.where(x > 0, x * np.log(np.where(x > 0, ratio, 1.0)), 0.0)


def _base_under_difference(n: Floats, s: Floats, m: Floats, t: Floats, limit: float | Floats) -> Floats:
    """The likeliest share of the baseline, t of m, if s of n have `limit` more: the root of a cubic, in closed form."""
    a = n + m
    b = limit * (n + 2 * m) - a - s - t
    c = limit * (m * limit - a - 2 * t) + s + t
    d = t * limit * (1 - limit)
    q = b**3 / (3 * a) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    root = np.copysign(np.sqrt(np.maximum(b * b / (3 * a) ** 2 - c / (3 * a), 0.0)), q)
    angle = (np.pi + np.arccos(np.clip(q / root**3, -1.0, 1.0))) / 3
    return np.asarray(np.clip(2 * root * np.cos(angle) - b / (3 * a), np.maximum(0.0, -limit), np.minimum(1.0, 1 - limit)))
