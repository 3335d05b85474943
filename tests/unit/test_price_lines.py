"""Own prices, and the supplement: what a line of a price file means, and how a wrong one is named."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.operators.pricing.bundled import supplement
from pipeline.operators.pricing.lines import MAX_USD_MTOK, read_lines
from pipeline.operators.pricing.own import OwnBook
from pipeline.operators.pricing.price import NoPrice, Price
from tests.prices import BOOK, NOON_NS, at_ns, nusd, price_of

OWN = [
    {"model": "gpt-4o-mini", "input": 1},
    {"model": "gpt-4o-mini", "input": 2, "output": 4, "valid_from": "2026-01-01"},
    {"model": "gpt-4o-mini", "input": 3, "valid_from": "2026-01-02T02:00:00+02:00"},
    {"model": "llama-*", "provider": "house", "input": "0.125", "cache_read": 0.0625, "output": 0.5, "reasoning": 8},
    {"model": "*", "provider": "ollama", "input": 0.1, "output": 0.2},
    {"model": "gpt-5-mini", "provider": "openai", "service_tier": "flex", "input": 0.1, "output": 1},
    {"model": "long", "input": 1, "output": 2, "tiers": [{"above": 1000, "input": 2}, {"above": 5000, "input": 3, "output": 9}]},
    {"model": "each", "input": 0, "call": 0.01, "search": 0.005},
    {"model": "voice", "input": 1, "output": 2, "audio_input": 10, "audio_output": 20, "image_input": "input"},
    {"model": "cached", "input": 2, "cache_write": 2.5, "cache_write_1h": 4},
]  # fmt: skip
BOOK_OF_OWN = OwnBook.over(BOOK, OWN)


@pytest.mark.parametrize(
    ("provider", "model", "day", "usd_mtok"),
    [
        ("openai", "gpt-4o-mini", "2025-12-31T23:59:59", 1),
        ("openai", "gpt-4o-mini", "2026-01-01T00:00:00", 2),
        ("openai", "gpt-4o-mini", "2026-01-02T00:00:00", 3),
        ("house", "llama-4", "2026-01-01T00:00:00", 0.125),
        ("ollama", "llama3.2", "2026-01-01T00:00:00", 0.1),
        ("Ollama", "Llama3.2", "2026-01-01T00:00:00", 0.1),
        ("langchain", "ollama/llama-4", "2026-01-01T00:00:00", None),
        ("openai", "text-embedding-3-small", "2026-01-01T00:00:00", 0.02),
        ("openai", "openai/gpt-4o-mini", "2026-01-02T00:00:00", 3),
        ("openai", "ft:gpt-4o-mini:acme::1", "2026-01-02T00:00:00", None),
    ],
)
def test_own_prices_win(provider: str, model: str, day: str, usd_mtok: float | None) -> None:
    price = price_of(provider, model, at_ns(day), book=BOOK_OF_OWN)
    assert (price.tiers[0].input if isinstance(price, Price) else None) == (None if usd_mtok is None else round(usd_mtok * 10**6))


@pytest.mark.parametrize(
    ("model", "mix", "expected"),
    [
        ("llama-4", {"input_tokens": 1000, "cache_read_tokens": 400}, 600 * 125 + 400 * 62.5),
        ("llama-4", {"output_tokens": 10, "reasoning_tokens": 4}, 6 * 500 + 4 * 8000),
        ("long", {"input_tokens": 1000, "output_tokens": 1}, 1_000_000 + 2000),
        ("long", {"input_tokens": 1001, "output_tokens": 1}, 2_002_000 + 2000),
        ("long", {"input_tokens": 5001, "output_tokens": 1}, 15_003_000 + 9000),
        ("each", {"input_tokens": 5}, 10_000_000),
        ("each", {"input_tokens": 5, "searches": 3}, 25_000_000),
        ("voice", {"input_tokens": 100, "audio_input_tokens": 60, "image_input_tokens": 10}, 40_000 + 600_000),
        ("voice", {"output_tokens": 9, "audio_output_tokens": 9}, 180_000),
        ("cached", {"input_tokens": 100, "cache_write_tokens": 60, "cache_write_1h_tokens": 20}, 80_000 + 100_000 + 80_000),
        ("cached", {"input_tokens": 100, "cache_read_tokens": 60}, 200_000),
        ("cached", {"input_tokens": 100, "output_tokens": 1}, -1),
        ("cached", {"input_tokens": 100, "audio_input_tokens": 1}, -1),
    ],
)  # fmt: skip
def test_parts(model: str, mix: dict[str, int], expected: float) -> None:
    assert nusd("house", model, mix, book=BOOK_OF_OWN) == [expected]


def test_a_service_tier_has_its_own_line() -> None:
    mix = {"input_tokens": 1000, "output_tokens": 1000}
    assert nusd("openai", "gpt-5-mini", mix, service="flex", book=BOOK_OF_OWN) == [1_100_000]
    assert nusd("openai", "gpt-5-mini", mix, book=BOOK_OF_OWN) == nusd("openai", "gpt-5-mini", mix)
    assert isinstance(price_of("house", "long", service="flex", book=BOOK_OF_OWN), NoPrice)


def test_own_book_leaves_others_to_the_one_under_it() -> None:
    assert price_of("anthropic", "claude-sonnet-4-5", book=BOOK_OF_OWN) == price_of("anthropic", "claude-sonnet-4-5")
    assert isinstance(price_of("", "nobody's", book=BOOK_OF_OWN), NoPrice)
    assert BOOK_OF_OWN.version.endswith(f"/{BOOK.version}")
    assert BOOK_OF_OWN.version != OwnBook.over(BOOK, OWN[:1]).version


WRONG = [
    ({"model": "m"}, "needs a price"),
    ({"input": 1}, "needs a model"),
    ({"model": "m", "input": 1, "inptu": 2}, "inptu is not understood"),
    ({"model": "m", "input": "cheap"}, "input is no price"),
    ({"model": "m", "input": -1}, "input is no price"),
    ({"model": "m", "input": True}, "input is no price"),
    ({"model": "m", "input": "nan"}, "input is no price"),
    ({"model": "m", "input": "inf"}, "input is no price"),
    ({"model": "m", "input": None}, "input is no price"),
    ({"model": "m", "input": MAX_USD_MTOK + 1}, "input is no price"),
    ({"model": "m", "input": 1, "call": 11}, "call is no price"),
    ({"model": "m", "input": 1, "valid_from": "soon"}, "valid_from is no day"),
    ({"model": "m", "input": 1, "service_tier": "cheap"}, "service_tier 'cheap' is none of"),
    ({"model": "m", "input": 1, "tiers": {"above": 1}}, "tiers is a list"),
    ({"model": "m", "input": 1, "tiers": [{"input": 1}]}, "tiers is a list"),
    ({"model": "m", "input": 1, "tiers": [{"above": 9, "input": 1}, {"above": 9, "input": 2}]}, "rising"),
    ({"model": "m", "input": 1, "tiers": [{"above": 9, "price": 1}]}, "names of rates"),
    ({"model": "m", "times": {"input": 2}}, "no factor"),
    ("m", "is no price"),
]


@pytest.mark.parametrize(("line", "wrong"), WRONG, ids=str)
def test_a_wrong_line_is_named(line: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as raised:
        OwnBook.over(BOOK, [{"model": "fine", "input": 1}, line])
    assert str(raised.value).startswith("price 2")


@pytest.mark.parametrize("raw", [{}, "prices", None])
def test_a_price_file_is_a_list(raw: Any) -> None:
    with pytest.raises(ValueError, match="list"):
        read_lines(raw)


PUBLISHED = yaml.safe_load((Path(__file__).parents[1] / "data" / "prices" / "published.yaml").read_text())


def worked_out(text: str) -> float:
    """A sum of products, as written by hand."""
    return sum(math.prod(float(factor.replace("_", "")) for factor in product.split("*")) for product in str(text).split("+"))


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: "-".join(map(str, [*case["call"], *case["tokens"]])))
def test_published_prices(case: dict[str, Any]) -> None:
    """Tiers of service and context, hour-long writes, audio, images, searches."""
    provider, model, day, service = map(str, case["call"])
    if case["cost"] == "no price":
        assert isinstance(price_of(provider, model, at_ns(day), service), NoPrice)
    else:
        expected = -1 if case["cost"] == "unpriced" else worked_out(case["cost"])
        assert nusd(provider, model, case["tokens"], time_ns=at_ns(day), service=service) == [expected]


def test_the_book_wins_over_the_supplement() -> None:
    assert len(supplement()) > 20
    assert nusd("openai", "gpt-4o", {"input_tokens": 10, "cache_read_tokens": 10}, time_ns=NOON_NS, service="batch") == [12_500]
