"""Of an objective on a quantile the counts around its bound, over its window: what tells the quantile itself.

Evidence needs one number a window, how many lie beyond the bound. People ask how slow it is, and the entries of the ladder from
a fifth before the bound on say it to 1 %. They are kept sparse, in the parts of the question's window.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pipeline.operators.ladder import MOST_BINS
from pipeline.operators.watch.ladders import Counts, Floats
from pipeline.operators.watch.sliding import Sliding

Entries = tuple[np.ndarray, np.ndarray]
"""Codes, rising: cell and bin; and how many."""

NO_ENTRIES: Entries = (np.zeros(0, np.int64), np.zeros(0))


@dataclass(slots=True)
class Tail:
    """parts: by number since 1970, as those of the ring it goes with."""

    parts: dict[int, Entries] = field(default_factory=dict)

    PLACE: ClassVar[str] = "code"
    """The column that says of which cell and bin an entry is."""

    @property
    def columns(self) -> dict[str, Floats]:
        """All entries, one after the other: their part, their code and how many."""
        parts = sorted(self.parts)
        sizes = [len(self.parts[part][0]) for part in parts]
        codes, counts = zip(*(self.parts[part] for part in parts), strict=True) if parts else ((), ())
        return {
            "part": np.repeat(np.array(parts, np.float64), sizes),
            "code": np.concatenate((*codes, np.zeros(0))),
            "count": np.concatenate((*counts, np.zeros(0))),
        }

    def restore(self, columns: dict[str, Floats], kept: np.ndarray) -> None:
        """What was written down, of the cells that are kept, numbered anew."""
        code = columns["code"].astype(np.int64)
        for part in np.unique(columns["part"]):
            mine = columns["part"] == part
            self.parts[int(part)] = (code[mine], columns["count"][mine])
        self.keep(kept)

    def keep(self, cells: np.ndarray) -> None:
        """The others are no more; these are numbered anew."""
        place = np.cumsum(cells) - 1
        for part, (codes, counts) in self.parts.items():
            cell, bin_ = np.divmod(codes, MOST_BINS)
            mine = cells[cell]
            self.parts[part] = (place[cell[mine]] * MOST_BINS + bin_[mine], counts[mine])

    def grow(self, cells: int) -> None:
        """There is always room."""

    def add(self, ring: Sliding, start_ns: int, found: Counts) -> None:
        """What a window that begins then says, by cell; the ring has had it."""
        part = start_ns // ring.part_ns
        if part > ring.at - ring.parts and len(found.row):
            known = self.parts.get(part, NO_ENTRIES)
            codes = np.concatenate((known[0], found.row.astype(np.int64) * MOST_BINS + found.bin))
            distinct, which = np.unique(codes, return_inverse=True)
            self.parts[part] = (distinct, np.bincount(which, np.concatenate((known[1], found.count))))
        self.move(ring)

    def move(self, ring: Sliding) -> None:
        """Time has passed: what is too old is forgotten."""
        for part in [part for part in self.parts if part <= ring.at - ring.parts]:
            del self.parts[part]

    def of(self, cell: int) -> Entries:
        """Bins, rising, and how many values of a cell lie in each."""
        found = []
        for codes, counts in self.parts.values():
            low, high = np.searchsorted(codes, (cell * MOST_BINS, (cell + 1) * MOST_BINS))
            found.append((codes[low:high] % MOST_BINS, counts[low:high]))
        if not found:
            return NO_ENTRIES
        bins, which = np.unique(np.concatenate([one for one, _ in found]), return_inverse=True)
        return bins, np.bincount(which, np.concatenate([one for _, one in found]), len(bins))
