"""Sums over the last stretch of event time, in a ring of at most 60 parts; the newest grows, so it may span a 60th less."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.contracts import MINUTE_NS
from pipeline.operators.evidence.deviance import Floats

PARTS = 60


@dataclass(slots=True)
class Sliding:
    """n, s, seen: (cells, parts); exact: so too, or (cells, 0) where s is all there is. at: number of the newest part since 1970;
    -1 before the first.
    """

    part_ns: int
    n: Floats
    s: Floats
    seen: Floats
    exact: Floats
    at: int = -1

    @classmethod
    def over(cls, window_ns: int, exact: bool = False) -> "Sliding":
        """Empty, of no cells."""
        minutes = max(1, -(-window_ns // MINUTE_NS))
        part = -(-minutes // PARTS)
        parts = -(-minutes // part)
        wide = parts if exact else 0
        return cls(part * MINUTE_NS, np.zeros((0, parts)), np.zeros((0, parts)), np.zeros((0, parts)), np.zeros((0, wide)))

    @property
    def columns(self) -> dict[str, Floats]:
        """By name."""
        beside = {"exact": self.exact} if self.exact.shape[1] else {}
        return {"n": self.n, "s": self.s, "seen": self.seen} | beside

    @property
    def parts(self) -> int:
        """In the ring."""
        return int(self.n.shape[1])

    def grow(self, cells: int) -> None:
        """Room for so many cells in all."""
        more = cells - len(self.n)
        if more > 0:
            for name, ring in (self.columns | {"exact": self.exact}).items():
                setattr(self, name, np.concatenate((ring, np.zeros((more, ring.shape[1])))))

    def keep(self, cells: NDArray[np.bool_]) -> None:
        """The others are no more."""
        for name, ring in (self.columns | {"exact": self.exact}).items():
            setattr(self, name, ring[cells])

    def add(self, start_ns: int, n: Floats, s: Floats, seen: Floats, exact: Floats | None = None) -> None:
        """What a window that begins then says; windows come in order."""
        part = start_ns // self.part_ns
        self.move(part)
        if part > self.at - self.parts:
            column = part % self.parts
            self.n[:, column] += n
            self.s[:, column] += s
            self.seen[:, column] += seen
            if exact is not None:
                self.exact[:, column] += exact

    def move(self, part: int) -> None:
        """Time has passed: what is too old is forgotten."""
        if part <= self.at:
            return
        first = max(self.at + 1, part - self.parts + 1)
        for stale in range(first, part + 1):
            for ring in self.columns.values():
                ring[:, stale % self.parts] = 0.0
        self.at = part

    def sums(self) -> tuple[Floats, Floats, Floats]:
        """n, s, seen of each cell."""
        return self.n.sum(1), self.s.sum(1), self.seen.sum(1)
