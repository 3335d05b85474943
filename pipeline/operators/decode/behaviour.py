"""How the model behaved, of every call of a language model that was answered: did it refuse, cite, and keep its schema.

The answers are many different texts: they are read where they lie, each once, and all that is kept of one is a truth value. Null
where nothing can be said: the call failed, no answer is on the span, the rules know nothing of its language, nobody asked for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.behaviour.citation import MAX_CHARS, reads_as_citing
from pipeline.operators.behaviour.refusal import HEAD_CHARS, ends_in_tools, ends_refused, read_refusal
from pipeline.operators.behaviour.schemas import Schema, compiled_schema, keeps
from pipeline.operators.decode.answers import Answers, Flags, answers
from pipeline.operators.decode.asked import requests
from pipeline.operators.decode.conversation import Answer
from pipeline.operators.decode.requests import Request
from pipeline.operators.decode.resolve import Column, Resolver, one_of
from pipeline.operators.dialects.paths import Path

UNKNOWN = frozenset({"", "und", "unknown"})
"""Languages that are none."""

ANY_ROUTE = "*"

ALWAYS_SEARCH = ("perplexity",)
"""Providers whose every answer is searched for."""

Verdict = tuple[bool | None, str]
"""What is said, and which rule says so."""

Fields = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of answers beside what their requests say.

    citing: routes whose answers are to cite, ANY_ROUTE for all. schemas: by route what its answers keep.
    """

    citing: frozenset[str] = frozenset()
    schemas: Mapping[str, Schema] = field(default_factory=dict)


NOTHING_MORE = Expected()


def behaviour(resolver: Resolver, fields: Fields, columns: Mapping[str, Column], expected: Expected) -> dict[str, Column]:
    """The columns of behaviour: true, false, or None where it does not apply.

    columns: of the same rows, kind, status, finish_reason, language, route, provider, provider_said and searches.
    """
    wanted = (columns["kind"] == "llm") & (columns["status"] != "error")
    found = {name: np.full(len(wanted), None, object) for name in BEHAVIOUR}
    if np.count_nonzero(wanted):
        for name, rows, verdicts in _judged(resolver, fields, columns, expected, wanted):
            found[name][rows] = [verdict for verdict, _ in verdicts]
    return found


def told_behaviour(resolver: Resolver, fields: Fields, row: Mapping[str, Any], expected: Expected) -> dict[str, str]:
    """Per column why the one row of `resolver` has what it has, in words that hold nothing of the answer. Of no call nothing."""
    if row["kind"] != "llm":
        return {}
    if row["status"] == "error":
        return dict.fromkeys(BEHAVIOUR, FAILED)
    columns = {
        name: np.array([row[name]], object)
        for name in ("finish_reason", "language", "route", "provider", "provider_said", "searches")
    }
    judged = _judged(resolver, fields, columns, expected, np.ones(1, bool))
    return {"schema_valid": NOT_ASKED} | {name: verdicts[0][1] for name, rows, verdicts in judged if len(verdicts)}


BEHAVIOUR = ("refusal", "citation", "schema_valid")

NOT_ASKED = "nobody asked for JSON"
NOT_TO_CITE = "nothing says that it should cite: no route of TAILRACE_CITATION_ROUTES, no search, no documents"
CITES = f"a mark, a link or a source stands in its first {MAX_CHARS} characters"
CITES_NOT = f"neither mark, link nor source stands in its first {MAX_CHARS} characters"
NO_ANSWER = "no answer is on the span"
FAILED = "the call failed"
READS = f"its first {HEAD_CHARS} characters read as a refusal"
READS_NOT = f"its first {HEAD_CHARS} characters do not read as a refusal"


def _judged(
    resolver: Resolver, fields: Fields, columns: Mapping[str, Column], expected: Expected, wanted: Flags
) -> Iterator[tuple[str, NDArray[np.intp], list[Verdict]]]:
    """Per column the rows of which something is asked, and their verdicts."""
    rows = np.flatnonzero(wanted)
    told, asked = answers(resolver, fields, wanted), requests(resolver, fields, wanted)
    yield "refusal", rows, _each(refusal_of, told, rows, columns["finish_reason"], columns["language"])
    yield "citation", rows, _each(citation_of, told, rows, _to_cite(columns, asked, expected))
    schemas = _schemas(columns["route"], asked, expected)
    is_asked = wanted & np.array([schema is not None for schema in schemas.tolist()], bool)
    rows = np.flatnonzero(is_asked)
    if len(rows):
        whole = answers(resolver, fields, is_asked, whole=True)
        yield "schema_valid", rows, _each(schema_of, whole, rows, schemas)


def _each(rule: Callable[..., Verdict], told: Answers, rows: NDArray[np.intp], *beside: Column) -> list[Verdict]:
    """What a rule says of rows, by their answers and what stands beside these; each distinct case is judged once."""
    cases = list(zip(told.codes[rows].tolist(), *(column[rows].tolist() for column in beside), strict=True))
    once = {case: rule(told.found[case[0]] if case[0] >= 0 else None, *case[1:]) for case in set(cases)}
    return [once[case] for case in cases]


def _to_cite(columns: Mapping[str, Column], asked: Column, expected: Expected) -> Flags:
    """Of which rows an answer should cite: said by their route, their request, or that something was searched for."""
    to_cite = np.array([request.sources for request in asked.tolist()], bool)
    for name, words in (("provider", ALWAYS_SEARCH), ("provider_said", ALWAYS_SEARCH), ("route", expected.citing)):
        if words:
            to_cite |= one_of(columns[name], words)
    to_cite |= np.array([bool(count) for count in columns["searches"].tolist()], bool)
    return to_cite | (ANY_ROUTE in expected.citing)


def _schemas(routes: Column, asked: Column, expected: Expected) -> Column:
    """Per row the schema that its answer is to keep, as JSON or compiled; True for any JSON, None where none is asked for."""
    found = np.full(len(asked), None, object)
    if expected.schemas:
        found[:] = [expected.schemas.get(route) for route in routes.tolist()]
    if any(request.json for request in set(asked.tolist())):
        found[:] = [_schema(request, of_route) for request, of_route in zip(asked.tolist(), found.tolist(), strict=True)]
    return found


def _schema(request: Request, of_route: Schema | None) -> Schema | bytes | bool | None:
    """The schema of a request, of its route, or any JSON."""
    return of_route if not request.json else request.schema if request.schema is not None else of_route or True


def schema_of(answer: Answer | None, schema: Schema | bytes | bool) -> Verdict:
    """Whether an answer keeps a schema: one that is compiled, one as JSON, or True for any JSON."""
    if answer is None or not answer.text:
        return None, "it calls tools" if answer is not None and answer.tools else NO_ANSWER
    if answer.tools:
        return None, "it calls tools"
    if isinstance(schema, bool):
        verdict = keeps(answer.text, None)
        return verdict, {True: "it is JSON", False: "it is no JSON", None: TOO_MUCH}[verdict]
    compiled = compiled_schema(schema) if isinstance(schema, bytes) else schema
    if compiled is None:
        return None, "the schema cannot be used: it is none, too large, or refers to something outside"
    verdict = keeps(answer.text, compiled)
    return verdict, {True: "it keeps its schema", False: "it is no JSON, or does not keep its schema", None: TOO_MUCH}[verdict]


TOO_MUCH = "it is too deep or too large for its schema to be checked"


def citation_of(answer: Answer | None, to_cite: bool) -> Verdict:
    """Whether an answer cites. to_cite: it should."""
    if answer is not None and answer.cites:
        return True, "a field names its sources"
    if not to_cite:
        return None, NOT_TO_CITE
    if answer is None or not answer.text:
        return None, NO_ANSWER
    cites = reads_as_citing(answer.text)
    return cites, CITES if cites else CITES_NOT


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
