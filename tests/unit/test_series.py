"""The series of a call: places in order, lookups, languages; and what a series file may say."""

import json
from typing import Any

import pytest

from pipeline.model.columns import SERIES
from pipeline.operators.decode.conversation import MAX_CHARS, user_text
from pipeline.operators.decode.language import detector
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.series import MAX_GLOBS, SERIES_COLUMNS, SeriesColumn, read_series
from tests.otlp import Told, decoder, record, request_of, rows, spoken

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


def under(said: Any, attributes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a call decodes to under a series file."""
    reading = decoder(series=read_series(said), detect=detector() if "language" in said else None)
    request = request_of(Told(CHAT | attributes, **changes))
    (row,) = rows(reading.decode([record(request, content_type="application/x-protobuf")]))
    return row


def test_defaults() -> None:
    assert set(SERIES_COLUMNS) == set(SERIES) - {"model"}
    for column in SERIES_COLUMNS.values():
        assert len(set(column.paths)) == len(column.paths)
        wheres = [path.where == "resource" for path in column.paths]
        assert wheres == sorted(wheres), "what the span says comes first"


@pytest.mark.parametrize(
    ("attributes", "column", "expected"),
    [
        ({"ai.telemetry.functionId": "support-chat"}, "route", "support-chat"),
        ({"langfuse.trace.metadata.route": '"/chat"'}, "route", "/chat"),
        ({"metadata": {"route": "billing", "cohort": "pro"}}, "cohort", "pro"),
        ({"metadata": {"cohort": {"deep": "x"}}}, "cohort", ""),
        ({"traceloop.association.properties.cohort": "beta"}, "cohort", "beta"),
        ({"tailrace.cohort": '"'}, "cohort", '"'),
        ({"tailrace.cohort": '""', "cohort": "b"}, "cohort", "b"),
    ],
    ids=str,
)
def test_places(attributes: dict[str, Any], column: str, expected: str) -> None:
    assert spoken(CHAT | attributes)[column] == expected


FILE = {
    "route": {
        "from": ["http.route", r"name:~^POST (.+)$", "metadata#request#path"],
        "lookup": {"/v1/chat": "chat", "/users/*": "users", "/users/me": "me", "/health": ""},
        "otherwise": "rest",
    },
    "cohort": {"from": [r"user.id~^(free|pro)-\d+$", "metadata#tags#0"]},
    "environment": {"lookup": {"production": "prod"}},
}


@pytest.mark.parametrize(
    ("attributes", "changes", "column", "expected"),
    [
        ({"http.route": "/v1/chat"}, {}, "route", "chat"),
        ({"http.route": "/users/17"}, {}, "route", "users"),
        ({"http.route": "/users/me"}, {}, "route", "me"),
        ({"http.route": "/v2"}, {}, "route", "rest"),
        ({"http.route": "/health", "metadata": '{"request": {"path": "/v1/chat"}}'}, {}, "route", "chat"),
        ({}, {"name": "POST /v1/chat"}, "route", "chat"),
        ({}, {"name": "GET /v1/chat"}, "route", ""),
        ({"user.id": "pro-17"}, {}, "cohort", "pro"),
        ({"user.id": "ann@example.org", "metadata": {"tags": ["beta", "eu"]}}, {}, "cohort", "beta"),
        ({"tailrace.environment": "production"}, {}, "environment", "prod"),
        ({"tailrace.environment": "test"}, {}, "environment", "test"),
        ({"tailrace.release": "1"}, {}, "release", "1"),
    ],
    ids=str,
)
def test_a_series_file(attributes: dict[str, Any], changes: dict[str, Any], column: str, expected: str) -> None:
    assert under(FILE, attributes, **changes)[column] == expected


def test_own_places_replace_the_column_only() -> None:
    own = read_series({"cohort": ["resource:tenant", "metadata#plan"]})
    assert own["cohort"] == SeriesColumn(paths("resource:tenant", "metadata#plan"))
    assert {name: own[name] for name in own if name != "cohort"} == {n: c for n, c in SERIES_COLUMNS.items() if n != "cohort"}


WRONG: list[tuple[Any, str]] = [
    ({"model": ["m"]}, "unknown series column model"),
    ({"cohorts": ["c"]}, "unknown series column cohorts"),
    ({"cohort": [""]}, "cohort: not a path"),
    ({"cohort": ["a@fortnight"]}, "cohort: not a path"),
    ({"cohort": ["a~("]}, "cohort: not a path"),
    ({"cohort": ["started@time"]}, "cohort: a time"),
    ({"cohort": ["event:start"]}, "cohort: a time"),
    ({"cohort": "plan"}, "cohort: a column of the series file is"),
    ({"cohort": {"form": ["a"]}}, "cohort: a column of the series file is"),
    ({"cohort": {"lookup": ["a"]}}, "cohort: a column of the series file is"),
    ({"cohort": {"lookup": {f"{n}*": "a" for n in range(MAX_GLOBS + 1)}}}, "cohort: a lookup has"),
    ({"cohort": {"detect": True}}, "cohort: only `language`"),
    ({"language": {"detect": "yes"}}, "language: a column of the series file is"),
    (["plan"], "not a series file"),
    (None, "not a series file"),
]


@pytest.mark.parametrize(("raw", "words"), WRONG, ids=str)
def test_a_series_file_that_is_wrong_says_where(raw: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_series(raw)


GERMAN, FRENCH = "Was ist die Hauptstadt von Frankreich?", "Quelle est la capitale de la France et de la Belgique ?"


@pytest.mark.parametrize(
    ("attributes", "language"),
    [
        ({"input.value": GERMAN}, "de"),
        ({"input.value": GERMAN, "tailrace.language": "en"}, "en"),
        ({"gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": FRENCH}]}])}, "fr"),
        (
            {"gen_ai.input.messages": json.dumps([{"role": "system", "content": GERMAN}, {"role": "user", "content": FRENCH}])},
            "fr",
        ),
        (
            {"llm.input_messages.0.message.content": GERMAN, "llm.input_messages.1.message.content": FRENCH},
            "fr",
        ),
        ({"input.value": "12345"}, ""),
        ({"input.value": "ok"}, ""),
        ({"input.value": "{}"}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_language_of_what_the_user_wrote(attributes: dict[str, Any], language: str) -> None:
    row = under({"language": {"detect": True}}, attributes)
    assert row["language"] == language
    assert "France" not in repr(row)


def test_a_guessed_language_is_looked_up_like_any_other() -> None:
    assert under({"language": {"detect": True, "lookup": {"de": "german"}}}, {"input.value": GERMAN})["language"] == "german"


def test_no_language_is_guessed_for_what_is_no_call_or_unless_asked() -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "input.value": GERMAN}
    assert under({"language": {"detect": True}}, tool)["language"] == ""
    assert spoken(CHAT | {"input.value": GERMAN})["language"] == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "hello"),
        ('{"messages": [{"role": "user", "content": "first"}, {"role": "assistant", "content": "no"}]}', "first"),
        ('[{"role": "user", "content": "first"}, {"role": "user", "content": [{"type": "text", "text": "last"}]}]', "last"),
        ('{"input": {"question": "which?"}}', "which?"),
        ("[" * 1000, "[" * MAX_CHARS),
        ('{"content": ' * 50 + '"deep"' + "}" * 50, ""),
    ],
    ids=["plain", "messages", "last", "question", "broken", "deep"],
)
def test_what_a_user_said(text: str, said: str) -> None:
    assert user_text(text) == said
