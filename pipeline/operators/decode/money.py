"""What a call cost: by the price book or as the span claims, in the order that the operator wants.

A reply from a gateway's own cache costs nothing, whatever it claims. A call that said no tokens has a cost where its price is
by the call alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import BILLED, REQUEST_KINDS, SPEND
from pipeline.operators.decode.billing import Bills
from pipeline.operators.decode.resolve import Column, Resolver, nullable, one_of
from pipeline.operators.decode.usage import CONTRADICTION as CONTRADICTORY
from pipeline.operators.decode.values import read_flag, read_number
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import CACHED_REPLY
from pipeline.operators.pricing.cost import CONTRADICTION, PARTS, PRICED, Costs, cost
from pipeline.operators.pricing.price import NoPrice, Price, PriceBook, is_by_call
from pipeline.operators.pricing.services import service_of

MAX_COST_USD = 10_000
"""More for one call is not believed. A span's claim is dropped; a price by the book, for tokens nobody means, is none."""

MINUTE_NS = 60_000_000_000
"""Prices are asked for once a minute of the spans' time, at its beginning."""

MAX_RULE_CHARS = 120

CACHED = "cached"
CACHED_RULE = "a reply from the gateway's own cache"
CLAIMED_RULE = "as the span claims"

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Said:
    """What n spans say that money depends on. counts: per name of TOKENS and BILLED (n,), -1 if unknown; claimed: (n,) nano-USD,
    -1 for none; cached: (n,) is it a reply from a gateway's own cache.
    """

    counts: Mapping[str, Counts]
    claimed: Counts
    cached: Flags


def claimed_nusd(resolver: Resolver, paths: Sequence[Path]) -> Counts:
    """What each span itself says that it cost, nano-USD, -1 if it says nothing to be believed."""
    claimed = resolver.resolve(paths, read_number, -1.0).astype(np.float64)
    claimed[claimed > MAX_COST_USD] = -1.0
    return np.where(claimed >= 0, np.rint(claimed * 1e9), -1).astype(np.int64)


def billed_parts(resolver: Resolver, fields: Mapping[str, Sequence[Path]]) -> dict[str, Counts]:
    """Per name of BILLED and row what the span says beside its tokens, -1 if unknown."""
    return {name: resolver.counts(fields[name])[0] for name in BILLED}


def cached_replies(resolver: Resolver, fields: Mapping[str, Sequence[Path]], tokens: Mapping[str, Counts]) -> Flags:
    """Per row whether a gateway answered from its own cache.

    Some call a hit of the provider's cache of prompts by the same bare names: they say nothing where a span tells its tokens.
    """
    sure, bare = (resolver.resolve(fields[name], read_flag, -1).astype(np.int8) for name in CACHED_REPLY)
    of_prompt = (tokens["cache_read_tokens"] > 0) | (tokens["cache_write_tokens"] > 0)
    hit: Flags = (sure == 1) | ((sure < 0) & (bare == 1) & ~of_prompt)
    return hit


def money(prices: PriceBook, bills: Bills, columns: Mapping[str, Any], said: Said, claims_first: bool) -> dict[str, Column]:
    """The columns of cost.

    columns: kind, status, usage_rule, service_tier and start_ns per row. claims_first: the span's claim before the book's price.
    """
    counts, claimed = said.counts, said.claimed
    request = one_of(columns["kind"], REQUEST_KINDS)
    cached = request & said.cached
    known = ~_without_usage(counts, np.arange(len(request)))
    contradictory = request & known & (columns["usage_rule"] == CONTRADICTORY) & ~cached
    by_call = ~known & (columns["status"] != "error")
    priced, rule, spend = _booked(prices, bills, columns, counts, request & (known | by_call) & ~contradictory & ~cached)
    rule[contradictory] = rule_text(None, "", 0, CONTRADICTION)
    claims = request & (claimed >= 0) & ~cached & (claims_first | (priced < 0))
    rule[claims & (priced >= 0)] = CLAIMED_RULE
    rule[cached] = CACHED_RULE
    book = (priced >= 0) & ~claims
    sources = [cached, claims, book, request & known]
    return {
        "cost_nusd": nullable(np.select(sources[:3], [0, claimed, priced], -1)),
        **{name: np.where(book, of, 0) for name, of in spend.items()},
        "span_cost_nusd": nullable(claimed),
        "cost_source": np.select(sources, [CACHED, "span", "book", "unpriced"], "").astype(object),
        "price_version": np.where(book, prices.version, "").astype(object),
        "price_rule": rule,
    }


def _booked(
    prices: PriceBook, bills: Bills, columns: Mapping[str, Any], counts: Mapping[str, Counts], wanted: NDArray[np.bool_]
) -> tuple[Counts, Column, dict[str, Counts]]:
    """Cost by the price book in nano-USD, -1 where it has none to be believed, the rule that made it or why there is none, and by
    name of SPEND what of it that kind of token costs.

    Of the calls that said no usage only those whose price is by the call alone have either.
    """
    priced, rule = np.full(len(wanted), -1, np.int64), np.full(len(wanted), "", object)
    spend = {name: np.zeros(len(wanted), np.int64) for name in SPEND}
    for (price, decided), of_price in _same_price(prices, bills, columns, np.flatnonzero(wanted)).items():
        said = of_price[~_without_usage(counts, of_price)]
        if isinstance(price, NoPrice):
            rule[said] = price.why[:MAX_RULE_CHARS]
            continue
        rows = of_price if is_by_call(price) else said
        costs = cost(price.tiers, {name: np.maximum(found[rows], 0) for name, found in counts.items()})
        beyond = costs.nusd > MAX_COST_USD * 10**9
        priced[rows] = np.where(beyond, -1, costs.nusd)
        for name, of in costs.spend.items():
            spend[name][rows] = of
        rule[rows] = _rules(price, decided, costs)
        rule[rows[beyond]] = "more than a call can cost"
    return priced, rule, spend


def _without_usage(counts: Mapping[str, Counts], rows: NDArray[np.intp]) -> Flags:
    """Which of `rows` said nothing that has a price per token or search."""
    return (counts["input_tokens"][rows] < 0) & (counts["output_tokens"][rows] < 0) & (counts["searches"][rows] <= 0)


def _same_price(
    prices: PriceBook, bills: Bills, columns: Mapping[str, Any], rows: NDArray[np.intp]
) -> dict[tuple[Price | NoPrice, str], NDArray[np.intp]]:
    """The rows of each (price, rule that decided who bills). One look-up for each bill, service tier and minute."""
    words = columns["service_tier"][rows].tolist()
    services = {word: i for i, word in enumerate(dict.fromkeys(words))}
    service = np.array([services[word] for word in words], np.int64)
    names, kinds = [service_of(word) for word in services], len(bills.distinct) * len(services)
    minute = columns["start_ns"][rows] // MINUTE_NS
    least = int(minute.min(initial=0)) if len(rows) else 0
    keys, code = np.unique(
        (minute - least) * max(kinds, 1) + bills.code[rows] * max(len(names), 1) + service, return_inverse=True
    )
    groups: dict[tuple[Price | NoPrice, str], int] = {}
    group = np.empty(len(keys), np.int64)
    for i, key in enumerate(keys.tolist()):
        after, kind = divmod(key, kinds)
        bill = bills.distinct[kind // len(names)]
        price = prices.price(bill, names[kind % len(names)], (least + after) * MINUTE_NS)
        group[i] = groups.setdefault((price, bill.rule), len(groups))
    order = np.argsort(group[code], kind="stable")
    ends = np.cumsum(np.bincount(group[code], minlength=len(groups)))[:-1]
    return dict(zip(groups, np.split(rows[order], ends), strict=True)) if groups else {}


def _rules(price: Price, decided: str, costs: Costs) -> Column:
    """Text per call: entry, service tier, context tier, and the rule that decided who bills; or what is missing."""
    codes, code = np.unique(costs.tier * (CONTRADICTION + 1) + costs.why, return_inverse=True)
    texts = [rule_text(price, decided, *divmod(found, CONTRADICTION + 1)) for found in codes.tolist()]
    return np.array(texts, object)[code]


def rule_text(price: Price | None, decided: str, tier: int, why: int) -> str:
    """What made a cost. price: None if it was not asked for; tier: index into the price's; why: as Costs says."""
    if price is None or why == CONTRADICTION:
        return "usage contradicts itself"
    above = price.tiers[tier].above
    where = price.entry + (f" >{above // 1000}k" if above >= 0 else "")
    return (f"{where} ({decided})" if why == PRICED else f"no {PARTS[why - 1]} rate: {where}")[:MAX_RULE_CHARS]
