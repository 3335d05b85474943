"""Behaviour once more, one span at a time: where the answer stands and which rule decides. Shared is what reads one text."""

from typing import Any

from pipeline.operators.behaviour.refusal import REFUSING_ENDS, TOOLS_CALLED, read_refusal
from pipeline.operators.decode.conversation import Answer, answer_in, answer_of, is_conversation, read_answer, read_beside
from pipeline.operators.decode.values import MAX_JSON_BYTES, read_flag
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import field_paths


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


def answer_on(said: Any) -> Answer | None:
    """The first answer that says something, with what documents behind it tell."""
    found: Answer | None = None
    for path in field_paths("answer"):
        value = _value(said, path)
        kind = None if value is None else value.WhichOneof("value")
        if found is not None and found.is_told:
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
