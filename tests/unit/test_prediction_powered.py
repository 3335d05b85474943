"""The corrected mean: its closed form, and that its interval holds in simulation."""

import numpy as np
import pytest

from pipeline.operators.agreement import accuracy, auroc, bias, kappa
from pipeline.operators.prediction_powered import corrected_mean


def test_it_is_the_closed_form() -> None:
    people, judge = np.array([1.0, 0, 1, 1, 0, 0.5]), np.array([0.9, 0.2, 0.8, 0.6, 0.3, 0.5])
    found = corrected_mean(people, judge, 0.7, 600)
    n, count = 6, 600
    weight = np.cov(people, judge, ddof=1)[0, 1] / judge.var(ddof=1) / (1 + n / count)
    weight = min(weight, 1)
    mean = people.mean() + weight * (0.7 - judge.mean())
    variance = (people - weight * judge).var(ddof=1) / n + weight**2 * judge.var(ddof=1) / count
    assert found.weight == pytest.approx(weight)
    assert found.mean == pytest.approx(mean)
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * variance**0.5, rel=1e-6)
    assert found.people_mean == pytest.approx(people.mean())


def test_a_judge_that_says_what_people_say_carries_everything_over() -> None:
    values = np.array([0.0, 1.0] * 50)
    found = corrected_mean(values, values, 0.8, 10**9)
    assert found.weight == pytest.approx(1)
    assert found.mean == pytest.approx(0.8)
    assert found.high - found.low < 0.001


def test_a_judge_that_tells_nothing_changes_nothing() -> None:
    people = np.array([0.0, 1.0] * 50)
    found = corrected_mean(people, np.full(100, 0.3), 0.9, 1000)
    assert (found.weight, found.mean) == (0, found.people_mean)
    assert (found.low, found.high) == pytest.approx((found.people_low, found.people_high))


@pytest.mark.parametrize("wrong", [([1], [1], 1), ([1, 0], [1], 1), ([1, 0], [1, 0], 0)])
def test_too_little_is_refused(wrong: tuple[list[float], list[float], int]) -> None:
    with pytest.raises(ValueError, match="labels"):
        corrected_mean(wrong[0], wrong[1], 0.5, wrong[2])


@pytest.mark.parametrize(("right", "lenience", "narrower"), [(0.9, 0.15, 0.75), (0.7, 0.3, 0.98), (0.5, 0.0, 1.02)])
def test_the_interval_holds_and_a_biased_judge_makes_no_bias(right: float, lenience: float, narrower: float) -> None:
    """2,000 times 120 labels and 3,000 verdicts of a judge who is lenient: the truth is inside in 95 of 100."""
    random, truth, runs = np.random.default_rng(3), 0.62, 2000
    means, inside, widths, alone = [], 0, [], []
    for _ in range(runs):
        good = random.random(3120) < truth
        agrees = random.random(3120) < right
        judge = np.where(agrees, good, ~good) * (1 - lenience) + lenience
        found = corrected_mean(good[:120], judge[:120], judge[120:].mean(), 3000)
        means.append(found.mean)
        inside += found.low <= truth <= found.high
        widths.append(found.high - found.low)
        alone.append(found.people_high - found.people_low)
    assert inside / runs >= 0.935
    assert abs(np.mean(means) - truth) < 3 * np.std(means) / runs**0.5
    assert np.mean(widths) / np.mean(alone) <= narrower


def test_agreement() -> None:
    people, judge = list("aabbc"), list("aabcc")
    assert accuracy(people, judge) == 0.8
    by_chance = (2 * 2 + 2 * 1 + 1 * 2) / 25
    assert kappa(people, judge) == pytest.approx((0.8 - by_chance) / (1 - by_chance))
    assert np.isnan(kappa(["a"], ["a"]))
    assert kappa(["a", "b"], ["b", "a"]) == -1
    assert bias([0, 1], [0.5, 1]) == 0.25
    assert np.isnan(accuracy([], []))
    assert np.isnan(bias([], []))


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(1)
    truth, values = random.random(200) < 0.4, random.integers(0, 10, 200)
    pairs = values[truth][:, None] - values[~truth][None, :]
    assert auroc(truth, values) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert np.isnan(auroc([True], [1]))
