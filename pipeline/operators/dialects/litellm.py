"""LiteLLM, version 1 of its tracing (`litellm_request`) and version 2 (the OpenTelemetry conventions).

Only the request is a call: the proxy's own spans around it and the copy of the raw exchange under it are none. Behind a proxy the
model of the response is the alias it is sold under, so the requested one, which is the deployment's, comes first.
Source: litellm/integrations/opentelemetry.py.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths, within

SCOPE = ("litellm",)

LITELLM = Dialect(
    "litellm",
    kind=(*paths("litellm.call_type"), *within(SCOPE, "llm.request.type")),
    kinds={
        **{
            f"{prefix}{word}": kind
            for prefix in ("", "a")
            for word, kind in {
                "completion": "llm",
                "text_completion": "llm",
                "responses": "llm",
                "anthropic_messages": "llm",
                "generate_content": "llm",
                "generate_content_stream": "llm",
                "embedding": "embedding",
                "rerank": "reranker",
            }.items()
        },
        "agenerate_content_stream": "llm",
        "call_mcp_tool": "tool",
    },
    span_names={
        "litellm_request": "llm",
        "raw_gen_ai_request": "chain",
        "received proxy server request": "chain",
        "router": "chain",
        "self": "chain",
        "auth": "chain",
        "proxy_pre_call": "chain",
        "redis": "chain",
        "postgres": "chain",
        "batch_write_to_db": "chain",
        "guardrail": "guardrail",
        "cache.get": "chain",
        "cache.set": "chain",
    },
    scopes=SCOPE,
    fields={
        "model": within(SCOPE, "gen_ai.request.model"),
        "model_requested": within(SCOPE, "gen_ai.response.model"),
        "server_address": paths("hidden_params#api_base"),
        "session_id": paths("metadata.session_id", "metadata.litellm_session_id"),
        "user_id": paths("metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
        "stream": paths("litellm.request.streaming"),
        "ttft_ns": within(SCOPE, "gen_ai.client.response.time_to_first_token@s", "gen_ai.client.response.time_to_first_token@ms"),
        "cache_read_tokens": paths("gen_ai.usage.prompt_tokens_details.cached_tokens"),
        "reasoning_tokens": paths("gen_ai.usage.completion_tokens_details.reasoning_tokens"),
        "reply_cached": paths("hidden_params#cache_hit", r"hidden_params#cache_key~^(?!(?i:none|null)$)\S", "litellm.cache_hit"),
        "span_cost": paths("litellm.cost.total", "gen_ai.cost.total_cost", "hidden_params#response_cost"),
    },
)
