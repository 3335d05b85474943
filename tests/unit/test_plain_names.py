"""What the tables could not say before they were many: bare names, patterns on numbers, copied errors, estimates, no answers."""

from typing import Any

import pytest

from tests.otlp import spoken

USED = {"input_tokens": 100, "output_tokens": 50}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        (USED, "other"),
        ({"model": "Model 3"}, "other"),
        ({"input_tokens": 100, "car.model": "Model 3"}, "other"),
        (USED | {"model": "claude-sonnet-4-5"}, "llm"),
        (USED | {"gen_ai.request.model": "claude-sonnet-4-5"}, "llm"),
        (USED | {"gen_ai.operation.name": "chat"}, "llm"),
        ({"model": "Model 3", "gen_ai.usage.input_tokens": 5}, "llm"),
    ],
    ids=str,
)
def test_a_bare_name_alone_makes_no_call(attributes: dict[str, Any], kind: str) -> None:
    assert spoken(attributes)["kind"] == kind


def test_a_bare_name_is_still_told_where_nobody_calls_the_span_anything() -> None:
    assert spoken(USED)["account"].not_understood == 1


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"http.response.status_code": 429}, "error"),
        ({"http.response.status_code": "503"}, "error"),
        ({"http.response.status_code": 200}, "unset"),
        ({"http.response.status_code": 4290}, "unset"),
        ({"http.response.status_code": 429.0}, "unset"),
        ({"error": True}, "error"),
        ({"error": "true"}, "error"),
        ({"error": "a sentence about what went wrong"}, "error"),
        ({"error": False}, "unset"),
        ({"error": ""}, "unset"),
        ({"error.message": "None"}, "unset"),
        ({"error.message": "slow down"}, "error"),
        ({"error.code": 0}, "unset"),
        ({"error.code": 429}, "error"),
        ({"gen_ai.error.type": "rate_limit"}, "error"),
        ({"gen_ai.error.message": "slow down"}, "error"),
        ({"exception.message": "slow down"}, "error"),
        ({"llm.error": "[]"}, "unset"),
        ({"llm.error": "slow down"}, "error"),
        ({"gen_ai.response.finish_reasons": ["ERROR"]}, "error"),
        ({"llm.response.finish_reason": "error"}, "error"),
        ({"ai.response.finishReason": "error"}, "error"),
        ({"stop_reason": "Error"}, "error"),
        ({"stop_reason": "end_turn"}, "unset"),
        ({"level": "Error"}, "error"),
        ({"level": "warning"}, "unset"),
        ({"severity_text": "FATAL"}, "error"),
        ({"status": "failed"}, "error"),
        ({"status": "success"}, "unset"),
        ({"langfuse.observation.level": "error"}, "error"),
        ({"success": False}, "error"),
        ({"success": True}, "unset"),
        ({"langfuse.observation.level": "ERROR"}, "error"),
        ({"langfuse.observation.level": "WARNING"}, "unset"),
    ],
    ids=str,
)
def test_patterns_read_numbers_and_truth_values_too(attributes: dict[str, Any], status: str) -> None:
    assert spoken(CHAT | attributes)["status"] == status


@pytest.mark.parametrize(
    ("attributes", "events", "status"),
    [
        ({"ai.response.finishReason": "stop"}, (), "ok"),
        ({"ai.response.finishReason": "error"}, (), "error"),
        ({"ai.response.finishReason": "stop", "error.type": "AI_APICallError"}, (), "error"),
        ({"ai.response.finishReason": "stop"}, (("exception", 30, {}),), "error"),
        ({}, (), "error"),
    ],
    ids=str,
)
def test_an_error_of_an_attempt_before_is_none_of_the_answered_one(attributes: dict[str, Any], events: Any, status: str) -> None:
    asked = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "gpt-4o-mini"}
    assert spoken(asked | attributes, status=2, events=events)["status"] == status


@pytest.mark.parametrize(
    ("attributes", "status", "stream"),
    [
        ({"gen_ai.request.stream": True}, 2, None),
        ({"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.1}, 2, True),
        ({"gen_ai.request.stream": True, "gen_ai.usage.output_tokens": 3}, 2, True),
        ({"gen_ai.request.stream": True}, 0, True),
    ],
    ids=str,
)
def test_a_failed_call_without_any_answer_was_not_streamed(attributes: dict[str, Any], status: int, stream: bool | None) -> None:
    assert spoken(CHAT | attributes, status=status)["stream"] == stream


LANGCHAIN_JS = "@arizeai/openinference-instrumentation-langchain"


@pytest.mark.parametrize(
    ("scope", "answer", "prompt"), [(LANGCHAIN_JS, 0, None), (LANGCHAIN_JS, 3, 6), ("openinference.instrumentation.openai", 0, 6)]
)
def test_a_guess_at_usage_that_never_came_is_none(scope: str, answer: int, prompt: int | None) -> None:
    told = {"openinference.span.kind": "LLM", "llm.token_count.prompt": 6, "llm.token_count.completion": answer}
    assert spoken(told, scope=scope)["input_tokens"] == prompt


def test_a_server_of_ones_own_is_billed_by_nobody() -> None:
    """vLLM's engine names no provider; its model may have a vendor's name."""
    row = spoken(
        {"gen_ai.response.model": "gpt-4o-mini", "gen_ai.usage.prompt_tokens": 57, "gen_ai.usage.completion_tokens": 19},
        scope="vllm.llm_engine",
    )
    assert (row["kind"], row["provider"], row["input_tokens"], row["cost_source"]) == ("llm", "vllm", 57, "unpriced")


@pytest.mark.parametrize("word", ["create_thread", "start_thread_run", "schedule_tool_calls", "tool_call", "agent_call"])
def test_what_surrounds_a_call_is_none(word: str) -> None:
    kind = spoken({"gen_ai.operation.name": word, "gen_ai.request.model": "gpt-4o-mini"})["kind"]
    assert kind not in ("llm", "embedding", "reranker", "other")
