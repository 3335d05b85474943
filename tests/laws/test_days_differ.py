"""Days that differ by more than their calls tell do not page, and where they do not differ that costs nothing."""

import numpy as np
import pytest

from pipeline.operators.evidence import days
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from tests.strata import Strata

CELLS, DAYS, HOURLY, SHARE, ALPHA = 200, 7, 20_000, 0.05, 0.05
ONE, KNOWN = np.ones(CELLS), np.full(CELLS, np.inf)
ASKED = Hypothesis(Kind.SHARE, limit=0.02)
ALIKE = np.zeros(CELLS, np.intp)


def shares(g: np.random.Generator, sd: float, number: int) -> np.ndarray:
    """Of so many days, (days, cells): each has its own, beside the course of the day."""
    return SHARE * np.exp(g.normal(0, sd, (number, CELLS)))


def calls(g: np.random.Generator, of_day: np.ndarray) -> np.ndarray:
    """What is bad of HOURLY calls, (..., cells, 24): by hour the share swings by 30 %."""
    return g.binomial(HOURLY, of_day[..., None] * (1 + 0.3 * np.sin(np.arange(24) / 24 * 2 * np.pi))).astype(float)


def alarms(sd: float, many: float, worse: float = 1.0, seed: int = 3) -> float:
    """Which share of all cells a day alarms, each with its part of alpha."""
    g = np.random.default_rng(seed)
    before = calls(g, shares(g, sd, DAYS))
    strata = Strata(np.full(before.shape, float(HOURLY)), before, ASKED, ONE, alike=True)
    strata.allowed *= many
    today, told = calls(g, worse * shares(g, sd, 1)[0]), np.zeros(CELLS, bool)
    for hour in range(24):
        strata.add(np.full(CELLS, float(HOURLY)), today[:, hour])
        told |= strata.look(ASKED, (ONE, KNOWN)) >= np.log(CELLS / ALPHA)
        strata.close_hour(ASKED, (ONE, KNOWN), np.full(CELLS, float(HOURLY)))
        strata.allowed *= many
    return float(told.mean())


def test_an_ordinary_day_does_not_page_and_days_that_differ_are_why() -> None:
    differ, taken_for_alike = alarms(0.04, 1.0), alarms(0.04, 0.0)
    print(f"\ndays differ by 4 %: {differ:.3f} of the slices alarm; taken for alike {taken_for_alike:.3f}")
    assert differ == 0
    assert taken_for_alike >= 0.05, "these days are no trap"
    assert alarms(0.04, 1.0, worse=1.4) >= 0.9, "what is far beyond an ordinary day is told"


@pytest.mark.parametrize("group", [ALIKE, np.arange(CELLS)], ids=["of one route", "each alone"])
def test_where_days_do_not_differ_nothing_is_given_away(group: np.ndarray) -> None:
    g, n = np.random.default_rng(5), np.full((CELLS, DAYS, 24), float(HOURLY))
    found = days.apart(n, calls(g, shares(g, 0.0, DAYS)).swapaxes(0, 1), ONE, group, sizes=False)
    assert (found > 0).mean() <= 0.06
    assert days.apart(n[:, :1], n[:, :1] * SHARE, ONE, group, sizes=False).max() == 0, "one day does not tell"


@pytest.mark.parametrize("sizes", [False, True])
@pytest.mark.parametrize("sd", [0.03, 0.1])
def test_how_far_days_lie_apart_is_found(sd: float, sizes: bool) -> None:
    """Hours without calls and days that were not seen count for nothing."""
    g, n = np.random.default_rng(6), np.full((CELLS, DAYS, 24), float(HOURLY))
    n[:, :, 2:5], n[::2, 5:] = 0.0, 0.0
    of_day = shares(g, sd, DAYS).T
    mean = np.maximum(of_day, 1e-9)[..., None] * np.ones(24)
    s = g.gamma(np.maximum(n, 1), mean) if sizes else g.binomial(n.astype(int), mean).astype(float)
    found = days.apart(n, np.where(n > 0, s, 0.0), ONE, ALIKE, sizes)
    assert np.median(found) == pytest.approx(sd, rel=0.25)
