"""Means of weighted scores and their intervals, by hand and over a small population with known truth."""

import math

import numpy as np
import pytest

from pipeline.operators.estimates import Z, added, fail_ratio, interval, mean, steadied
from tests.judged_population import NOTHING, Cohort, estimates, population, repetition, truth
from tests.scores import plain_measures, score, skipped


def sums(rows: list[dict[str, object]]) -> dict[str, int]:
    return added([NOTHING, *(NOTHING | plain_measures(row) for row in rows)])


def test_nothing_is_said_of_nothing() -> None:
    assert (mean(NOTHING), fail_ratio(NOTHING), steadied(NOTHING, NOTHING, NOTHING)) == (None, None, None)
    assert mean(sums([skipped(1), skipped(2)])) is None
    assert fail_ratio(sums([score(1, passed=None)])) is None


def test_equal_weights_of_noughts_and_ones_give_the_interval_of_agresti_and_coull() -> None:
    found = mean(sums([score(n, value=float(n < 7)) for n in range(10)]))
    assert found is not None
    n, p = 10 + Z * Z, (7 + Z * Z / 2) / (10 + Z * Z)
    half = Z * math.sqrt(p * (1 - p) / n)
    assert (found.mean, found.low, found.high, found.effective) == pytest.approx((0.7, p - half, p + half, 10))


def test_a_rarely_judged_trace_stands_for_more() -> None:
    rows = [
        score(1, value=0.0, inclusion_probability=0.01),
        *(score(n, value=1.0, inclusion_probability=0.5) for n in range(2, 52)),
    ]
    found = mean(sums(rows))
    assert found is not None
    assert found.mean == pytest.approx(50 * 2 / (50 * 2 + 100))
    assert found.effective == pytest.approx(200**2 / (50 * 4 + 10_000))
    assert found.low < 0.15 < 0.85 < found.high, "one trace is half of it"


def test_few_equal_scores_are_no_certainty() -> None:
    for value in (0.0, 1.0):
        found = mean(sums([score(n, value=value) for n in range(3)]))
        assert found is not None
        assert found.high - found.low > 0.4
        assert found.low <= found.mean <= found.high


def test_more_of_the_same_narrows_the_interval() -> None:
    widths = [found.high - found.low for n in (1, 10, 100, 10_000) for found in [interval(0.8, n, 0.16)]]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(2 * Z * 0.4 / 100, rel=0.01)


def test_the_share_of_fails_is_over_what_is_known() -> None:
    rows = [
        score(1, passed=False, inclusion_probability=0.1),
        *(score(n, passed=True) for n in range(2, 12)),
        score(99, passed=None),
    ]
    found = fail_ratio(sums(rows))
    assert found is not None
    assert found.mean == pytest.approx(10 / 20)


def test_a_control_that_says_all_takes_its_own_mean() -> None:
    """The value is the control: what is judged adds nothing to what all traces say."""
    xs = [n / 99 for n in range(100)]
    every = sums([score(n, value=x, control=x, evaluator="groundedness_lexical") for n, x in enumerate(xs)])
    judged = sums([score(n, value=xs[n], control=xs[n], inclusion_probability=0.4) for n in range(40, 100)])
    others = sums([score(n, value=n / 40, control=n / 40, cohort="other") for n in range(40)])
    found = steadied(judged, every, others)
    assert found is not None
    assert found.mean == pytest.approx(0.5, abs=1e-5)
    assert found.variance_ratio == pytest.approx(60 / 100, abs=0.01)
    assert steadied(judged, every, NOTHING) is None, "nobody else says the slope"
    assert steadied(judged, NOTHING, others) is None


def test_ranges_are_added_and_not_averaged() -> None:
    one, two = [score(n, value=1.0) for n in range(30)], [score(n, value=0.0, inclusion_probability=0.1) for n in range(2)]
    together, parts = mean(sums([*one, *two])), mean(added([sums(one), sums(two)]))
    assert together == parts
    assert together is not None
    assert together.mean == pytest.approx(30 / 50)


def test_estimates_of_a_small_population_have_no_bias() -> None:
    """The large version, with what it prints, is `tests/quality/test_estimates.py`."""
    cohorts = (Cohort("big", 900, 0.85), Cohort("small", 60, 0.6), Cohort("other", 300, 0.7, share=0.1))
    traces = population(np.random.default_rng(5), cohorts, periods=4)
    told = [repetition(traces, f"u{n}") for n in range(60)]
    for who in ("all", "big", "small", "other"):
        rows = np.array([one["mean"] for one in (estimates(found, who) for found in told) if "mean" in one])
        off, true = rows[:, 0] - truth(traces, who)["mean"], truth(traces, who)["mean"]
        assert abs(off.mean()) < 3 * off.std() / math.sqrt(len(off)), who
        assert ((rows[:, 1] <= true) & (true <= rows[:, 2])).mean() >= 0.9, who
    plain = np.array([found.plain["all"] for found in told]) - truth(traces, "all")["mean"]
    assert abs(plain.mean()) > 5 * plain.std() / math.sqrt(len(plain)), "weights matter"
