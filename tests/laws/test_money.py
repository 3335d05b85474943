"""The cost of a call is what the vendors' price pages say, to the nano-dollar; and no sum of costs depends on how it was cut.

A thousand calls are generated over 36 price lists and sent through decode as OTLP. What they cost is worked out beside it, from
rates written down by hand and in exact decimals. Where genai-prices knows the rates, its own `calc_price` is asked as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage, calc_price
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.model.columns import SPEND
from pipeline.operators.kernels import add_values
from pipeline.topics import partition_of
from tests.otlp import decoder, record, rows
from tests.prices import at_ns

DAY = "2026-01-15"
MOMENT = datetime(2026, 1, 15, tzinfo=UTC)
CALLS = 1000

TOKENS = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "read": "gen_ai.usage.cache_read.input_tokens",
    "write": "gen_ai.usage.cache_write.input_tokens",
    "hour": "gen_ai.usage.cache_write_1h_tokens",
    "heard": "gen_ai.usage.audio.input_tokens",
    "spoken": "gen_ai.usage.audio.output_tokens",
    "thought": "gen_ai.usage.reasoning.output_tokens",
    "searches": "gen_ai.usage.web_search_requests",
}
"""The attribute of each count."""

EACH = ("searches", "call")

ORACLE = {
    "input": "input_tokens",
    "output": "output_tokens",
    "read": "cache_read_tokens",
    "write": "cache_write_tokens",
    "hour": "cache_write_1h_tokens",
    "heard": "input_audio_tokens",
    "spoken": "output_audio_tokens",
    "searches": "web_searches",
}


@dataclass(frozen=True)
class Page:
    """A line of a price page: USD per million tokens, searches and calls a piece; above so many prompt tokens `dearer` holds."""

    provider: str
    model: str
    rates: dict[str, str]
    above: int = 1 << 62
    dearer: dict[str, str] = field(default_factory=dict)
    tier: str = ""

    def cost_nusd(self, counts: dict[str, int]) -> int:
        """Every token at its rate, the tier chosen by the whole prompt, rounded half up once."""
        rates = self.dearer if counts["input"] > self.above else self.rates
        parts = dict(counts)
        parts["input"] -= counts["read"] + counts["write"] + counts["heard"]
        parts["output"] -= counts["spoken"]
        parts["write"] -= counts["hour"]
        parts["thought"] = 0
        parts["call"] = int("call" in rates)
        usd = sum((Decimal(rates[k]) * n / (1 if k in EACH else 10**6) for k, n in parts.items() if n), Decimal())
        return int((usd * 10**9).to_integral_value(ROUND_HALF_UP))


def page(provider: str, model: str, prompt: str, answer: str = "0", read: str = "", **more: Any) -> Page:
    """Cached tokens without a rate cost what prompt tokens cost."""
    kept = {name: more.pop(name) for name in ("above", "dearer", "tier") if name in more}
    rates = {"input": prompt, "output": answer, "read": read or prompt} | more
    return Page(provider, model, rates, **kept)


def claude(model: str, prompt: str, answer: str, **more: Any) -> Page:
    """Anthropic's factors: a tenth for reads, 1.25 and 2 for writes of five minutes and an hour; searches are 0.01 USD."""
    return Page("anthropic", model, _claude(prompt, answer), **more)


def _claude(prompt: str, answer: str) -> dict[str, str]:
    factors = {"input": "1", "read": "0.1", "write": "1.25", "hour": "2"}
    return {name: str(Decimal(prompt) * Decimal(factor)) for name, factor in factors.items()} | {
        "output": answer,
        "searches": "0.01",
    }


PAGES = (
    page("openai", "gpt-4o", "2.5", "10", "1.25"),
    page("openai", "gpt-4o-mini", "0.15", "0.6", "0.075"),
    page("openai", "gpt-4.1", "2", "8", "0.5"),
    page("openai", "gpt-4.1-mini", "0.4", "1.6", "0.1"),
    page("openai", "gpt-4.1-nano", "0.1", "0.4", "0.025"),
    page("openai", "gpt-5", "1.25", "10", "0.125"),
    page("openai", "gpt-5-mini", "0.25", "2", "0.025"),
    page("openai", "gpt-5-nano", "0.05", "0.4", "0.005"),
    page("openai", "o1", "15", "60", "7.5"),
    page("openai", "o3", "2", "8", "0.5"),
    page("openai", "o3-mini", "1.1", "4.4", "0.55"),
    page("openai", "o4-mini", "1.1", "4.4", "0.275"),
    page("openai", "gpt-3.5-turbo", "0.5", "1.5"),
    page("openai", "text-embedding-3-large", "0.13"),
    page("openai", "gpt-4o-audio-preview", "2.5", "10", heard="40", spoken="80"),
    page("openai", "gpt-5-mini", "0.125", "1", "0.0125", tier="flex"),
    page("openai", "gpt-5", "2.5", "20", "0.25", tier="priority"),
    page("openai", "o3", "1", "4", "0.25", tier="flex"),
    claude("claude-opus-4-1", "15", "75"),
    claude("claude-opus-4-5", "5", "25"),
    claude("claude-haiku-4-5", "1", "5"),
    claude("claude-3-5-haiku-latest", "0.8", "4"),
    claude("claude-sonnet-4-5", "3", "15", above=200_000, dearer=_claude("6", "22.5")),
    page(
        "google", "gemini-2.5-pro", "1.25", "10", "0.125", above=200_000, dearer={"input": "2.5", "output": "15", "read": "0.25"}
    ),
    page("google", "gemini-2.5-flash", "0.3", "2.5", "0.03", heard="1"),
    page("google", "gemini-2.5-flash-lite", "0.1", "0.4", "0.01", heard="0.3"),
    page("google", "gemini-2.5-pro", "0.625", "5", above=200_000, dearer={"input": "1.25", "output": "7.5"}, tier="batch"),
    page("mistral", "mistral-large-latest", "2", "6"),
    page("groq", "llama-3.3-70b-versatile", "0.59", "0.79"),
    page("groq", "llama-3.1-8b-instant", "0.05", "0.08"),
    page("x-ai", "grok-3", "3", "15", "0.75"),
    page("x-ai", "grok-3-mini", "0.3", "0.5", "0.075"),
    page("cohere", "command-r-plus-08-2024", "2.5", "10"),
    page("cohere", "command-r-08-2024", "0.15", "0.6"),
    page("openai", "gpt-4-turbo", "10", "30"),
    page("perplexity", "sonar-reasoning-pro", "2", "8", call="0.014"),
)

UNREAD = {("google", "batch"), ("openai", "flex"), ("openai", "priority"), ("openai", "gpt-4o-audio-preview")}
"""What genai-prices has no rate for on that day, or not under this name."""


@dataclass(frozen=True)
class Call:
    page: Page
    counts: dict[str, int]


def usage(rng: Random, priced: Page) -> dict[str, int]:
    """A usage whose parts lie inside their wholes, of small, usual and huge calls."""
    counts = dict.fromkeys(TOKENS, 0)
    size = rng.choice([10, 3_000, 150_000, 400_000])
    counts["input"] = rng.randint(1, size)
    counts["output"] = 0 if priced.rates["output"] == "0" else rng.randint(0, size // 4)
    left = counts["input"]
    for name in ("read", "write", "heard"):
        if name in priced.rates and rng.random() < 0.6 and (name != "read" or priced.tier != "batch"):
            counts[name] = rng.randint(0, left)
            left -= counts[name]
    counts["hour"] = rng.randint(0, counts["write"]) if "hour" in priced.rates and rng.random() < 0.5 else 0
    counts["spoken"] = rng.randint(0, counts["output"]) if "spoken" in priced.rates else 0
    counts["thought"] = rng.randint(0, counts["output"] - counts["spoken"]) if rng.random() < 0.3 else 0
    counts["searches"] = rng.randint(0, 5) if "searches" in priced.rates and rng.random() < 0.3 else 0
    return counts


def generated() -> list[Call]:
    rng = Random(20260115)
    return [Call(priced := PAGES[i % len(PAGES)], usage(rng, priced)) for i in range(CALLS)]


GENERATED = generated()


def request(calls: list[tuple[int, Call]]) -> bytes:
    """Numbered calls as an instrumentor of the conventions writes them."""
    asked = ExportTraceServiceRequest()
    spans = asked.resource_spans.add().scope_spans.add().spans
    for number, call in calls:
        start = at_ns(DAY) + number * 10**9
        span = spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="chat")
        span.start_time_unix_nano, span.end_time_unix_nano = start, start + 10**9
        said: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": call.page.provider}
        said |= {"gen_ai.response.model": call.page.model, "gen_ai.request.service_tier": call.page.tier}
        for name, value in (said | {TOKENS[k]: n for k, n in call.counts.items() if n}).items():
            attribute = span.attributes.add(key=name)
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = value
    return asked.SerializeToString()


DECODER = decoder(horizon_ns=10**18)


def decoded(batches: list[list[int]]) -> Iterator[dict[str, Any]]:
    """Rows of the numbered calls (from 1 on), a batch after the other."""
    for numbers in batches:
        yield from rows(DECODER.decode([record(request([(number, GENERATED[number - 1]) for number in numbers]))]))


def test_a_thousand_calls_cost_what_the_price_pages_say() -> None:
    assert len(PAGES) >= 30
    assert len({(p.provider, p.model) for p in PAGES}) >= 30
    found = list(decoded([list(range(1, CALLS + 1))]))
    wrong = [
        (call, row["cost_nusd"], call.page.cost_nusd(call.counts), row["price_rule"])
        for call, row in zip(GENERATED, found, strict=True)
        if (row["cost_nusd"], row["cost_source"]) != (call.page.cost_nusd(call.counts), "book")
    ]
    assert not wrong, (len(wrong), wrong[:3])


def test_a_kind_of_token_costs_what_the_price_pages_say() -> None:
    """To the nano-dollar that rounding once may move from one kind to the next."""
    for call, row in zip(GENERATED, decoded([list(range(1, CALLS + 1))]), strict=True):
        for name, of in {"cost_cache_read_nusd": ("read",), "cost_cache_write_nusd": ("write", "hour")}.items():
            rates = call.page.dearer if call.counts["input"] > call.page.above else call.page.rates
            kept = call.counts | {"write": call.counts["write"] - call.counts["hour"]}
            exact = sum(Decimal(rates[kind]) * kept[kind] * 1000 for kind in of if kept[kind])
            assert abs(row[name] - exact) <= 1, (call, name, row[name], exact)
        assert sum(row[name] for name in SPEND) <= row["cost_nusd"]


def test_another_library_agrees_where_it_has_the_rates() -> None:
    asked = 0
    for call in GENERATED:
        priced = call.page
        if (priced.provider, priced.tier) in UNREAD or (priced.provider, priced.model) in UNREAD:
            continue
        used = Usage(**{ORACLE[name]: n for name, n in call.counts.items() if name in ORACLE}, cache_audio_read_tokens=0)
        price = calc_price(used, priced.model, provider_id=priced.provider, genai_request_timestamp=MOMENT)
        exact = int((price.total_price * 10**9).to_integral_value(ROUND_HALF_UP))
        assert exact == priced.cost_nusd(call.counts), (priced.provider, priced.model, call.counts)
        asked += 1
    assert asked > 0.8 * CALLS


@pytest.mark.parametrize("seed", range(5))
def test_sums_depend_neither_on_order_nor_on_how_it_is_cut(seed: int) -> None:
    """Calls shuffled, in batches of any size, added up in any number of partitions: the same nano-dollars."""
    rng = Random(seed)
    numbers, batches = list(range(1, CALLS + 1)), []
    rng.shuffle(numbers)
    while numbers:
        size = rng.choice([1, 7, 50, 300])
        batches.append(numbers[:size])
        numbers = numbers[size:]
    found = list(decoded(batches))
    partitions = rng.randint(1, 9)
    high, low = np.zeros(partitions, np.uint64), np.zeros(partitions, np.uint64)
    slots = np.array([partition_of(row["trace_id"], partitions) for row in found], np.int64)
    add_values(high, low, slots, np.array([row["cost_nusd"] for row in found], np.int64))
    total = sum((h << 64) + rest for h, rest in zip(high.tolist(), low.tolist(), strict=True))
    assert total == sum(call.page.cost_nusd(call.counts) for call in GENERATED)
    assert {row["span_id"]: row["cost_nusd"] for row in found} == {
        f"{n:016x}": call.page.cost_nusd(call.counts) for n, call in enumerate(GENERATED, 1)
    }
