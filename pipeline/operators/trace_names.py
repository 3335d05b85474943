"""Series of spans and traces as small numbers, and what a call takes from its trace where it names nothing itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SERIES, TRACE_SERIES
from pipeline.operators.window import Ints, Series

ROUTE, COHORT = SERIES.index("route"), SERIES.index("cohort")
TAKEN = (ROUTE, COHORT)
"""What a call takes from its trace if it does not say it."""
OF_TRACE = tuple(SERIES.index(name) for name in TRACE_SERIES)
"""What a trace is called by."""


class Names:
    """Series and their components as small numbers. 0 is the empty component."""

    def __init__(self) -> None:
        self._begin()
        self._most = 1024

    def _begin(self) -> None:
        self.known: list[Series] = []
        self._code: dict[Series, int] = {}
        self._parts: dict[str, int] = {"": 0}
        self._part_names: list[str] = [""]
        self._rows = np.zeros((64, len(SERIES)), np.int32)

    def texts(self, taken: Sequence[int]) -> tuple[str, str]:
        """What the codes of TAKEN say."""
        route, cohort = taken
        return self._part_names[route], self._part_names[cohort]

    def taken(self, texts: Sequence[str]) -> list[int]:
        """The codes of what they say."""
        return [self._part(text) for text in texts]

    @property
    def parts(self) -> NDArray[np.int32]:
        """(series, 6) the component codes of each series."""
        return self._rows[: len(self.known)]

    def codes(self, series: Sequence[Series]) -> NDArray[np.int32]:
        """The code of each series."""
        codes = [*map(self._code.get, series)]
        return np.array([self._of(one) for one in series] if None in codes else codes, np.int32)

    def with_taken(self, series: NDArray[np.int32], taken: NDArray[np.int32]) -> NDArray[np.int32]:
        """The series with `taken` (n, len(TAKEN)) where they say nothing themselves."""
        if len(series) == 0:
            return series
        parts = self.parts[series]
        wanted = np.where(parts[:, list(TAKEN)] == 0, taken, parts[:, list(TAKEN)])
        found, inverse = np.unique(np.column_stack((series, wanted)), axis=0, return_inverse=True)
        codes = [self._of(self._filled(self.known[code], said)) for code, *said in found.tolist()]
        out: NDArray[np.int32] = np.array(codes, np.int32)[inverse.reshape(-1)]
        return out

    def _filled(self, series: Series, said: Sequence[int]) -> Series:
        filled = list(series)
        for column, part in zip(TAKEN, said, strict=True):
            filled[column] = self._part_names[part]
        return tuple(filled)

    def of_traces(self, named: NDArray[np.int32]) -> tuple[list[Series], Ints]:
        """The distinct series, of no model, by their component codes (k, len(TRACE_SERIES)), and (k,) the code of each."""
        code = np.zeros(len(named), np.int64)
        for column in named.T:
            if np.any(column != column[0]):  # most columns of most traces are the same
                _, code = np.unique(code * len(self._part_names) + column, return_inverse=True)
        _, first = np.unique(code, return_index=True)
        return [self._of_trace(parts) for parts in named[first].tolist()], code

    def _of_trace(self, parts: Sequence[int]) -> Series:
        filled = [""] * len(SERIES)
        for column, part in zip(OF_TRACE, parts, strict=True):
            filled[column] = self._part_names[part]
        return tuple(filled)

    def thin_out(self, used: NDArray[np.int32], parts: NDArray[np.int32]) -> None:
        """Forget series and components nobody uses once they are many; gives those used, in place, their new codes."""
        if max(len(self.known), len(self._part_names)) <= self._most:
            return
        kept, inverse = np.unique(used, return_inverse=True)
        known, names = [self.known[code] for code in kept.tolist()], self._part_names
        self._begin()
        codes = {code: self._of(one) for code, one in enumerate(known)}
        assert list(codes.values()) == list(codes)
        used[:] = inverse.reshape(used.shape)
        taken, inverse = np.unique(parts, return_inverse=True)
        now = np.array([self._part(names[code]) for code in taken.tolist()], np.int32)
        parts[:] = now[inverse].reshape(parts.shape) if len(taken) else parts
        self._most = 1024 + 2 * max(len(self.known), len(self._part_names))

    def _of(self, series: Series) -> int:
        code = self._code.get(series)
        if code is None:
            code = self._code[series] = len(self.known)
            self.known.append(series)
            if code >= len(self._rows):
                self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
            self._rows[code] = [self._part(name) for name in series]
        return code

    def _part(self, name: str) -> int:
        code = self._parts.get(name)
        if code is None:
            code = self._parts[name] = len(self._part_names)
            self._part_names.append(name)
        return code
