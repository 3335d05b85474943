"""OpenAI Agents SDK: its own tracing carried over to OpenTelemetry, type and data of each of its spans as attributes.

`generation`, `response` are calls; `transcription` and `speech` are of models too. Usage is the provider's raw one.
Source: openai-agents-python, agents/tracing/span_data.py.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.raw import INSIDE, under

USAGES = tuple(under(attribute, INSIDE) for attribute in ("span_data.usage", "usage", "response.usage"))

OPENAI_AGENTS = Dialect(
    "openai_agents",
    kind=paths("span_data.type", "openai.agents.span_type", "openai_agents.span_type", "agents.span.type"),
    kinds={
        "generation": "llm",
        "response": "llm",
        "transcription": "llm",
        "speech": "llm",
        "agent": "agent",
        "turn": "chain",
        "task": "chain",
        "function": "tool",
        "mcp_tools": "tool",
        "handoff": "agent",
        "guardrail": "guardrail",
        "speech_group": "chain",
        "custom": "chain",
    },
    fields={
        "model": paths("span_data.model"),
        "question": paths("span_data.input"),
        "tool_name": paths("span_data.name"),
        "answer": paths("span_data.output", "span_data.response"),
        "response_id": paths("span_data.response_id"),
        **{name: paths(*(text for usage in USAGES for text in usage[name])) for name in INSIDE},
        "ttft_ns": paths("time_to_first_token_ms@ms"),
    },
)
