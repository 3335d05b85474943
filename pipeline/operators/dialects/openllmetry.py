"""OpenLLMetry (Traceloop), current and the older `llm.*` names.

Its kinds are words for a request (`llm.request.type`) and for what an application declares (`traceloop.span.kind`). Streams are
told by a flag and an event per chunk. Bedrock's prompts exclude the cache, and its total is its own sum.
Source: opentelemetry-semantic-conventions-ai.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths

OPENLLMETRY = Dialect(
    "openllmetry",
    kind=paths("llm.request.type", "traceloop.span.kind"),
    kinds={
        "chat": "llm",
        "completion": "llm",
        "embedding": "embedding",
        "embeddings": "embedding",
        "rerank": "reranker",
        "workflow": "chain",
        "task": "chain",
        "agent": "agent",
        "tool": "tool",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "provider": paths("llm.vendor"),
        "operation": paths("llm.request.type"),
        "model": paths("llm.response.model", "llm.request.model"),
        "server_address": paths("gen_ai.openai.api_base", "llm.openai.api_base"),
        "session_id": paths("traceloop.association.properties.session_id", "traceloop.association.properties.sessionId"),
        "user_id": paths("traceloop.association.properties.user_id", "traceloop.association.properties.userId", "llm.user"),
        "finish_reason": paths("llm.response.finish_reason", "llm.response.stop_reason", "gen_ai.completion.0.finish_reason"),
        "question": paths("traceloop.entity.input"),
        "tool_name": paths("traceloop.entity.name"),
        "answer": paths("gen_ai.completion.0.content", "llm.completions.0.content", "traceloop.entity.output"),
        "called_tools": paths(
            r"gen_ai.completion.0.tool_calls.0.name~\S",
            r"gen_ai.completion.0.function_call.name~\S",
        ),
        "refused": paths(r"gen_ai.completion.0.refusal~\S"),
        "stream": paths("llm.is_streaming", "gen_ai.is_streaming"),
        "ttft_ns": paths("event:llm.content.completion.chunk", "event:gen_ai.content.completion.chunk"),
        "input_tokens": paths("llm.usage.prompt_tokens", "llm.usage.input_tokens"),
        "output_tokens": paths("llm.usage.completion_tokens", "llm.usage.output_tokens"),
        "total_tokens": paths("llm.usage.total_tokens"),
        "cache_read_tokens": paths("llm.usage.cache_read_input_tokens"),
        "cache_write_tokens": paths("llm.usage.cache_creation_input_tokens"),
        "reasoning_tokens": paths("llm.usage.reasoning_tokens"),
    },
    beside_scopes={"cache": ("opentelemetry.instrumentation.bedrock",)},
)
