"""Sums of slices beside what they are held against, which add up over hours and over slices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.deviance import Data, Floats

Ints = NDArray[np.intp]

SUMS = ("n", "s", "expected", "squares")


@dataclass(frozen=True, slots=True)
class Sums:
    """Of each slice, of what has a baseline: n, s, how many and their sum; expected: what the sum were at the baseline's mean;
    squares: of n over how many the baseline has. They add up over hours and slices.
    """

    n: Floats
    s: Floats
    expected: Floats
    squares: Floats

    @classmethod
    def of(cls, n: Floats, s: Floats, base_n: Floats, base_mean: Floats) -> "Sums":
        """Of slices beside their baselines."""
        known = (n > 0) & (base_n > 0)
        with np.errstate(all="ignore"):
            return cls(*(np.where(known, one, 0.0) for one in (n, s, n * base_mean, n * n / base_n)))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.n + other.n, self.s + other.s, self.expected + other.expected, self.squares + other.squares)

    def data(self) -> Data:
        """What they say together. base_n is 0 where there is nothing, inf beside a bound."""
        with np.errstate(all="ignore"):
            base_n = np.where(self.n > 0, self.n * self.n / self.squares, 0.0)
            mean = self.expected / self.n
            usual = np.where(np.isinf(base_n), mean, (self.s + base_n * mean) / (self.n + base_n))
            return Data(self.n, self.s, base_n, mean, usual)

    def siblings(self, groups: Ints) -> "Sums":
        """Of each slice those of all others of its group."""
        return Sums(*(of_others(one, groups) for one in (self.n, self.s, self.expected, self.squares)))


def of_others(of_each: Floats, groups: Ints) -> Floats:
    """Of each the sum of all others of its group."""
    return np.asarray(np.maximum(np.bincount(groups, of_each)[groups] - of_each, 0.0))
