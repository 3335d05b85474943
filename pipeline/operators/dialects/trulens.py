"""TruLens and Snowflake's AI observability. Source: trulens/otel/semconv/trace.py."""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths

COST = "ai.observability.cost"

TRULENS = Dialect(
    "trulens",
    kind=paths("ai.observability.span_type"),
    kinds={
        "generation": "llm",
        "reranking": "reranker",
        "retrieval": "retriever",
        "tool": "tool",
        "agent": "agent",
        "record_root": "chain",
        "workflow_step": "chain",
        "graph_node": "chain",
        "eval": "evaluator",
        "eval_root": "evaluator",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "model": paths(f"{COST}.model", "ai.observability.generation.model_name"),
        "question": paths("ai.observability.record_root.input", "ai.observability.retrieval.query_text"),
        "answer": paths("ai.observability.record_root.output"),
        "documents": paths("ai.observability.retrieval.retrieved_contexts"),
        "stream": paths("ai.observability.generation.is_streaming"),
        "ttft_ns": paths("ai.observability.generation.time_to_first_token_ms@ms"),
        "input_tokens": paths(f"{COST}.num_prompt_tokens", "ai.observability.generation.input_token_count"),
        "output_tokens": paths(f"{COST}.num_completion_tokens", "ai.observability.generation.output_token_count"),
        "total_tokens": paths(f"{COST}.num_tokens"),
        "reasoning_tokens": paths(f"{COST}.num_reasoning_tokens"),
        "cache_read_tokens": paths(f"{COST}.num_cached_tokens", f"{COST}.num_cache_read_tokens"),
        "span_cost": paths(f"{COST}.cost"),
    },
)
