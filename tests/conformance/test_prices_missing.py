"""`tailrace prices missing` on a real ClickHouse."""

import pytest

from pipeline.app.prices import missing
from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.connectors.clock import now_ns
from pipeline.settings import Settings
from tests.spans import block, span

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def store(with_schema: Settings) -> Settings:
    """Three kinds of calls without a price, and some that are not among them."""
    now = now_ns()
    groq = {
        "provider": "groq",
        "model": "llama-9",
        "cost_source": "unpriced",
        "price_rule": "no price for this provider and model",
    }
    audio = {
        "provider": "openai",
        "model": "gpt-4o",
        "cost_source": "unpriced",
        "price_rule": "no audio_input rate: openai/gpt-4o",
    }
    rows = [
        *[span(n, now - HOUR_NS, **groq) for n in range(3)],
        span(3, now - 30 * HOUR_NS, **groq | {"input_tokens": None}),
        span(4, now - HOUR_NS, **audio),
        span(4, now - HOUR_NS, **audio),  # the same span again
        span(5, now - HOUR_NS, **groq | {"kind": "agent"}),
        span(6, now - HOUR_NS),
    ]
    with connect(with_schema) as client:
        assert insert_blocks(client, "spans", [block(rows)]) == {}
    return with_schema


def told(store: Settings, hours: int) -> list[tuple[object, ...]]:
    names, rows = missing(store, hours)
    assert names == ["provider", "model", "service_tier", "why", "calls", "input_tokens", "output_tokens", "first", "last"]
    return [tuple(row[:2] + row[3:7]) for row in rows]


def test_calls_and_tokens_by_who_bills_and_what_is_missing(store: Settings) -> None:
    audio = ("openai", "gpt-4o", "no audio_input rate: openai/gpt-4o", 1, 10, 5)
    assert told(store, 0) == [("groq", "llama-9", "no price for this provider and model", 4, 30, 20), audio]
    assert told(store, 24) == [("groq", "llama-9", "no price for this provider and model", 3, 30, 15), audio]
