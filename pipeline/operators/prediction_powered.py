"""A mean over everything from a judge that saw all of it and people who saw a part: the judge is corrected by where they differ.

    mean = mean of people + w * (judge's mean over everything - judge's mean over people's part)

The judge may be wrong as it likes: people's part says by how much, so the mean is theirs, and the judge only makes it narrower.
`w` is what makes the variance least, between 0, people alone, and 1, the judge corrected. It holds where the part that people
labelled was drawn at random from everything.

Source: Angelopoulos, Bates, Fannjiang, Jordan, Zrnic 2023 (Science 382); Angelopoulos, Duchi, Zrnic 2023 (arXiv 2311.01453),
whose weight this is.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

LEAST = 2
"""Labels without which there is no variance."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """An estimate with its interval; weight: of the judge; people_low, people_high: the interval without one."""

    mean: float
    low: float
    high: float
    weight: float
    people_mean: float
    people_low: float
    people_high: float


def corrected_mean(people: ArrayLike, judge: ArrayLike, everything: float, count: int, confidence: float = 0.95) -> Corrected:
    """The mean over everything.

    people, judge: (n,) values of the same n >= 2 samples. everything: the judge's mean over `count` other samples of the same
    kind, whose variance is taken to be that of `judge`. Normal intervals: fit from about fifty labels on.
    Raises ValueError for fewer than two labels, or arrays of different lengths.
    """
    said, found = np.asarray(people, float), np.asarray(judge, float)
    if said.shape != found.shape or said.ndim != 1 or len(said) < LEAST or count < 1:
        raise ValueError(f"{LEAST} labels and as many verdicts are needed, and a mean of one sample at least")
    n = len(said)
    covariance = np.cov(said, found, ddof=1)
    spread = float(covariance[1, 1])
    weight = min(max(float(covariance[0, 1]) / spread / (1 + n / count), 0.0), 1.0) if spread > 0 else 0.0
    mean = float(said.mean() + weight * (everything - found.mean()))
    variance = float((said - weight * found).var(ddof=1)) / n + weight**2 * spread / count
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    alone = z * float(np.sqrt(covariance[0, 0] / n))
    half, plain = z * variance**0.5, float(said.mean())
    return Corrected(mean, mean - half, mean + half, weight, plain, plain - alone, plain + alone)
