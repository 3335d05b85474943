"""Google's Agent Development Kit: the OpenTelemetry conventions, and the response itself on older versions.

Its `call_llm` may stand around a `generate_content` of the same call, so it has no word here: where nothing is under it, model
and usage make it a call. Gemini's thoughts lie beside its candidates. Source: google/adk/telemetry.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.raw import GEMINI, under

SCOPE = ("gcp.vertex.agent",)

RESPONSE = under("gcp.vertex.agent.llm_response#usage_metadata", GEMINI)

ADK = Dialect(
    "adk",
    span_names={"execute_tool": "tool", "agent_run": "agent", "invoke_agent": "agent", "invocation": "chain"},
    scopes=SCOPE,
    fields={
        "model": paths("gcp.vertex.agent.llm_request#model"),
        "question": paths("gcp.vertex.agent.llm_request"),
        "tool_arguments": paths("gcp.vertex.agent.tool_call_args"),
        "tool_result": paths("gcp.vertex.agent.tool_response"),
        "answer": paths("gcp.vertex.agent.llm_response"),
        "request": paths("gcp.vertex.agent.llm_request"),
        "session_id": paths("gcp.vertex.agent.session_id"),
        **{name: paths(*texts) for name, texts in RESPONSE.items()},
        "reasoning_tokens": paths("gen_ai.usage.experimental.reasoning_tokens", *RESPONSE["reasoning_tokens"]),
        "cache_read_tokens": paths("gen_ai.usage.experimental.cached_tokens", *RESPONSE["cache_read_tokens"]),
        "audio_input_tokens": paths("gen_ai.usage.experimental.input_audio_tokens"),
        "audio_output_tokens": paths("gen_ai.usage.experimental.output_audio_tokens"),
    },
    beside={"reasoning": paths(*RESPONSE["output_tokens"])},
)
