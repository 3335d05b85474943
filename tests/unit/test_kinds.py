"""What a span is, whether it failed, when its first token came; and nothing that looks like a call is passed over silently."""

from typing import Any

import pytest

from tests.otlp import Told, decoded_rows, spoken

USED = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "chat"}, "llm"),
        ({"gen_ai.operation.name": "CHAT"}, "llm"),
        ({"gen_ai.operation.name": "chat", "openinference.span.kind": "AGENT"}, "llm"),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"} | USED, "agent"),
        ({"gen_ai.operation.name": "haiku", "openinference.span.kind": "llm"}, "llm"),
        ({"gen_ai.operation.name": "haiku", "openinference.span.kind": "TOOL"} | USED, "tool"),
        ({"gen_ai.operation.name": "haiku", "gen_ai.request.model": "m"}, "llm"),
        ({"gen_ai.operation.name": "haiku"} | USED, "llm"),
        ({"gen_ai.operation.name": "run_workflow"} | USED, "chain"),
        ({"gen_ai.operation.name": "create_embedding", "gen_ai.request.model": "m"}, "embedding"),
        ({"gen_ai.operation.name": "cohere.rerank", "gen_ai.request.model": "m"}, "reranker"),
        ({"openinference.span.kind": "UNKNOWN", "gen_ai.span.kind": "LLM"}, "llm"),
        ({"openinference.span.kind": "UNKNOWN"}, "other"),
        ({"gen_ai.request.model": "gpt-4o-mini"}, "llm"),
        ({"gen_ai.request.model": "text-embedding-3-small"}, "embedding"),
        ({"gen_ai.request.model": "none"}, "other"),
        (USED, "llm"),
        (USED | {"gen_ai.agent.name": "planner"}, "agent"),
        (USED | {"gen_ai.agent.name": "planner", "gen_ai.response.id": "r-1"}, "llm"),
        ({"http.route": "/chat"}, "other"),
    ],
    ids=str,
)
def test_kind(attributes: dict[str, Any], kind: str) -> None:
    assert spoken(attributes)["kind"] == kind


def test_a_span_that_sums_up_its_children_is_no_call() -> None:
    sums = {"gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 30}
    rows = decoded_rows(Told(sums), Told(CHAT | USED, parent=1), Told(CHAT | USED, parent=1))
    assert [row["kind"] for row in rows] == ["chain", "llm", "llm"]
    assert [row["kind"] for row in decoded_rows(Told(sums), Told({"http.route": "/"}, parent=1))] == ["llm", "other"]


@pytest.mark.parametrize(
    ("changes", "status", "error_type"),
    [
        ({}, "unset", ""),
        ({"status": 1}, "ok", ""),
        ({"status": 2}, "error", ""),
        ({"attributes": {"error.type": "RateLimitError"}}, "error", "RateLimitError"),
        ({"attributes": {"error.type": "429"}, "status": 1}, "error", "429"),
        ({"attributes": {"error.type": "_OTHER"}}, "error", "_OTHER"),
        ({"attributes": {"error.type": "none"}}, "unset", ""),
        ({"attributes": {"error.type": "<class 'a.b.ServiceError'>"}}, "error", "a.b.ServiceError"),
        ({"attributes": {"exception.type": "ValueError"}}, "error", "ValueError"),
        ({"events": [("exception", 30, {"exception.type": "openai.RateLimitError"})]}, "error", "openai.RateLimitError"),
        ({"events": [("exception", 30, {}), ("exception", 40, {"exception.type": "A"})]}, "error", "A"),
        ({"events": [("exception", 30, {"exception.type": "Retried"})], "status": 1}, "ok", "Retried"),
        ({"events": [("gen_ai.choice", 30, {"exception.type": "none of it"})]}, "unset", ""),
        ({"attributes": {"gen_ai.response.status": "failed"}}, "error", ""),
        ({"attributes": {"gen_ai.response.status": "completed"}}, "unset", ""),
        ({"attributes": {"gen_ai.response.finish_reasons": ["error"]}, "status": 1}, "error", ""),
    ],
    ids=str,
)
def test_status(changes: dict[str, Any], status: str, error_type: str) -> None:
    row = spoken(CHAT | changes.pop("attributes", {}), **changes)
    assert (row["status"], row["error_type"]) == (status, error_type)


@pytest.mark.parametrize(
    ("attributes", "scope", "expected"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.15}, "", (True, 150_000_000)),
        ({"gen_ai.response.time_to_first_chunk": 0.15, "gen_ai.request.stream": False}, "", (False, None)),
        ({"gen_ai.response.time_to_first_chunk": 0.5}, "", (None, None)),  # later than the end
        ({"gen_ai.response.time_to_first_chunk": float("nan")}, "", (None, None)),
        ({"gen_ai.client.operation.time_to_first_chunk": 0.15}, "", (True, 150_000_000)),
        ({"gen_ai.server.time_to_first_token": 0.15}, "", (True, 150_000_000)),
        ({"gen_ai.server.time_to_first_token": 150}, "", (True, 150_000_000)),
        ({"gen_ai.server.time_to_first_token": 0.4}, "", (None, None)),  # the whole call: not streamed
        ({"gen_ai.server.time_to_first_token": 0.15}, "openlit.instrumentation.openai", (None, None)),
        (
            {"gen_ai.server.time_to_first_token": 0.15, "gen_ai.request.stream": True},
            "openlit.instrumentation.openai",
            (True, 150_000_000),
        ),
    ],
    ids=str,
)
def test_first_token(attributes: dict[str, Any], scope: str, expected: tuple[bool | None, int | None]) -> None:
    row = spoken(CHAT | attributes, scope=scope)
    assert (row["stream"], row["ttft_ns"]) == expected


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"acme.llm.promptTokens": 12, "acme.user": "Ann"}, "acme.llm.promptTokens, acme.user"),
        ({"acme.token_count": "12"}, "acme.token_count"),
        ({"acme.TokenCount": 1.5}, "acme.TokenCount"),
        ({"acme.model": "gpt-9"}, "acme.model"),
        ({"modelName": "gpt-9"}, ""),
        ({"acme.model_name": "gpt-9", "turn.17.Ann Lee": "x"}, "acme.model_name, turn.N.Ann_Lee"),
        ({"access_token": "abc"}, ""),
        ({"supermodel": "Ann"}, ""),
        ({"acme.tokens": 0}, ""),
        ({"gen_ai.operation.name": "execute_tool", "acme.tokens": 12}, ""),
        (CHAT | {"acme.tokens": 12}, ""),
        ({"gen_ai.operation.name": "haiku"}, "gen_ai.operation.name"),
        ({"openinference.span.kind": "POEM"}, "openinference.span.kind"),
        ({"openinference.span.kind": "UNKNOWN"}, ""),
    ],
    ids=str,
)
def test_what_looks_like_a_call_and_is_not_understood_is_named(attributes: dict[str, Any], names: str) -> None:
    account = spoken(attributes)["account"]
    assert (account.not_understood, account.names) == (bool(names), names)


def test_of_a_record_the_most_frequent_kind_of_them_is_named() -> None:
    rows = decoded_rows(*[Told({"a.model": "x"})], *[Told({"b.tokens": n, "b.id": str(n)}) for n in (1, 2)], Told({"c": 1}))
    assert (rows[0]["account"].not_understood, rows[0]["account"].names) == (3, "b.tokens, b.id")
