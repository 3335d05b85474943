"""OpenInference (Arize Phoenix and many instrumentors). Prompt tokens include their details.

A streamed call says so only in its invocation parameters, or by its name (Gemini); its first token is an event. Haystack's
cached and reasoning tokens are only in the text of a Python object. LangChain's JavaScript without a tokenizer estimates what a
stream did not tell: a prompt, and no answer.
Source: openinference-semantic-conventions.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths, within

HAYSTACK = ("openinference.instrumentation.haystack",)
GEMINI = ("openinference.instrumentation.google_genai",)

OPENINFERENCE = Dialect(
    "openinference",
    kind=paths("openinference.span.kind"),
    kinds={
        "llm": "llm",
        "embedding": "embedding",
        "reranker": "reranker",
        "retriever": "retriever",
        "tool": "tool",
        "agent": "agent",
        "chain": "chain",
        "prompt": "chain",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "provider": paths("llm.provider", "llm.system"),
        "model": paths(
            "llm.response.model_name",
            "llm.model_name",
            "llm.model.name",
            "llm.request.model_name",
            "embedding.model_name",
            "reranker.model_name",
            "llm.invocation_parameters#model",
            "embedding.invocation_parameters#model",
        ),
        "model_requested": paths("llm.request.model_name"),
        "session_id": paths("session.id"),
        "user_id": paths("user.id"),
        "error_type": paths("exception.type"),
        "finish_reason": paths("llm.finish_reason"),
        "question": paths("input.value"),
        "tool_name": paths("tool.name"),
        "tool_arguments": paths("input.value", "tool.parameters"),
        "answer": paths(
            "llm.output_messages.0.message.content",
            "llm.output_messages.0.message.contents.0.message_content.text",
            "llm.choices.0.completion.text",
            "output.value",
        ),
        "called_tools": paths(
            r"llm.output_messages.0.message.tool_calls.0.tool_call.function.name~\S",
            r"llm.output_messages.0.message.function_call_name~\S",
        ),
        "refused": paths(r"llm.output_messages.0.message.refusal~\S"),
        "request": paths("llm.invocation_parameters"),
        "service_tier": paths("llm.invocation_parameters#service_tier"),
        "stream": (*paths("llm.invocation_parameters#stream"), *within(GEMINI, "name:~Stream$")),
        "ttft_ns": paths("event:First Token Stream Event", "llm.time_to_first_token_ms@ms"),
        "input_tokens": paths("llm.token_count.prompt"),
        "output_tokens": paths("llm.token_count.completion"),
        "total_tokens": paths("llm.token_count.total"),
        "cache_read_tokens": (
            *paths("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
            *within(HAYSTACK, r"output.value~'cached_tokens': (\d+)"),
        ),
        "cache_write_tokens": paths("llm.token_count.prompt_details.cache_write"),
        "reasoning_tokens": (
            *paths("llm.token_count.completion_details.reasoning"),
            *within(HAYSTACK, r"output.value~'reasoning_tokens': (\d+)"),
        ),
        "audio_input_tokens": paths("llm.token_count.prompt_details.audio"),
        "audio_output_tokens": paths("llm.token_count.completion_details.audio"),
        "span_cost": paths("llm.cost.total"),
    },
    estimates=("@arizeai/openinference-instrumentation-langchain",),
)
