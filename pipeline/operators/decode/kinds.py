"""What a span is, and whether it failed.

A span is what the first vocabulary with a word for it says. One that nobody calls anything but that holds a model or usage
is a call of a model, unless it bears an agent's name and no answer, or spans of its own record that are calls have it
as their parent: then it sums them up.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import OTHER_KINDS, REQUEST_KINDS
from pipeline.operators.decode.resolve import Column, Resolver, one_of
from pipeline.operators.decode.values import Value, read_error, read_flag, read_name, read_text, read_word
from pipeline.operators.dialects.dialect import ANY, Dialect
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import AGENT, ANSWER, KIND_ORDER, NAME_ORDER, NOT_CALLS, sure_paths

UNNAMED = "unnamed"
"""The dialect of a call that no vocabulary calls one."""

STATUS = ("unset", "ok", "error")
OK, ERROR = 1, 2

SPAN_NAME = Path("name", "")
EXCEPTION = Path("event", "exception")

KINDS: Column = np.array(["", *REQUEST_KINDS, *OTHER_KINDS], object)
PLACES = {kind: place for place, kind in enumerate(KINDS.tolist()) if kind}
NAMES: Column = np.array(["", *(dialect.name for dialect in NAME_ORDER)], object)

Flags = NDArray[np.bool_]


def kind_of(dialect: Dialect, value: Value, limit: int) -> str | None:
    """What `value` means where `dialect` says what a span is; None if it says nothing."""
    word = read_word(value, limit)
    return None if word is None else dialect.kinds.get(word, dialect.kinds.get(ANY, "")) or None


def named_kind(dialect: Dialect, value: Value, limit: int) -> str | None:
    """What the name of a span means in the scopes of `dialect`; None if it says nothing."""
    word = read_word(value, limit)
    return None if word is None else dialect.span_names.get(word) or dialect.span_names.get(word.split(" ")[0])


def said_kinds(resolver: Resolver) -> tuple[Column, Column]:
    """Kind and dialect of each row as some vocabulary says, "" where none does."""
    said = {dialect.name: _said(resolver, dialect) for dialect in KIND_ORDER}
    kind, name = np.zeros(len(resolver.rows), np.int8), np.zeros(len(resolver.rows), np.int8)
    for dialect in KIND_ORDER:
        means = said[dialect.name]
        if means is not None:
            np.copyto(kind, means, where=kind == 0)
    for place, dialect in enumerate(NAME_ORDER, 1):
        means = said[dialect.name]
        if means is not None:
            name[(name == 0) & (means > 0)] = place
    return KINDS[kind], NAMES[name]


def _said(resolver: Resolver, dialect: Dialect) -> NDArray[np.int8] | None:
    """What one vocabulary says of each row as a place in KINDS, 0 for nothing; None if it says nothing of any."""
    paths = [path for path in dialect.kind if resolver.is_seen(path)]
    here = resolver.within(dialect.scopes) if dialect.span_names else None
    if not paths and (here is None or not here.any()):
        return None
    means = np.zeros(len(resolver.rows), np.int8)
    for path in paths:
        _mean(means, resolver.values(path, lambda value, limit: _place(kind_of(dialect, value, limit)), means == 0))
    if here is not None and here.any():
        found = resolver.values(SPAN_NAME, lambda value, limit: _place(named_kind(dialect, value, limit)), here & (means == 0))
        _mean(means, found)
    return means


def _mean(means: NDArray[np.int8], found: tuple[NDArray[np.intp], Column] | None) -> None:
    if found is not None:
        means[found[0]] = found[1].astype(np.int8)


def _place(kind: str | None) -> int | None:
    return None if kind is None else PLACES[kind]


def evident_kinds(resolver: Resolver, kind: Column, operation: Column, model: Column, used: Flags) -> Column:
    """Kind of the rows that no vocabulary calls anything (kind "" here), "" if nothing about them looks like a call.

    operation, model: as the spans say, "" for none; used: whether they say any tokens.
    """
    found = np.full(len(kind), "", object)
    unsaid = (kind == "") & ((model != "") | used)
    if unsaid.any():
        unsaid &= ((model != "") & used) | _sure(resolver)
    if not unsaid.any():
        return found
    words = {word: operation_kind(word) for word in set(operation[unsaid].tolist())}
    found[unsaid] = [words[word] for word in operation[unsaid].tolist()]
    call = found == "llm"
    agents = call & (resolver.resolve(AGENT, read_text, "") != "") & (resolver.resolve(ANSWER, read_text, "") == "")
    found[agents] = "agent"
    call = one_of(found, REQUEST_KINDS)
    found[call & _have_children(resolver, call, call | one_of(kind, REQUEST_KINDS))] = "chain"
    embeds = (found == "llm") & np.array(["embed" in name.lower() for name in model.tolist()], bool)
    found[embeds] = "embedding"
    return found


def have_unknown_words(resolver: Resolver, wanted: Flags) -> Flags:
    """Which of the `wanted` rows say what they are in a word nobody knows, unless it sounds like no call."""

    def unknown(dialect: Dialect, value: Value, limit: int) -> str | None:
        word = read_word(value, limit)
        return None if word is None or word in dialect.kinds or NOT_CALLS.search(word) else word

    have = np.zeros(len(wanted), bool)
    for dialect in KIND_ORDER:
        for path in filter(resolver.is_seen, dialect.kind):
            found = resolver.values(path, partial(unknown, dialect), wanted & ~have)
            if found is not None:
                have[found[0]] = True
    return have


def _sure(resolver: Resolver) -> Flags:
    """Which rows say a model or usage in names that only a call has: a bare `model` or `input_tokens` alone may be anybody's."""
    sure: Flags = resolver.resolve(sure_paths("model"), read_name, "") != ""
    for field in ("input_tokens", "output_tokens"):
        sure |= resolver.counts(sure_paths(field))[0] > 0
    return sure


def operation_kind(word: str) -> str:
    """What a span with a model or usage is whose operation no vocabulary knows."""
    word = word.lower()
    return "embedding" if "embed" in word else "reranker" if "rerank" in word else "chain" if NOT_CALLS.search(word) else "llm"


def _have_children(resolver: Resolver, wanted: Flags, calls: Flags) -> Flags:
    """Which of the `wanted` rows are the parent of one of the `calls` in the same record."""
    spans = resolver.scanned.spans[resolver.rows]
    keys = [
        (record, bytes(parent)) for record, parent in zip(spans["record"][calls], spans["parent_span_id"][calls], strict=True)
    ]
    parents = set(keys)
    have = np.zeros(len(wanted), bool)
    for i in np.flatnonzero(wanted).tolist():
        have[i] = (spans["record"][i], bytes(spans["span_id"][i])) in parents
    return have


def status(resolver: Resolver, fields: Mapping[str, Sequence[Path]]) -> Column:
    """`ok`, `error` or `unset`: an error however the span says it. What an OK span got over is none.

    An error in the code alone, of a span that says how its answer ended, is that of an attempt before.
    """
    code = resolver.scanned.spans["status"][resolver.rows]
    raised = resolver.first_event(EXCEPTION) > 0
    named = resolver.resolve([path for path in fields["error_type"] if path.where != "event"], read_error, "") != ""
    failed = resolver.resolve(fields["failed"], read_flag, False).astype(bool)
    copied = (code == ERROR) & ~raised & resolver.resolve(fields["answered"], read_flag, False).astype(bool)
    failed |= named | (raised & (code != OK)) | ((code == ERROR) & ~copied)
    words: Any = np.array([*STATUS, "unset"], object)[np.where((code >= 0) & (code < len(STATUS)), code, 3)]
    return np.where(failed, "error", np.where(copied, "ok", words))
