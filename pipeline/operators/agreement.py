"""How well a judge agrees with people: accuracy, kappa, bias, and how well his values rank what people passed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def accuracy(people: Sequence[str], judge: Sequence[str]) -> float:
    """The share of the same words; NaN of none."""
    return float(np.mean([a == b for a, b in zip(people, judge, strict=True)])) if people else float("nan")


def kappa(people: Sequence[str], judge: Sequence[str]) -> float:
    """Cohen's kappa: agreement beyond what their own frequencies give by chance. 1: all; 0: chance; NaN where chance is all.

    Source: Cohen 1960.
    """
    if not people:
        return float("nan")
    by_chance = sum(people.count(word) * judge.count(word) for word in set(people)) / len(people) ** 2
    return (accuracy(people, judge) - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def bias(people: ArrayLike, judge: ArrayLike) -> float:
    """The judge's mean less people's; NaN of none."""
    difference = np.asarray(judge, float) - np.asarray(people, float)
    return float(difference.mean()) if difference.size else float("nan")


def auroc(passed: ArrayLike, values: ArrayLike) -> float:
    """The probability that one that passed has a larger value than one that did not, ties half; NaN if there are not both.

    Source: Mann and Whitney 1947.
    """
    truth, value = np.asarray(passed, bool), np.asarray(values, float)
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, place, counts = np.unique(value, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))
