"""OpenLIT, Python and JavaScript: the OpenTelemetry conventions with additions.

Its time to first token, in seconds, stands on answers that were not streamed too, so it counts only beside a flag. A stream
without usage gets an estimate that nothing marks. A failed call may have nothing but its name. Prompts of Bedrock and of
Anthropic exclude the cache. Source: openlit/sdk.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

OPENLIT = Dialect(
    "openlit",
    span_names={
        "chat": "llm",
        "text_completion": "llm",
        "generate_content": "llm",
        "embeddings": "embedding",
        "embedding": "embedding",
        "rerank": "reranker",
        "execute_tool": "tool",
        "invoke_agent": "agent",
    },
    scopes=("openlit", "@openlit"),
    fields={
        "ttft_ns": paths("gen_ai.server.time_to_first_token@s", "gen_ai.server.ttft@s"),
        "cache_read_tokens": paths(
            "gen_ai.usage.prompt_tokens_details.cached_tokens", "gen_ai.usage.prompt_tokens_details.cache_read"
        ),
        "cache_write_tokens": paths(
            "gen_ai.usage.prompt_tokens_details.cache_creation_tokens", "gen_ai.usage.prompt_tokens_details.cache_write"
        ),
        "reasoning_tokens": paths(
            "gen_ai.usage.completion_tokens_details.reasoning_tokens", "gen_ai.usage.completion_tokens_details.reasoning"
        ),
        "audio_input_tokens": paths("gen_ai.usage.prompt_tokens_details.audio_tokens"),
        "audio_output_tokens": paths("gen_ai.usage.completion_tokens_details.audio_tokens"),
        "span_cost": paths("gen_ai.usage.cost"),
    },
    beside_scopes={"cache": ("openlit.instrumentation.bedrock", "openlit.instrumentation.anthropic")},
)
