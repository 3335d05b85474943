"""Strands Agents (AWS): the OpenTelemetry conventions; agents and cycles carry the sums of their calls under the same names.

Its time to first token is in milliseconds under the name where others write seconds, and stands on every answered call.
Source: strands/telemetry/tracer.py.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import within

SCOPES = ("strands",)

STRANDS = Dialect(
    "strands",
    span_names={
        "chat": "llm",
        "model invoke": "llm",
        "execute_event_loop_cycle": "chain",
        "cycle": "chain",
        "execute_tool": "tool",
        "tool:": "tool",
        "invoke_agent": "agent",
        "invoke_swarm": "agent",
        "invoke_graph": "agent",
    },
    scopes=SCOPES,
    fields={"ttft_ns": within(SCOPES, "gen_ai.server.time_to_first_token@ms")},
)
