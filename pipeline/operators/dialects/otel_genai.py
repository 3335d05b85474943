"""OpenTelemetry GenAI semantic conventions, current and up to 1.26 (prompt_tokens/completion_tokens, gen_ai.system).

Input tokens include cached ones. Source: opentelemetry.io/docs/specs/semconv/gen-ai; words and names that instrumentors
put beside it in the same namespace are here too.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

SAYS_ERROR = r"^(?!\s*(?:(?i:none|null|nil|undefined|nan|n/a|false|no|ok|success|0|200|\[\]|\{\})\s*)?$)"
"""What stands where the text or the code of an error does, unless it says that there was none."""

THREADS = ("create_thread", "create_message", "list_messages", "list_run_steps", "start_thread_run", "submit_tool_outputs")
"""What Azure's agents do beside the run that asks the model."""

OTEL_GENAI = Dialect(
    "otel_genai",
    kind=paths("gen_ai.operation.name"),
    kinds={
        "chat": "llm",
        "chat_completion": "llm",
        "chat_completions": "llm",
        "chat.completions": "llm",
        "chat.streaming_completions": "llm",
        "text.completions": "llm",
        "text.streaming_completions": "llm",
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
        "embed": "embedding",
        "embed_content": "embedding",
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
        "llm_call": "llm",
        "tool_call": "tool",
        "agent_call": "agent",
        "schedule_tool_calls": "chain",
        **dict.fromkeys(THREADS, "chain"),
        "plan": "chain",
    },
    fields={
        "provider": paths(
            "gen_ai.provider.name",
            r"gen_ai.system~^([\w.-]+?)\.(?:chat|completion|responses|messages|embedding|image|generative-ai)$",
            "gen_ai.system",
        ),
        "operation": paths("gen_ai.operation.name"),
        "model": paths("gen_ai.response.model", "gen_ai.request.model", "gen_ai.model_name", "gen_ai.model.name"),
        "model_requested": paths("gen_ai.request.model"),
        "server_address": paths("server.address"),
        "session_id": paths("gen_ai.conversation.id", "session.id", "gen_ai.session.id"),
        "user_id": paths("user.id", "enduser.id", "gen_ai.user.id"),
        "error_type": paths(
            r"error.type~^<class '([\w.]+)'>$",
            "error.type",
            "gen_ai.error.type",
            "exception.type",
            "event:exception#exception.type",
        ),
        "failed": paths(
            r"gen_ai.response.status~^(?i:failed|failure|error|cancell?ed|timeout|timed_out)$",
            *(f"{name}~{SAYS_ERROR}" for name in ("gen_ai.error.message", "gen_ai.error.code", "error.message", "error.code")),
            *(f"{name}~{SAYS_ERROR}" for name in ("exception.type", "exception.message", "llm.error", "error")),
            r"otel.status_code~^(?i:error)$",
            r"http.response.status_code~^[45]\d\d$",
            r"http.status_code~^[45]\d\d$",
        ),
        "finish_reason": paths(
            "gen_ai.response.finish_reasons#0", "gen_ai.response.finish_reasons", "event:gen_ai.choice#finish_reason"
        ),
        "answer": paths(
            "gen_ai.output.messages",
            "event:gen_ai.client.inference.operation.details#gen_ai.output.messages",
            "event:gen_ai.choice#message",
            "event:gen_ai.content.completion#gen_ai.completion",
            "gen_ai.completion",
            "gen_ai.response.text",
        ),
        "request": paths("gen_ai.request.parameters"),
        "output_schema": paths(
            "gen_ai.request.structured_output_schema", "gen_ai.request.output_schema", "llm.request.structured_output_schema"
        ),
        "asks_json": paths(
            r"gen_ai.output.type~^(?i:json)$",
            r"gen_ai.openai.request.response_format~json",
            r"gen_ai.request.response_format~json",
            r"openai.request.response_format~json",
        ),
        "response_id": paths("gen_ai.response.id"),
        "service_tier": paths(
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "anthropic.response.service_tier",
            "gen_ai.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
            "gen_ai.request.service_tier",
        ),
        "stream": paths("gen_ai.request.stream", "gen_ai.request.is_stream", "gen_ai.request.streaming"),
        "ttft_ns": paths(
            "gen_ai.response.time_to_first_chunk@s",
            "gen_ai.client.operation.time_to_first_chunk@s",
            "copilot_chat.time_to_first_token@ms",
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
            "gen_ai.usage.cached_prompt_tokens",
            "gen_ai.usage.prompt_cached_tokens",
            "gen_ai.usage.cached_input_token_count",
        ),
        "cache_write_tokens": paths(
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.cache_creation_tokens",
        ),
        "reasoning_tokens": paths(
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.reasoning_output_tokens",
            "gen_ai.usage.thinking_tokens",
        ),
        "audio_input_tokens": paths("gen_ai.usage.audio.input_tokens", "gen_ai.usage.input_audio_tokens"),
        "audio_output_tokens": paths("gen_ai.usage.audio.output_tokens", "gen_ai.usage.output_audio_tokens"),
        "cache_write_5m_tokens": paths(
            "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        ),
        "cache_write_1h_tokens": paths(
            "gen_ai.usage.cache_write.1h.input_tokens",
            "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
            "gen_ai.usage.cache_creation_1h_input_tokens",
            "gen_ai.usage.cache_write_1h_tokens",
        ),
        "image_input_tokens": paths("gen_ai.usage.image.input_tokens", "gen_ai.usage.input_image_tokens"),
        "image_output_tokens": paths("gen_ai.usage.image.output_tokens", "gen_ai.usage.output_image_tokens"),
        "searches": paths(
            "gen_ai.usage.server_tool_use#web_search_requests",
            "gen_ai.usage.server_tool_use.web_search_requests",
            "gen_ai.usage.web_search_requests",
            "gen_ai.usage.search_units",
            "gen_ai.usage.num_search_queries",
        ),
        "reply_cached": paths("gen_ai.response.cached", "gen_ai.response.cache_hit"),
        "cache_hit": paths("gen_ai.cache.hit"),
        "span_cost": paths(
            "gen_ai.usage.cost",
            "gen_ai.usage.total_cost",
            "gen_ai.usage.cost_usd",
            "gen_ai.usage.total_cost_usd",
            "gen_ai.cost.total_cost",
            "gen_ai.cost.total",
            "gen_ai.cost.usd",
            "gen_ai.cost",
            "gen_ai.operation.cost",
            "llm.usage.cost",
            "llm.usage.total_cost",
        ),
    },
)
