"""The worst of the first calls of a release, from which its rung is chosen (`choices.py`): sparse, no more than that takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled
from pipeline.operators.ladder import MOST_BINS
from pipeline.operators.watch.ladders import Counts, Floats

Places = NDArray[np.int64]


@dataclass(slots=True)
class Early:
    """Of cells that have not chosen. place: cell, and bin counted from the worst one on; rising. count: how many."""

    place: Places
    count: Floats

    PLACE: ClassVar[str] = "place"
    """The column that says of which cell and bin an entry is."""

    @classmethod
    def empty(cls) -> "Early":
        """Of no values."""
        return cls(np.zeros(0, np.int64), np.zeros(0))

    @property
    def columns(self) -> dict[str, Floats]:
        """By name."""
        return {"place": self.place.astype(np.float64), "count": self.count}

    def restore(self, columns: dict[str, Any], kept: NDArray[np.bool_]) -> None:
        """What was written down, of the cells that are kept, numbered anew."""
        self.place, self.count = columns["place"].astype(np.int64), columns["count"]
        self.keep(kept)

    def keep(self, cells: NDArray[np.bool_]) -> None:
        """The others are no more; these are numbered anew."""
        cell, bin_ = np.divmod(self.place, MOST_BINS)
        mine = cells[cell]
        self.place = (np.cumsum(cells) - 1)[cell[mine]] * MOST_BINS + bin_[mine]
        self.count = self.count[mine]

    def grow(self, cells: int) -> None:
        """There is always room."""

    def add(self, counts: Counts, choosing: NDArray[np.bool_], from_below: bool, most: Floats) -> None:
        """More values, of cells that are choosing.

        counts: whose entries rise. from_below: the lowest are the worst. most: of each cell so many of the worst are kept, and
        what lies in the same bin.
        """
        room = len(self.place) + len(counts.row)
        place, count = np.empty(room, np.int64), np.empty(room)
        new = (counts.row.astype(np.int64), counts.bin.astype(np.int64), counts.count)
        kept = _merge(self.place, self.count, *new, choosing, from_below, most, place, count)
        self.place, self.count = place[:kept].copy(), count[:kept].copy()

    def forget(self, cells: NDArray[np.bool_]) -> None:
        """Nothing of these is needed any more."""
        kept = ~cells[self.place // MOST_BINS]
        self.place, self.count = self.place[kept], self.count[kept]

    def rungs(self, ranks: Floats, from_below: bool) -> Floats:
        """Of each cell the last rung that no more than `ranks` values lie beyond; nan of cells without any value."""
        cell, found = self.place // MOST_BINS, np.full(len(ranks), np.nan)
        last = np.append(cell[1:] != cell[:-1], True) if len(cell) else np.zeros(0, np.bool_)
        stops = (self._reached(last) > ranks[cell] * (1 + 1e-12)) | last
        places = self.place[stops] % MOST_BINS
        # the first that stops of each cell: written last
        found[cell[stops][::-1]] = (places - 1.0 if from_below else MOST_BINS - 1.0 - places)[::-1]
        return found

    def _reached(self, last: NDArray[np.bool_]) -> Floats:
        """Of each entry how many of its cell lie in it or are worse. last: of its cell."""
        all_of, ends = np.cumsum(self.count), np.flatnonzero(last)
        before = np.insert(all_of[ends[:-1]], 0, 0.0) if len(ends) else np.zeros(0)
        return np.asarray(all_of - np.repeat(before, np.diff(ends, prepend=-1)))


@compiled
def _merge(
    place: Places,
    count: Floats,
    row: Places,
    bin_: Places,
    more: Floats,
    choosing: NDArray[np.bool_],
    from_below: bool,
    most: Floats,
    out_place: Places,
    out_count: Floats,
) -> int:
    """Cell by cell what was kept and what is new, from the worst on until there are enough. Returns how many entries that are."""
    i = j = k = 0
    while i < len(place) or j < len(row):
        cell = place[i] // MOST_BINS if i < len(place) else row[j]
        if j < len(row):
            cell = min(cell, row[j])
        until = j
        while until < len(row) and row[until] == cell:
            until += 1
        at, step, left = (j, 1, until - j) if from_below else (until - 1, -1, until - j)
        j = until
        if not choosing[cell]:
            left = 0
        reached = 0.0
        while left > 0 or (i < len(place) and place[i] // MOST_BINS == cell):
            known = place[i] if i < len(place) and place[i] // MOST_BINS == cell else (cell + 1) * MOST_BINS
            new = (cell + 1) * MOST_BINS
            if left > 0:
                new = cell * MOST_BINS + (bin_[at] if from_below else MOST_BINS - 1 - bin_[at])
            value = 0.0
            if known <= new:
                value += count[i]
                i += 1
            if new <= known:
                value += more[at]
                at += step
                left -= 1
            if reached < most[cell]:
                out_place[k], out_count[k] = min(known, new), value
                k += 1
            reached += value
    return k
