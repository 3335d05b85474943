"""Mastra: the OpenTelemetry conventions on `model_generation`, which may be several turns; steps and chunks lie under it.

A step has the provider's own answer, unless it was streamed.

Source: @mastra/observability, @mastra/otel-exporter.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths, within
from pipeline.operators.dialects.raw import BESIDE, INSIDE, under

SCOPES = ("@mastra",)

ANSWER = under("body#usage", INSIDE, BESIDE)
APART = under("body#usage", BESIDE)

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
    fields={
        "provider": within(SCOPES, r"modelMetadata#modelProvider~^([\w-]+)"),
        "model": within(SCOPES, "modelId"),
        "question": within(SCOPES, "input"),
        "answer": within(SCOPES, "output"),
        "response_id": within(SCOPES, "id"),
        "ttft_ns": paths("mastra.completion_start_time@time"),
        "stream": paths("mastra.streaming"),
        **{name: within(SCOPES, *texts) for name, texts in ANSWER.items()},
    },
    beside={"cache": within(SCOPES, *(text for texts in APART.values() for text in texts))},
)
