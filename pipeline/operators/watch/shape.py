"""How much farther a quantile lies than it did: counts beyond a few rungs around the one that was chosen, of the strata since a
change. Evidence is of one rung alone; people ask how slow it is.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.ladders import Counts

Mask = NDArray[np.bool_]

OFFSETS = np.array((-144, -72, -36, -18, -9, 0, 9, 18, 36, 72, 144))
"""Rungs from the chosen one, towards worse: from a quarter of it to four times."""


@dataclass(slots=True)
class Shape(Cells):
    """Per cell how many values lie beyond each of OFFSETS: of the strata that are closed, and of the open one."""

    closed: NDArray[np.float32]
    opened: NDArray[np.float32]

    WIDE: ClassVar[dict[str, int]] = dict.fromkeys(("closed", "opened"), len(OFFSETS))
    KINDS: ClassVar[dict[str, DTypeLike]] = dict.fromkeys(("closed", "opened"), np.float32)

    def add(self, counts: Counts, rungs: Floats, below: bool) -> None:
        """More values. rungs: of each cell, nan where none is counted by it."""
        of = rungs[counts.row]
        farther = (of + 1 - counts.bin) if below else (counts.bin - of)  # at least 1 beyond the rung
        known = ~np.isnan(farther)
        passed = np.searchsorted(OFFSETS, farther[known], side="left")  # beyond so many of them
        width = len(OFFSETS) + 1
        found = np.bincount(counts.row[known] * width + passed, counts.count[known], len(rungs) * width).reshape(-1, width)
        self.opened += np.cumsum(found[:, :0:-1], 1)[:, ::-1].astype(np.float32)

    def close(self, over: Mask, goes_on: Mask) -> None:
        """Strata are over, and are added where those before them speak for a change."""
        self.closed[over & ~goes_on] = 0.0
        self.closed[over] += self.opened[over]
        self.opened[over] = 0.0

    def since(self, with_closed: Mask) -> NDArray[np.float32]:
        """Of each cell how many lie beyond each of OFFSETS, in the open stratum and in closed ones where they count."""
        return np.asarray(self.opened + np.where(with_closed[:, None], self.closed, 0), np.float32)


def farther(beyond: NDArray[np.float32], n: float, share: float) -> float:
    """How many rungs farther towards worse the share of n values lies that lay beyond the chosen one before."""
    shares = np.maximum(beyond.astype(np.float64), 0.5) / n
    return float(np.interp(-np.log(max(share, 1e-9)), -np.log(shares), OFFSETS))
