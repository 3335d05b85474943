"""Names nobody told us are read by their letters, after all tables; sums and limits are not."""

from typing import Any

import numpy as np
import pytest

from pipeline.operators.decode.likes import like_of
from pipeline.operators.dialects.alike import FORMS
from tests.otlp import spoken

CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.provider.name": "openai"}
USED = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


@pytest.mark.parametrize(
    ("attributes", "column", "expected"),
    [
        ({"acme.usage.cacheReadInputTokens": 800}, "cache_read_tokens", 800),
        ({"acme.llm.usage.cached-tokens": "800"}, "cache_read_tokens", 800),
        ({"gen_ai.usage.input_token_details.cached": 800}, "cache_read_tokens", 800),
        ({"acme.usage.prompt_tokens_details": '{"cached_tokens": 800}'}, "cache_read_tokens", 800),
        ({"acme.usage.prompt_tokens_details": {"cached_tokens": 800}}, "cache_read_tokens", 800),
        ({"acme.usage.cache_creation_input_token_count": 300}, "cache_write_tokens", 300),
        ({"acme.usage.thinking_tokens": 30}, "reasoning_tokens", 30),
        ({"acme.ttft_ms": 200}, "ttft_ns", 200_000_000),
        ({"acme.stream.timeToFirstToken": 0.2}, "ttft_ns", 200_000_000),
        ({"acme.stream.time_to_first_token": 200}, "ttft_ns", 200_000_000),
        ({"acme.stream.time_to_first_token": 0.4}, "ttft_ns", None),  # the whole call
        ({"acme.llm.input_tokens": 7}, "input_tokens", 1000),  # a table knows better
        ({"aggregated_usage.cached_tokens": 800}, "cache_read_tokens", None),
        ({"acme.session.cached_tokens": 800}, "cache_read_tokens", None),
        ({"acme.rate_limit.cached_tokens": 800}, "cache_read_tokens", None),
        ({"acme.cached_tokens_saved": 800}, "cache_read_tokens", None),
        ({"x" * 90 + ".cached_tokens": 800}, "cache_read_tokens", None),
        ({"acme.usage.cached_tokens": "many"}, "cache_read_tokens", None),
    ],
    ids=str,
)
def test_letters(attributes: dict[str, Any], column: str, expected: int | None) -> None:
    assert spoken(CALL | USED | attributes)[column] == expected


@pytest.mark.parametrize("form", [form for forms in FORMS.values() for form in forms])
def test_every_form_is_known_by_its_end_however_it_is_written(form: str) -> None:
    meaning = next(place for place, forms in enumerate(FORMS.values()) if form in forms)
    for said in (form, form.upper(), "_".join(form), f"acme.usage.{form}-"):
        name = np.frombuffer(f"{said} ".encode(), np.uint8)
        assert like_of(name, 0, len(said)) == meaning


def test_usage_in_nobodys_words_prices_a_call() -> None:
    row = spoken(CALL | {"acme.usage.promptTokens": 1000, "acme.usage.completionTokens": 100})
    assert (row["input_tokens"], row["output_tokens"], row["cost_nusd"]) == (1000, 100, 1000 * 150 + 100 * 600)


def test_usage_alone_in_nobodys_words_makes_no_call_but_is_named() -> None:
    row = spoken({"acme.usage.promptTokens": 1000, "car.model": "3"})
    assert (row["kind"], row["account"].names) == ("other", "acme.usage.promptTokens, car.model")


def test_no_form_means_two_things() -> None:
    forms = [form for found in FORMS.values() for form in found]
    assert len(set(forms)) == len(forms)
    assert all(form.isalnum() and form == form.lower() and len(form) >= 4 for form in forms)
