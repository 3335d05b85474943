"""Names without a namespace, as Claude Code, Qwen Code, Gemini CLI and people by hand write them; believed last.

A bare `input_tokens` or `model` may be anybody's: without the other, or a mark of another vocabulary, it makes no call of a span.
Anthropic's names mean what they mean there: what was cached lies beside the prompt; Gemini's thoughts lie beside the output.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.raw import INSIDE, under

READ = paths("cache_read_tokens", "cache_read_input_tokens")
WRITTEN = paths("cache_creation_tokens", "cache_creation_input_tokens", "cache_write_tokens")
THOUGHTS = paths("thoughts_token_count", "thoughts_tokens")

USAGE = under("usage", INSIDE)

PLAIN = Dialect(
    "plain",
    fields={
        "provider": paths("provider", r"scope:~^(vllm)\b"),
        "model": paths("response_model", "model", "model_name", "model_id"),
        "failed": paths(
            "success~^(?i:false)$",
            *(f"{name}~^(?i:error|fatal|critical)$" for name in ("level", "severity", "severity_text", "log.level")),
            "status~^(?i:error|fail|failed|failure|timeout|timed_out|cancell?ed)$",
        ),
        "finish_reason": paths("finish_reason", "stop_reason"),
        "service_tier": paths("service_tier"),
        "stream": paths("is_streaming", "streaming", "stream"),
        "ttft_ns": paths(
            "ttft_ms@ms", "time_to_first_token_ms@ms", "time_to_first_chunk_ms@ms", "first_token_ms@ms", "ttft_ns@ns", "ttft@s"
        ),
        "input_tokens": paths("input_tokens", "prompt_tokens", "input_token_count", "prompt_token_count", *USAGE["input_tokens"]),
        "output_tokens": paths(
            "output_tokens", "completion_tokens", "output_token_count", "candidates_token_count", *USAGE["output_tokens"]
        ),
        "total_tokens": paths("total_tokens", "total_token_count"),
        "cache_read_tokens": (
            *READ,
            *paths("cached_input_tokens", "cached_content_token_count", "cached_tokens", *USAGE["cache_read_tokens"]),
        ),
        "cache_write_tokens": WRITTEN,
        "cache_write_1h_tokens": paths("cache_creation_1h_tokens", "usage#cache_creation#ephemeral_1h_input_tokens"),
        "searches": paths("web_search_requests", "usage#server_tool_use#web_search_requests"),
        "reasoning_tokens": (*THOUGHTS, *paths("reasoning_tokens", "reasoning_token_count", *USAGE["reasoning_tokens"])),
        "cache_hit": paths("llm.cache_hit", "llm.cache.hit", "cache_hit"),
        "span_cost": paths("cost_usd", "total_cost_usd"),
    },
    beside={"cache": READ + WRITTEN, "reasoning": THOUGHTS},
)
