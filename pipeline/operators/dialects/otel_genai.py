"""OpenTelemetry GenAI semantic conventions, current and up to 1.26 (prompt_tokens/completion_tokens, gen_ai.system).

Input tokens include cached ones. Source: opentelemetry.io/docs/specs/semconv/gen-ai.
"""

from pipeline.operators.dialects.paths import paths

NAME = "otel_genai"

KIND = paths("gen_ai.operation.name")
KINDS = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "embedding",
    "rerank": "reranker",
    "retrieval": "retriever",
    "execute_tool": "tool",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "invoke_workflow": "chain",
}

FIELDS = {
    "provider": paths("gen_ai.provider.name", "gen_ai.system"),
    "operation": paths("gen_ai.operation.name"),
    "model": paths("gen_ai.response.model", "gen_ai.request.model"),
    "session_id": paths("gen_ai.conversation.id", "session.id"),
    "user_id": paths("user.id", "enduser.id"),
    "error_type": paths("error.type"),
    "finish_reason": paths("gen_ai.response.finish_reasons"),
    "response_id": paths("gen_ai.response.id"),
    "service_tier": paths("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "stream": paths("gen_ai.request.stream"),
    "ttft_ns": paths("gen_ai.response.time_to_first_chunk@s"),
    "input_tokens": paths("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": paths("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": paths("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_tokens": paths(
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "reasoning_tokens": paths("gen_ai.usage.reasoning.output_tokens"),
    "audio_input_tokens": paths("gen_ai.usage.audio.input_tokens"),
    "audio_output_tokens": paths("gen_ai.usage.audio.output_tokens"),
}
