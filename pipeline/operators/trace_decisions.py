"""What is decided of traces and their calls, as columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.span_columns import Ints
from pipeline.operators.window import Measured, Series


@dataclass(frozen=True, slots=True)
class Decided:
    """Calls that count from now on, by the window they count in."""

    window_ns: Ints
    measured: Measured

    def of(self, window_ns: int) -> Measured:
        """Those of one window."""
        if len(self.window_ns) and np.all(self.window_ns == window_ns):
            return self.measured
        rows, all_of = self.window_ns == window_ns, self.measured
        values = {name: values[rows] for name, values in all_of.values.items()}
        return Measured(all_of.series, all_of.code[rows], all_of.sums[rows], values)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Spans that tell of a call another stands for: trace (n, 2) words, span and counted_by (n,) ids, rule (n,)."""

    trace: NDArray[np.uint64]
    span: NDArray[np.uint64]
    counted_by: NDArray[np.uint64]
    rule: NDArray[np.uint8]
    end_ns: Ints


@dataclass(frozen=True, slots=True)
class ClosedTraces:
    """k traces that are over.

    trace: (k, 2) words of the id. series[code[i]] is the series of the i-th. columns: by name (k,).
    sums: (k, len(SUMS)) over the calls that count; cost: (k,). ttft: (k,) nan without one.
    """

    trace: NDArray[np.uint64]
    series: list[Series]
    code: Ints
    columns: dict[str, NDArray[np.int64]]
    sums: Ints
    cost: Ints
    ttft: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.cost)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a moment decides."""

    decided: list[Decided]
    repeats: list[Repeats]
    closed: list[ClosedTraces]
