"""The prices that come with the installation: genai-prices, and a supplement of what it lacks. Nothing is fetched.

The book decides; the supplement says only what the book does not: rates that an entry lacks (audio of some models) and
service tiers before the day from which the book has them.

Source: genai-prices (MIT) for the facts; equality with its exact arithmetic is tested.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version as package_version
from importlib.resources import files
from typing import Any

import yaml
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider

from pipeline.operators.pricing.lines import PICO_PER_USD, PICO_PER_USD_MTOK, Line, completed, equal, pico, read_lines, tiers_of
from pipeline.operators.pricing.price import NONE, STANDARD, Bill, NoPrice, Price, Tier

MINUTE_NS = 60_000_000_000
"""The finest step of prices in the book: some change with the time of day."""

MAX_REMEMBERED = 10_000

MAX_NAME_CHARS = 200
"""A longer name is no model's."""

UNITS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_cache_read": "cache_audio_read_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "image_input": "input_image_mtok",
    "image_output": "output_image_mtok",
    "reasoning": "output_reasoning_mtok",
    "call": "requests_kcount",
    "search": "web_searches_kcount",
}
"""Our rates and the book's."""

EVENTS = {"call": PICO_PER_USD // 1000, "search": PICO_PER_USD // 1000}

VARIANTS = {
    "flex": ({"service_tier": "flex"},),
    "priority": ({"service_tier": "priority"},),
    "fast": ({"service_tier": "fast"}, {"speed": "fast"}),
    "batch": ({"processing": "batch"}, {"service_tier": "batch"}),
}
"""How the book names service tiers: any of these."""

AS_TEXT = ("cache_read", "cache_write", "reasoning")
"""What the book's entry bills as its whole where it has no rate of its own: vendors publish a rate for cached tokens where
they give a discount, and bill prompt tokens as prompt tokens where they do not..
"""


@dataclass(slots=True)
class BundledBook:
    """genai-prices and the supplement."""

    version: str = f"genai-prices-{package_version('genai-prices')}"
    _known: dict[tuple[Bill, str, int], Price | NoPrice] = field(default_factory=dict)
    _models: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = field(default_factory=dict)
    _snapshot: DataSnapshot = field(default_factory=get_snapshot)

    def knows(self, provider: str, name: str) -> bool:
        """As PriceBook says."""
        return self._model(provider, name) is not None

    def price(self, bill: Bill, service: str, time_ns: int) -> Price | NoPrice:
        """As PriceBook says; remembered, at most MAX_REMEMBERED times."""
        key = (bill, service, time_ns // MINUTE_NS)
        if key not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[key] = self._find(*key)
        return self._known[key]

    def _model(self, provider: str, name: str) -> tuple[Provider, ModelInfo] | None:
        """The book's entry, remembered at most MAX_REMEMBERED times."""
        key = (provider, name)
        if key not in self._models:
            if len(self._models) >= MAX_REMEMBERED:
                self._models.clear()
                self._snapshot = replace(self._snapshot, _lookup_cache={})  # remembers every model ever asked for
            self._models[key] = self._look_up(*key)
        return self._models[key]

    def _look_up(self, provider: str, name: str) -> tuple[Provider, ModelInfo] | None:
        seller = next((known for known in self._snapshot.providers if known.id == provider), None)
        if seller is None or not name or len(name) > MAX_NAME_CHARS:
            return None
        found = seller.find_model(name.lower(), all_providers=self._snapshot.providers)
        return None if found is None else (seller, found)

    def _find(self, bill: Bill, service: str, minute: int) -> Price | NoPrice:
        if not bill.billed:
            return NoPrice(f"nobody bills by the token ({bill.rule})")
        found = next((known for name in bill.names if (known := self._model(bill.provider, name)) is not None), None)
        lines = [line for line in supplement() if line.valid_from_ns <= minute * MINUTE_NS]
        if found is None:
            return _supplemented(bill, service, [line for line in lines if line.matches(bill)])
        about = [line for line in lines if line.matches(bill, found[1].id)]
        return _in_tier(*found, service, datetime.fromtimestamp(minute * 60, UTC), about)


def _in_tier(seller: Provider, model: ModelInfo, service: str, moment: datetime, lines: list[Line]) -> Price | NoPrice:
    """What the book has for a service tier, with what the supplement's lines add."""
    entry = f"{seller.id}/{model.id}"
    standard = _filled(_tiers(model.get_prices(moment)), [line for line in lines if line.service == STANDARD])
    if service == STANDARD:
        return _whole(entry, standard)
    variant = _variant(seller, model, service, moment)
    if variant is not None:
        return _whole(f"{entry} {service}", _tiers(variant))
    line = _newest(lines, service)
    if line is None:
        return NoPrice(f"no rate for the {service} tier of {entry}"[:MAX_NAME_CHARS])
    return Price(f"{entry} {service}", tuple(completed(tier, ("reasoning",)) for tier in tiers_of(line, standard)))


def sellers() -> tuple[str, ...]:
    """The providers that the book knows."""
    return tuple(provider.id for provider in get_snapshot().providers)


@cache
def supplement() -> tuple[Line, ...]:
    """What the book lacks."""
    text = files("pipeline.operators.pricing").joinpath("supplement.yaml").read_text("utf-8")
    return tuple(read_lines(yaml.safe_load(text)))


def _newest(lines: list[Line], service: str) -> Line | None:
    """The newest line for a service tier, of equally new ones the upper."""
    return max((line for line in lines if line.service == service), key=lambda line: line.valid_from_ns, default=None)


def _supplemented(bill: Bill, service: str, lines: list[Line]) -> Price | NoPrice:
    """A price of the supplement alone."""
    line = _newest(lines, service)
    if line is None or not ("input" in line.rates or "search" in line.rates):
        return NoPrice("no price for this model" if bill.rule != "unknown" else "no price for this provider and model")
    return Price(
        f"{bill.provider}/{line.model}" + (f" {service}" if service != STANDARD else ""),
        tuple(completed(tier, ("reasoning",)) for tier in tiers_of(line)),
    )


def _filled(tiers: tuple[Tier, ...], lines: list[Line]) -> tuple[Tier, ...]:
    """The book's tiers with what they lack from the newest line that has it."""
    for line in sorted(lines, key=lambda line: line.valid_from_ns, reverse=True):
        tiers = tuple(equal(tier, {n: r for n, r in line.rates.items() if getattr(tier, n) == NONE}) for tier in tiers)
    return tiers


def _whole(entry: str, tiers: tuple[Tier, ...]) -> Price | NoPrice:
    if tiers[0].input == NONE and tiers[0].search == NONE:
        return NoPrice(f"{entry} has no price per token")
    return Price(entry, tuple(completed(tier, AS_TEXT) for tier in tiers))


def _variant(seller: Provider, model: ModelInfo, service: str, moment: datetime) -> ModelPrice | None:
    """The book's price in a service tier, None if it had none at that moment. Another seller's tiers are not this one's."""
    if not any(model is own for own in seller.models):
        return None
    active = [v for v in model.price_variants or () if v.constraint is None or v.constraint.active(moment)]
    context = next((when for when in VARIANTS.get(service, ()) if any(v.when == when for v in active)), None)
    return None if context is None else model.get_prices(moment, context)


def _tiers(price: ModelPrice) -> tuple[Tier, ...]:
    """genai-prices' rates as tiers, NONE where it has none."""
    given = {name: rate for name, unit in UNITS.items() if (rate := getattr(price, unit)) is not None}
    starts = sorted({tier.start for rate in given.values() for tier in getattr(rate, "tiers", ())})
    return tuple(
        equal(Tier(above), {n: pico(_at(r, above), EVENTS.get(n, PICO_PER_USD_MTOK)) for n, r in given.items()})
        for above in [-1, *starts]
    )


def _at(rate: Any, above: int) -> Decimal:
    """The rate for calls of more than `above` prompt tokens."""
    if isinstance(rate, Decimal):
        return rate
    reached = [tier.price for tier in rate.tiers if tier.start <= above]
    return Decimal(reached[-1] if reached else rate.base)
