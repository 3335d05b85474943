"""What a call cost: by the price book, else as the span claims."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.decode.resolve import Column, Resolver, nullable
from pipeline.operators.decode.values import read_number
from pipeline.operators.dialects.paths import Path
from pipeline.operators.pricing import PriceBook, cost

MAX_COST_USD = 10_000
"""More for one call is not believed. A span's claim is dropped; a price by the book, for tokens nobody means, is none."""

Counts = NDArray[np.int64]


def claimed_nusd(resolver: Resolver, paths: Sequence[Path]) -> Counts:
    """What each span itself says that it cost, nano-USD, -1 if it says nothing to be believed."""
    claimed = resolver.resolve(paths, read_number, -1.0).astype(np.float64)
    claimed[claimed > MAX_COST_USD] = -1.0
    return np.where(claimed >= 0, np.rint(claimed * 1e9), -1).astype(np.int64)


def money(prices: PriceBook, columns: Mapping[str, Any], tokens: Mapping[str, Counts], claimed: Counts) -> dict[str, Column]:
    """The columns of cost. tokens: per name of TOKENS, -1 if unknown; claimed: nano-USD, -1 for none."""
    request = np.isin(columns["kind"], REQUEST_KINDS)
    known = (tokens["input_tokens"] >= 0) | (tokens["output_tokens"] >= 0)
    priced = _booked(prices, columns, tokens, request & known)
    costs = np.where(priced >= 0, priced, np.where(request, claimed, -1))
    source = np.select([priced >= 0, request & (claimed >= 0), request & known], ["book", "span", "unpriced"], default="")
    return {
        "cost_nusd": nullable(costs),
        "span_cost_nusd": nullable(claimed),
        "cost_source": source.astype(object),
        "price_version": np.where(priced >= 0, prices.version, "").astype(object),
    }


def _booked(prices: PriceBook, columns: Mapping[str, Any], tokens: Mapping[str, Counts], wanted: NDArray[np.bool_]) -> Counts:
    """Cost by the price book in nano-USD, -1 where it has none to be believed."""
    priced = np.full(len(wanted), -1, np.int64)
    same_price: dict[Any, list[int]] = {}
    for i in np.flatnonzero(wanted).tolist():
        tiers = prices.tiers(columns["provider"][i], columns["model"][i], int(columns["start_ns"][i]))
        if tiers is not None:
            same_price.setdefault(tiers, []).append(i)
    for tiers, where in same_price.items():
        priced[where] = cost(tiers, {name: np.maximum(counts[where], 0) for name, counts in tokens.items()})
    return np.where(priced > MAX_COST_USD * 10**9, -1, priced)
