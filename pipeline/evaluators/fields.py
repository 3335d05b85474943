"""What people say of a trace, by the names of `Sample`, made into one. Errors name the field and the nearest that is known."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import orjson

from pipeline.model.samples import Sample, ToolCall

MEANT = {
    **dict.fromkeys(("question", "query", "prompt", "user_input"), "input"),
    **dict.fromkeys(("answer", "response", "completion", "actual_output", "text"), "output"),
    **dict.fromkeys(("contexts", "documents", "docs", "retrieval_context", "retrieved_contexts", "knowledge"), "context"),
    **dict.fromkeys(("expected", "expected_output", "expected_response", "ground_truth", "expected_text", "target"), "reference"),
    **dict.fromkeys(("json_schema", "response_schema"), "schema"),
    **dict.fromkeys(("tool_calls",), "tools"),
}
"""Names that other libraries have for ours."""


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is to be a text, not {type(value).__name__}")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} is to be a text or a list of texts, not {type(value).__name__}")
    return tuple(_text(f"{name}[{at}]", one) for at, one in enumerate(value))


def _schema(name: str, value: Any) -> bytes:
    if isinstance(value, str | bytes):
        return value.encode() if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is to be a JSON Schema, as JSON or a dict, not {type(value).__name__}")
    return orjson.dumps(value)


def _tools(name: str, value: Any) -> tuple[ToolCall, ...]:
    known = [field.name for field in fields(ToolCall)]
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} is to be a list of tool calls, not {type(value).__name__}")
    found = []
    for at, call in enumerate(value):
        if isinstance(call, ToolCall):
            found.append(call)
        elif isinstance(call, Mapping) and "name" in call and set(call) <= set(known):
            found.append(ToolCall(**{key: _text(f"{name}[{at}].{key}", one) for key, one in call.items()}))
        else:
            raise TypeError(f"{name}[{at}] is to be a dict of texts: name, and arguments and result where they are known")
    return tuple(found)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is to be true or false, not {type(value).__name__}")
    return value


READ: dict[str, Callable[[str, Any], Any]] = {
    "context": _texts,
    "tools": _tools,
    "schema": _schema,
    **dict.fromkeys(("input", "output", "reference", "language", "finish_reason"), _text),
    **dict.fromkeys(("wants_json", "refusal", "citation", "incomplete"), _flag),
}
"""How a field is read."""

KNOWN = tuple(field.name for field in fields(Sample))


def sample_of(given: Mapping[str, Any], meant: Mapping[str, Any] | None = None) -> Sample:
    """The sample of what is given; None is as not given. meant: fields where they are not given.

    Raises TypeError for a name that is unknown, with the nearest known one, and for a value of another type.
    """
    for name in given:
        if name not in KNOWN:
            raise TypeError(f"unknown field {name!r}{_nearest(name)}; there are {', '.join(KNOWN)}")
    said = {name: READ[name](name, value) for name, value in given.items() if value is not None}
    return Sample(**{**(meant or {}), **said})


def _nearest(name: str) -> str:
    near = MEANT.get(name.lower()) or next(iter(get_close_matches(name.lower(), KNOWN, 1)), "")
    return f": did you mean {near!r}?" if near else ""
