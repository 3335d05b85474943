"""Tokens to nano-USD. The price book is an argument: dated, provider-aware, resolved once per (provider, model, minute).

Rates are integer pico-USD per token (finer ones are rounded to that), so a sum of costs does not depend on order.
Tiers are cliffs, as providers bill: the number of prompt tokens chooses one rate for the whole call. Own prices win
over the bundled book.

Source: genai-prices (MIT) for the facts; equality with its exact arithmetic is tested.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from hashlib import blake2b
from importlib.metadata import version as package_version
from typing import Any, Protocol

import numpy as np
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from numpy.typing import NDArray

PICO_PER_USD_MTOK = 1_000_000
"""A price of one USD per million tokens is this many pico-USD per token."""

PICO_PER_USD_KCALL = 1_000_000_000
"""A price of one USD per thousand calls is this many pico-USD per call."""

MAX_USD_MTOK = 1000
"""Own prices end here: at a billion tokens each way a call still costs less than 2^63 pico-USD and 2^53 nano-USD."""

MINUTE_NS = 60_000_000_000
"""The finest step of prices in the book: some change with the time of day."""

MAX_REMEMBERED = 10_000

RATES = ("input", "output", "cache_read", "cache_write", "audio_input", "audio_output", "reasoning")

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tier:
    """pUSD per token, and per call; valid for calls of more than `above` prompt tokens."""

    above: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    audio_input: int
    audio_output: int
    reasoning: int
    call: int


class PriceBook(Protocol):
    """Prices by provider, model and time."""

    @property
    def version(self) -> str:
        """Name of these prices, stored with every cost."""
        ...

    def tiers(self, provider: str, model: str, time_ns: int) -> tuple[Tier, ...] | None:
        """The tiers in force, by rising `above`, the first at -1; None if the model is unknown."""
        ...


@dataclass(slots=True)
class BundledBook:
    """The prices that come with genai-prices; nothing is fetched."""

    version: str = f"genai-prices-{package_version('genai-prices')}"
    _known: dict[tuple[str, str, int], tuple[Tier, ...] | None] = field(default_factory=dict)
    _snapshot: DataSnapshot = field(default_factory=get_snapshot)

    def tiers(self, provider: str, model: str, time_ns: int) -> tuple[Tier, ...] | None:
        """As PriceBook says; remembered, at most MAX_REMEMBERED times."""
        key = (provider, model, time_ns // MINUTE_NS)
        if key not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
                self._snapshot = replace(self._snapshot, _lookup_cache={})  # remembers every model ever asked for
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, provider: str, model: str, minute: int) -> tuple[Tier, ...] | None:
        moment = datetime.fromtimestamp(minute * 60, UTC)
        for provider_id in dict.fromkeys((provider or None, None)):
            try:
                _, found = self._snapshot.find_provider_model(model.removeprefix("models/"), None, provider_id, None)
            except LookupError:
                continue
            return _tiers(found.get_prices(moment))
        return None


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """One line of the user's price file: USD per million tokens, from `valid_from_ns` on, for the models it matches."""

    provider: str
    model: str
    valid_from_ns: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class OwnBook:
    """The user's prices over another book: the newest matching line in force wins."""

    prices: tuple[OwnPrice, ...]
    under: PriceBook
    version: str
    _matching: dict[tuple[str, str], list[OwnPrice]] = field(default_factory=dict)

    @classmethod
    def over(cls, under: PriceBook, raw: Any) -> "OwnBook":
        """The book of a price file's lines. Raises ValueError naming what is wrong."""
        if not isinstance(raw, list) or not all(isinstance(line, dict) for line in raw):
            raise ValueError("a price file is a list of prices")
        version = f"own-{blake2b(repr(raw).encode(), digest_size=4).hexdigest()}/{under.version}"
        return cls(tuple(own_price(line) for line in raw), under, version)

    def tiers(self, provider: str, model: str, time_ns: int) -> tuple[Tier, ...] | None:
        """As PriceBook says."""
        key = (provider, model)
        if key not in self._matching:
            if len(self._matching) >= MAX_REMEMBERED:
                self._matching.clear()
            self._matching[key] = self._find(*key)
        in_force = next((price for price in self._matching[key] if price.valid_from_ns <= time_ns), None)
        return self.under.tiers(provider, model, time_ns) if in_force is None else (in_force.tier,)

    def _find(self, provider: str, model: str) -> list[OwnPrice]:
        """The lines that match, newest first, of equally new ones the upper first."""
        matching = [p for p in self.prices if fnmatchcase(provider, p.provider) and fnmatchcase(model, p.model)]
        return sorted(matching, key=lambda price: price.valid_from_ns, reverse=True)


def own_price(raw: dict[str, Any]) -> OwnPrice:
    """A line of the price file. Raises ValueError naming what is wrong."""
    unknown = set(raw) - {"provider", "model", "valid_from", *RATES}
    if unknown or "model" not in raw or "input" not in raw:
        raise ValueError(f"a price needs model and input (USD per million tokens); not understood: {sorted(unknown)}")
    start = datetime.fromisoformat(str(raw.get("valid_from", "1970-01-01")))
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    rates = {name: _usd_mtok(name, raw[name]) for name in RATES if name in raw}
    return OwnPrice(str(raw.get("provider", "*")), str(raw["model"]), int(start.timestamp()) * 1_000_000_000, _tier(-1, rates))


def _usd_mtok(name: str, raw: Any) -> Decimal:
    try:
        rate = Decimal(str(raw))
    except InvalidOperation:
        rate = Decimal("nan")
    if not (rate.is_finite() and 0 <= rate <= MAX_USD_MTOK):
        raise ValueError(f"{name} is no price from 0 to {MAX_USD_MTOK} USD per million tokens: {raw!r}")
    return rate


def _tier(above: int, usd_mtok: dict[str, Decimal], usd_kcall: Decimal = Decimal(0)) -> Tier:
    """A tier with what is not priced apart priced as its whole: cached and audio prompt tokens as prompt tokens."""
    plain = {"output": Decimal(0)} | usd_mtok
    defaults = dict.fromkeys(("cache_read", "cache_write", "audio_input"), plain["input"])
    defaults |= dict.fromkeys(("audio_output", "reasoning"), plain["output"])
    rates = {name: _pico(rate, PICO_PER_USD_MTOK) for name, rate in (defaults | plain).items()}
    return Tier(above, **rates, call=_pico(usd_kcall, PICO_PER_USD_KCALL))


def _pico(usd: Decimal, factor: int) -> int:
    return int((usd * factor).to_integral_value(ROUND_HALF_UP))


def _tiers(price: Any) -> tuple[Tier, ...] | None:
    """genai-prices' ModelPrice as tiers; None if it has no price per prompt token."""
    names = {
        "input": price.input_mtok,
        "output": price.output_mtok,
        "cache_read": price.cache_read_mtok,
        "cache_write": price.cache_write_mtok,
        "audio_input": price.input_audio_mtok,
        "audio_output": price.output_audio_mtok,
        "reasoning": price.output_reasoning_mtok,
    }
    given = {name: rate for name, rate in names.items() if rate is not None}
    if "input" not in given:
        return None
    starts = sorted({tier.start for rate in given.values() for tier in getattr(rate, "tiers", ())})
    usd_kcall = _at(price.requests_kcount or Decimal(0), -1)
    return tuple(_tier(above, {name: _at(rate, above) for name, rate in given.items()}, usd_kcall) for above in [-1, *starts])


def _at(rate: Any, above: int) -> Decimal:
    """The rate for calls of more than `above` prompt tokens."""
    if isinstance(rate, Decimal):
        return rate
    reached = [tier.price for tier in rate.tiers if tier.start <= above]
    return Decimal(reached[-1] if reached else rate.base)


def cost(tiers: tuple[Tier, ...], tokens: dict[str, Counts]) -> Counts:
    """Cost in nano-USD of calls that share their tiers.

    tokens: per name of `pipeline.model.columns.TOKENS` an array, unknown as 0. Cached and audio tokens lie inside
    input_tokens, audio and reasoning inside output_tokens; parts that exceed their whole are cut to it.
    """
    whole = tokens["input_tokens"]
    read = np.minimum(tokens["cache_read_tokens"], whole)
    written = np.minimum(tokens["cache_write_tokens"], whole - read)
    heard = np.minimum(tokens["audio_input_tokens"], whole - read - written)
    spoken = np.minimum(tokens["audio_output_tokens"], tokens["output_tokens"])
    thought = np.minimum(tokens["reasoning_tokens"], tokens["output_tokens"] - spoken)
    parts = (
        ("input", whole - read - written - heard),
        ("output", tokens["output_tokens"] - spoken - thought),
        ("cache_read", read),
        ("cache_write", written),
        ("audio_input", heard),
        ("audio_output", spoken),
        ("reasoning", thought),
        ("call", np.ones_like(whole)),
    )
    tier = np.searchsorted([t.above for t in tiers[1:]], whole, side="left")
    picos = np.zeros(len(whole), np.int64)
    for name, count in parts:
        picos += count * np.array([getattr(t, name) for t in tiers], np.int64)[tier]
    return (picos + 500) // 1000
