"""Our integer prices are genai-prices' exact ones, rounded half up to nano-USD once per call; own prices win.

A few rates of the book are thirds or carry a float's noise, finer than our pico-USD per token; there half a pico-USD
per token is allowed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.columns import TOKENS
from pipeline.operators.decode.values import MAX_COUNT
from pipeline.operators.pricing import MAX_REMEMBERED, MAX_USD_MTOK, BundledBook, OwnBook, Tier, cost, own_price

BOOK = BundledBook()
NOON_NS = 1_795_435_200_000_000_000
"""2026-11-23 12:00 UTC."""

UNITS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
}
"""Our names of tokens and genai-prices' ones."""

MIXES = [
    {"input_tokens": 57, "output_tokens": 19, "cache_read_tokens": 32, "reasoning_tokens": 5},
    {"input_tokens": 1, "output_tokens": 0},
    {"input_tokens": 0, "output_tokens": 7},
    {"input_tokens": 100, "output_tokens": 30, "cache_read_tokens": 20, "cache_write_tokens": 50},
    {"input_tokens": 100, "output_tokens": 30, "audio_input_tokens": 70, "audio_output_tokens": 30},
    {"input_tokens": 99, "output_tokens": 31, "cache_read_tokens": 33, "audio_input_tokens": 13, "audio_output_tokens": 3},
    *({"input_tokens": n, "output_tokens": 1000, "cache_read_tokens": n // 3} for n in (127_999, 128_000, 128_001)),
    *({"input_tokens": n, "output_tokens": 1000, "cache_write_tokens": n // 5} for n in (200_000, 200_001, 272_001, 1_000_000)),
]
"""Usual calls, each part alone, and both sides of the tiers."""


def priced_models() -> Iterator[tuple[str, str]]:
    """Every model of the book that is found by its own id and has a price per prompt token."""
    for provider in get_snapshot().providers:
        for model in provider.models:
            found = provider.find_model(model.id, all_providers=get_snapshot().providers)
            if found is not None and found.get_prices(moment(NOON_NS)).input_mtok is not None:
                yield provider.id, model.id


def moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)


def counts(*mixes: dict[str, int]) -> dict[str, Any]:
    return {name: np.array([mix.get(name, 0) for mix in mixes], np.int64) for name in TOKENS}


def ours(provider: str, model: str, *mixes: dict[str, int], time_ns: int = NOON_NS) -> list[int]:
    tiers = BOOK.tiers(provider, model, time_ns)
    assert tiers is not None
    found: list[int] = cost(tiers, counts(*mixes)).tolist()
    return found


def exact(provider: str, model: str, mix: dict[str, int], time_ns: int = NOON_NS) -> int:
    """genai-prices' own answer. Which cached tokens are audio no span says: none, as in ours."""
    usage = Usage(**{UNITS[name]: count for name, count in mix.items()}, cache_audio_read_tokens=0)
    usd = calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment(time_ns)).total_price
    return int((usd * 10**9).to_integral_value(ROUND_HALF_UP))


def allowed(provider: str, model: str, mix: dict[str, int]) -> int:
    """By how many nano-USD ours may differ: 0 if all rates are whole pico-USD per token."""
    price = get_snapshot().find_provider_model(model, None, provider, None)[1].get_prices(moment(NOON_NS))
    found = [rate for name, rate in vars(price).items() if name.endswith("_mtok") and rate is not None]
    rates = [
        one
        for rate in found
        for one in ([rate.base, *(t.price for t in rate.tiers)] if isinstance(rate, TieredPrices) else [rate])
    ]
    return 0 if all(rate * 10**6 % 1 == 0 for rate in rates) else sum(mix.values()) // 2000 + 1


def test_every_model_of_the_book() -> None:
    models = list(priced_models())
    assert len(models) > 1000
    assert sum(allowed(*model, MIXES[0]) == 0 for model in models) > 0.98 * len(models)
    wrong = [
        (model, mix, found, exact(*model, mix))
        for model in models
        for mix, found in zip(MIXES, ours(*model, *MIXES), strict=True)
        if abs(found - exact(*model, mix)) > allowed(*model, mix)
    ]
    assert not wrong, wrong[:5]


def test_the_book_has_what_these_tests_are_about() -> None:
    prices = [get_snapshot().find_provider_model(m, None, p, None)[1].get_prices(moment(NOON_NS)) for p, m in priced_models()]
    assert any(isinstance(price.input_mtok, TieredPrices) for price in prices)
    for unit in ("cache_write_mtok", "input_audio_mtok", "output_audio_mtok", "output_reasoning_mtok", "requests_kcount"):
        assert any(getattr(price, unit) is not None for price in prices), unit


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(list(priced_models())))
def test_any_mix_of_tokens(data: st.DataObject, model: tuple[str, str]) -> None:
    whole, answer = data.draw(st.integers(0, 2_000_000)), data.draw(st.integers(0, 200_000))
    mix = {"input_tokens": whole, "output_tokens": answer}
    parts = {
        "input_tokens": ("cache_read_tokens", "cache_write_tokens", "audio_input_tokens"),
        "output_tokens": ("audio_output_tokens",),
    }
    for all_of, names in parts.items():
        for i, name in enumerate(names):
            mix[name] = data.draw(st.integers(0, mix[all_of] - sum(mix[earlier] for earlier in names[:i])))
    assert abs(ours(*model, mix)[0] - exact(*model, mix)) <= allowed(*model, mix)


def test_by_hand() -> None:
    assert ours("openai", "gpt-4o-mini", {"input_tokens": 57, "output_tokens": 19, "cache_read_tokens": 32}) == [17_550]


def test_half_a_nano_is_rounded_up() -> None:
    tier = own_price({"model": "m", "input": "0.0005"}).tier
    assert cost((tier,), counts({"input_tokens": 1}, {"input_tokens": 2}, {"input_tokens": 3})).tolist() == [1, 1, 2]


def test_a_part_is_cut_to_its_whole() -> None:
    more, all_of_it = ({"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": n, "reasoning_tokens": n} for n in (99, 10))
    assert ours("openai", "gpt-4o-mini", more) == ours("openai", "gpt-4o-mini", all_of_it)


@pytest.mark.parametrize(
    ("provider", "model", "before", "after"),
    [("openai", "o3", "2025-06-09T23:59:00+00:00", "2025-06-10T00:00:00+00:00")],
)
def test_prices_hold_from_their_day(provider: str, model: str, before: str, after: str) -> None:
    mix = {"input_tokens": 1000, "output_tokens": 1000}
    times = [int(datetime.fromisoformat(text).timestamp()) * 10**9 for text in (before, after)]
    costs = [ours(provider, model, mix, time_ns=time_ns) for time_ns in times]
    assert costs[0] != costs[1]
    assert costs == [[exact(provider, model, mix, time_ns)] for time_ns in times]


@pytest.mark.parametrize("clock", ["00:29", "00:30", "03:59", "04:00", "12:00", "16:29", "16:30", "23:59"])
@pytest.mark.parametrize("model", ["deepseek-chat", "deepseek-reasoner"])
def test_prices_by_time_of_day(model: str, clock: str) -> None:
    time_ns = int(datetime.fromisoformat(f"2025-06-01T{clock}:59+00:00").timestamp()) * 10**9
    mix = {"input_tokens": 1000, "output_tokens": 1000}
    assert ours("deepseek", model, mix, time_ns=time_ns) == [exact("deepseek", model, mix, time_ns)]


@pytest.mark.parametrize("model", ["", "my-own-model", "*", "\x00", "gpt-4o" * 40])
@pytest.mark.parametrize("provider", ["openai", "", "nobody"])
def test_unknown_models_are_unpriced(provider: str, model: str) -> None:
    if model.startswith("gpt-4o"):
        BOOK.tiers(provider, model, NOON_NS)  # may match by its start; it must not raise
    else:
        assert BOOK.tiers(provider, model, NOON_NS) is None


def test_a_model_is_found_without_its_provider() -> None:
    assert BOOK.tiers("some-gateway", "gpt-4o-mini", NOON_NS) == BOOK.tiers("openai", "gpt-4o-mini", NOON_NS)
    assert BOOK.tiers("", "models/gemini-2.5-flash", NOON_NS) == BOOK.tiers("google", "gemini-2.5-flash", NOON_NS)


def test_memory_of_the_book_is_bounded() -> None:
    book = BundledBook()
    for i in range(MAX_REMEMBERED + 10):
        book.tiers("openai", "gpt-4o-mini", i * 60_000_000_000)
    assert len(book._known) <= MAX_REMEMBERED


OWN = [
    {"model": "gpt-4o-mini", "input": 1},
    {"model": "gpt-4o-mini", "input": 2, "output": 4, "valid_from": "2026-01-01"},
    {"model": "gpt-4o-mini", "input": 3, "valid_from": "2026-01-02T02:00:00+02:00"},
    {"model": "llama-*", "provider": "house", "input": "0.125", "cache_read": 0.0625, "output": 0.5, "reasoning": 8},
]


def day_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("provider", "model", "day", "usd_mtok"),
    [
        ("openai", "gpt-4o-mini", "2025-12-31T23:59:59", 1),
        ("openai", "gpt-4o-mini", "2026-01-01T00:00:00", 2),
        ("openai", "gpt-4o-mini", "2026-01-02T00:00:00", 3),
        ("house", "llama-4", "2026-01-01T00:00:00", 0.125),
        ("openai", "text-embedding-3-small", "2026-01-01T00:00:00", 0.02),
    ],
)
def test_own_prices_win(provider: str, model: str, day: str, usd_mtok: float) -> None:
    tiers = OwnBook.over(BOOK, OWN).tiers(provider, model, day_ns(day))
    assert tiers is not None
    assert cost(tiers, counts({"input_tokens": 1000})).tolist() == [round(usd_mtok * 1_000_000)]


def test_own_prices_by_part() -> None:
    tiers = OwnBook.over(BOOK, OWN).tiers("house", "llama-4", NOON_NS)
    assert tiers is not None
    mix = {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 10, "reasoning_tokens": 4}
    assert cost(tiers, counts(mix)).tolist() == [600 * 125 + 400 * 62.5 + 6 * 500 + 4 * 8000]


def test_own_book_leaves_others_to_the_one_under_it() -> None:
    book = OwnBook.over(BOOK, OWN)
    assert book.tiers("anthropic", "llama-4", NOON_NS) == BOOK.tiers("anthropic", "llama-4", NOON_NS)
    assert book.tiers("", "nobody's", NOON_NS) is None
    assert book.version.endswith(f"/{BOOK.version}")
    assert book.version != OwnBook.over(BOOK, OWN[:1]).version


@pytest.mark.parametrize(
    "line",
    [
        {"model": "m"},
        {"input": 1},
        {"model": "m", "input": 1, "inptu": 2},
        {"model": "m", "input": "cheap"},
        {"model": "m", "input": -1},
        {"model": "m", "input": "nan"},
        {"model": "m", "input": "inf"},
        {"model": "m", "input": None},
        {"model": "m", "input": MAX_USD_MTOK + 1},
        {"model": "m", "input": 1, "valid_from": "soon"},
    ],
    ids=str,
)
def test_a_wrong_line_is_named(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"price|isoformat|understood"):
        OwnBook.over(BOOK, [line])


@pytest.mark.parametrize("raw", [{}, "prices", [1], None])
def test_a_price_file_is_a_list(raw: Any) -> None:
    with pytest.raises(ValueError, match="list"):
        OwnBook.over(BOOK, raw)


def test_the_dearest_call_does_not_overflow() -> None:
    rate = Decimal(MAX_USD_MTOK)
    tier = own_price({"model": "m", "input": rate, "output": rate}).tier
    (found,) = cost((tier,), counts(dict.fromkeys(("input_tokens", "output_tokens"), MAX_COUNT))).tolist()
    assert found == 2 * MAX_COUNT * MAX_USD_MTOK * 1000
    assert found < 1 << 53


def test_no_price_of_the_book_is_beyond_that_bound() -> None:
    rates = [name for name in Tier.__slots__ if name not in {"above", "call"}]
    tiers = [tier for provider, model in priced_models() for tier in BOOK.tiers(provider, model, NOON_NS) or ()]
    assert max(getattr(tier, rate) for tier in tiers for rate in rates) <= MAX_USD_MTOK * 1_000_000
