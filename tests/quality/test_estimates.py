"""Estimates over a population with known truth and cohorts of very different sizes: no bias, covering intervals, floors.

`TAILRACE_REPETITIONS` says how often another sample of it is judged.
"""

import os

import numpy as np
import pytest

from tests.judged_population import CEILING, COHORTS, FLOOR, Found, Traces, estimates, population, repetition, truth

REPETITIONS = int(os.environ.get("TAILRACE_REPETITIONS", "1000"))
WHO = ("all", *(cohort.name for cohort in COHORTS))

Population = list[list[Traces]]


@pytest.fixture(scope="module")
def traces() -> Population:
    return population(np.random.default_rng(2026))


@pytest.fixture(scope="module")
def repeated(traces: Population) -> list[Found]:
    return [repetition(traces, f"t{n}") for n in range(REPETITIONS)]


def bias(off: np.ndarray) -> float:
    """Mean of what repetitions are off, in standard errors of that mean."""
    return float(off.mean() / (off.std(ddof=1) / np.sqrt(len(off))))


def test_means_have_no_bias_and_intervals_cover(traces: Population, repeated: list[Found]) -> None:
    print(f"\n{'':<12}{'estimate':<12}{'truth':>8}{'mean':>8}{'bias/SE':>9}{'covers':>8}{'width':>8}{'told':>7}")
    wrong = []
    for who in WHO:
        true = truth(traces, who)
        told = [estimates(found, who) for found in repeated]
        for name in ("mean", "fails", "steadied"):
            rows = np.array([one[name] for one in told if name in one])
            if len(rows) < REPETITIONS / 2:
                continue
            z = bias(rows[:, 0] - true[name])
            covers = float(((rows[:, 1] <= true[name]) & (true[name] <= rows[:, 2])).mean())
            width = float((rows[:, 2] - rows[:, 1]).mean())
            numbers = f"{true[name]:>8.4f}{rows[:, 0].mean():>8.4f}{z:>9.2f}{covers:>8.3f}{width:>8.3f}{len(rows):>7}"
            print(f"{who:<12}{name:<12}{numbers}")
            wrong += [f"{who} {name}: {numbers}"] if abs(z) > 2 or covers < 0.93 else []
    print(f"all judged alike would say {np.mean([found.plain['all'] for found in repeated]):.4f}")
    assert not wrong
    assert abs(bias(np.array([found.plain["all"] for found in repeated]) - truth(traces, "all")["mean"])) > 10, "weights matter"


def test_a_control_makes_the_mean_steadier(traces: Population, repeated: list[Found]) -> None:
    print(f"\n{'':<12}{'plain sd':>10}{'steadied':>10}{'ratio of variances':>20}{'as estimated':>14}")
    for who in ("free", "pro"):
        told = [one for one in (estimates(found, who) for found in repeated) if "steadied" in one]
        plain = np.array([one["unsteadied"][0] for one in told])
        steady = np.array([one["steadied"] for one in told])
        ratio, said = steady[:, 0].var() / plain.var(), steady[:, 3].mean()
        print(f"{who:<12}{plain.std():>10.4f}{steady[:, 0].std():>10.4f}{ratio:>20.3f}{said:>14.3f}")
        assert ratio < 0.7
        assert said == pytest.approx(ratio, rel=0.25)


def test_small_cohorts_are_judged_as_often_as_promised(repeated: list[Found]) -> None:
    """Once shares had time to follow, a period has its floor, or all there is under the ceiling."""
    print(f"\n{'':<12}{'traces':>8}{'judged in a period':>20}")
    for cohort in COHORTS:
        last = np.array([found.judged[cohort.name][-1] for found in repeated])
        there = cohort.size * (0.5 + 5 / 6)
        promised = max(cohort.share * there, min(FLOOR * 0.8, CEILING * there))
        print(f"{cohort.name:<12}{there:>8.0f}{last.mean():>20.1f}")
        assert last.mean() > promised * 0.95


def test_another_share_of_one_cohort_moves_no_estimate(traces: Population, repeated: list[Found]) -> None:
    """The same keys, five times the share of the largest cohort: pairwise differences have no direction. A shift of a fifth of
    their deviation would be seen in 800 pairs; chance alone goes beyond 0.13 of it once in 4,000 times.
    """
    others = [repetition(traces, f"t{n}", {"free": 0.1}) for n in range(REPETITIONS * 4 // 5)]
    for who in WHO:
        for name in ("mean", "steadied"):
            pairs = [(estimates(a, who), estimates(b, who)) for a, b in zip(repeated, others, strict=False)]
            off = np.array([b[name][0] - a[name][0] for a, b in pairs if name in a and name in b])
            if off.any():
                print(f"\n{who:<12}{name:<10} moved by {off.mean():+.5f}, {bias(off):+.2f} standard errors", end="")
                assert abs(off.mean()) <= 0.13 * off.std(ddof=1) or REPETITIONS < 1000
    true = truth(traces, "free")["steadied"]
    own = np.array([one["steadied"][0] for one in (estimates(found, "free") for found in others)])
    print(f"\nslope of 1,200 traces of its own: {bias(own - true):+.2f} standard errors")
    assert abs(bias(own - true)) < 2
    judged = [np.mean([sum(found.judged["free"]) for found in some]) for some in (repeated, others)]
    assert judged[1] > 4 * judged[0]
