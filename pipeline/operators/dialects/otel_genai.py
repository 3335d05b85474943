"""OpenTelemetry GenAI semantic conventions, current and up to 1.26 (prompt_tokens/completion_tokens, gen_ai.system).

Input tokens include cached ones. Source: opentelemetry.io/docs/specs/semconv/gen-ai; words and names that instrumentors
put beside it in the same namespace are here too.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

OTEL_GENAI = Dialect(
    "otel_genai",
    kind=paths("gen_ai.operation.name"),
    kinds={
        "chat": "llm",
        "chat_completion": "llm",
        "chat_completions": "llm",
        "completion": "llm",
        "completions": "llm",
        "generate_content": "llm",
        "generate_text": "llm",
        "generate": "llm",
        "message": "llm",
        "messages": "llm",
        "response": "llm",
        "responses": "llm",
        "stream_text": "llm",
        "text_completion": "llm",
        "embedding": "embedding",
        "embeddings": "embedding",
        "rerank": "reranker",
        "retrieval": "retriever",
        "execute_tool": "tool",
        "agent_step": "chain",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "handoff": "agent",
        "execute_event_loop_cycle": "chain",
        "execute_task": "chain",
        "framework": "chain",
        "invoke_workflow": "chain",
        "plan": "chain",
    },
    fields={
        "provider": paths("gen_ai.provider.name", "gen_ai.system"),
        "operation": paths("gen_ai.operation.name"),
        "model": paths("gen_ai.response.model", "gen_ai.request.model"),
        "session_id": paths("gen_ai.conversation.id", "session.id"),
        "user_id": paths("user.id", "enduser.id"),
        "error_type": paths(r"error.type~^<class '([\w.]+)'>$", "error.type", "event:exception#exception.type"),
        "failed": paths(
            r"gen_ai.response.status~^(?i:failed|failure|error|cancell?ed|timeout|timed_out)$",
            r"gen_ai.response.finish_reasons#0~^(?i:error|failed)$",
            r"gen_ai.response.finish_reasons~^(?i:error|failed)$",
        ),
        "finish_reason": paths(
            "gen_ai.response.finish_reasons#0", "gen_ai.response.finish_reasons", "event:gen_ai.choice#finish_reason"
        ),
        "response_id": paths("gen_ai.response.id"),
        "service_tier": paths(
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "anthropic.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
            "gen_ai.request.service_tier",
        ),
        "stream": paths("gen_ai.request.stream", "gen_ai.request.is_stream", "gen_ai.request.streaming"),
        "ttft_ns": paths(
            "gen_ai.response.time_to_first_chunk@s",
            "gen_ai.client.operation.time_to_first_chunk@s",
            "gen_ai.server.time_to_first_token@s",
            "gen_ai.server.time_to_first_token@ms",
        ),
        "input_tokens": paths("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": paths("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "total_tokens": paths("gen_ai.usage.total_tokens"),
        "cache_read_tokens": paths(
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cached_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.cached_tokens",
        ),
        "cache_write_tokens": paths(
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
        ),
        "reasoning_tokens": paths(
            "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning_output_tokens"
        ),
        "audio_input_tokens": paths("gen_ai.usage.audio.input_tokens"),
        "audio_output_tokens": paths("gen_ai.usage.audio.output_tokens"),
    },
)
