"""What the spans of a chosen trace hold for whoever judges it: what was asked, retrieved, done and answered. Users' text.

It is read only of spans whose trace was chosen, each text cut to a limit, and redacted before anybody sees it. For each field
the first place that says something is taken, in every dialect, as everywhere in decode.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.operators.decode.answers import answers, as_key_value, read_each
from pipeline.operators.decode.asked import requests
from pipeline.operators.decode.conversation import MAX_WHOLE_BYTES, said_by_user
from pipeline.operators.decode.key_values import ARRAY, KVLIST, STRING
from pipeline.operators.decode.resolve import Column, Resolver, one_of
from pipeline.operators.decode.values import MAX_MAP_BYTES, map_document, read_text, read_utf8
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import MOST_DOCUMENTS, NUMBERED, NUMBERED_DOCUMENTS

Flags = NDArray[np.bool_]
Fields = Mapping[str, Sequence[Path]]
Redact = Callable[[str], str | None]
"""A text without what is to be hidden; None if that failed."""

TALKS = frozenset({"llm", "agent", "chain"})
"""Kinds of span of which question and answer are kept."""
FINDS = frozenset({"retriever", "reranker"})

LISTS = ("documents", "retrieved_documents", "source_documents", "results", "matches", "hits", "chunks", "contexts", "nodes")
"""Keys under which retrievers list what they found."""
TEXTS = ("page_content", "pageContent", "content", "text", "document", "chunk", "passage", "snippet", "body", "node", "metadata")
"""Keys under which a document has its text."""
MAX_DEPTH = 6

MOST_DOCUMENT_BYTES = 1 << 20
"""Of a span's documents together, as JSON: what a whole trace may hold."""


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """text_bytes: of one text so many UTF-8 bytes are kept. redact: what every text goes through before."""

    text_bytes: int
    redact: Redact | None = None


def contents(resolver: Resolver, fields: Fields, kind: Column, policy: ContentPolicy) -> dict[str, Column]:
    """The content columns of SAMPLES of the rows of `resolver`, which are all chosen, and at least one."""
    look = _Look(resolver)
    talks, finds, tools = one_of(kind, TALKS), one_of(kind, FINDS), np.asarray(kind == "tool")
    requested = requests(resolver, fields, talks)
    asked = [requested.found[code] for code in requested.codes.tolist()]
    texts = {
        "question": look.questions(fields["question"], talks),
        "answer": look.answers(fields, talks),
        "tool_arguments": look.first((*fields["tool_arguments"], *fields["question"]), tools, _as_text),
        "tool_result": look.first((*fields["tool_result"], *fields["answer"]), tools, _as_text),
    }
    kept = {name: [_kept(text, policy) if text else NOTHING for text in column.tolist()] for name, column in texts.items()}
    found = [_all_kept(documents, policy) if documents else NOTHING for documents in look.documents(fields, finds).tolist()]
    columns = {name: _column([text for text, _ in told]) for name, told in kept.items()}
    columns["documents"] = _column([texts for texts, _ in found])
    cut = np.array([[cut for _, cut in told] for told in kept.values()] + [[cut for _, cut in found]])
    columns["cut"] = cut.any(axis=0).astype(object)
    names = look.resolver.resolve(fields["tool_name"], read_text, "") if np.count_nonzero(tools) else ""
    columns["tool_name"] = np.where(tools, names, "").astype(object)
    columns["output_schema"] = _column([(request.schema or b"").decode() for request in asked])
    columns["wants_json"] = _column([request.json for request in asked])
    return columns


NOTHING = ("", False)


def _column(values: list[Any]) -> Column:
    column: Column = np.empty(len(values), object)
    column[:] = values
    return column


def _kept(text: str, policy: ContentPolicy) -> tuple[str, bool]:
    """What may leave of a text, and whether some of it may not. A redaction that fails lets nothing through."""
    shown = text if policy.redact is None else policy.redact(text)
    if shown is None:
        return "", True
    raw = shown.encode(errors="replace")
    return raw[: policy.text_bytes].decode(errors="ignore"), len(raw) > policy.text_bytes


def _all_kept(texts: Sequence[str], policy: ContentPolicy) -> tuple[str, bool]:
    """The documents as JSON, "" for none; the first ones for which there is room, so that a row fits into a message."""
    kept = [_kept(text, policy) for text in texts[:MOST_DOCUMENTS]]
    cut = any(cut for _, cut in kept) or len(texts) > MOST_DOCUMENTS
    written = [orjson.dumps(text) for text, _ in kept if text]
    ends = list(accumulate(len(text) for text in written))
    fitting = bisect_right(ends, MOST_DOCUMENT_BYTES)
    return (b"[%b]" % b",".join(written[:fitting])).decode() if fitting else "", cut or fitting < len(written)


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at the chosen rows."""

    resolver: Resolver

    def first(self, paths: Sequence[Path], wanted: Flags, read: Callable[[Any], Any]) -> Column:
        """Per row what is read at the first of `paths` that says something; None for none."""
        found, left = np.full(len(wanted), None, object), wanted.copy()
        for path in paths if np.count_nonzero(left) else ():
            if path.is_time_of_event or not self.resolver.is_seen(path):
                continue
            for rows, values in self._values(path, left, read):
                found[rows] = values
                left[rows] = [value is None for value in values]
        return found

    def _values(self, path: Path, wanted: Flags, read: Callable[[Any], Any]) -> Iterator[tuple[NDArray[np.intp], list[Any]]]:
        """Rows that have something at `path`, and what is read of it, by how it was written. A scalar says nothing."""
        attribute = self.resolver.attribute(path)
        rows = (wanted & (attribute >= 0) & (self.resolver.within(path.scopes) if path.scopes else True)).nonzero()[0]
        if not len(rows):
            return
        places = self.resolver.scanned.attributes[attribute[rows]]
        for kind, most, as_value in (
            (STRING, MAX_WHOLE_BYTES, _spoken),
            (KVLIST, MAX_MAP_BYTES, map_document),
            (ARRAY, MAX_MAP_BYTES, _array),
        ):
            fits = (places["type"] == kind) & (places["len"] <= most) & (places["at"] >= 0)
            if np.count_nonzero(fits):
                codes, once = read_each(self.resolver, places[fits], partial(_read, read, as_value))
                yield rows[fits], [once[code] for code in codes.tolist()]

    def questions(self, paths: Sequence[Path], wanted: Flags) -> Column:
        """What the user wrote last. Numbered messages count unless there are more of them than are looked at."""
        long = np.zeros(len(wanted), bool)
        for messages in NUMBERED:
            long |= np.any([self.resolver.attribute(path) >= 0 for path in messages[-1][1]], axis=0)
        found, left = np.full(len(wanted), None, object), wanted & ~long
        for messages in NUMBERED:
            for roles, texts in reversed(messages):
                if not any(self.resolver.is_seen(path) for path in (*roles, *texts)) or not left.any():
                    continue
                role = self.resolver.resolve(roles, read_text, "")
                said = self.first(texts, left & one_of(role, ("user", "human")), _question)
                told = np.array([text is not None for text in said.tolist()])
                found[told], left[told] = said[told], False
        rest = wanted & np.array([text is None for text in found.tolist()])
        other = self.first(paths, rest, _question)
        return np.where(rest, other, found)

    def answers(self, fields: Fields, wanted: Flags) -> Column:
        """What the model answered, "" where it did not."""
        told = answers(self.resolver, fields, wanted, whole=True)
        return _column([*(answer.text for answer in told.found), ""])[told.codes]

    def documents(self, fields: Fields, wanted: Flags) -> Column:
        """Per row the documents found, None for none: numbered attributes, else the first place that holds a list of them."""
        found = np.full(len(wanted), None, object)
        if not np.count_nonzero(wanted):
            return found
        for numbered in NUMBERED_DOCUMENTS:
            columns = [self.first((path,), wanted, _as_text) for path in numbered if self.resolver.is_seen(path)]
            for row in np.flatnonzero(wanted).tolist() if columns else ():
                texts = [column[row] for column in columns if column[row]]
                found[row] = found[row] or texts or None
        rest = wanted & np.array([texts is None for texts in found.tolist()])
        other = self.first((*fields["documents"], *fields["answer"]), rest, _documents)
        return np.where(rest, other, found)


def _spoken(raw: bytes) -> Any:
    """A text, or the JSON value it holds; None if it is no UTF-8."""
    if raw[:64].lstrip()[:1] in (b"{", b"[", b'"'):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return read_utf8(raw)


def _array(raw: bytes) -> Any:
    """The list in a serialized AnyValue."""
    return map_document(as_key_value(raw))


def _read(read: Callable[[Any], Any], as_value: Callable[[bytes], Any], raw: bytes) -> Any:
    value = as_value(raw)
    return None if value is None or value in ("", [], {}) else read(value)


def _as_text(value: Any) -> str | None:
    """A text as it is, anything else as JSON; None for what is nested deeper than orjson writes (254 levels)."""
    try:
        return (value if isinstance(value, str) else orjson.dumps(value).decode()) or None
    except orjson.JSONEncodeError:
        return None


def _question(value: Any) -> str | None:
    """What a user wrote last; of a value without any words of a conversation all of it."""
    return said_by_user(value, MAX_WHOLE_BYTES) or _as_text(value)


def _documents(value: Any) -> list[str] | None:
    """The texts of the documents in what a retriever gave."""
    return list(_texts(value, 0)) or None


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for element in value[: MOST_DOCUMENTS + 1]:
            yield from _texts(element, depth + 1)
    elif isinstance(value, dict) and depth < MAX_DEPTH:
        lists = next((value[key] for key in LISTS if isinstance(value.get(key), list)), None)
        inner = lists if lists is not None else next((value[key] for key in TEXTS if value.get(key)), None)
        if inner is not None:
            yield from _texts(inner, depth + 1)
