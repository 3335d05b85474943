"""What weighted scores say of all traces: a mean, a share of fails and a mean steadied by a control, each with its interval.

A judged trace stands for 1/p others, p being its inclusion probability, so a mean is a ratio of weighted sums (Hájek): rates that
differ or change move nothing. Everything is a function of the sums of panes (`pipeline/model/score_columns.py`), so sums of any
windows, releases and cohorts may be added first. The views of `schemas/clickhouse` say the same in SQL, and
`tests/conformance/test_store_scores.py` holds both together.

**Interval.** The variance of a Hájek mean m is sum w²(y - m)² / (sum w)². Of few scores, or many that are equal, that is far too
small, so z² scores are added that were never given, half of them 0 and half 1, z = 1.96, each as much as one effective score:
n = (sum w)² / sum w², s² = sum w²(y - m)² / sum w², and

    centre c = (n m + z²/2) / (n + z²)
    width  h = z sqrt(v / (n + z²)),  v = (n (s² + (m - c)²) + z² (1/4 + (1/2 - c)²)) / (n + z²)

For scores of 0 and 1 with equal weights this is the interval of Agresti and Coull. It is not corrected for traces that are all
judged (p = 1): it speaks of the traces that might have been, not only of those that were.

**Control.** A cheap score x that all sampled traces have, and whose mean is known better than the judged traces tell, corrects
the mean of y: m + b (X - x̄), X the mean of x over all sampled. For any slope b that the judged traces do not decide this has no
bias, so b is that of y on x among the judged traces of the route's other series, or, from a thousand on, of their own. (A slope
of their own moved the mean of 271 skewed scores by 7 % of its standard error, that of 48 by 10 %, that of 17 by a third:
`tests/quality/test_estimates.py`.) Its variance is S²y / N + S²e (1/n - 1/N), N and n effective numbers of traces with x and with
both, S²e what b leaves unexplained. It speaks of traces that have a control.

Source: Hájek (1971), in Särndal, Swensson, Wretman, Model Assisted Survey Sampling (1992), 5.7 (ratio of weighted sums) and 9.8
(two-phase regression estimator); Cochran, Sampling Techniques (1977), 12.6; Agresti and Coull, American Statistician 52 (1998).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pipeline.operators.score_columns import VALUE, WEIGHT

Z = 1.959963984540054
"""95 %."""

LEAST_CONTROLLED = 30
"""Judged traces with a control below which nothing is corrected. Their number, not how many they say effectively: a rare bad
answer that weighs much lowers that, and to leave out such samples is a bias."""
LEAST_OTHERS, LEAST_OWN = 30, 1000
"""Below which a slope is not taken of the others, or of their own."""

Sums = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval. effective: how many equally weighted scores say as much."""

    mean: float
    low: float
    high: float
    effective: float


@dataclass(frozen=True, slots=True)
class Steadied:
    """A mean corrected by a control. variance_ratio: its variance by that of the same traces' plain mean; below 1 it gains."""

    mean: float
    low: float
    high: float
    variance_ratio: float


def added(panes: Sequence[Sums]) -> dict[str, int]:
    """The sums of several panes."""
    return {name: sum(int(pane[name]) for pane in panes) for name in (panes[0] if panes else ())}


def mean(sums: Sums) -> Estimate | None:
    """The mean of the values; None without any."""
    weight, square = _weights(sums, "weight")
    if weight == 0:
        return None
    values, squares = sums["value_sum"] / (WEIGHT * VALUE), sums["value_weight_sq"] / (WEIGHT * VALUE) ** 2
    cross = (sums["shifted_weight_sq"] - sums["weight_sq"] * VALUE**2 - sums["value_weight_sq"]) / 2 / (WEIGHT * VALUE) ** 2
    m = values / weight
    return interval(m, weight**2 / square, (squares - 2 * m * cross + m * m * square) / square)


def fail_ratio(sums: Sums) -> Estimate | None:
    """The share of those that did not pass, of those of which that is known; None without any."""
    weight, square = _weights(sums, "checked_weight")
    if weight == 0:
        return None
    fails, fails_square = _weights(sums, "fails_weight")
    m = fails / weight
    return interval(m, weight**2 / square, (fails_square * (1 - 2 * m) + m * m * square) / square)


def steadied(judged: Sums, control: Sums, others: Sums) -> Steadied | None:
    """The mean of `judged` over traces with a control.

    Args:
        control: sums of the control's own scores, of the same windows and series.
        others: sums of the same evaluator, of the same windows and route, without `judged`.

    Returns: None where nothing can be said: too few, no slope, or no controls.
    """
    n, of_all = _effective(judged, "controlled_weight"), _effective(control, "weight")
    if judged["controlled"] < LEAST_CONTROLLED or of_all == 0:
        return None
    own = _moments(judged)
    if judged["controlled"] >= LEAST_OWN:
        slope, scale = own.slope, n / max(1.0, n - 2)
    elif others["controlled"] >= LEAST_OTHERS:
        slope, scale = _moments(others).slope, n / max(1.0, n - 1)
    else:
        return None
    whole = own.var_y * scale
    left = max(0.0, own.var_y - 2 * slope * own.cov + slope * slope * own.var_x) * scale
    m = own.y + slope * (control["value_sum"] / control["weight"] / VALUE - own.x)
    ratio = (whole / of_all + left * max(0.0, 1 / n - 1 / of_all)) / (whole / n) if whole > 0 else 1.0
    found = interval(m, n / ratio if ratio > 0 else n, whole)
    return Steadied(m, found.low, found.high, ratio)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of the judged traces with a control, weighted: means, variances and covariance of control x and value y."""

    x: float
    y: float
    var_x: float
    var_y: float
    cov: float

    @property
    def slope(self) -> float:
        return self.cov / self.var_x if self.var_x > 1 / VALUE else 0.0


def _moments(sums: Sums) -> _Moments:
    def moment(name: str) -> float:
        return sums[name] / sums["controlled_weight"] / VALUE

    x, y = moment("control_sum"), moment("controlled_value_sum")
    var_x, var_y = (max(0.0, moment(f"{of}_sq_sum") - m * m) for of, m in (("control", x), ("controlled_value", y)))
    return _Moments(x, y, var_x, var_y, moment("control_value_sum") - x * y)


def interval(m: float, n: float, s2: float) -> Estimate:
    """The estimate of a mean m of n effective scores of variance s2."""
    z2 = Z * Z
    centre = (n * m + z2 / 2) / (n + z2)
    v = (n * (max(0.0, s2) + (m - centre) ** 2) + z2 * (0.25 + (0.5 - centre) ** 2)) / (n + z2)
    half = Z * sqrt(v / (n + z2))
    return Estimate(m, max(0.0, centre - half), min(1.0, centre + half), n)


def _effective(sums: Sums, name: str) -> float:
    """How many equally weighted scores say as much; 0 for none."""
    weight, square = _weights(sums, name)
    return weight**2 / square if square else 0.0


def _weights(sums: Sums, name: str) -> tuple[float, float]:
    """A sum of weights and that of their squares."""
    return sums[name] / WEIGHT, sums[f"{name}_sq"] / WEIGHT**2
