"""A bound on a mean: the sum that is evidence, made of counts over the ladder.

For a ceiling a value counts as the lower edge of its bin, and as five bounds at most: the tail of what is dear or slow has no
variance one could rely on, and what is cut only takes from the mean. For a floor it counts as the upper edge, and nothing is cut,
for that would take from the mean too. So the evidence never claims too much: it gives 1 % of the bound away, and what is cut.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.model.metrics import Measure
from pipeline.operators.ladder import EDGES
from pipeline.operators.watch.ladders import Floats

CAP = 5.0
"""In bounds."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a value of each bin counts as. most: of one, in base units of the ladder; inf for a floor."""

    ladder: str
    scale: int
    most: float

    @property
    def worth(self) -> Floats:
        """By bin, in the measure's unit."""
        return _worth(self.scale, self.most)


@lru_cache(256)
def _worth(scale: int, most: float) -> Floats:
    edges = EDGES.astype(np.float64)
    values = np.append(edges, edges[-1]) if np.isinf(most) else np.insert(edges, 0, 0.0)
    return np.asarray(np.minimum(values, most) / scale)


def sizes(measure: Measure, bound: float, is_floor: bool) -> Sizes:
    """Of a bound in the measure's unit."""
    return Sizes(measure.ladder, measure.scale, np.inf if is_floor else CAP * bound * measure.scale)
