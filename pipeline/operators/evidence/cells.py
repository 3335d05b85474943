"""State as columns: a row a cell, columns of numbers, grown as slices appear, and written down whole."""

from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Cells:
    """To be inherited by dataclasses of arrays whose first axis are cells. NOTHING says what a cell begins with, where not 0.

    WIDE: how many numbers a cell has in a column, where not one. KINDS: of which kind they are, where not float64.
    """

    NOTHING: ClassVar[dict[str, float]] = {}
    WIDE: ClassVar[dict[str, int]] = {}
    KINDS: ClassVar[dict[str, DTypeLike]] = {}

    @classmethod
    def empty(cls, cells: int = 0) -> Self:
        """Of cells of which nothing is known."""
        shapes = {f.name: (cells, cls.WIDE[f.name]) if f.name in cls.WIDE else (cells,) for f in fields(cls)}  # type: ignore[arg-type]
        kinds = {name: cls.KINDS.get(name, np.float64) for name in shapes}
        return cls(**{name: np.full(shape, cls.NOTHING.get(name, 0.0), kinds[name]) for name, shape in shapes.items()})

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """By name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def grow(self, cells: int) -> None:
        """Room for so many cells in all."""
        have = len(next(iter(self.columns.values())))
        if cells > have:
            more = type(self).empty(cells - have)
            for name, column in self.columns.items():
                setattr(self, name, np.concatenate((column, more.columns[name])))

    def forget(self, cells: NDArray[np.bool_]) -> None:
        """These begin anew."""
        for name, column in self.columns.items():
            column[cells] = self.NOTHING.get(name, 0.0)

    def of(self, cells: NDArray[Any]) -> Self:
        """Some of them, as they are now."""
        return type(self)(**{name: column[cells] for name, column in self.columns.items()})

    def keep(self, cells: NDArray[np.bool_]) -> None:
        """The others are no more."""
        for name, column in self.columns.items():
            setattr(self, name, column[cells])
