"""Pydantic AI and Logfire's instrumentations: the OpenTelemetry conventions, details beside them and the provider's raw usage.

The spans of agents carry `gen_ai.aggregated_usage.*`, which no call has. An attempt of a fallback has only a name.
Logfire tells a stream by two spans, the second of which, `streaming response from …`, has the usage.
Source: pydantic_ai/models/instrumented.py, logfire/_internal/integrations/llm_providers.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths, within
from pipeline.operators.dialects.raw import BILLED, INSIDE, under

SCOPES = ("pydantic-ai", "logfire")

RAW = under("gen_ai.usage.raw", INSIDE, BILLED)
DETAILS = "gen_ai.usage.details"

PYDANTIC = Dialect(
    "pydantic",
    kind=within(SCOPES, "name:~^(model request attempt|agent run|running tool)"),
    kinds={"model request attempt": "llm", "agent run": "agent", "running tool": "tool"},
    scopes=SCOPES,
    fields={
        "stream": (*within(SCOPES, "request_data#stream"), *within(SCOPES, "name:~^streaming response from ")),
        "cache_read_tokens": paths(
            f"{DETAILS}.cache_read_tokens",
            f"{DETAILS}.cache_read_input_tokens",
            f"{DETAILS}.cached_tokens",
            f"{DETAILS}.cached_content_tokens",
            *RAW["cache_read_tokens"],
        ),
        "cache_write_tokens": paths(
            f"{DETAILS}.cache_write_tokens", f"{DETAILS}.cache_creation_input_tokens", *RAW["cache_write_tokens"]
        ),
        "reasoning_tokens": paths(f"{DETAILS}.reasoning_tokens", f"{DETAILS}.thoughts_tokens", *RAW["reasoning_tokens"]),
        "audio_input_tokens": paths(f"{DETAILS}.input_audio_tokens", f"{DETAILS}.audio_prompt_tokens"),
        "audio_output_tokens": paths(f"{DETAILS}.output_audio_tokens", f"{DETAILS}.audio_candidates_tokens"),
        "cache_write_1h_tokens": paths(*RAW["cache_write_1h_tokens"]),
        "searches": paths(f"{DETAILS}.web_search_requests", *RAW["searches"]),
        "question": (
            *paths("pydantic_ai.all_messages"),
            *within(SCOPES, "all_messages_events", "events", "request_data", "prompt"),
        ),
        "tool_arguments": within(SCOPES, "tool_arguments"),
        "tool_result": within(SCOPES, "tool_response"),
        "answer": within(SCOPES, "events", "all_messages_events", "response_data", "final_result"),
        "request": (*paths("model_request_parameters"), *within(SCOPES, "request_data")),
        "ttft_ns": paths("pydantic_ai.time_to_first_token_ms@ms"),
        "span_cost": paths("operation.cost"),
    },
)
