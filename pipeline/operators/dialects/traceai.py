"""traceAI (FutureAGI): OpenTelemetry GenAI's names with additions of its own, and older `fi.*` and `llm.*` names.

A streamed chat loses its model except inside the request parameters; the first token is an event.
Source: fi_instrumentation/fi_types.py.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths

TRACEAI = Dialect(
    "traceai",
    kind=paths("gen_ai.span.kind", "fi.span.kind"),
    kinds={
        "llm": "llm",
        "embedding": "embedding",
        "reranker": "reranker",
        "retriever": "retriever",
        "vector_db": "retriever",
        "tool": "tool",
        "agent": "agent",
        "a2a_client": "agent",
        "a2a_server": "agent",
        "chain": "chain",
        "conversation": "chain",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "model": paths("gen_ai.request.parameters#model"),
        "error_type": paths("error.type"),
        "finish_reason": paths("gen_ai.response.finish_reason"),
        "stream": paths("gen_ai.request.parameters#stream"),
        "ttft_ns": paths("event:First Token Stream Event"),
        "cache_read_tokens": paths(
            "gen_ai.usage.input_tokens.cache_read",
            "gen_ai.usage.cache_read_tokens",
            "llm.token_count.prompt_tokens_details.cached",
        ),
        "cache_write_tokens": paths(
            "gen_ai.usage.input_tokens.cache_write",
            "gen_ai.usage.cache_write_tokens",
            "llm.token_count.prompt_tokens_details.cache_write",
        ),
        "reasoning_tokens": paths("gen_ai.usage.output_tokens.reasoning"),
        "audio_input_tokens": paths("gen_ai.usage.input_tokens.audio"),
        "audio_output_tokens": paths("gen_ai.usage.output_tokens.audio"),
        "span_cost": paths("gen_ai.cost.total"),
    },
)
