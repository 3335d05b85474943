"""Prices for tests: what a call of so many tokens costs, asked as decode asks."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from pipeline.model.columns import BILLED, TOKENS
from pipeline.operators.pricing.billing import who_bills
from pipeline.operators.pricing.bundled import BundledBook
from pipeline.operators.pricing.cost import Costs, cost
from pipeline.operators.pricing.price import STANDARD, NoPrice, Price, PriceBook

BOOK = BundledBook()

NOON_NS = 1_795_435_200_000_000_000
"""2026-11-23 12:00 UTC."""


def at_ns(text: str) -> int:
    """A day, or a time of ISO 8601; without a zone UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 10**9


def counts(*mixes: dict[str, int]) -> dict[str, Any]:
    """Arrays of tokens of calls given one by one."""
    return {name: np.array([mix.get(name, 0) for mix in mixes], np.int64) for name in (*TOKENS, *BILLED)}


def price_of(
    provider: str, model: str, time_ns: int = NOON_NS, service: str = STANDARD, book: PriceBook = BOOK
) -> Price | NoPrice:
    """The price in force for a call that says no more than this."""
    return book.price(who_bills(provider, (model,), "", book.knows), service, time_ns)


def costs_of(
    provider: str, model: str, *mixes: dict[str, int], time_ns: int = NOON_NS, service: str = STANDARD, book: PriceBook = BOOK
) -> Costs:
    """Costs of calls of one model; it has a price."""
    price = price_of(provider, model, time_ns, service, book)
    assert isinstance(price, Price), price
    return cost(price.tiers, counts(*mixes))


def nusd(*args: Any, **kwargs: Any) -> list[int]:
    """Nano-USD of calls, -1 where a call has no cost."""
    found: list[int] = costs_of(*args, **kwargs).nusd.tolist()
    return found
