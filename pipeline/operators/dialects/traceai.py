"""traceAI (FutureAGI): OpenTelemetry GenAI's names with additions of its own, and older `fi.*` and `llm.*` names.

A streamed chat loses its model except inside the request parameters; the first token is an event. LangChain's and Anthropic's
cached and reasoning tokens are only in the answer itself, and Anthropic's prompt excludes them. What its documents call
milliseconds some write in seconds. Others (ARMS, Dify) use the same kinds.
Source: fi_instrumentation/fi_types.py.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths, within
from pipeline.operators.dialects.raw import BESIDE, BILLED, INSIDE, under

SCOPES = ("traceai", "traceAI", "@traceai", "fi_instrumentation", "traceloop.fi")

ANSWER = under("output.value#usage", {name: BESIDE[name] for name in ("cache_read_tokens", "cache_write_tokens")}, BILLED)

LANGCHAIN = under("output.value#generations#0#0#message#kwargs#usage_metadata", INSIDE)

TRACEAI = Dialect(
    "traceai",
    kind=paths("gen_ai.span.kind", "fi.span.kind"),
    kinds={
        "llm": "llm",
        "embedding": "embedding",
        "reranker": "reranker",
        "retriever": "retriever",
        "vector_db": "retriever",
        "tool": "tool",
        "agent": "agent",
        "a2a_client": "agent",
        "a2a_server": "agent",
        "chain": "chain",
        "conversation": "chain",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
        "task": "chain",
        "step": "chain",
        "entry": "chain",
        "workflow": "chain",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "model": paths("gen_ai.request.parameters#model", "gen_ai.model_name"),
        "session_id": paths("gen_ai.session.id"),
        "user_id": paths("gen_ai.user.id"),
        "error_type": paths("error.type"),
        "finish_reason": paths("gen_ai.response.finish_reason"),
        "answer": paths(
            "gen_ai.output.messages.0.message.content",
            "gen_ai.output.messages.0.message.contents.0.message_content.text",
        ),
        "called_tools": paths(r"gen_ai.output.messages.0.message.tool_calls.0.tool_call.function.name~\S"),
        "service_tier": paths("gen_ai.request.parameters#service_tier"),
        "stream": paths("gen_ai.request.parameters#stream"),
        "ttft_ns": paths(
            "event:First Token Stream Event",
            "gen_ai.server.time_to_first_token@s",
            "gen_ai.server.time_to_first_token@ms",
            "autogen.time_to_first_token_ms@ms",
        ),
        "cache_read_tokens": (
            *paths(
                "gen_ai.usage.input_tokens.cache_read",
                "gen_ai.usage.cache_read_tokens",
                "gen_ai.usage.input_tokens.cache_input",
                "llm.token_count.prompt_tokens_details.cached",
            ),
            *within(SCOPES, *ANSWER["cache_read_tokens"], *LANGCHAIN["cache_read_tokens"]),
        ),
        "cache_write_tokens": (
            *paths(
                "gen_ai.usage.input_tokens.cache_write",
                "gen_ai.usage.cache_write_tokens",
                "llm.token_count.prompt_tokens_details.cache_write",
            ),
            *within(SCOPES, *ANSWER["cache_write_tokens"], *LANGCHAIN["cache_write_tokens"]),
        ),
        "cache_write_1h_tokens": within(SCOPES, *ANSWER["cache_write_1h_tokens"]),
        "searches": within(SCOPES, *ANSWER["searches"]),
        "reasoning_tokens": (
            *paths("gen_ai.usage.output_tokens.reasoning"),
            *within(SCOPES, *LANGCHAIN["reasoning_tokens"]),
        ),
        "audio_input_tokens": paths("gen_ai.usage.input_tokens.audio"),
        "audio_output_tokens": paths("gen_ai.usage.output_tokens.audio"),
        "span_cost": paths("gen_ai.cost.total", "llm.cost.total_usd"),
    },
    beside_scopes={"cache": ("traceai_anthropic", "traceai-anthropic", "@traceai/anthropic")},
)
