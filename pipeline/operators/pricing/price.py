"""What a call costs a unit: nouns of pricing. Rates are integer pico-USD, so a sum of costs does not depend on order.

A rate that nobody knows is `NONE`, which is not zero: a call that has tokens without a rate has no cost.
"""

from dataclasses import dataclass
from typing import Protocol

NONE = -1
"""In place of a rate: not known."""

STANDARD = "standard"
"""The service tier of calls that name none."""

RATES = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "audio_cache_read",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "reasoning",
)
"""What has a rate per token. `cache_write` is the five-minute one."""

EVENT_RATES = ("call", "search")
"""What has a rate per piece. A call without a rate of its own costs nothing beside its tokens."""


@dataclass(frozen=True, slots=True)
class Tier:
    """pUSD per token and per piece, NONE where unknown; valid for calls of more than `above` prompt tokens."""

    above: int
    input: int = NONE
    output: int = NONE
    cache_read: int = NONE
    cache_write: int = NONE
    cache_write_1h: int = NONE
    audio_cache_read: int = NONE
    audio_input: int = NONE
    audio_output: int = NONE
    image_input: int = NONE
    image_output: int = NONE
    reasoning: int = NONE
    call: int = 0
    search: int = NONE


@dataclass(frozen=True, slots=True)
class Price:
    """What is in force for a model. entry: whose price it is, as people know it; tiers: by rising `above`, the first at -1."""

    entry: str
    tiers: tuple[Tier, ...]


def is_by_call(price: Price) -> bool:
    """Does a call cost something, and are its tokens free: then its cost is known without them."""
    return all(tier.call > 0 and not any(getattr(tier, name) > 0 for name in RATES) for tier in price.tiers)


@dataclass(frozen=True, slots=True)
class NoPrice:
    """Why there is none."""

    why: str


@dataclass(frozen=True, slots=True)
class Bill:
    """Who bills a call, for what.

    provider: the price book's id, or the word as said. model: its name without prefixes and paths.
    names: what the book is asked for, the most exact first. billed: False if nobody bills by the token.
    rule: what decided. said_provider, said_model: as the span said them.
    """

    provider: str
    model: str
    names: tuple[str, ...]
    billed: bool
    rule: str
    said_provider: str
    said_model: str


class PriceBook(Protocol):
    """Prices by who bills, service tier and time."""

    @property
    def version(self) -> str:
        """Name of these prices, stored with every cost."""
        ...

    def knows(self, provider: str, name: str) -> bool:
        """Does this provider, by the book's id, sell a model under this name, whatever it costs?"""
        ...

    def price(self, bill: Bill, service: str, time_ns: int) -> Price | NoPrice:
        """The price in force. service: a tier by its name in SERVICES of the lines, STANDARD for most."""
        ...
