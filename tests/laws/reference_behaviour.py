"""Behaviour once more, one span at a time: where the answer stands and which rule decides. Shared is what reads one text."""

from collections.abc import Mapping
from typing import Any

from pipeline.operators.behaviour.citation import reads_as_citing
from pipeline.operators.behaviour.refusal import REFUSING_ENDS, TOOLS_CALLED, read_refusal
from pipeline.operators.behaviour.schemas import compiled_schema, keeps
from pipeline.operators.decode.behaviour import Expected
from pipeline.operators.decode.conversation import (
    Answer,
    answer_in,
    answer_of,
    is_conversation,
    read_answer,
    read_beside,
    read_plain,
    read_whole,
)
from pipeline.operators.decode.requests import Request, read_request, read_schema, request_in
from pipeline.operators.decode.values import MAX_JSON_BYTES, read_flag
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import ANSWER_TEXTS, field_paths


def refusal(said: Any, kind: str, status: str, language: str, finish_reason: str) -> bool | None:
    """Whether the call refused, as its row should say. said: the span, as the reference decoder reads it."""
    if kind != "llm" or status == "error":
        return None
    end = finish_reason.rsplit(".", maxsplit=1)[-1].replace("-", "_").lower()
    if end in REFUSING_ENDS:
        return True
    answer = answer_on(said)
    if answer is None:
        return None
    if answer.refused or answer.blocked:
        return True
    read = read_refusal(answer.text, "" if language.lower() in ("", "und", "unknown") else language) if answer.text else None
    return False if read is None and (answer.tools or end in TOOLS_CALLED) else read


def citation(said: Any, row: Mapping[str, Any], expected: Expected) -> bool | None:
    """Whether the call cited."""
    if row["kind"] != "llm" or row["status"] == "error":
        return None
    answer = answer_on(said)
    if answer is not None and answer.cites:
        return True
    searched = "perplexity" in (row["provider"], row["provider_said"]) or bool(row["searches"])
    to_cite = row["route"] in expected.citing or "*" in expected.citing or searched
    if not (to_cite or any(request.sources for request in asked_of(said))) or answer is None or not answer.text:
        return None
    return reads_as_citing(answer.text)


def schema_valid(said: Any, row: Mapping[str, Any], expected: Expected) -> bool | None:
    """Whether its answer is what was asked for."""
    if row["kind"] != "llm" or row["status"] == "error":
        return None
    asked = [request for request in asked_of(said) if request.json]
    schemas = [compiled_schema(request.schema) for request in asked if request.schema is not None]
    of_route = expected.schemas.get(row["route"])
    if not asked and of_route is None:
        return None
    answer = answer_on(said, whole=True)
    if answer is None or not answer.text or answer.tools or (schemas and schemas[0] is None):
        return None
    return keeps(answer.text, schemas[0] if schemas else of_route)


def asked_of(said: Any) -> list[Request]:
    """What the documents of the span ask for, schemas first."""
    texts = [_value(said, path) for path in field_paths("output_schema")]
    found: list[Request | None] = [
        read_schema(value.string_value[: MAX_JSON_BYTES + 1])
        for value in texts
        if value is not None and value.WhichOneof("value") == "string_value"
    ]
    for kind in ("string_value", "kvlist_value"):
        for path in field_paths("request"):
            value = _value(said, path)
            if value is not None and value.WhichOneof("value") == kind:
                found.append(read_request(value.string_value) if kind == "string_value" else request_in(said_plainly(value)))
    if said.first(field_paths("asks_json"), read_flag, False):
        found.append(Request(json=True))
    return [request for request in found if request is not None]


def answer_on(said: Any, whole: bool = False) -> Answer | None:
    """The first answer that says something, with what documents behind it tell. whole: all of it, as it stands."""
    found: Answer | None = None
    for path in field_paths("answer"):
        value = _value(said, path)
        kind = None if value is None else value.WhichOneof("value")
        if whole:
            if kind is not None and not (found is not None and found.is_told):
                found = _whole(value, kind, path) or found
        elif found is not None and found.is_told:
            more = read_beside(value.string_value) if kind == "string_value" else None
            if more is not None:
                found.refused, found.blocked = found.refused or more.refused, found.blocked or more.blocked
                found.cites = found.cites or more.cites
        elif kind is not None:
            found = _answer(value, kind) or found
    for name, tell in (("called_tools", "tools"), ("refused", "refused")):
        if said.first(field_paths(name), read_flag, False):
            found = found or Answer()
            setattr(found, tell, True)
    return found


def _value(said: Any, path: Path) -> Any:
    """What stands at a path, as protobuf has it; None for nothing."""
    if path.scopes and not said.scope().startswith(path.scopes):
        return None
    if path.where == "event":
        return said.context.details.get((path.name.encode(), path.keys[0].encode()))
    return said.context.attributes.get(path.name.encode())


def _whole(value: Any, kind: str, path: Path) -> Answer | None:
    if kind == "string_value":
        return (read_plain if path in ANSWER_TEXTS else read_whole)(value.string_value)
    return _answer(value, kind)


def _answer(value: Any, kind: str) -> Answer | None:
    if kind == "string_value":
        return read_answer(value.string_value)
    if kind == "kvlist_value":
        return _in_value(said_plainly(value))
    if kind == "array_value" and len(value.array_value.values):
        return _in_value(said_plainly(value.array_value.values[0]))
    return None


def _in_value(value: Any) -> Answer | None:
    if isinstance(value, str):
        return answer_in(value) if len(value) <= MAX_JSON_BYTES else None
    return answer_of(value) if is_conversation(value) else None


def said_plainly(value: Any) -> Any:
    """A value as JSON would have said it, nothing if it is too long or holds text that is none."""
    try:
        return _plain(value) if value.ByteSize() <= MAX_JSON_BYTES else None
    except UnicodeDecodeError:
        return None


def _plain(value: Any) -> Any:
    match value.WhichOneof("value"):
        case "kvlist_value":
            return {pair.key.decode(): _plain(pair.value) for pair in value.kvlist_value.values}
        case "array_value":
            return [_plain(element) for element in value.array_value.values]
        case "string_value":
            return value.string_value.decode()
        case "bool_value" | "int_value" | "double_value" as kind:
            return getattr(value, kind)
        case _:
            return None
