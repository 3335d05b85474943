"""Vercel AI SDK 4 to 7. `ai.operationId` decides: only `…doGenerate`, `…doStream`, `…doEmbed` are calls; wrappers sum up.

Version 4 keeps cached and reasoning tokens only in the provider's metadata; with Anthropic's models the prompt of versions 4
and 5 excludes the cache. Embeddings have one count. Version 7 writes the OpenTelemetry conventions, and reasoning beside them.
The OpenInference span processor copies an earlier attempt's error onto the one that was answered.
Source: vercel/ai, packages/ai/src/telemetry, and openinference-vercel.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

META = "ai.response.providerMetadata"

ANTHROPIC_READ = paths(
    f"{META}#anthropic#cacheReadInputTokens",
    f"{META}#anthropic#usage#cache_read_input_tokens",
    f"{META}#bedrock#usage#cacheReadInputTokens",
)
ANTHROPIC_WRITE = paths(
    f"{META}#anthropic#cacheCreationInputTokens",
    f"{META}#anthropic#usage#cache_creation_input_tokens",
    f"{META}#bedrock#usage#cacheWriteInputTokens",
)
GOOGLE_THOUGHTS = paths(f"{META}#google#usageMetadata#thoughtsTokenCount", f"{META}#vertex#usageMetadata#thoughtsTokenCount")

CALLS = {
    f"ai.{caller}.{call}".lower(): "llm"
    for caller in ("generateText", "streamText", "generateObject", "streamObject")
    for call in ("doGenerate", "doStream")
}
WRAPPERS = {f"ai.{caller}".lower(): "chain" for caller in ("generateText", "streamText", "generateObject", "streamObject")}

VERCEL = Dialect(
    "vercel",
    kind=paths("ai.operationId", r"operation.name~^(ai\.[\w.]+)"),
    kinds={
        **CALLS,
        **WRAPPERS,
        "ai.embed.doembed": "embedding",
        "ai.embedmany.doembed": "embedding",
        "ai.rerank.dorerank": "reranker",
        "ai.embed": "chain",
        "ai.embedmany": "chain",
        "ai.rerank": "chain",
        "ai.toolcall": "tool",
    },
    fields={
        "provider": paths("ai.model.provider"),
        "operation": paths("ai.operationId"),
        "model": paths("ai.response.model", "ai.model.id"),
        "session_id": paths("ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.session_id"),
        "user_id": paths("ai.telemetry.metadata.userId", "ai.telemetry.metadata.user_id"),
        "finish_reason": paths("ai.response.finishReason", "ai.finishReason"),
        "answered": paths("ai.response.finishReason~^(?!error$)"),
        "question": paths("ai.prompt.messages", "ai.prompt"),
        "tool_name": paths("ai.toolCall.name"),
        "tool_arguments": paths("ai.toolCall.args"),
        "tool_result": paths("ai.toolCall.result"),
        "answer": paths("ai.response.object", "ai.response.text", "ai.result.object", "ai.result.text"),
        "called_tools": paths(r"ai.response.toolCalls~^\s*\[\s*\{", r"ai.result.toolCalls~^\s*\[\s*\{"),
        "output_schema": paths("ai.schema"),
        "asks_json": paths(
            r"ai.operationId~^ai\.(?:generate|stream)Object\b", r"ai.settings.output~^(?:object|array|enum|no-schema)$"
        ),
        "response_id": paths("ai.response.id"),
        "service_tier": paths(f"{META}#openai#serviceTier"),
        "stream": paths("ai.operationId~[.]doStream$"),
        "ttft_ns": paths(
            "ai.response.msToFirstChunk@ms",
            "ai.stream.msToFirstChunk@ms",
            "metadata.ai.response.msToFirstChunk@ms",
            "event:ai.stream.firstChunk",
        ),
        "input_tokens": paths("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output_tokens": paths("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "total_tokens": paths("ai.usage.totalTokens"),
        "cache_read_tokens": (
            *paths("ai.usage.inputTokenDetails.cacheReadTokens"),
            *ANTHROPIC_READ,
            *paths("ai.usage.cachedInputTokens", f"{META}#openai#cachedPromptTokens"),
        ),
        "cache_write_tokens": (*paths("ai.usage.inputTokenDetails.cacheWriteTokens"), *ANTHROPIC_WRITE),
        "cache_write_1h_tokens": paths(f"{META}#anthropic#usage#cache_creation#ephemeral_1h_input_tokens"),
        "searches": paths(
            f"{META}#anthropic#usage#server_tool_use#web_search_requests", f"{META}#perplexity#usage#numSearchQueries"
        ),
        "reasoning_tokens": (
            *paths("ai.usage.outputTokenDetails.reasoningTokens"),
            *GOOGLE_THOUGHTS,
            *paths("ai.usage.reasoningTokens", f"{META}#openai#reasoningTokens"),
        ),
    },
    beside={"cache": ANTHROPIC_READ + ANTHROPIC_WRITE, "reasoning": GOOGLE_THOUGHTS},
    own_sums=frozenset(ANTHROPIC_READ + ANTHROPIC_WRITE),
)
