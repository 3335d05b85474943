"""`tailrace prices show`: what people are told of prices is what calls are billed by."""

from pathlib import Path

import pytest

from pipeline.app.prices import shown, table
from pipeline.errors import SettingsError
from pipeline.settings import Settings

OWN = """
- {model: "house-*", input: 1, output: 2, call: 0.005, tiers: [{above: 1000, input: 3}]}
- {model: house-new, valid_from: 2026-06-01, input: 7}
"""


def test_the_rates_of_every_tier() -> None:
    told = shown(Settings(), "openai/gpt-5-mini", "", "2026-01-15")
    assert (told.model, told.provider, told.rule, told.why) == ("gpt-5-mini", "openai", "path", "")
    assert told.at == "2026-01-15T00:00:00+00:00"
    rates = {tier.service_tier: tier.rates for tier in told.tiers}
    assert (rates["standard"]["input"], rates["standard"]["cache_read"], rates["flex"]["output"]) == (0.25, 0.025, 1.0)
    assert "call" not in rates["standard"], "a call costs nothing beside its tokens"


def test_context_tiers_and_dates() -> None:
    told = shown(Settings(), "gemini-2.5-pro", "vertex_ai", "2026-01-15T12:00:00+01:00")
    assert [(tier.above, tier.rates["input"]) for tier in told.tiers if tier.service_tier == "standard"] == [
        (-1, 1.25),
        (200_000, 2.5),
    ]
    assert told.at == "2026-01-15T11:00:00+00:00"


def test_own_prices_are_shown(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(OWN)
    settings = Settings(price_file=tmp_path / "prices.yaml")
    assert [(tier.above, tier.rates) for tier in shown(settings, "house-new", "", "2026-05-31").tiers] == [
        (
            -1,
            {
                "input": 1.0,
                "output": 2.0,
                "cache_read": 1.0,
                "cache_write": 1.0,
                "cache_write_1h": 1.0,
                "reasoning": 2.0,
                "call": 0.005,
            },
        ),
        (
            1000,
            {
                "input": 3.0,
                "output": 2.0,
                "cache_read": 3.0,
                "cache_write": 3.0,
                "cache_write_1h": 3.0,
                "reasoning": 2.0,
                "call": 0.005,
            },
        ),
    ]
    later = shown(settings, "house-new", "", "2026-06-01")
    assert later.tiers[0].rates["input"] == 7.0
    assert later.price_version.startswith("own-")


def test_who_else_sells_a_model_nobody_is_known_to_bill_for() -> None:
    told = shown(Settings(), "gpt-oss-120b", "", "2026-01-15")
    assert told.why == "no price for this provider and model"
    assert {"groq", "cerebras"} & set(told.sold_by)
    assert not told.tiers
    for seller in told.sold_by:
        assert shown(Settings(), "gpt-oss-120b", seller, "2026-01-15").tiers, seller
    assert shown(Settings(), "nobody-knows", "", "").sold_by == []


def test_a_table_has_the_rates_some_tier_has() -> None:
    names, rows = table(shown(Settings(), "rerank-v3.5", "cohere", "2026-01-15"))
    assert names[-2:] == ["search", "entry"]
    assert rows == [["standard", "", "0.002", "cohere/rerank-v3.5"]]


@pytest.mark.parametrize("at", ["soon", "2026-13-01"])
def test_a_day_that_is_none(at: str) -> None:
    with pytest.raises(SettingsError, match="no day or time"):
        shown(Settings(), "gpt-5-mini", "", at)
