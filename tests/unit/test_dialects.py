"""Tables of names: the notation reads, no path is asked twice, and every table speaks only of what the columns know."""

import pytest

from pipeline.model.columns import BILLED, OTHER_KINDS, REQUEST_KINDS, SAMPLES, SPANS, TOKENS
from pipeline.operators.decode.usage import PARTS
from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import (
    ANSWER_FIELDS,
    BILLING_FIELDS,
    CACHED_REPLY,
    CONTENT_FIELDS,
    DIALECTS,
    KIND_ORDER,
    NAME_ORDER,
    REQUEST_FIELDS,
    STRING_FIELDS,
    field_paths,
    fields,
)

DURATIONS = {"ttft_ns"}
RULES = {
    "total_tokens",
    "cache_write_5m_tokens",
    "failed",
    "answered",
    *CACHED_REPLY,
    *ANSWER_FIELDS,
    *REQUEST_FIELDS,
    *CONTENT_FIELDS,
}
NOT_COLUMNS = {
    "user_id": "user_hash",
    "span_cost": "span_cost_nusd",
    "total_tokens": "usage_rule",
    "cache_write_5m_tokens": "usage_rule",
    "failed": "status",
    "answered": "status",
    **dict.fromkeys(CACHED_REPLY, "cost_source"),
    "server_address": "server_host",
    **dict.fromkeys(ANSWER_FIELDS, "refusal"),
    **dict.fromkeys(REQUEST_FIELDS, "schema_valid"),
}
"""Fields that become another column than their name says, or help to decide one."""


def named(dialect: Dialect) -> str:
    return dialect.name


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("gen_ai.request.model", Path("span", "gen_ai.request.model")),
        ("resource:service.version", Path("resource", "service.version")),
        ("metadata#route", Path("span", "metadata", ("route",))),
        ("resource:labels#tier", Path("resource", "labels", ("tier",))),
        ("event:First Token Stream Event", Path("event", "First Token Stream Event")),
        ("ai.response.msToFirstChunk@ms", Path("span", "ai.response.msToFirstChunk", (), "ms")),
        ("metadata#ttft@s", Path("span", "metadata", ("ttft",), "s")),
        ("output.value#usage#0", Path("span", "output.value", ("usage", "0"))),
        ("event:exception#exception.type", Path("event", "exception", ("exception.type",))),
        ("started@time", Path("span", "started", (), "time")),
        ("name:", Path("name", "")),
        (r"name:~^(\w+)@home$", Path("name", "", pattern=r"^(\w+)@home$")),
        ("user.id~^org-(a|b)#", Path("span", "user.id", pattern="^org-(a|b)#")),
    ],
)
def test_notation(text: str, path: Path) -> None:
    assert Path.parse(text) == path
    assert str(path) == text


NO_PATHS = ["", "resource:", "event:", "#key", "@ms", "ttft@minutes", "a#", "a##b", "name:x", "name:#k", "event:e#a#b", "a~("]


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        Path.parse(text)


def test_every_dialect_has_its_place_in_both_orders() -> None:
    speaking = {named(dialect) for dialect in DIALECTS if dialect.kind or dialect.span_names}
    assert speaking == {named(d) for d in KIND_ORDER} == {named(d) for d in NAME_ORDER}
    assert len({named(dialect) for dialect in DIALECTS}) == len(DIALECTS)
    assert len(speaking) == len(KIND_ORDER) == len(NAME_ORDER)


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
def test_kinds_are_kinds_of_the_columns(dialect: Dialect) -> None:
    assert {*dialect.kinds.values(), *dialect.span_names.values()} <= {*REQUEST_KINDS, *OTHER_KINDS, SAYS_NOTHING}
    assert all(word == word.lower() for word in (*dialect.kinds, *dialect.span_names))
    assert bool(dialect.kinds) == bool(dialect.kind)
    assert not dialect.span_names or dialect.scopes
    assert set(dialect.beside) | set(dialect.beside_scopes) <= set(PARTS)


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
def test_no_path_twice_in_a_table(dialect: Dialect) -> None:
    for field, found in dialect.fields.items():
        assert len(set(found)) == len(found), field
    kind_names = [path for path in dialect.kind if any(path in other.kind for other in DIALECTS if other is not dialect)]
    assert not kind_names


@pytest.mark.parametrize("field", fields())
def test_every_field_is_known_and_asked_once(field: str) -> None:
    columns = {column.name: column for column in (*SAMPLES, *SPANS)}
    column = columns[NOT_COLUMNS.get(field, field)]
    assert (field in {*STRING_FIELDS, *BILLING_FIELDS}) == (column.type == "string") or field in RULES
    assert len(set(field_paths(field))) == len(field_paths(field))
    assert field_paths(field) or field in BILLED


def test_every_column_that_spans_fill_has_a_field() -> None:
    others = {*TOKENS, *BILLED, *RULES, "stream", "ttft_ns", "span_cost"}
    assert {*STRING_FIELDS, *BILLING_FIELDS, *others} == set(fields())


def test_one_attribute_fills_one_number() -> None:
    """An attribute that counted for two kinds of tokens would be paid twice."""
    names = [path for field in (*TOKENS, *BILLED) for path in field_paths(field)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
def test_only_durations_have_units_and_times_of_events(dialect: Dialect) -> None:
    for field, found in dialect.fields.items():
        for path in found:
            assert field in DURATIONS or (path.unit == "" and not path.is_time_of_event), path
            assert path.is_time_of_event or field not in DURATIONS or path.unit, path
