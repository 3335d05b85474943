"""Mastra: the OpenTelemetry conventions on `model_generation`, which may be several turns; steps and chunks lie under it.

Source: @mastra/observability, @mastra/otel-exporter.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

MASTRA = Dialect(
    "mastra",
    kind=paths("mastra.span.type"),
    kinds={
        "model_generation": "llm",
        "llm_generation": "llm",
        "model_step": "chain",
        "model_inference": "chain",
        "model_chunk": "chain",
        "agent_run": "agent",
        "workflow_run": "chain",
        "workflow_step": "chain",
        "generic": "chain",
        "tool_call": "tool",
        "mcp_tool_call": "tool",
        "scorer_run": "evaluator",
    },
    fields={"ttft_ns": paths("mastra.completion_start_time@time"), "stream": paths("mastra.streaming")},
)
