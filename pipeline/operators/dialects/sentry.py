"""Sentry's tracing of agents: the OpenTelemetry conventions with parts named under their wholes, and older `ai.*` names.

Source: sentry_sdk/consts.py (SPANDATA, OP), sentry-conventions.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

SENTRY = Dialect(
    "sentry",
    kind=paths(r"sentry.op~^((?:gen_)?ai\..+)$"),
    kinds={
        **{
            f"gen_ai.{word}": "llm"
            for word in ("chat", "messages", "responses", "generate_text", "stream_text", "generate_object", "stream_object")
        },
        "gen_ai.generate_content": "llm",
        "gen_ai.embeddings": "embedding",
        "gen_ai.invoke_agent": "agent",
        "gen_ai.create_agent": "agent",
        "gen_ai.handoff": "agent",
        "gen_ai.execute_tool": "tool",
        "gen_ai.pipeline": "chain",
        "ai.pipeline": "chain",
    },
    fields={
        "model": paths("ai.model_id"),
        "stream": paths("gen_ai.response.streaming", "ai.streaming"),
        "ttft_ns": paths("gen_ai.response.time_to_first_token@s"),
        "input_tokens": paths("ai.prompt_tokens.used"),
        "output_tokens": paths("ai.completion_tokens.used"),
        "total_tokens": paths("ai.total_tokens.used"),
        "cache_read_tokens": paths("gen_ai.usage.input_tokens.cached"),
        "cache_write_tokens": paths("gen_ai.usage.input_tokens.cache_write"),
        "reasoning_tokens": paths("gen_ai.usage.output_tokens.reasoning"),
        "span_cost": paths("gen_ai.cost.total_tokens", "ai.total_cost"),
    },
)
