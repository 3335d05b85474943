"""Where every vocabulary puts the model's answer, and what is said of it: spans and verdicts written by hand."""

from random import Random
from typing import Any

import orjson
import pytest

from pipeline.operators.decode.conversation import MAX_ANSWER_BYTES, read_answer
from pipeline.operators.decode.values import MAX_JSON_BYTES
from pipeline.operators.traffic import draw, encode
from tests.otlp import DAY_NS, DECODER, RECORDED_NS, Told, decoded_rows, record, spoken

NO = "I'm sorry, but I can't help with that."
YES = "The warranty covers parts and labour for two years."
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def json(value: Any) -> str:
    return orjson.dumps(value).decode()


def message(text: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def gemini(text: str) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"thought": True, "text": YES}, {"text": text}], "role": "model"}}]}


def langchain(text: str) -> dict[str, Any]:
    return {"generations": [[{"text": text, "message": {"lc": 1, "type": "constructor", "kwargs": {"content": text}}}]]}


def responses(text: str) -> dict[str, Any]:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}
    return {"id": "resp_1", "object": "response", "output": [{"type": "reasoning", "summary": []}, said]}


PLACES: dict[str, Any] = {
    "gen_ai.output.messages": lambda text: json([{"role": "assistant", "parts": [{"type": "text", "content": text}]}]),
    "gen_ai.output.messages as a list": lambda text: [message(text)],
    "gen_ai.output.messages as a map": lambda text: {"role": "assistant", "parts": [{"type": "text", "content": text}]},
    "gen_ai.completion": lambda text: json([message(text)]),
    "gen_ai.completion of Mastra": lambda text: json({"text": text, "files": [], "sources": []}),
    "gen_ai.response.text": lambda text: json([text]),
    "gen_ai.completion.0.content": str,
    "llm.completions.0.content": str,
    "traceloop.entity.output": json,
    "llm.output_messages.0.message.content": str,
    "llm.output_messages.0.message.contents.0.message_content.text": str,
    "llm.choices.0.completion.text": str,
    "output.value of OpenAI": lambda text: json({"choices": [{"index": 0, "message": message(text)}], "usage": {}}),
    "output.value of Anthropic": lambda text: json(
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": text}]}
    ),
    "output.value of Gemini": lambda text: json(gemini(text)),
    "output.value of LangChain": lambda text: json(langchain(text)),
    "output.value of the Responses API": lambda text: json(responses(text)),
    "output.value": str,
    "ai.response.text": str,
    "gen_ai.output.messages.0.message.content": str,
    "langfuse.observation.output": lambda text: json(message(text, refusal=None)),
    "langfuse.observation.output as text": str,
    "gcp.vertex.agent.llm_response": lambda text: json({"content": {"parts": [{"text": text}], "role": "model"}}),
    "genkit:output": lambda text: json({"message": {"role": "model", "content": [{"text": text}]}, "finishReason": "stop"}),
    "mlflow.spanOutputs": lambda text: json({"choices": [{"message": message(text)}]}),
    "haystack.component.output": lambda text: json({"replies": [{"_role": "assistant", "_content": [{"text": text}]}]}),
    "lmnr.span.output": lambda text: json([message(text)]),
    "langwatch.output": lambda text: json({"type": "text", "text": text}),
    "braintrust.output": lambda text: json([{"index": 0, "message": message(text)}]),
    "span_data.output": lambda text: json([message(text)]),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("text", "refused"), [(NO, True), (YES, False), ("Das darf ich Ihnen leider nicht sagen.", None)])
def test_every_place_of_an_answer(place: str, text: str, refused: bool | None) -> None:
    assert spoken(CHAT | {place.partition(" ")[0]: PLACES[place](text)})["refusal"] is refused


@pytest.mark.parametrize("scope", ["pydantic-ai", "logfire"])
def test_pydantic_tells_all_that_was_said_and_the_last_is_the_answer(scope: str) -> None:
    told = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": NO},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "content": NO},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "And now?"},
        {"event.name": "gen_ai.choice", "message": message(YES)},
    ]
    for name in ("events", "all_messages_events"):
        assert spoken(CHAT | {name: json(told)}, scope=scope)["refusal"] is False
        assert spoken(CHAT | {name: json(told[:-2])}, scope=scope)["refusal"] is True
    assert spoken(CHAT | {"events": json(told)}, scope="mine")["refusal"] is None


@pytest.mark.parametrize(
    ("event", "attribute", "value"),
    [
        ("gen_ai.choice", "message", json([{"text": NO}])),
        ("gen_ai.content.completion", "gen_ai.completion", json([message(NO)])),
        ("gen_ai.client.inference.operation.details", "gen_ai.output.messages", json([message(NO)])),
    ],
)
def test_answers_in_events(event: str, attribute: str, value: str) -> None:
    assert spoken(CHAT, events=[(event, 300, {attribute: value})])["refusal"] is True


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": [{"message": message(None, refusal="No.")}]},
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}], "usage": {}},
        {"prompt_feedback": {"block_reason": "SAFETY"}, "candidates": None, "parts": []},
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "candidates": []},
    ],
)
def test_a_field_for_refusals_decides_in_any_language(raw: Any) -> None:
    for beside in ({}, {"llm.output_messages.0.message.content": "Nein."}, {"tailrace.language": "de"}):
        assert spoken(CHAT | beside | {"output.value": json(raw)})["refusal"] is True


@pytest.mark.parametrize("language", ["", "en", "de"])
@pytest.mark.parametrize("reason", ["content_filter", "refusal", "SAFETY"])
def test_so_does_how_it_ended(reason: str, language: str) -> None:
    for answer in ({}, {"gen_ai.completion.0.content": YES}):
        told = CHAT | answer | {"gen_ai.response.finish_reasons": [reason], "tailrace.language": language}
        assert spoken(told)["refusal"] is True


@pytest.mark.parametrize(
    "told",
    [
        {"gen_ai.output.messages": json([{"role": "assistant", "parts": [{"type": "tool_call", "name": "x", "arguments": {}}]}])},
        {"gen_ai.output.messages": json([{"role": "assistant", "parts": []}]), "gen_ai.response.finish_reasons": ["tool_calls"]},
        {"output.value": json({"choices": [{"message": message(None, tool_calls=[{"id": "1"}])}]})},
        {"output.value": json({"role": "assistant", "content": [{"type": "tool_use", "name": "x"}]})},
        {"llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather"},
        {"ai.response.toolCalls": json([{"toolName": "weather"}])},
        {"gen_ai.completion.0.tool_calls.0.name": "weather"},
        {"gen_ai.completion.0.tool_calls.0.name": "weather", "tailrace.language": "de"},
    ],
)
def test_an_answer_that_calls_tools_and_says_nothing_is_no_refusal(told: dict[str, Any]) -> None:
    assert spoken(CHAT | told)["refusal"] is False


@pytest.mark.parametrize(
    "told",
    [
        {},
        {
            "gen_ai.response.finish_reasons": ["tool_calls"]
        },  # nothing of what was said is told: these would be all that is counted
        {"gen_ai.completion.0.content": ""},
        {"gen_ai.completion.0.content": "  \n"},
        {"gen_ai.input.messages": json([{"role": "user", "parts": [{"type": "text", "content": NO}]}])},
        {"gen_ai.output.messages": json([{"role": "user", "content": NO}])},
        {"output.value": b"\xff\xfe"},
        {"output.value": 7},
        {"output.value": "null"},
        {"output.value": "[]"},
        {"output.value": {"a": {"b": NO}}},
    ],
)
def test_without_an_answer_nothing_is_said(told: dict[str, Any]) -> None:
    assert spoken(CHAT | told)["refusal"] is None


def test_only_answered_calls_of_language_models_refuse() -> None:
    no = {"gen_ai.completion.0.content": NO}
    assert spoken(CHAT | no, status=2)["refusal"] is None
    assert spoken(CHAT | no | {"error.type": "Timeout"})["refusal"] is None
    assert spoken({"gen_ai.operation.name": "embeddings", **no})["refusal"] is None
    assert spoken({"gen_ai.operation.name": "invoke_agent", **no})["refusal"] is None
    assert [row["refusal"] for row in decoded_rows(Told(CHAT | no), Told({}), Told(CHAT), Told(CHAT | no))] == [
        True,
        None,
        None,
        True,
    ]


def test_an_answer_that_is_json_is_no_conversation() -> None:
    for answer in ({"city": "Paris"}, {"content": NO, "title": "x"}, [1, 2], ["a", "b"], {"a": {"role": "assistant"}}):
        found = read_answer(orjson.dumps(answer))
        assert found is not None
        assert found.text == json(answer)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 1000,
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'[{"role":"assistant","content":' * 400 + b'"x"' + b"}]" * 400,
        b'{"choices":[' + b"{}," * 20_000 + b"{}]}",
        b'{"choices":[{"message":{"content":"' + b"x" * (1 << 20) + b'"}}]}',
        b'"' + b"x" * (1 << 20) + b'"',
    ],
)
def test_bombs_and_binary_say_nothing(raw: bytes) -> None:
    found = read_answer(raw)
    assert found is None or len(found.text) <= MAX_ANSWER_BYTES


def test_a_long_answer_is_read_at_its_head_and_a_long_document_not_at_all() -> None:
    found = read_answer(NO.encode() + b" x" * (1 << 19))
    assert found is not None
    assert len(found.text) == MAX_ANSWER_BYTES
    cut = read_answer(b"x" * (MAX_ANSWER_BYTES - 1) + "é".encode() * 9)
    assert cut is not None
    assert len(cut.text) == MAX_ANSWER_BYTES - 1
    assert read_answer(json([message("x" * MAX_JSON_BYTES)]).encode()) is None


def test_the_demo_shows_what_its_generator_knows() -> None:
    random = Random(7)
    calls = [draw(random, RECORDED_NS - DAY_NS, 0.5) for _ in range(600)]
    columns = DECODER.decode([record(encode(calls, around=False))]).columns
    truth = {
        "refusal": [call.is_refused if call.shows_refusal else None for call in calls],
        "citation": [not call.is_amiss if call.is_to_cite else None for call in calls],
        "schema_valid": [not call.is_amiss if call.is_to_keep_schema else None for call in calls],
    }
    for name, expected in truth.items():
        found = dict(zip(columns["span_id"].tolist(), columns[name].tolist(), strict=True))
        assert found == dict(zip((call.span_id.hex() for call in calls), expected, strict=True))
        assert {True, False, None} == set(expected)
