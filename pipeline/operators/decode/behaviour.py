"""How the model behaved, of every call of a language model that was answered: did it refuse, cite, and keep its schema.

The answers are many different texts: they are read where they lie, each once, and all that is kept of one is a truth value. Null
where nothing can be said: the call failed, no answer is on the span, the rules know nothing of its language, nobody asked for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.operators.behaviour.citation import MAX_CHARS, reads_as_citing
from pipeline.operators.behaviour.refusal import HEAD_CHARS, ends_in_tools, ends_refused, read_refusal
from pipeline.operators.behaviour.schemas import Schema, compiled_schema, keeps
from pipeline.operators.decode.answers import Coded, Codes, Flags, answers
from pipeline.operators.decode.asked import Requests, requests
from pipeline.operators.decode.conversation import Answer
from pipeline.operators.decode.requests import Request
from pipeline.operators.decode.resolve import Column, Resolver, Rows, one_of
from pipeline.operators.decode.texts import coded, pairs, spread
from pipeline.operators.dialects.paths import Path

UNKNOWN = frozenset({"", "und", "unknown"})
"""Languages that are none."""

ANY_ROUTE = "*"

ALWAYS_SEARCH = ("perplexity",)
"""Providers whose every answer is searched for."""

Verdict = tuple[bool | None, str]
"""What is said, and which rule says so."""

Fields = Mapping[str, Sequence[Path]]

MAX_ROOM = 1 << 30
"""So many cases are numbered as they are; more are counted first, or millions of rows that are all different pass 64 bits."""


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
        for name, rows, of_rows, verdicts in _judged(resolver, fields, columns, expected, wanted):
            found[name][rows] = spread([verdict for verdict, _ in verdicts], of_rows)[0]
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
    return {"citation": NOT_TO_CITE, "schema_valid": NOT_ASKED} | {name: verdicts[0][1] for name, _, _, verdicts in judged}


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
) -> Iterator[tuple[str, Rows, Codes, list[Verdict]]]:
    """Per column the rows of which something is asked, if there are any: the verdicts, and per row which is its own."""
    told, asked = answers(resolver, fields, wanted), requests(resolver, fields, wanted)
    rows = np.flatnonzero(wanted)
    beside = [coded(columns[name][rows].tolist()) for name in ("finish_reason", "language")]
    yield "refusal", rows, *each_case(refusal_of, told.of(rows), *beside)
    to_cite = _to_cite(columns, asked, expected)
    rows = np.flatnonzero(wanted & (to_cite | told.cites()))
    if len(rows):
        yield "citation", rows, *each_case(citation_of, told.of(rows), (to_cite[rows], (False, True)))
    of_rows, schemas = _schemas(columns["route"], asked, expected)
    is_asked = wanted & np.array([schema is not None for schema in schemas], bool)[of_rows]
    rows = np.flatnonzero(is_asked)
    if len(rows):
        whole = answers(resolver, fields, is_asked, whole=True)
        yield "schema_valid", rows, *each_case(schema_of, whole.of(rows), (of_rows[rows], schemas))


def each_case(rule: Callable[..., Verdict], *beside: Coded) -> tuple[Codes, list[Verdict]]:
    """What a rule says of the values of rows, each distinct case judged once: per row which verdict, and these."""
    cases, room = np.zeros(1, np.int64), 1
    for codes, values in beside:
        if room > MAX_ROOM:
            cases, room = np.unique(cases, return_inverse=True)[1], len(cases)
        cases, room = cases * len(values) + codes, room * len(values)
    distinct, of_rows = np.unique(cases, return_inverse=True)
    some = np.empty(len(distinct), np.intp)
    some[of_rows] = np.arange(len(cases))  # of each case one row, whichever
    judged = zip(*([values[i] for i in codes[some].tolist()] for codes, values in beside), strict=True)
    return of_rows, [rule(*case) for case in judged]


def _to_cite(columns: Mapping[str, Column], asked: Requests, expected: Expected) -> Flags:
    """Of which rows an answer should cite: said by their route, their request, or that something was searched for."""
    to_cite = asked.that(lambda request: request.sources)
    for name, words in (("provider", ALWAYS_SEARCH), ("provider_said", ALWAYS_SEARCH), ("route", expected.citing)):
        if words:
            to_cite |= one_of(columns[name], words)
    to_cite |= columns["searches"].astype(bool)
    return to_cite | (ANY_ROUTE in expected.citing)


def _schemas(routes: Column, asked: Requests, expected: Expected) -> Coded:
    """The schemas that answers are to keep, as JSON or compiled; True for any JSON, None where none is asked for."""
    if not expected.schemas:
        return asked.codes, [_schema(request, None) for request in asked.found]
    of_routes, names = coded(routes.tolist())
    which, where, of_rows = pairs(asked.codes, of_routes, len(names))
    both = zip(which.tolist(), where.tolist(), strict=True)
    return of_rows, [_schema(asked.found[i], expected.schemas.get(names[j])) for i, j in both]


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
