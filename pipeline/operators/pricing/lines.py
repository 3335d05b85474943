"""Lines of a price file: the user's own, and the bundled supplement. One grammar, checked, errors that name line and fix.

A rate is USD per million tokens (`call` and `search`: USD a piece), or the name of another rate it is equal to. `times`
makes rates from what the same model costs as standard, for discounts that are published as a factor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from pipeline.operators.pricing.price import EVENT_RATES, NONE, RATES, STANDARD, Bill, Tier

PICO_PER_USD_MTOK = 1_000_000
"""A price of one USD per million tokens is this many pico-USD per token."""

PICO_PER_USD = 1_000_000_000_000

MAX_USD_MTOK = 1000
"""Rates end here: at a billion tokens each way a call still costs less than 2^63 pico-USD and 2^53 nano-USD."""

MAX_USD_EACH = 10
"""A call or a search for more is nobody's."""

SERVICES = (STANDARD, "flex", "priority", "batch", "fast", "scale")
"""Service tiers that a line can be about."""

ALL_RATES = (*RATES, *EVENT_RATES)
KEYS = ("provider", "model", "valid_from", "service_tier", "tiers", "times", "note", *ALL_RATES)

Rate = int | str
"""pUSD, or the name of the rate it is equal to."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. rates: as said, for all calls; tiers: (above, rates that differ); times: factors of the standard rates."""

    provider: str
    model: str
    valid_from_ns: int
    service: str
    rates: Mapping[str, Rate]
    tiers: tuple[tuple[int, Mapping[str, Rate]], ...]
    times: Mapping[str, Decimal]

    def matches(self, bill: Bill, entry: str = "") -> bool:
        """Is this line about what the bill is for? Under the words of the span as well as under ours, in any case of letters.

        entry: the model's id in another book, under which the line may speak of it too.
        """
        providers, models = {bill.provider, bill.said_provider}, {*bill.names, bill.said_model, entry}
        return any(fnmatchcase(said.lower(), self.provider) for said in providers) and any(
            fnmatchcase(said.lower(), self.model) for said in models
        )


def read_lines(raw: Any) -> list[Line]:
    """The lines of a price file. Raises ValueError naming the line, what is wrong with it and what would be right."""
    if not isinstance(raw, list):
        raise ValueError("a price file is a list of prices: start each with `- model: …`")  # noqa: TRY004 - one kind of error
    lines = []
    for number, line in enumerate(raw, 1):
        try:
            lines.append(read_line(line))
        except ValueError as error:
            named = f" ({line['model']})" if isinstance(line, dict) and "model" in line else ""
            raise ValueError(f"price {number}{named}: {error}") from None
    return lines


def read_line(raw: Any) -> Line:
    """One line. Raises ValueError."""
    if not isinstance(raw, dict):
        raise ValueError("is no price: write `model: …` and `input: …`")  # noqa: TRY004 - one kind of error
    unknown = sorted(str(key) for key in set(raw) - set(KEYS))
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not understood; known: {', '.join(KEYS)}")
    if not isinstance(raw.get("model"), str) or not raw["model"]:
        raise ValueError("needs a model, a name or a pattern such as `llama-*`")
    service = str(raw.get("service_tier", STANDARD))
    if service not in SERVICES:
        raise ValueError(f"service_tier {service!r} is none of {', '.join(SERVICES)}")
    rates = {name: _rate(name, raw[name]) for name in ALL_RATES if name in raw}
    times = {name: _factor(name, factor) for name, factor in _mapping("times", raw.get("times", {})).items()}
    if not {"input", "call", "search"} & (rates.keys() | times.keys()) and not rates:
        raise ValueError("needs a price: `input` is USD per million prompt tokens")
    provider = str(raw.get("provider", "*")).lower()
    tiers = _tiers(raw.get("tiers", []))
    return Line(provider, raw["model"].lower(), _since(raw.get("valid_from", "1970-01-01")), service, rates, tiers, times)


def _mapping(name: str, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or set(raw) - set(ALL_RATES):
        raise ValueError(f"{name} holds numbers under names of rates: {', '.join(ALL_RATES)}")
    return raw


def _tiers(raw: Any) -> tuple[tuple[int, Mapping[str, Rate]], ...]:
    """Context tiers by rising `above`."""
    if not isinstance(raw, list) or not all(isinstance(tier, dict) and isinstance(tier.get("above"), int) for tier in raw):
        raise ValueError("tiers is a list such as `- {above: 200000, input: 2.5}`")
    found = []
    for tier in raw:
        rates = _mapping("a tier", {name: rate for name, rate in tier.items() if name != "above"})
        found.append((tier["above"], {name: _rate(name, rate) for name, rate in rates.items()}))
    above = [start for start, _ in found]
    if above != sorted(set(above)) or (above and above[0] < 0):
        raise ValueError("tiers stand by rising `above`, a number of prompt tokens, each once")
    return tuple(found)


def _since(raw: Any) -> int:
    try:
        start = datetime.fromisoformat(raw.isoformat() if isinstance(raw, date) else str(raw))
    except ValueError:
        raise ValueError(f"valid_from is no day or time such as 2026-01-31: {raw!r}") from None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return int(start.timestamp()) * 1_000_000_000


def _number(raw: Any) -> Decimal:
    try:
        return Decimal("nan") if isinstance(raw, bool) else Decimal(str(raw))
    except InvalidOperation:
        return Decimal("nan")


def _rate(name: str, raw: Any) -> Rate:
    if raw in RATES:
        return str(raw)
    each = name in EVENT_RATES
    most, unit = (MAX_USD_EACH, "USD a piece") if each else (MAX_USD_MTOK, "USD per million tokens")
    usd = _number(raw)
    if not (usd.is_finite() and 0 <= usd <= most):
        raise ValueError(f"{name} is no price from 0 to {most} {unit}, nor the name of another rate: {raw!r}")
    return pico(usd, PICO_PER_USD if each else PICO_PER_USD_MTOK)


def _factor(name: str, raw: Any) -> Decimal:
    factor = _number(raw)
    if not (factor.is_finite() and 0 <= factor <= 1):
        raise ValueError(f"times: {name} is no factor from 0 to 1: {raw!r}")
    return factor


def pico(usd: Decimal, factor: int) -> int:
    """`usd` in the unit of which one USD has `factor`, rounded half up."""
    return int((usd * factor).to_integral_value(ROUND_HALF_UP))


def tiers_of(line: Line, standard: tuple[Tier, ...] = ()) -> tuple[Tier, ...]:
    """The line's tiers. standard: those of the same model's standard price, which `times` multiplies."""
    above = sorted({-1, *(start for start, _ in line.tiers), *(t.above for t in standard if line.times)})
    return tuple(_tier(line, start, standard) for start in above)


def _tier(line: Line, above: int, standard: tuple[Tier, ...]) -> Tier:
    rates: dict[str, Rate] = dict(line.rates)
    under = next((t for t in reversed(standard) if t.above <= above), None)
    if under is not None:
        found = {name: getattr(under, name) for name in line.times}
        rates |= {name: pico(line.times[name] * rate, 1) for name, rate in found.items() if rate != NONE}
    for start, differing in line.tiers:
        if start <= above:
            rates |= differing
    return equal(Tier(above), rates)


def equal(tier: Tier, rates: Mapping[str, Rate]) -> Tier:
    """The tier with these rates; those that name another one are equal to it."""
    named = replace(tier, **{name: rate for name, rate in rates.items() if isinstance(rate, int)})
    return replace(named, **{name: getattr(named, rate) for name, rate in rates.items() if isinstance(rate, str)})


def completed(tier: Tier, names: tuple[str, ...]) -> Tier:
    """The tier with those of `names` that have no rate billed as the whole they are part of: text is text."""
    whole = {"cache_read": tier.input, "cache_write": tier.input, "reasoning": tier.output}
    if tier.cache_write == NONE:
        whole["cache_write_1h"] = tier.input
    return replace(tier, **{name: whole[name] for name in names if name in whole and getattr(tier, name) == NONE})
