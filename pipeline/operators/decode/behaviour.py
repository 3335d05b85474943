"""How the model behaved, of every call of a language model that was answered: did it refuse.

The answers are many different texts: they are read where they lie, each once, and all that is kept of one is a truth value. Null
where nothing can be said: the call failed, no answer is on the span, its language is none that the rules know.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.behaviour.refusal import HEAD_CHARS, ends_in_tools, ends_refused, read_refusal
from pipeline.operators.decode.conversation import (
    MAX_ANSWER_BYTES,
    Answer,
    answer_in,
    answer_of,
    is_conversation,
    read_answer,
    read_beside,
)
from pipeline.operators.decode.key_values import ARRAY, KVLIST, STRING
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.decode.values import MAX_JSON_BYTES, MAX_MAP_BYTES, map_document, read_flag
from pipeline.operators.dialects.paths import Path

Flags = NDArray[np.bool_]

UNKNOWN = frozenset({"", "und", "unknown"})
"""Languages that are none."""


def behaviour(resolver: Resolver, fields: Mapping[str, Sequence[Path]], columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of behaviour: true, false, or None where it does not apply.

    columns: of the same rows, kind, status, finish_reason and language.
    """
    wanted = (columns["kind"] == "llm") & (columns["status"] != "error")
    refusal = np.full(len(resolver.rows), None, object)
    for i, (verdict, _) in _refusals(resolver, fields, columns, wanted):
        refusal[i] = verdict
    return {"refusal": refusal, **{name: np.full(len(resolver.rows), None, object) for name in ("citation", "schema_valid")}}


def told_behaviour(resolver: Resolver, fields: Mapping[str, Sequence[Path]], row: Mapping[str, Any]) -> dict[str, str]:
    """Per column why the one row of `resolver` has what it has, in words that hold nothing of the answer. Of no call nothing."""
    if row["kind"] != "llm":
        return {}
    if row["status"] == "error":
        return {"refusal": FAILED}
    columns = {name: np.array([row[name]], object) for name in ("finish_reason", "language")}
    found = _refusals(resolver, fields, columns, np.ones(1, bool))
    return {"refusal": next((why for _, (_, why) in found), NO_ANSWER)}


STARTS_DOCUMENT = frozenset({b"{", b"[", b'"', b" ", b"\t", b"\n", b"\r"})
"""What a document may begin with."""

NO_ANSWER = "no answer is on the span"
FAILED = "the call failed"
READS = f"its first {HEAD_CHARS} characters read as a refusal"
READS_NOT = f"its first {HEAD_CHARS} characters do not read as a refusal"


def _refusals(
    resolver: Resolver, fields: Mapping[str, Sequence[Path]], columns: Mapping[str, Column], wanted: Flags
) -> Iterator[tuple[int, tuple[bool | None, str]]]:
    """Rows of which something is known, with the verdict and why."""
    found = answers(resolver, fields["answer"], wanted)
    for name, tell in (("called_tools", "tools"), ("refused", "refused")):
        for i in np.flatnonzero(wanted & resolver.resolve(fields[name], read_flag, False).astype(bool)).tolist():
            setattr(found.setdefault(i, Answer()), tell, True)
    reasons = columns["finish_reason"].tolist()
    ends = {reason for reason in set(reasons) if ends_refused(reason)}
    ended = np.flatnonzero(wanted & np.isin(columns["finish_reason"], list(ends))).tolist() if ends else []
    languages = columns["language"].tolist()
    for i in {*found, *ended}:
        yield i, refusal_of(found.get(i), reasons[i], languages[i])


def refusal_of(answer: Answer | None, finish_reason: str, language: str) -> tuple[bool | None, str]:
    """Whether an answer refuses, and which rule says so. language: as the row has it."""
    if ends_refused(finish_reason):
        return True, f"it ended with {finish_reason}"
    if answer is None:
        return None, NO_ANSWER
    if answer.refused or answer.blocked:
        return True, "a field says that it is a refusal" if answer.refused else "the provider held it back"
    verdict, why = _of_text(answer.text, "" if language.lower() in UNKNOWN else language)
    if verdict is None and (answer.tools or ends_in_tools(finish_reason)):
        return False, "it calls tools"
    return verdict, why


def _of_text(text: str, language: str) -> tuple[bool | None, str]:
    if not text:
        return None, NO_ANSWER
    verdict = read_refusal(text, language)
    if verdict is not None:
        return verdict, READS if verdict else READS_NOT
    if language:
        return None, f"the language is {language}, of which the rules know nothing"
    return None, "its language is unknown, and it does not look English"


def answers(resolver: Resolver, candidates: Sequence[Path], wanted: Flags) -> dict[int, Answer]:
    """Per row the answer at the first place that holds one, with what later documents tell of it."""
    found: dict[int, Answer] = {}
    whole = resolver.scanned.raw
    for path in filter(resolver.is_seen, candidates):
        attribute = resolver.attribute(path)
        where = (wanted & (attribute >= 0) & (resolver.within(path.scopes) if path.scopes else True)).nonzero()[0]
        places = resolver.scanned.attributes[attribute[where]]
        for i, kind, at, length in zip(where.tolist(), *(places[name].tolist() for name in ("type", "at", "len")), strict=True):
            known = found.get(i)
            if known is None or not known.is_told:
                answer = _answer(whole, kind, at, length)
                if answer is not None:
                    found[i] = answer
            elif kind == STRING and length <= MAX_JSON_BYTES and (more := read_beside(whole[at : at + length])) is not None:
                known.add(more)
    return found


def _answer(whole: bytes, kind: int, at: int, length: int) -> Answer | None:
    """The answer in an attribute's value at [at, at + length): a text, a map, or the first element of a list."""
    if kind == STRING:
        most = MAX_JSON_BYTES if whole[at : at + 1] in STARTS_DOCUMENT else MAX_ANSWER_BYTES
        return read_answer(whole[at : at + min(length, most + 1)])  # one more than is read of it: that it is longer
    if kind not in (KVLIST, ARRAY) or at < 0 or length > MAX_MAP_BYTES:
        return None
    raw = whole[at : at + length]
    return answer_in_value(map_document(raw if kind == KVLIST else _as_key_value(raw)))


def answer_in_value(value: Any) -> Answer | None:
    """The answer in a value that was no text on the wire."""
    if isinstance(value, str):
        return answer_in(value) if len(value) <= MAX_JSON_BYTES else None
    return answer_of(value) if is_conversation(value) else None


def _as_key_value(raw: bytes) -> bytes:
    """A serialized AnyValue as the value of a KeyValue without a name."""
    length, size = len(raw), bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\x12" + bytes((*size, length)) + raw
