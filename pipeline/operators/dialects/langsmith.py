"""LangSmith and LangChain exported to OpenTelemetry: runs with a kind, details of usage as JSON.

Source: langsmith/_internal/otel/_otel_exporter.py.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

INPUT, OUTPUT = "gen_ai.usage.input_token_details", "gen_ai.usage.output_token_details"

LANGSMITH = Dialect(
    "langsmith",
    kind=paths("langsmith.span.kind", "langsmith.run.type", "langchain.run_type"),
    kinds={
        "llm": "llm",
        "chat_model": "llm",
        "embedding": "embedding",
        "retriever": "retriever",
        "tool": "tool",
        "chain": "chain",
        "prompt": "chain",
        "parser": "chain",
    },
    fields={
        "provider": paths("langsmith.metadata.ls_provider", "ls_provider"),
        "model": paths("langsmith.metadata.ls_model_name", "ls_model_name"),
        "session_id": paths("langsmith.trace.session_id", "langsmith.metadata.session_id", "langsmith.metadata.thread_id"),
        "user_id": paths("langsmith.metadata.user_id"),
        "cache_read_tokens": paths(f"{INPUT}#cache_read", f"{INPUT}.cache_read"),
        "cache_write_tokens": paths(f"{INPUT}#cache_creation", f"{INPUT}.cache_creation"),
        "reasoning_tokens": paths(f"{OUTPUT}#reasoning", f"{OUTPUT}.reasoning"),
        "audio_input_tokens": paths(f"{INPUT}#audio", f"{INPUT}.audio_tokens"),
        "audio_output_tokens": paths(f"{OUTPUT}#audio"),
    },
)
