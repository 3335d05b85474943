"""Langfuse: observations of its own SDKs, wrappers and callback handlers; nothing of gen_ai.* on them.

Usage is one JSON object in one of three shapes: the provider's own (parts inside), or flat and exclusive: `input`, `output`
without the parts beside them. A failed call says so in its level while the status stays unset. When the first token came is an
instant, quoted twice. Source: langfuse's server, src/server/otel/attributes.ts, and its SDKs.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.raw import BESIDE, BILLED, GEMINI, INSIDE, under

USAGE = "langfuse.observation.usage_details"

RAW = under(USAGE, INSIDE, {name: BESIDE[name] for name in ("cache_read_tokens", "cache_write_tokens")}, BILLED, GEMINI)

THOUGHTS = under(USAGE, {"reasoning_tokens": GEMINI["reasoning_tokens"]})["reasoning_tokens"]

FLAT = under(
    USAGE,
    {
        "input_tokens": ("input",),
        "output_tokens": ("output",),
        "total_tokens": ("total",),
        "cache_read_tokens": ("input_cached_tokens", "input_cache_read", "input_cached"),
        "cache_write_tokens": ("input_cache_creation", "input_cache_write"),
        "reasoning_tokens": ("output_reasoning_tokens", "output_reasoning"),
        "cache_write_1h_tokens": ("input_cache_creation_1h", "input_cache_write_1h"),
        "searches": ("web_search_requests", "search_units"),
        "audio_input_tokens": ("input_audio_tokens", "input_audio"),
        "audio_output_tokens": ("output_audio_tokens", "output_audio"),
    },
)

LANGFUSE = Dialect(
    "langfuse",
    kind=paths("langfuse.observation.type"),
    kinds={
        "generation": "llm",
        "embedding": "embedding",
        "retriever": "retriever",
        "tool": "tool",
        "agent": "agent",
        "chain": "chain",
        "evaluator": "evaluator",
        "guardrail": "guardrail",
        "span": SAYS_NOTHING,
        "event": SAYS_NOTHING,
    },
    fields={
        "provider": paths(r'langfuse.observation.metadata.ls_provider~^"?([\w-]+)"?$'),
        "model": paths("langfuse.observation.model.name"),
        "session_id": paths("langfuse.session.id"),
        "user_id": paths("langfuse.user.id"),
        "failed": paths("langfuse.observation.level~^(?i:error)$"),
        "finish_reason": paths(r'langfuse.observation.metadata.finish_reason~^"?(\w+)"?$'),
        "question": paths("langfuse.observation.input", "langfuse.trace.input"),
        "answer": paths("langfuse.observation.output"),
        "request": paths("langfuse.observation.model.parameters"),
        "response_id": paths(
            r'langfuse.observation.metadata.response_id~^"?([\w-]+)"?$', r'langfuse.observation.metadata.id~^"?([\w-]+)"?$'
        ),
        "service_tier": paths("langfuse.observation.model.parameters#service_tier"),
        "stream": paths("langfuse.observation.model.parameters#stream"),
        "ttft_ns": paths("langfuse.observation.completion_start_time@time"),
        **{name: paths(*RAW.get(name, ()), *FLAT.get(name, ())) for name in RAW | FLAT},
        "span_cost": paths("langfuse.observation.cost_details#total"),
    },
    beside={
        "cache": paths(*FLAT["input_tokens"]),
        "reasoning": paths(*FLAT["output_tokens"], *THOUGHTS),
    },
)
