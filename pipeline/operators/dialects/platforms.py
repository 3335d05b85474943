"""What platforms' own libraries add to the conventions: Laminar, LangWatch, Braintrust, and Langtrace with its older `llm.*`.

Sources: lmnr (Python, TypeScript), langwatch's SDKs, braintrust.dev's attributes, langtrace's trace attributes.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths

LAMINAR = Dialect(
    "laminar",
    kind=paths("lmnr.span.type"),
    kinds={
        "llm": "llm",
        "tool": "tool",
        "executor": "chain",
        "pipeline": "chain",
        "cached": "chain",
        "evaluation": "chain",
        "evaluator": "evaluator",
        "human_evaluator": "evaluator",
        "default": SAYS_NOTHING,
    },
    fields={
        "question": paths("lmnr.span.input"),
        "answer": paths("lmnr.span.output"),
        "session_id": paths("lmnr.association.properties.session_id"),
        "user_id": paths("lmnr.association.properties.user_id"),
    },
)
"""A `cached` span replays an answer of an earlier run: no model was asked."""

METRICS = ("langwatch.metrics", "langwatch.metrics#value")

LANGWATCH = Dialect(
    "langwatch",
    kind=paths("langwatch.span.type"),
    kinds={
        "llm": "llm",
        "embedding": "embedding",
        "agent": "agent",
        "tool": "tool",
        "rag": "retriever",
        "guardrail": "guardrail",
        "evaluation": "evaluator",
        **dict.fromkeys(("chain", "workflow", "component", "module", "task", "prompt"), "chain"),
        **dict.fromkeys(("server", "client", "producer", "consumer"), SAYS_NOTHING),
        "span": SAYS_NOTHING,
        "unknown": SAYS_NOTHING,
    },
    fields={
        "question": paths("langwatch.input"),
        "documents": paths("langwatch.contexts", "langwatch.rag.contexts"),
        "answer": paths("langwatch.output"),
        "session_id": paths("langwatch.thread.id"),
        "user_id": paths("langwatch.user.id"),
        "input_tokens": paths(*(f"{base}#{key}" for base in METRICS for key in ("promptTokens", "prompt_tokens"))),
        "output_tokens": paths(*(f"{base}#{key}" for base in METRICS for key in ("completionTokens", "completion_tokens"))),
        "span_cost": paths(*(f"{base}#cost" for base in METRICS)),
    },
)

BRAINTRUST = Dialect(
    "braintrust",
    kind=paths("braintrust.span_attributes#type", "braintrust.span_attributes.type"),
    kinds={
        "llm": "llm",
        "tool": "tool",
        "function": "chain",
        "task": "chain",
        "eval": "chain",
        "score": "evaluator",
        "classifier": "evaluator",
    },
    fields={
        "provider": paths("braintrust.metadata#provider"),
        "model": paths("braintrust.metadata#model", "braintrust.metadata.model"),
        "question": paths("braintrust.input"),
        "answer": paths("braintrust.output"),
        "session_id": paths("braintrust.metadata#session_id"),
        "ttft_ns": paths("braintrust.metrics#time_to_first_token@s", "braintrust.metrics.time_to_first_token@s"),
        **{
            field: paths(f"braintrust.metrics#{name}", f"braintrust.metrics.{name}")
            for field, name in {
                "input_tokens": "prompt_tokens",
                "output_tokens": "completion_tokens",
                "total_tokens": "tokens",
                "cache_read_tokens": "prompt_cached_tokens",
                "cache_write_tokens": "prompt_cache_creation_tokens",
                "reasoning_tokens": "completion_reasoning_tokens",
                "span_cost": "estimated_cost",
            }.items()
        },
    },
)

COUNTS = "llm.token.counts"

LANGTRACE = Dialect(
    "langtrace",
    kind=paths("langtrace.service.type"),
    kinds={"llm": "llm", "vectordb": "retriever", "framework": "chain"},
    fields={
        "provider": paths("langtrace.service.name"),
        "model": paths("llm.model"),
        "stream": paths("llm.stream"),
        "ttft_ns": paths("event:stream.output"),
        "input_tokens": paths(f"{COUNTS}#input_tokens", f"{COUNTS}#prompt_tokens"),
        "output_tokens": paths(f"{COUNTS}#output_tokens", f"{COUNTS}#completion_tokens"),
        "total_tokens": paths(f"{COUNTS}#total_tokens"),
    },
)
