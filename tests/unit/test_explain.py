"""The story of a span: what gave each field, why others lost, and the same verdicts as decode's."""

from typing import Any

import pytest

from pipeline.operators.decode.explain import SpanStory, explain
from pipeline.operators.dialects.vocabulary import estimates
from tests.otlp import DECODER, RECORDED, Told, record, request_of, rows

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
SECRET_ANSWER = "The files of the patient are in Vienna, and they are complete."
USED = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}


def story(attributes: dict[str, Any], scope: str = "", **changes: Any) -> SpanStory:
    told = request_of(Told(attributes, **changes), scope=scope)
    (found,) = explain(DECODER, record(told, content_type="application/x-protobuf"))
    return found


def outcomes(found: SpanStory, field: str) -> list[tuple[str, str, str]]:
    return [(s.path, s.value, s.outcome) for told in found.fields if told.field == field for s in told.sources]


def test_the_first_usable_path_is_taken_and_the_others_say_why_not() -> None:
    found = story(CHAT | {"gen_ai.usage.input_tokens": "many", "gen_ai.usage.prompt_tokens": 57, "llm.token_count.prompt": 58})
    assert outcomes(found, "input_tokens") == [
        ("gen_ai.usage.input_tokens", "", "a text that is not usable here"),
        ("gen_ai.usage.prompt_tokens", "57", "taken"),
        ("llm.token_count.prompt", "58", "gen_ai.usage.prompt_tokens is asked first"),
    ]


@pytest.mark.parametrize(
    ("attributes", "scope", "outcome"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.15}, "", "taken"),
        ({"gen_ai.response.time_to_first_chunk": 0.5}, "", "later than the end of the span"),
        (
            {"gen_ai.response.time_to_first_chunk": 0.15, "gen_ai.request.stream": False},
            "",
            "the span says that it was not streamed",
        ),
        (
            {"gen_ai.server.time_to_first_token": 0.15},
            "openlit.instrumentation.openai",
            "written on answers that were not streamed too, and nothing says that this one was",
        ),
    ],
)
def test_the_first_token(attributes: dict[str, Any], scope: str, outcome: str) -> None:
    assert outcomes(story(CHAT | attributes, scope), "ttft_ns")[0][2] == outcome


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (CHAT, "llm: a call of a model, for gen_ai.operation.name = chat means llm (otel_genai)"),
        (
            CHAT | {"openinference.span.kind": "AGENT"},
            "then openinference.span.kind = AGENT means agent (openinference)",
        ),
        ({"gen_ai.operation.name": "haiku"} | USED, "no vocabulary calls it anything, and it holds a model or usage"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool: no call of a model"),
        (USED | {"gen_ai.agent.name": "a"}, "its name or its children say what it is"),
        ({"acme.tokens": 3}, "not understood. Its attributes: acme.tokens"),
        ({"http.route": "/"}, "nothing on it looks like one"),
    ],
    ids=str,
)
def test_why_it_is_a_call_or_not(attributes: dict[str, Any], words: str) -> None:
    assert words in story(attributes).why


def test_status_usage_and_cost() -> None:
    found = story(CHAT | USED | {"gen_ai.usage.cache_read_tokens": 500}, events=[("exception", 1, {"exception.type": "E"})])
    assert found.status == "error: the span's status is unset, an exception event is there, error E"
    assert found.usage == "cache beside: larger"
    assert found.cost.startswith("82,500 nano-USD (book")  # 100 at 150, 500 at 75, 50 at 600


def test_what_the_record_made_of_it() -> None:
    step = {"mastra.span.type": "model_step"}
    generation = CHAT | {"mastra.span.type": "model_generation"}
    told = request_of(Told(generation), Told(step, parent=1), Told(step, parent=1), scope="@mastra/otel")
    whole, first, _ = explain(DECODER, record(told, content_type="application/x-protobuf"))
    assert "chain: no call of a model, for gen_ai.operation.name = chat means llm" in whole.why
    assert "spans under it in its record are the calls it tells of" in whole.why
    assert "each is a call" in first.why


def test_a_stream_told_by_the_client_around_a_call() -> None:
    client = Told({"spring.ai.kind": "chat_client", "spring.ai.chat.client.stream": "true"})
    told = request_of(client, Told(CHAT, parent=1), scope="org.springframework.boot")
    _, call = explain(DECODER, record(told, content_type="application/x-protobuf"))
    assert outcomes(call, "stream") == [("the client around it in its record", "True", "taken")]


@pytest.mark.parametrize(
    ("attributes", "changes", "status"),
    [
        (
            {"ai.operationId": "ai.generateText.doGenerate", "ai.response.finishReason": "stop"},
            {"status": 2},
            (
                "ok: the span's status is error, ai.response.finishReason says how its answer ended, "
                "so that is the error of an attempt before"
            ),
        ),
        (CHAT | {"success": False}, {}, "error: the span's status is unset, success says that it failed"),
        (
            CHAT,
            {"status": 1, "events": [("exception", 1, {})]},
            "ok: the span's status is ok, an exception event is there, which the span got over",
        ),
        (CHAT, {"status": 2}, "error: the span's status is error"),
    ],
)
def test_status_says_why(attributes: dict[str, Any], changes: dict[str, Any], status: str) -> None:
    assert story(attributes, **changes).status == status


def test_a_total_that_is_a_mere_sum() -> None:
    usage = {"input_tokens": 25, "output_tokens": 19, "total_tokens": 44, "cache_creation_input_tokens": 20}
    found = story({"mlflow.spanType": '"LLM"', "mlflow.chat.tokenUsage": usage})
    assert found.usage == "cache beside: custom (the total is the writer's own sum, which tells nothing of the parts)"


def test_usage_that_is_a_guess() -> None:
    scope = estimates()[0]
    guess = {"gen_ai.usage.input_tokens": 6, "gen_ai.usage.output_tokens": 0}
    assert "is a guess at usage that never came" in story(CHAT | guess, scope).usage


def test_a_bare_name_alone() -> None:
    assert "stands alone in a bare name" in story({"model": "civic"}).why


def test_users_are_not_shown() -> None:
    found = story(CHAT | {"user.id": "ann@example.org"})
    assert outcomes(found, "user_id") == [("user.id", "(not shown)", "taken")]
    assert "ann@" not in repr(found)


def test_the_dead_have_their_reason() -> None:
    (found,) = explain(DECODER, record(b"\xff\xff", content_type="application/x-protobuf"))
    assert found.dead == "malformed_protobuf: not an ExportTraceServiceRequest"


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.pb")), ids=lambda path: path.name)
def test_rows_are_decodes_own(path: Any) -> None:
    read = record(path.read_bytes())
    assert [told.row for told in explain(DECODER, read)] == rows(DECODER.decode([read]))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, "it ended with content_filter"),
        ({"gen_ai.completion.0.content": SECRET_ANSWER}, "its first 220 characters do not read as a refusal"),
        ({"gen_ai.completion.0.content": f"I cannot help with {SECRET_ANSWER}"}, "its first 220 characters read as a refusal"),
        (
            {"gen_ai.completion.0.content": "Das darf ich Ihnen leider nicht sagen."},
            "its language is unknown, and it does not look English",
        ),
        (
            {"gen_ai.completion.0.content": SECRET_ANSWER, "tailrace.language": "de"},
            "the language is de, of which the rules know nothing",
        ),
        ({"gen_ai.completion.0.tool_calls.0.name": "weather"}, "it calls tools"),
        ({}, "no answer is on the span"),
        ({"error.type": "Timeout"}, "the call failed"),
    ],
)
def test_which_rule_decided_on_a_refusal_and_never_the_answer(attributes: dict[str, Any], said: str) -> None:
    found = story(CHAT | attributes)
    assert found.behaviour["refusal"] == said
    assert "Vienna" not in repr(found)


def test_what_is_no_call_of_a_language_model_has_no_behaviour() -> None:
    assert story({"gen_ai.operation.name": "embeddings", "gen_ai.completion": SECRET_ANSWER}).behaviour == {}
