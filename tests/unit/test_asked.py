"""What calls were asked for, in every place and shape, and whether their answers are it: spans and verdicts written by hand."""

from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from pipeline.app.own_files import route_schemas
from pipeline.errors import SettingsError
from pipeline.operators.behaviour.schemas import schema_of
from pipeline.operators.decode.behaviour import BEHAVIOUR, Expected, each_case
from pipeline.operators.decode.requests import Request, read_request
from tests.otlp import Told, decoder, record, request_of, rows, spoken

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "tailrace.route": "rag"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GEMINI = {"type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}, "required": ["city"]}
GOOD, BAD, BROKEN = '{"city": "Paris"}', '{"city": 5}', '{"city": "Par'


def json(value: Any) -> str:
    return orjson.dumps(value).decode()


FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
WITH_SCHEMA: dict[str, dict[str, Any]] = {
    "OpenAI": {"llm.invocation_parameters": json({"model": "gpt-4o", "response_format": FORMAT})},
    "Responses": {"llm.invocation_parameters": json({"text": {"format": {"type": "json_schema", "name": "c", "schema": CITY}}})},
    "Anthropic": {"gen_ai.request.parameters": json({"output_format": {"type": "json_schema", "schema": CITY}})},
    "Anthropic now": {"gen_ai.request.parameters": json({"output_config": {"format": {"type": "json_schema", "schema": CITY}}})},
    "Ollama": {"langfuse.observation.model.parameters": json({"format": CITY})},
    "Gemini": {
        "gcp.vertex.agent.llm_request": json(
            {"model": "g", "config": {"response_mime_type": "application/json", "response_schema": GEMINI}}
        )
    },
    "Gemini's REST": {
        "llm.invocation_parameters": json(
            {"generationConfig": {"responseMimeType": "application/json", "responseSchema": GEMINI}}
        )
    },
    "Pydantic AI": {"model_request_parameters": json({"output_mode": "native", "output_object": {"json_schema": CITY}})},
    "Vercel": {"ai.schema": json(CITY), "ai.settings.output": "object"},
    "OpenLLMetry": {"gen_ai.request.structured_output_schema": json(CITY)},
    "vLLM": {"gen_ai.request.parameters": json({"extra_body": {"guided_json": CITY}})},
    "a map": {"llm.invocation_parameters": {"response_format": FORMAT}},
}
WITHOUT: dict[str, dict[str, Any]] = {
    "the conventions": {"gen_ai.output.type": "json"},
    "OpenAI": {"llm.invocation_parameters": json({"response_format": {"type": "json_object"}})},
    "Ollama": {"llm.invocation_parameters": json({"format": "json"})},
    "Gemini": {"llm.invocation_parameters": json({"response_mime_type": "application/json"})},
    "Vercel": {"ai.operationId": "ai.generateObject.doGenerate"},
}
NOT_ASKED: list[dict[str, Any]] = [
    {},
    {"gen_ai.output.type": "text"},
    {"llm.invocation_parameters": json({"response_format": {"type": "text"}})},
    {"llm.invocation_parameters": json({"text": {"format": {"type": "text"}}})},
    {"llm.invocation_parameters": json({"tools": [{"type": "function", "function": {"parameters": CITY}}]})},
    {"llm.invocation_parameters": json({"response_format": None, "format": "mp3"})},
    {"llm.invocation_parameters": "response_format json"},
    {"model_request_parameters": json({"output_mode": "tool", "output_object": None})},
]


def valid(asked: dict[str, Any], answer: str | None, **more: Any) -> Any:
    said = {} if answer is None else {"gen_ai.completion.0.content": answer}
    return spoken(CHAT | asked | said, **more)["schema_valid"]


@pytest.mark.parametrize("who", WITH_SCHEMA)
def test_a_schema_in_every_place(who: str) -> None:
    found = [valid(WITH_SCHEMA[who], answer) for answer in (GOOD, BAD, BROKEN, "Paris", f"```json\n{GOOD}\n```", None)]
    assert found == [True, False, False, False, False, None]


@pytest.mark.parametrize("who", WITHOUT)
def test_json_without_a_schema(who: str) -> None:
    assert [valid(WITHOUT[who], answer) for answer in (GOOD, BAD, BROKEN, "Paris", None)] == [True, True, False, False, None]


@pytest.mark.parametrize("asked", NOT_ASKED)
def test_nothing_is_said_where_nobody_asked(asked: dict[str, Any]) -> None:
    assert [valid(asked, answer) for answer in (GOOD, BROKEN)] == [None, None]


def test_a_failed_call_and_one_that_calls_tools_have_nothing_to_keep() -> None:
    asked = WITH_SCHEMA["OpenAI"]
    assert valid(asked, BROKEN, status=2) is None
    assert valid(asked | {"gen_ai.completion.0.tool_calls.0.name": "weather"}, None) is None
    assert valid(asked | {"gen_ai.response.finish_reasons": ["length"]}, BROKEN) is False


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("gen_ai.output.messages", json([{"role": "assistant", "parts": [{"type": "text", "content": GOOD}]}])),
        ("output.value", json({"choices": [{"message": {"role": "assistant", "content": GOOD}}]})),
        ("langfuse.observation.output", GOOD),
        ("ai.response.object", GOOD),
        ("llm.output_messages.0.message.content", GOOD),
    ],
)
def test_an_answer_in_every_place(place: str, answer: str) -> None:
    assert spoken(CHAT | WITH_SCHEMA["OpenAI"] | {place: answer})["schema_valid"] is True
    assert spoken(CHAT | WITH_SCHEMA["OpenAI"] | {place: answer.replace("city", "town")})["schema_valid"] is False


def test_json_in_a_place_for_text_is_what_was_said() -> None:
    schema = {"type": "object", "required": ["message"]}
    asked = {"gen_ai.request.structured_output_schema": json(schema)}
    assert valid(asked, json({"message": {"content": "Paris"}})) is True
    assert valid(asked, json([{"type": "text", "text": json({"message": 1})}])) is True
    assert valid(asked, '"Paris"') is False
    assert valid({"gen_ai.output.type": "json"}, "[]") is True


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://schemas.test/x"},
        {"$ref": "file:///etc/passwd"},
        {"type": "no type"},
        {"description": "x" * (1 << 20)},
        {"pattern": "(a{1,1000}){1,1000}"},
    ],
)
def test_a_schema_that_cannot_be_used_says_nothing(schema: Any) -> None:
    assert valid({"gen_ai.request.structured_output_schema": json(schema)}, GOOD) is None
    assert valid({"llm.invocation_parameters": {"response_format": {"type": "json_schema", "schema": schema}}}, GOOD) is None


def test_long_answers() -> None:
    long = json({"city": "x" * 900_000})
    assert valid(WITH_SCHEMA["OpenAI"], long) is True
    assert valid(WITH_SCHEMA["OpenAI"], json({"city": "x" * (1 << 20)})) is None
    assert valid(WITH_SCHEMA["OpenAI"], "[" * 100_000) is not True


def expecting(expected: Expected, **told: Any) -> list[dict[str, Any]]:
    found = decoder(expected=expected).decode(
        [record(request_of(Told(CHAT | told), Told(CHAT | told | {"tailrace.route": "other"})))]
    )
    return rows(found)


def test_a_schema_of_the_route() -> None:
    expected = Expected(schemas={"rag": schema_of(CITY)})
    for answer, kept in ((GOOD, True), (BAD, False)):
        found = expecting(expected, **{"gen_ai.completion.0.content": answer})
        assert [row["schema_valid"] for row in found] == [kept, None]
    found = expecting(expected, **{"gen_ai.completion.0.content": BAD, "gen_ai.request.structured_output_schema": "{}"})
    assert [row["schema_valid"] for row in found] == [True, True]
    found = expecting(expected, **{"gen_ai.completion.0.content": BAD, "gen_ai.output.type": "json"})
    assert [row["schema_valid"] for row in found] == [False, True]


def test_schemas_of_a_directory(tmp_path: Path) -> None:
    assert route_schemas(None) == {}
    with pytest.raises(SettingsError, match="no schemas"):
        route_schemas(tmp_path)
    (tmp_path / "rag.json").write_text(json(CITY))
    assert [*route_schemas(tmp_path)] == ["rag"]
    (tmp_path / "bad.json").write_text('{"$ref": "https://schemas.test/x"}')
    with pytest.raises(SettingsError, match=r"bad.json: it refers to something outside"):
        route_schemas(tmp_path)


@pytest.mark.parametrize(
    "asked",
    [
        {"llm.invocation_parameters": json({"tools": [{"type": "web_search_preview"}]})},
        {"llm.invocation_parameters": json({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})},
        {"llm.invocation_parameters": json({"tools": [{"type": "file_search", "vector_store_ids": ["x"]}]})},
        {"llm.invocation_parameters": json({"config": {"tools": [{"google_search": {}}]}})},
        {"gen_ai.request.parameters": json({"web_search_options": {"search_context_size": "low"}})},
        {"gen_ai.request.parameters": json({"documents": [{"id": "1", "text": "…"}]})},
        {"gen_ai.provider.name": "perplexity"},
        {"gen_ai.usage.web_search_requests": 2},
    ],
)
def test_who_had_something_searched_for_is_to_cite(asked: dict[str, Any]) -> None:
    for answer, cites in (("It is two years [1].", True), ("It is two years.", False)):
        assert spoken(CHAT | asked | {"gen_ai.completion.0.content": answer})["citation"] is cites
    assert spoken(CHAT | asked)["citation"] is None
    assert spoken(CHAT | asked | {"gen_ai.completion.0.content": "It is [1]."}, status=2)["citation"] is None


def test_nothing_is_said_of_others() -> None:
    tools = {"llm.invocation_parameters": json({"tools": [{"type": "function", "function": {"name": "search_orders"}}]})}
    for asked in ({}, tools):
        assert spoken(CHAT | asked | {"gen_ai.completion.0.content": "It is two years [1]."})["citation"] is None


def test_routes_that_are_to_cite() -> None:
    for answer, cites in (("It is two years [1].", True), ("It is two years.", False)):
        told = {"gen_ai.completion.0.content": answer}
        assert [row["citation"] for row in expecting(Expected(frozenset({"rag"})), **told)] == [cites, None]
        assert [row["citation"] for row in expecting(Expected(frozenset({"*"})), **told)] == [cites, cites]


def test_a_call_among_many_is_judged_as_it_is_alone() -> None:
    asked = [*WITH_SCHEMA.values(), *WITHOUT.values(), *NOT_ASKED, WITH_SCHEMA["OpenAI"] | WITHOUT["the conventions"]]
    searched = [{}, {"gen_ai.request.parameters": json({"documents": [{"id": "1"}]})}, {"gen_ai.usage.web_search_requests": 1}]
    ended = [{}, {"gen_ai.response.finish_reasons": ["content_filter"]}, {"tailrace.language": "de"}]
    calls = [
        CHAT | request | search | end | {"gen_ai.completion.0.content": answer, "tailrace.route": route}
        for request, search, end, answer, route in product(asked, searched, ended, (GOOD, BAD, "It is [1]."), ("rag", "other"))
    ]
    calls = Random(1).sample(calls, 200)
    expected = decoder(expected=Expected(frozenset({"other"}), {"rag": schema_of({"required": ["town"]})}))
    together = rows(expected.decode([record(request_of(*map(Told, calls)))]))
    for call, row in zip(calls, together, strict=True):
        (alone,) = rows(expected.decode([record(request_of(Told(call)))]))
        assert [row[name] for name in BEHAVIOUR] == [alone[name] for name in BEHAVIOUR]
    assert {row[name] for row in together for name in BEHAVIOUR} == {True, False, None}


def test_cases_past_what_a_number_holds_stay_apart() -> None:
    many, last = range(1 << 31), (1 << 31) - 1
    codes = np.array([0, 4, last, 0]), np.array([last, last, 0, last]), np.array([0, 0, last, 0])
    of_rows, verdicts = each_case(lambda *case: (None, repr(case)), *((each, many) for each in codes))
    assert [verdicts[i][1] for i in of_rows] == [repr(case) for case in zip(*(each.tolist() for each in codes), strict=True)]
    assert len(verdicts) == 3


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": [{"message": {"content": "Yes", "annotations": [{"type": "url_citation", "url_citation": {"url": "x"}}]}}]},
        {"content": [{"type": "text", "text": "Yes", "citations": [{"type": "char_location"}]}], "role": "assistant"},
        {"candidates": [{"content": {"parts": [{"text": "Yes"}]}, "groundingMetadata": {"groundingChunks": [{"web": {}}]}}]},
        {"choices": [{"message": {"content": "Yes"}}], "citations": ["https://shop.test"]},
    ],
)
def test_a_field_that_names_sources_decides(raw: Any) -> None:
    for beside in ({}, {"llm.output_messages.0.message.content": "Yes"}):
        assert spoken(CHAT | beside | {"output.value": json(raw)})["citation"] is True


def test_a_request_that_is_too_long_or_none_asks_for_nothing() -> None:
    assert read_request(b'{"response_format": {"type": "json_object"}, "x": "' + b"x" * 70_000 + b'"}') is None
    assert read_request(b"json") is None
    assert read_request(b'{"format": ' * 2000) is None
    assert read_request(b'{"response_format": "<class \'shop.City\'>"}') == Request(json=True)
