"""Many slices at once, nested in each other: who is named, who is paged for, and is it one cohort or everybody?"""

import numpy as np
import pytest

from pipeline.operators.evidence import bets
from pipeline.operators.evidence.deviance import Data, Floats, Found
from pipeline.operators.evidence.dispersion import SLACK
from pipeline.operators.evidence.growth import against_complement
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from tests.shifted import ALPHA, BATCHES, LIMIT

COHORTS, LANGUAGES, WORSE, REPETITIONS = 100, 10, 4, 15
SHARE, HOURLY, HOURS, DAYS_BEFORE = 0.03, 150, 48, 7
CELLS = COHORTS + LANGUAGES + COHORTS * LANGUAGES
ASKED = Hypothesis(Kind.SHARE, LIMIT)


def nested(s: Floats) -> Floats:
    """Sums of cohorts, languages and both."""
    return np.concatenate((s.sum(1), s.sum(0), s.ravel()))


def log_e(data: Data) -> Floats:
    return ASKED.log_e(data, np.full(len(data.n), SLACK), np.full(len(data.n), BATCHES))


def compared(n: Floats, s: Floats, base_n: Floats, base_s: Floats) -> Data:
    return Data(n, s, base_n, base_s / base_n, (s + base_s) / (n + base_n))


@pytest.mark.parametrize(("others", "name"), [(0.0, "unchanged"), (0.0199, "at the limit"), (0.1, "all 10 % worse")])
def test_the_worse_cohorts_are_named_and_no_others(others: float, name: str) -> None:
    g, found = np.random.default_rng(6), []
    size = np.full((COHORTS, LANGUAGES), 1.0)
    worse = (np.arange(COHORTS) < WORSE)[:, None]
    n, base_n = size * HOURLY * HOURS, size * HOURLY * 24 * DAYS_BEFORE
    for _ in range(REPETITIONS):
        before = SHARE * np.exp(g.normal(0, 0.3, (COHORTS, 1))) * np.exp(g.normal(0, 0.1, (1, LANGUAGES)))
        after = before * (1 + others) * np.where(worse, 1.3, 1.0)
        s, base_s = (g.binomial(calls.astype(int), p).astype(float) for calls, p in ((n, after), (base_n, before)))
        data = compared(*(nested(x) for x in (n, s, base_n, base_s)))
        evidence = log_e(data)
        truly = nested(n * after) / nested(n * before) > ASKED.r
        listed, paged = bets.listed(evidence, CELLS, ALPHA), bets.established(evidence, CELLS, ALPHA)
        one = Data(*(getattr(data, column)[:COHORTS] for column in ("n", "s", "base_n", "base_mean", "usual")))
        sums = [(x.sum() - x.sum(1)) for x in (n, s, base_n, base_s)]
        p, q = one.base_mean, sums[3] / sums[2]
        here = log_e(against_complement(one, compared(*sums), (1 - q) / q * p / (1 - p)))
        only = bets.established(here, COHORTS, ALPHA)
        wrong = (listed & ~truly).sum() / max(listed.sum(), 1)
        found.append((wrong, (paged & ~truly).any(), listed[:WORSE].mean(), only[:WORSE].mean(), only[WORSE:].mean()))
    wrong, pages, power, only, elsewhere = np.mean(found, axis=0)
    print(f"\nothers {name}: {CELLS} cells, wrong of those listed {wrong:.3f}, runs with a false page {pages:.2f}, ", end="")
    print(f"found {power:.2f}; 'only here': of the worse {only:.2f}, of the others {elsewhere:.4f}")
    assert wrong <= ALPHA
    assert pages <= ALPHA
    assert power > 0.95
    assert only > 0.95
    assert elsewhere <= ALPHA / COHORTS


def test_pages_that_are_kept_are_wrong_as_seldom_as_promised() -> None:
    """Half of 500 streams sit exactly on the limit; whatever was said at any of 150 looks is kept."""
    g, streams, runs = np.random.default_rng(13), 500, 60
    kept_wrong, list_wrong, found = [], [], []
    for _ in range(runs):
        drift = np.where(np.arange(streams) < streams // 2, g.choice([0.03, 0.08, 0.18, 0.48], streams), 0.0)
        walk, v = np.zeros(streams), 0.0
        paged, listed = np.zeros(streams, bool), np.zeros(streams, bool)
        for dv in np.diff(np.geomspace(1, 6000, 150), prepend=0.0):
            walk, v = walk + g.normal(drift * dv, np.sqrt(dv)), v + dv
            evidence = bets.log_e(Found(walk / np.sqrt(v), np.full(streams, v)), ASKED.bets)
            paged |= bets.established(evidence, streams, ALPHA)
            listed |= bets.listed(evidence, streams, ALPHA)
        kept_wrong.append(paged[streams // 2 :].any())
        list_wrong.append(listed[streams // 2 :].any())
        found.append(paged[: streams // 2].mean())
    print(f"\nruns with a false page {np.mean(kept_wrong):.2f}, found {np.mean(found):.2f}; ", end="")
    print(f"if lists were kept: with a false one {np.mean(list_wrong):.2f}")
    assert np.mean(kept_wrong) <= ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert np.mean(found) > 0.6
    assert np.mean(list_wrong) > 0.2, "a list is of one look"
