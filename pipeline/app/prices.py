"""What people ask of prices: what a model costs, and which calls have no price."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.app.own_files import price_book
from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns
from pipeline.errors import SettingsError
from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.pricing.billing import who_bills
from pipeline.operators.pricing.bundled import sellers
from pipeline.operators.pricing.lines import PICO_PER_USD, PICO_PER_USD_MTOK, SERVICES
from pipeline.operators.pricing.price import EVENT_RATES, NONE, RATES, STANDARD, Price, PriceBook, Tier
from pipeline.settings import Settings

MOST_MISSING = 1000
"""Lines of what has no price; the frequent come first."""


@dataclass(frozen=True, slots=True)
class Rates:
    """One tier. above: it holds for calls of more prompt tokens, -1: from none on; rates: USD per million tokens, USD a piece."""

    service_tier: str
    entry: str
    above: int
    rates: dict[str, float]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model costs at a time. why: there is no standard price, "" if there is one; sold_by: who else has one."""

    model: str
    provider: str
    rule: str
    at: str
    price_version: str
    why: str
    sold_by: list[str]
    tiers: list[Rates]


def shown(settings: Settings, model: str, provider: str, at: str) -> Shown:
    """What `model` costs of `provider`, "" for whoever its name says, at a day or time, "" for now. Raises SettingsError."""
    book, at_ns = price_book(settings), time_ns(at) if at else now_ns()
    bill = who_bills(provider, (model,), "", book.knows)
    found = {service: book.price(bill, service, at_ns) for service in SERVICES}
    standard = found[STANDARD]
    return Shown(
        bill.model,
        bill.provider,
        bill.rule,
        datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat(),
        book.version,
        "" if isinstance(standard, Price) else standard.why,
        [] if isinstance(standard, Price) else [seller for seller in sellers() if _sells(book, seller, model, at_ns)],
        [_rates(s, price.entry, tier) for s, price in found.items() if isinstance(price, Price) for tier in price.tiers],
    )


def _sells(book: PriceBook, seller: str, model: str, at_ns: int) -> bool:
    bill = who_bills(seller, (model,), "", book.knows)
    return bill.provider == seller and isinstance(book.price(bill, STANDARD, at_ns), Price)


def _rates(service: str, entry: str, tier: Tier) -> Rates:
    known = {name: getattr(tier, name) for name in (*RATES, *EVENT_RATES) if getattr(tier, name) != NONE}
    units = {name: PICO_PER_USD if name in EVENT_RATES else PICO_PER_USD_MTOK for name in known}
    return Rates(service, entry, tier.above, {name: rate / units[name] for name, rate in known.items() if name != "call" or rate})


def time_ns(text: str) -> int:
    """A day or time of ISO 8601, UTC if it does not say. Raises SettingsError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no day or time such as 2026-01-31 or 2026-01-31T14:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9


def table(told: Shown) -> tuple[list[str], list[list[Any]]]:
    """Names and rows for people: a column per rate that any tier has."""
    names = [name for name in (*RATES, *EVENT_RATES) if any(name in tier.rates for tier in told.tiers)]
    rows = [
        [
            tier.service_tier,
            f"> {tier.above:,}" if tier.above >= 0 else "",
            *(_usd(tier.rates.get(name)) for name in names),
            tier.entry,
        ]
        for tier in told.tiers
    ]
    return ["tier", "prompt", *names, "entry"], rows


def _usd(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.12f}".rstrip("0").rstrip(".")


def missing(settings: Settings, hours: int) -> tuple[list[str], list[list[Any]]]:
    """Calls without a price by provider, model and reason, most first. hours: of event time, 0: all that is stored."""
    kinds = ", ".join(f"'{kind}'" for kind in REQUEST_KINDS)
    since = f"AND end_time >= now() - toIntervalHour({int(hours)})" if hours else ""
    return query(
        settings,
        f"""SELECT provider, model, service_tier, price_rule AS why, count() AS calls,
            sum(toInt128(ifNull(s.input_tokens, 0))) AS input_tokens, sum(toInt128(ifNull(s.output_tokens, 0))) AS output_tokens,
            min(end_time) AS first, max(end_time) AS last
        FROM spans AS s FINAL WHERE cost_source = 'unpriced' AND kind IN ({kinds}) {since}
        GROUP BY ALL ORDER BY calls DESC, provider, model, why LIMIT {MOST_MISSING}""",  # noqa: S608 - numbers and our own words
    )
