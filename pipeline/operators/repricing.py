"""What stored spans add up to, beside the panes that counted them: may a pane's cost be written anew?

A pane's cost is a sum over exactly the spans it counted. Spans that came too late, ahead of their clock or twice are stored
as well, and nothing on a row says that it was not counted. So the rows that would belong to a pane are added up in every
measure that money does not touch, squares included: if all agree, they are the ones, and the sum of their new costs is the
pane's. If one differs the pane is left alone and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SPEND, TOKENS
from pipeline.operators.kernels import add_rows, add_squares, add_values

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PLAIN = ("requests", "errors", "streamed", "unknown_usage", *TOKENS, "ttft_count")
WIDE = ("latency_sum_ns", "latency_sq", "ttft_sum_ns")
PROOF = (*PLAIN, *WIDE)
"""The measures that tell whether stored rows are those that a pane counted."""

PRICED = ("cost_nusd", "cost_sq", *SPEND, "unpriced")
"""The measures of money."""

EXPIRED_PANES = "some of its panes have expired"
EXPIRED_SPANS = "spans that it counted are not stored any more"
UNCOUNTED = "spans are stored that it may not have counted: too late, ahead of their clock or sent twice"
OTHER_SPANS = "its sums are not those of the stored spans"

_SQUARED = {"latency_sq", "cost_sq"}


@dataclass(slots=True)
class PaneSums:
    """What the stored rows of n panes add up to; sums of 128 bits in two halves."""

    n: int
    _plain: Ints = field(init=False)
    _halves: dict[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]] = field(init=False)

    def __post_init__(self) -> None:
        self._plain = np.zeros((self.n, len(PLAIN) + 1), np.int64)
        names = (*WIDE, "cost_nusd", "cost_sq", *SPEND)
        self._halves = {name: (np.zeros(self.n, np.uint64), np.zeros(self.n, np.uint64)) for name in names}

    def add(self, pane: Ints, rows: Mapping[str, Ints], failed: Flags, costs: Mapping[str, Ints], unpriced: Flags) -> None:
        """Add rows. pane: (m,) which each belongs to; rows: per column (m,), -1 for null; costs: cost_nusd and those of SPEND,
        nano-USD, 0 for none.
        """
        tokens = [np.maximum(rows[name], 0) for name in TOKENS]
        unknown = (rows["input_tokens"] < 0) & (rows["output_tokens"] < 0) & ~failed
        streamed, timed = rows["stream"] == 1, rows["ttft_ns"] >= 0
        ones = np.ones(len(pane), np.int64)
        add_rows(self._plain, pane, np.column_stack([ones, failed, streamed, unknown, *tokens, timed, unpriced]).astype(np.int64))
        values = {
            "latency_sum_ns": rows["latency_ns"],
            "latency_sq": rows["latency_ns"],
            "ttft_sum_ns": np.maximum(rows["ttft_ns"], 0),
            "cost_sq": costs["cost_nusd"],
            **costs,
        }
        for name, (high, low) in self._halves.items():
            (add_squares if name in _SQUARED else add_values)(high, low, pane, np.ascontiguousarray(values[name], np.int64))

    def columns(self) -> dict[str, list[int]]:
        """The sums per pane: those of PROOF and of PRICED."""
        sums = {name: self._plain[:, i].tolist() for i, name in enumerate((*PLAIN, "unpriced"))}
        for name, (high, low) in self._halves.items():
            sums[name] = [(h << 64) + rest for h, rest in zip(high.tolist(), low.tolist(), strict=True)]
        return sums


def differing(stored: Mapping[str, Sequence[int]], sums: Mapping[str, Sequence[int]], names: Sequence[str]) -> Flags:
    """Per pane whether any of these measures is another than the stored rows'."""
    found = np.zeros(len(sums[names[0]]), bool)
    for name in names:
        found |= np.array([a != b for a, b in zip(stored[name], sums[name], strict=True)], bool)
    return found


def why_not(requests: int, rows: int) -> str:
    """Why the rows of a pane are not those that it counted."""
    return EXPIRED_SPANS if rows < requests else UNCOUNTED if rows > requests else OTHER_SPANS


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Flags:
    """Per row whether its money is another. The version alone is no change: what it priced costs the same."""
    names = [name for name in new if name != "price_version"]
    found = np.zeros(len(new["cost_nusd"]), bool)
    for name in names:
        found |= np.asarray(old[name] != new[name], bool)
    return found
