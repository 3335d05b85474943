"""Our integer prices are genai-prices' exact ones, rounded half up to nano-USD once per call; without a rate there is none.

A few rates of the book are thirds or carry a float's noise, finer than our pico-USD per token; there half a pico-USD
per token is allowed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP
from functools import cache
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.operators.decode.values import MAX_COUNT
from pipeline.operators.pricing.bundled import MAX_REMEMBERED, BundledBook
from pipeline.operators.pricing.cost import CONTRADICTION, PARTS, cost
from pipeline.operators.pricing.lines import MAX_USD_MTOK, read_line, tiers_of
from pipeline.operators.pricing.price import RATES, STANDARD, Bill, NoPrice, Price, Tier
from tests.prices import BOOK, NOON_NS, at_ns, costs_of, counts, nusd, price_of

UNITS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "searches": "web_searches",
}
"""Our names of tokens and genai-prices' ones."""

RATE_OF = {
    "output_tokens": "output_mtok",
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "audio_input_tokens": "input_audio_mtok",
    "audio_output_tokens": "output_audio_mtok",
    "image_input_tokens": "input_image_mtok",
    "image_output_tokens": "output_image_mtok",
    "searches": "web_searches_kcount",
}
"""What needs a rate of its own."""

MIXES = [
    {"input_tokens": 57, "output_tokens": 19, "cache_read_tokens": 32, "reasoning_tokens": 5},
    {"input_tokens": 1, "output_tokens": 0},
    {"input_tokens": 0, "output_tokens": 7},
    {"input_tokens": 100, "output_tokens": 30, "cache_read_tokens": 20, "cache_write_tokens": 50},
    {"input_tokens": 100, "output_tokens": 30, "cache_write_tokens": 50, "cache_write_1h_tokens": 20, "searches": 3},
    {"input_tokens": 100, "output_tokens": 30, "audio_input_tokens": 70, "audio_output_tokens": 30},
    {"input_tokens": 99, "output_tokens": 31, "cache_read_tokens": 33, "audio_input_tokens": 13, "audio_output_tokens": 3},
    {"input_tokens": 500, "output_tokens": 1300, "image_input_tokens": 258, "image_output_tokens": 1290},
    *({"input_tokens": n, "output_tokens": 1000, "cache_read_tokens": n // 3} for n in (127_999, 128_000, 128_001)),
    *({"input_tokens": n, "output_tokens": 1000, "cache_write_tokens": n // 5} for n in (200_000, 200_001, 272_001, 1_000_000)),
]
"""Usual calls, each part alone, and both sides of the tiers."""


@cache
def priced_models() -> tuple[tuple[str, str], ...]:
    """Every model of the book that is found by its own id, has a price per prompt token, and lacks nothing ours adds."""
    return tuple(_priced_models())


def _priced_models() -> Iterator[tuple[str, str]]:
    for provider in get_snapshot().providers:
        for model in provider.models:
            found = provider.find_model(model.id, all_providers=get_snapshot().providers)
            if found is not None and found.get_prices(moment(NOON_NS)).input_mtok is not None:
                yield provider.id, model.id


def moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)


def book_price(provider: str, model: str, service: str = STANDARD) -> Price | NoPrice:
    """The price of exactly this entry, whoever would be taken to bill for its name."""
    return BOOK.price(Bill(provider, model, (model,), True, "said", provider, model), service, NOON_NS)


def exact(provider: str, model: str, mix: dict[str, int], time_ns: int = NOON_NS, context: Any = None) -> int:
    """genai-prices' own answer. Which cached tokens are audio no span says: none, as in ours."""
    usage = Usage(**{UNITS[name]: count for name, count in mix.items()}, cache_audio_read_tokens=0, cache_image_read_tokens=0)
    price = calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment(time_ns), price_context=context)
    return int((price.total_price * 10**9).to_integral_value(ROUND_HALF_UP))


def rates(provider: str, model: str) -> Any:
    return get_snapshot().find_provider_model(model, None, provider, None)[1].get_prices(moment(NOON_NS))


def allowed(provider: str, model: str, mix: dict[str, int]) -> int:
    """By how many nano-USD ours may differ: 0 if all rates are whole pico-USD per token."""
    found = [rate for name, rate in vars(rates(provider, model)).items() if name.endswith("_mtok") and rate is not None]
    every = [[rate.base, *(tier.price for tier in rate.tiers)] if isinstance(rate, TieredPrices) else [rate] for rate in found]
    all_of = [rate for rates_of_one in every for rate in rates_of_one]
    return 0 if all(rate * 10**6 % 1 == 0 for rate in all_of) else sum(mix.values()) // 2000 + 1


def right(provider: str, model: str, mix: dict[str, int], found: int) -> bool:
    """Equal to genai-prices where it has a rate for everything. Where it lacks one, it bills something else; ours does
    not, unless the supplement has the rate.
    """
    lacking = [name for name, unit in RATE_OF.items() if mix.get(name) and getattr(rates(provider, model), unit) is None]
    if not lacking:
        return abs(found - exact(provider, model, mix)) <= allowed(provider, model, mix)
    return found == -1 or (provider in {"openai", "azure", "anthropic", "google"} and "output_tokens" not in lacking)


def test_every_model_of_the_book() -> None:
    models = priced_models()
    assert len(models) > 1000
    assert sum(allowed(*model, MIXES[0]) == 0 for model in models) > 0.98 * len(models)
    prices = {model: book_price(*model) for model in models}
    assert not [model for model, price in prices.items() if isinstance(price, NoPrice)]
    wrong = [
        (model, mix, found)
        for model, price in prices.items()
        if isinstance(price, Price)
        for mix, found in zip(MIXES, cost(price.tiers, counts(*MIXES)).nusd.tolist(), strict=True)
        if not right(*model, mix, found)
    ]
    assert not wrong, wrong[:5]


def test_the_book_has_what_these_tests_are_about() -> None:
    prices = [rates(*model) for model in priced_models()]
    assert any(isinstance(price.input_mtok, TieredPrices) for price in prices)
    for unit in ("cache_write_mtok", "cache_write_1h_mtok", *RATE_OF.values(), "output_reasoning_mtok", "requests_kcount"):
        assert any(getattr(price, unit) is not None for price in prices), unit


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(list(priced_models())))
def test_any_mix_of_tokens(data: st.DataObject, model: tuple[str, str]) -> None:
    whole, answer = data.draw(st.integers(0, 2_000_000)), data.draw(st.integers(0, 200_000))
    mix = {"input_tokens": whole, "output_tokens": answer}
    parts = {
        "input_tokens": ("cache_read_tokens", "cache_write_tokens", "audio_input_tokens", "image_input_tokens"),
        "output_tokens": ("audio_output_tokens", "image_output_tokens"),
    }
    for all_of, names in parts.items():
        for i, name in enumerate(names):
            mix[name] = data.draw(st.integers(0, mix[all_of] - sum(mix[earlier] for earlier in names[:i])))
    price = book_price(*model)
    assert isinstance(price, Price)
    found = cost(price.tiers, counts(mix))
    assert right(*model, mix, int(found.nusd[0]))
    spent = {name: int(of[0]) for name, of in found.spend.items()}
    assert min(spent.values()) >= 0
    assert (
        sum(spent.values()) + (max(tier.call for tier in price.tiers) + 999) // 1000
        >= max(found.nusd[0], 0)
        >= sum(spent.values())
    )


CONTEXTS = {
    "flex": [{"service_tier": "flex"}],
    "priority": [{"service_tier": "priority"}],
    "fast": [{"service_tier": "fast"}, {"speed": "fast"}],
    "batch": [{"processing": "batch"}],
}


@pytest.mark.parametrize("service", CONTEXTS)
def test_every_service_tier_of_the_book(service: str) -> None:
    seen = 0
    for provider, model in priced_models():
        info = get_snapshot().find_provider_model(model, None, provider, None)[1]
        active = [v.when for v in info.price_variants or () if v.constraint is None or v.constraint.active(moment(NOON_NS))]
        for context in [context for context in CONTEXTS[service] if context in active]:
            mixes = [
                mix for mix in MIXES if all(getattr(rates(provider, model), RATE_OF[name]) for name in set(mix) & set(RATE_OF))
            ]
            price = book_price(provider, model, service)
            assert isinstance(price, Price)
            found = cost(price.tiers, counts(*mixes)).nusd.tolist()
            assert found == [exact(provider, model, mix, context=context) for mix in mixes], (provider, model)
            seen += 1
    assert seen > 3


def test_by_hand() -> None:
    assert nusd("openai", "gpt-4o-mini", {"input_tokens": 57, "output_tokens": 19, "cache_read_tokens": 32}) == [17_550]


def test_half_a_nano_is_rounded_up() -> None:
    (tier,) = tiers_of(read_line({"model": "m", "input": "0.0005"}))
    assert cost((tier,), counts({"input_tokens": 1}, {"input_tokens": 2}, {"input_tokens": 3})).nusd.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    "mix",
    [
        {"input_tokens": 10, "cache_read_tokens": 11},
        {"input_tokens": 10, "cache_read_tokens": 6, "cache_write_tokens": 5},
        {"input_tokens": 10, "cache_write_tokens": 5, "cache_write_1h_tokens": 6},
        {"input_tokens": 10, "image_input_tokens": 11},
        {"output_tokens": 10, "reasoning_tokens": 11},
        {"output_tokens": 10, "audio_output_tokens": 6, "image_output_tokens": 5},
        {"input_tokens": 10, "searches": 100_001},
    ],
    ids=str,
)
def test_parts_that_exceed_their_whole_have_no_cost(mix: dict[str, int]) -> None:
    found = costs_of("anthropic", "claude-sonnet-4-5", mix)
    assert (found.nusd.tolist(), found.why.tolist()) == ([-1], [CONTRADICTION])


def test_audio_that_must_be_cached_is_billed_as_cached_audio() -> None:
    """gpt-realtime: 32 USD for audio, 0.40 if cached, text 4 and 0.40. 70 + 50 tokens of 100: 20 are both."""
    mix = {"input_tokens": 100, "audio_input_tokens": 70, "cache_read_tokens": 50}
    assert nusd("openai", "gpt-realtime", mix) == [50 * 32_000 + 20 * 400 + 30 * 400]


def test_what_has_no_rate_makes_the_call_unpriced() -> None:
    mixes = [{"input_tokens": 9, "output_tokens": 9, part: 5} for part in ("audio_input_tokens", "audio_output_tokens")]
    found = costs_of("openai", "gpt-4o-mini", {"input_tokens": 9}, *mixes)
    assert found.nusd.tolist() == [1350, -1, -1]
    assert [PARTS[why - 1] for why in found.why.tolist()[1:]] == ["audio_input", "audio_output"]


@pytest.mark.parametrize(
    ("provider", "model", "before", "after"),
    [("openai", "o3", "2025-06-09T23:59:00+00:00", "2025-06-10T00:00:00+00:00")],
)
def test_prices_hold_from_their_day(provider: str, model: str, before: str, after: str) -> None:
    mix = {"input_tokens": 1000, "output_tokens": 1000}
    costs = [nusd(provider, model, mix, time_ns=at_ns(text)) for text in (before, after)]
    assert costs[0] != costs[1]
    assert costs == [[exact(provider, model, mix, at_ns(text))] for text in (before, after)]


@pytest.mark.parametrize("clock", ["00:29", "00:30", "03:59", "04:00", "12:00", "16:29", "16:30", "23:59"])
@pytest.mark.parametrize("model", ["deepseek-chat", "deepseek-reasoner"])
def test_prices_by_time_of_day(model: str, clock: str) -> None:
    time_ns = at_ns(f"2025-06-01T{clock}:59+00:00")
    mix = {"input_tokens": 1000, "output_tokens": 1000}
    assert nusd("deepseek", model, mix, time_ns=time_ns) == [exact("deepseek", model, mix, time_ns)]


@pytest.mark.parametrize("model", ["", "my-own-model", "*", "\x00", "gpt-4o" * 40])
@pytest.mark.parametrize("provider", ["openai", "", "nobody", "meta"])
def test_unknown_models_are_unpriced(provider: str, model: str) -> None:
    assert isinstance(price_of(provider, model), NoPrice)


@pytest.mark.parametrize("service", ["flex", "priority", "batch", "scale", "premium"])
def test_a_service_tier_without_a_rate_is_unpriced(service: str) -> None:
    found = price_of("cohere", "command-r-plus", service=service)
    assert isinstance(found, NoPrice)
    assert service in found.why


def test_memory_of_the_book_is_bounded() -> None:
    book = BundledBook()
    for i in range(MAX_REMEMBERED + 10):
        price_of("openai", "gpt-4o-mini", i * 60_000_000_000, book=book)
        book.knows("openai", f"gpt-4o-mini-{i}")
    assert len(book._known) <= MAX_REMEMBERED
    assert len(book._models) <= MAX_REMEMBERED


def test_no_price_of_the_book_is_beyond_the_bound() -> None:
    """So that a billion tokens each way do not leave 64 bits."""
    prices = [price for model in priced_models() if isinstance(price := book_price(*model), Price)]
    assert max(getattr(tier, rate) for price in prices for tier in price.tiers for rate in RATES) <= MAX_USD_MTOK * 1_000_000


def test_the_dearest_call_does_not_overflow() -> None:
    dear = read_line({"model": "m", "input": MAX_USD_MTOK, "output": MAX_USD_MTOK, "call": 10, "search": 10})
    mix = {"input_tokens": MAX_COUNT, "output_tokens": MAX_COUNT, "searches": 100_000}
    (found,) = cost(tiers_of(dear), counts(mix)).nusd.tolist()
    assert found == 2 * MAX_COUNT * MAX_USD_MTOK * 1000 + 100_001 * 10 * 10**9
    assert found < 1 << 53


def test_sums_do_not_depend_on_order_or_partition() -> None:
    prices = [price for model in priced_models()[::100] if isinstance(price := book_price(*model), Price)]
    mixes = [{"input_tokens": 7 * n, "output_tokens": n, "cache_read_tokens": n} for n in range(1, 200)]
    for price in prices:
        together = cost(price.tiers, counts(*mixes)).nusd
        alone = [int(cost(price.tiers, counts(mix)).nusd[0]) for mix in reversed(mixes)]
        assert together.tolist() == alone[::-1]
        assert int(together.sum()) == sum(alone)


def test_kinds_of_tokens_add_up_to_the_cost_to_the_nano_dollar() -> None:
    """Three kinds of 0.4 nano-dollars are 1.2 together: none may vanish in rounding, and none be paid twice."""
    tier = Tier(-1, input=400, cache_read=400, output=400, reasoning=400, search=5_000)
    mix = {"input_tokens": 2, "cache_read_tokens": 1, "output_tokens": 2, "reasoning_tokens": 1}
    found = cost((tier,), counts(mix, mix | {"searches": 2}, {"audio_input_tokens": 1, "input_tokens": 1}))
    assert found.nusd.tolist() == [2, 12, -1]
    assert {name: of.tolist() for name, of in found.spend.items()} == {
        "cost_input_nusd": [0, 0, 0],
        "cost_cache_read_nusd": [1, 1, 0],
        "cost_cache_write_nusd": [0, 0, 0],
        "cost_output_nusd": [0, 0, 0],
        "cost_reasoning_nusd": [1, 1, 0],
    }


def test_tiers_are_cliffs() -> None:
    tiers = (Tier(-1, input=1_000_000), Tier(100, input=2_000_000))
    found = cost(tiers, counts({"input_tokens": 100}, {"input_tokens": 101}))
    assert found.nusd.tolist() == [100_000, 202_000]
    assert found.tier.tolist() == [0, 1]
    assert found.nusd.dtype == np.int64
