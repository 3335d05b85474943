"""Money of whole spans: who bills, at which price, and why there is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.decode.spans import Decoder
from pipeline.operators.pricing.own import OwnBook
from tests.otlp import decoder, record, rows
from tests.prices import BOOK

FIELD = Path(__file__).parents[1] / "data" / "field"
DECODER = decoder(horizon_ns=10**18)

CASES = [
    # file, (cost in nano-USD, source, model, rule) of each call
    ("19-tier-flex", [(625_000, "book", "gpt-5-mini", "openai/gpt-5-mini flex (said)")]),
    ("21-model-with-provider-prefix", None),
    ("23-framework-as-provider-strands",
        [(4_500_000, "book", "claude-sonnet-4-20250514-v1:0", "aws/regional.anthropic.claude-sonnet-4-20250514-v1:0 (id)")]),
    ("26-fine-tuned", [(420_000, "book", "gpt-4o-mini-2024-07-18", "openai/ft:gpt-4o-mini (said)")]),
    ("38-audio-priced-as-text", None),
    ("59-gateway-as-provider", [(1_500_000, "book", "claude-haiku-4.5", "anthropic/claude-haiku-4-5 (path)")]),
    ("62-self-hosted-priced-as-cloud", [(None, "unpriced", "deepseek-r1:7b", "nobody bills by the token (self-hosted)")]),
]  # fmt: skip


def calls(name: str, **changes: Any) -> list[dict[str, Any]]:
    found = decoder(horizon_ns=10**18, **changes).decode([record((FIELD / f"{name}.json").read_bytes())])
    return [row for row in rows(found) if row["kind"] in REQUEST_KINDS]


@pytest.mark.parametrize(("name", "expected"), [case for case in CASES if case[1]])
def test_cases_from_the_field(name: str, expected: list[tuple[Any, ...]]) -> None:
    assert [(r["cost_nusd"], r["cost_source"], r["model"], r["price_rule"]) for r in calls(name)] == expected


def test_prefixes_are_taken_off_and_kept() -> None:
    found = calls("21-model-with-provider-prefix")
    assert sum(row["cost_nusd"] for row in found) == 3_710_000
    assert all("/" not in row["model"] and "/" in row["model_said"] for row in found)


def test_own_prices_for_what_nobody_bills() -> None:
    book = OwnBook.over(BOOK, [{"provider": "ollama", "model": "deepseek-r1*", "input": 0.1, "output": 0.2}])
    (row,) = calls("62-self-hosted-priced-as-cloud", prices=book)
    assert (row["cost_nusd"], row["cost_source"]) == (1000 * 100 + 400 * 200, "book")
    assert row["price_rule"] == "own ollama/deepseek-r1* (self-hosted)"


USUAL = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1000}


def attributes(**said: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", bool: "boolValue", float: "doubleValue"}
    return [{"key": key.replace("__", "."), "value": {kinds[type(value)]: value}} for key, value in said.items()]


def priced(minute: int = 0, by: Decoder = DECODER, **said: Any) -> dict[str, Any]:
    """The row of one call that says this, None for what it does not say."""
    start = 1_795_000_000_000_000_000 + minute * 60_000_000_000
    span = {
        "traceId": "1" * 32,
        "spanId": "1" * 16,
        "name": "chat",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**9),
        "attributes": attributes(**{name: value for name, value in (USUAL | said).items() if value is not None}),
    }
    request = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    (row,) = rows(by.decode([record(json.dumps(request).encode())]))
    return row


def test_another_name_says_who_bills_where_the_first_is_a_framework() -> None:
    row = priced(gen_ai__provider__name="langchain", llm__provider="groq", gen_ai__request__model="llama-3.3-70b-versatile")
    assert (row["provider"], row["cost_nusd"]) == ("groq", 590_000)


def test_a_rate_the_book_lacks_is_named() -> None:
    row = priced(gen_ai__system="openai", gen_ai__request__model="gpt-4o", gen_ai__usage__audio__input_tokens=7)
    assert (row["cost_nusd"], row["cost_source"]) == (None, "unpriced")
    assert row["price_rule"] == "no audio_input rate: openai/gpt-4o"


def test_the_context_tier_is_named() -> None:
    row = priced(gen_ai__system="openai", gen_ai__request__model="gpt-5.4", **{"gen_ai.usage.input_tokens": 272_001})
    assert row["price_rule"] == "openai/gpt-5.4 >272k (said)"


def test_a_rule_is_short() -> None:
    row = priced(gen_ai__system="openai", gen_ai__request__model="gpt-4o", openai__response__service_tier="x" * 79)
    assert row["cost_nusd"] is None
    assert len(row["price_rule"]) <= 120


MINI = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("claims_first", "said", "expected"),
    [
        (False, {"gen_ai.usage.cost": 0.5}, (150_000, "book", "openai/gpt-4o-mini (said)")),
        (True, {"gen_ai.usage.cost": 0.5}, (500_000_000, "span", "as the span claims")),
        (True, {}, (150_000, "book", "openai/gpt-4o-mini (said)")),
        (False, {"gen_ai.usage.cost": 0.5, "gen_ai.request.model": "nobody-knows"},
            (500_000_000, "span", "no price for this model")),
        (True, {"gen_ai.usage.cost": 20_000.0}, (150_000, "book", "openai/gpt-4o-mini (said)")),
    ],
)  # fmt: skip
def test_whose_word_counts(claims_first: bool, said: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = priced(by=decoder(horizon_ns=10**18, claims_first=claims_first), **MINI | said)
    assert (row["cost_nusd"], row["cost_source"], row["price_rule"]) == expected
    assert bool(row["price_version"]) == (expected[1] == "book")
    assert row["span_cost_nusd"] == ({0.5: 500_000_000}.get(said.get("gen_ai.usage.cost", 0)))


@pytest.mark.parametrize(
    "said",
    [
        {"hidden_params": '{"cache_key": "4e8c46b7"}'},
        {"hidden_params": '{"cache_hit": true}'},
        {"gen_ai.response.cached": True},
        {"gen_ai.response.cache_hit": "true"},
        {"gen_ai.cache.hit": True},
        {"cache_hit": True},
        {"gen_ai.response.cached": True, "gen_ai.usage.cache_read.input_tokens": 500},
        {"gen_ai.response.cached": True, "gen_ai.usage.input_tokens": None},
    ],
)
@pytest.mark.parametrize("claims_first", [False, True])
def test_a_reply_from_a_gateways_own_cache_costs_nothing(said: dict[str, Any], claims_first: bool) -> None:
    row = priced(by=decoder(horizon_ns=10**18, claims_first=claims_first), **MINI | {"gen_ai.usage.cost": 0.5} | said)
    assert (row["cost_nusd"], row["cost_source"], row["price_version"]) == (0, "cached", "")
    assert (row["price_rule"], row["span_cost_nusd"]) == ("a reply from the gateway's own cache", 500_000_000)


@pytest.mark.parametrize(
    "said",
    [
        {"hidden_params": '{"cache_key": null}'},
        {"hidden_params": '{"cache_key": "None"}'},
        {"hidden_params": '{"cache_key": "4e8c46b7", "cache_hit": false}'},
        {"gen_ai.response.cached": False, "cache_hit": True},
        {"cache_hit": True, "gen_ai.usage.cache_read.input_tokens": 1},
        {"gen_ai.cache.hit": True, "gen_ai.usage.cache_write.input_tokens": 1},
    ],
)
def test_the_providers_cache_is_not_the_gateways(said: dict[str, Any]) -> None:
    row = priced(**MINI | said)
    assert row["cost_source"] == "book"
    assert row["cost_nusd"] > 0


PIECES = [
    {"model": "house-painter", "call": 0.04},
    {"model": "house-mixed", "call": 0.04, "input": 1},
    {"model": "house-free-tokens", "call": 0.01, "input": 0, "output": 0},
]


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        ("house-painter", {}, (40_000_000, "book")),
        ("house-free-tokens", {}, (10_000_000, "book")),
        ("house-mixed", {}, (None, "")),  # what its tokens cost nobody said
        ("house-mixed", {"gen_ai.usage.input_tokens": 1000}, (41_000_000, "book")),
        ("house-painter", {"gen_ai.usage.input_tokens": 1000}, (None, "unpriced")),  # tokens without a rate
        ("house-painter", {"error.type": "timeout"}, (None, "")),  # nobody bills a call that failed without usage
        ("nobody-knows", {}, (None, "")),
    ],
)
def test_a_price_by_the_call_needs_no_tokens(model: str, said: dict[str, Any], expected: tuple[Any, Any]) -> None:
    book = OwnBook.over(BOOK, PIECES)
    unsaid = {"gen_ai.usage.input_tokens": None, "gen_ai.request.model": model}
    row = priced(by=decoder(horizon_ns=10**18, prices=book), **unsaid | said)
    assert (row["cost_nusd"], row["cost_source"]) == expected
    assert bool(row["price_rule"]) == bool(expected[1])


def test_what_decides_who_bills_is_kept() -> None:
    said = {"gen_ai.request.model": "azure/gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.system": "litellm"}
    row = priced(**said | {"server.address": "https://key@house.openai.azure.com:443/v1"})
    assert (row["provider_said"], row["model_said"], row["model_requested"]) == ("litellm", "gpt-4o-2024-08-06", "azure/gpt-4o")
    assert row["server_host"] == "house.openai.azure.com"
