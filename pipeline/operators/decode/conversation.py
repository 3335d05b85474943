"""Reads conversations as instrumentors write them: what the user wrote last, and what the model answered. Nothing of it is kept.

A conversation is plain text, or JSON in any of the shapes that providers and frameworks have for messages. Shapes are told by
their keys; what has none of them is no conversation but the answer itself, which may be JSON. Of a document at most MAX_PARTS
of a list and MAX_DEPTH levels are looked at, and none of one that is longer than MAX_JSON_BYTES.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pipeline.operators.decode.values import MAX_JSON_BYTES, document, read_utf8

MAX_CHARS = 600
"""So much of what a user wrote is looked at."""

MAX_ANSWER_BYTES = 8 << 10
"""So much of an answer in plain text is looked at."""

MAX_WHOLE_BYTES = 1 << 20
"""A longer one is not looked at where all of it matters."""

MAX_PARTS = 50
"""Of a conversation so many parts are looked at: of the user's the last, of the model's the first."""

MAX_DEPTH = 12

USERS = ("user", "human")
MODELS = frozenset({"assistant", "model", "ai", "chatbot", "bot"})
OTHERS = frozenset({*USERS, "system", "developer", "tool", "function"})
ROLES = MODELS | OTHERS

TEXTS = frozenset({"text", "output_text", "message", "aimessage", "constructor"})
TOOLS = frozenset(
    {"tool_call", "tool-call", "tool_use", "tooluse", "function_call", "functioncall", "mcp_call", "server_tool_use", "function"}
)
SILENT = frozenset({"reasoning", "thinking", "redacted_thinking", "tool_call_response", "tool_result", "tool-result"})
"""Types of parts: text and what holds it, calls of tools, and what is not said to the user."""

TYPES = TEXTS | TOOLS | SILENT | {"refusal"}
TOOL_KEYS = frozenset({"tool_calls", "toolCalls", "toolUse", "functionCall", "function_call", "tool_use"})
FIRST_OF = ("choices", "candidates", "generations", "replies")
"""Keys of lists of alternatives: the first is the answer."""

INWARD = (*FIRST_OF, "output", "outputs", "message", "messages", "kwargs", "content", "_content", "parts", "text", "output_text")
ORDER = {key: i for i, key in enumerate(INWARD)}
"""Keys under which an answer may lie, the first that has one is it."""

SAID = frozenset({"content", "text", "output_text"})
"""Keys under which a text is what was said."""

SHAPES = frozenset({*FIRST_OF, *TOOL_KEYS, "parts", "kwargs", "lc", "event.name", "_content"})
"""Keys that only conversations have."""

SOURCES = frozenset(
    {
        *("annotations", "citations", "sources", "search_results", "citationMetadata", "citation_metadata", "citation"),
        *(
            "groundingMetadata",
            "grounding_metadata",
            "groundingChunks",
            "grounding_chunks",
            "citationSources",
            "citation_sources",
        ),
    }
)
"""Keys under which providers tell what an answer rests on."""

BLOCKED = frozenset({"prompt_feedback", "promptFeedback"})

NOTHING = frozenset({"null", "None", "undefined"})
"""What libraries write where there is no answer."""

MORE = re.compile(
    rb'"(?:refusal": ?"[^"]|(?:%s)": ?[\[{][^\]}])' % "|".join(sorted(SOURCES | BLOCKED)).encode(),
)
"""In a document: it tells of its answer what no text does."""


@dataclass(slots=True)
class Answer:
    """What a model answered. text: the head of it, as far as it is looked at, "" for none.

    refused: a field said so. blocked: the provider held it back. tools: it called some. cites: a field names what it rests on.
    """

    text: str = ""
    refused: bool = False
    blocked: bool = False
    tools: bool = False
    cites: bool = False
    _texts: list[str] = field(default_factory=list)

    @property
    def is_told(self) -> bool:
        """Whether anything at all is known of it."""
        return bool(self.text) or self.refused or self.blocked or self.tools

    def with_more(self, more: "Answer") -> "Answer":
        """With what another place tells of the same answer; its text is known."""
        return replace(
            self,
            refused=self.refused or more.refused,
            blocked=self.blocked or more.blocked,
            tools=self.tools or more.tools,
            cites=self.cites or more.cites,
        )


def read_whole(raw: bytes) -> Answer | None:
    """As `read_answer`, with all of the text; None if it is too long."""
    text = read_utf8(raw) if len(raw) <= MAX_WHOLE_BYTES else None
    return None if text is None else answer_in(text, MAX_WHOLE_BYTES)


def read_plain(raw: bytes) -> Answer | None:
    """The same where what was said stands as it is: JSON is the answer itself, but for a list of parts."""
    text = read_utf8(raw) if len(raw) <= MAX_WHOLE_BYTES else None
    if text is None:
        return None
    if raw[:1] == b"[" and b'"type"' in raw[:256]:
        return answer_in(text, MAX_WHOLE_BYTES)
    return _said_as_it_is(text, MAX_WHOLE_BYTES)


def read_answer(raw: bytes) -> Answer | None:
    """An answer as it stands in an attribute; None if it says nothing, is no UTF-8, or is a document too long to be looked at."""
    if raw[:64].lstrip()[:1] in (b"{", b"[", b'"'):
        text = read_utf8(raw) if len(raw) <= MAX_JSON_BYTES else None
        return None if text is None else answer_in(text)
    text = read_utf8(raw[:MAX_ANSWER_BYTES], len(raw) <= MAX_ANSWER_BYTES)
    return _said_as_it_is(text or "")


def answer_in(text: str, most: int = MAX_ANSWER_BYTES) -> Answer | None:
    """The answer in a text that may be a conversation as JSON; any other text is the answer itself."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _said_as_it_is(text, most)
    if isinstance(found, list) and len(found) == 1:
        found = found[0] if isinstance(found[0], str) else found
    if isinstance(found, str):
        return _said_as_it_is(found, most)
    return (
        answer_of(found, most)
        if is_conversation(found)
        else _said_as_it_is(text if found or most > MAX_ANSWER_BYTES else "", most)
    )


def _said_as_it_is(text: str, most: int = MAX_ANSWER_BYTES) -> Answer | None:
    return None if not text or text.isspace() or text in NOTHING else Answer(text[:most])


def answer_of(found: Any, most: int = MAX_ANSWER_BYTES) -> Answer:
    """The answer in a conversation; one without anything if it holds none."""
    answer = Answer()
    _answered(found, answer, 0)
    answer.text = "".join(answer._texts)[:most]
    return answer


def read_beside(raw: bytes) -> Answer | None:
    """What a document tells of an answer whose text is known from elsewhere; None if it tells nothing, which costs little."""
    if raw[:1] not in (b"{", b"[") or len(raw) > MAX_JSON_BYTES or not MORE.search(raw):
        return None
    more = read_answer(raw)
    return None if more is None else Answer(refused=more.refused, blocked=more.blocked, cites=more.cites)


def is_conversation(found: Any) -> bool:
    """Whether a JSON value has the shape of a message, of a part of one, or of what a provider answers."""
    for _ in range(3):
        if not isinstance(found, list):
            break
        found = found[0] if found else None
    if not isinstance(found, dict):
        return False
    return (
        not SHAPES.isdisjoint(found)
        or _word(found, "role") in ROLES
        or _word(found, "type") in TYPES
        or isinstance(found.get("content"), dict)
        or isinstance(found.get("message"), dict)
        or found.keys() == {"text"}
        or ("text" in found and "files" in found)
        or ("output" in found and ("usage" in found or "object" in found))
        or "toolCallId" in found
    )


def _word(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value.lower() if isinstance(value, str) else ""


def _answered(found: Any, answer: Answer, depth: int) -> bool:
    """Add what `found` says to the answer. Returns whether it said text."""
    if isinstance(found, str):
        if found:
            answer._texts.append(found)
        return bool(found)
    if depth >= MAX_DEPTH:
        return False
    if isinstance(found, list):
        return _of_list(found, answer, depth)
    return isinstance(found, dict) and _of_part(found, answer, depth)


def _of_list(found: list[Any], answer: Answer, depth: int) -> bool:
    """Of messages the first of the model behind the last of somebody else; of parts all."""
    parts = found[:MAX_PARTS]
    others = [i for i, part in enumerate(found[-MAX_PARTS:]) if isinstance(part, dict) and _role(part) in OTHERS]
    if others:
        parts = found[-MAX_PARTS:][others[-1] + 1 :]
    said = False
    for part in parts:
        if isinstance(part, dict) and _role(part) in MODELS and said:
            break
        said |= _answered(part, answer, depth + 1)
    return said


def _role(part: Mapping[str, Any]) -> str:
    return _word(part, "role")


def _of_part(found: dict[str, Any], answer: Answer, depth: int) -> bool:
    kind = _word(found, "type")
    if _role(found) in OTHERS or kind in SILENT or found.get("thought") is True:
        return False
    _tell(found, kind, answer)
    if kind == "refusal":
        answer.refused |= isinstance(found.get("content", ""), str)
        return False
    if kind in TOOLS:
        return False
    inward = [key for key in found if key in ORDER]
    for key in sorted(inward, key=ORDER.__getitem__) if len(inward) > 1 else inward:
        below = found[key]
        if not below or (isinstance(below, str) and key not in SAID):
            continue
        if key in FIRST_OF and isinstance(below, list):
            below = below[0]
        if _answered(below, answer, depth + 1):
            return True
    return False


def _tell(found: dict[str, Any], kind: str, answer: Answer) -> None:
    """What the fields beside the text of a part say."""
    refusal = found.get("refusal")
    answer.refused |= isinstance(refusal, str) and bool(refusal.strip())
    if not BLOCKED.isdisjoint(found):
        feedback = found.get("prompt_feedback") or found.get("promptFeedback")
        answer.blocked |= isinstance(feedback, dict) and bool(feedback.get("block_reason") or feedback.get("blockReason"))
    if kind in TOOLS or "toolCallId" in found or not TOOL_KEYS.isdisjoint(found):
        answer.tools |= kind in TOOLS or "toolCallId" in found or any(found.get(key) for key in TOOL_KEYS)
    if not SOURCES.isdisjoint(found):
        answer.cites |= any(_names_sources(found.get(key)) for key in SOURCES)


def _names_sources(found: Any) -> bool:
    """Whether a field for sources names any."""
    if isinstance(found, list):
        return bool(found)
    return isinstance(found, dict) and any(_names_sources(found.get(key)) for key in (*SOURCES, "webSearchQueries"))


def user_text(text: str) -> str:
    """What the user wrote last, of a conversation as JSON; any other text as it is. At most MAX_CHARS."""
    return said_by_user(document(text) or text, MAX_CHARS)


def said_by_user(found: Any, most: int) -> str:
    """What the user wrote last, of a conversation as a JSON value; else all that is said in it; at most `most` characters."""
    parts = list(_said(found, of_user=False, depth=0))
    return (next((said for said, of_user in parts if of_user), "") or " ".join(said for said, _ in reversed(parts)))[:most]


ASKED_IN = (
    *("content", "contents", "parts", "text", "messages", "inputs", "input", "prompt", "question", "query"),
    *("kwargs", "body", "args", "request"),
)
"""Keys under which what was asked may lie."""


def _said(value: Any, of_user: bool, depth: int) -> Iterator[tuple[str, bool]]:
    """Texts in a JSON value, the last first, and whether a user said them. What a tool said on a user's behalf is not."""
    if isinstance(value, str):
        yield value, of_user
    elif isinstance(value, list) and depth < 6:
        for element in value[: -MAX_PARTS - 1 : -1]:
            yield from _said(element, of_user, depth + 1)
    elif isinstance(value, dict) and depth < 6 and _word(value, "type") not in SILENT:
        user = of_user or _is_of_user(value)
        for key in ASKED_IN:
            if key in value:
                yield from _said(value[key], user, depth + 1)


def _is_of_user(message: Mapping[str, Any]) -> bool:
    """Whether a message is a user's: by its role, else its type, or the class LangChain made it of."""
    made_of = message.get("id")
    return str(message.get("role", message.get("type", ""))).lower() in USERS or (
        isinstance(made_of, list) and bool(made_of) and str(made_of[-1]).startswith("HumanMessage")
    )
