"""Rows as columns that grow at one end and are thinned out: a struct of arrays with a bound somebody else keeps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Pool:
    """Columns of equal length. Memory: at most twice that of the rows there are."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """columns: dtype by name, or (dtype, width) for rows of several numbers."""
        self._room = {name: _empty(64, kind) for name, kind in columns.items()}
        self.size = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        """(size, …) a view: writing to it writes to the pool. It does not outlive the next `append` or `keep`."""
        return self._room[name][: self.size]

    def append(self, rows: Mapping[str, Any], count: int) -> NDArray[np.int64]:
        """Add rows, columns that are not given as zeros; returns (count,) where they are."""
        end = self.size + count
        for name, room in self._room.items():
            if end > len(room):
                grown = np.zeros((max(end, 2 * len(room)), *room.shape[1:]), room.dtype)
                grown[: self.size] = room[: self.size]
                self._room[name] = grown
            self._room[name][self.size : end] = rows.get(name, 0)
        begin, self.size = self.size, end
        return np.arange(begin, end)

    def keep(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Let go of the others; returns (old size,) where each row is now, -1 for those gone."""
        moved = np.where(rows, np.cumsum(rows) - 1, -1)
        for name, room in self._room.items():
            self._room[name] = room[: self.size][rows].copy()
        self.size = int(np.count_nonzero(rows))
        return moved


def _empty(count: int, kind: Any) -> NDArray[Any]:
    if isinstance(kind, tuple):
        return np.zeros((count, kind[1]), kind[0])
    return np.zeros(count, kind)
