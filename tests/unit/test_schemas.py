"""Schemas of strangers: what keeps them, and that none fetches, loops or takes long."""

from typing import Any

import orjson
import pytest

from pipeline.operators.behaviour.schemas import UnusableSchemaError, compiled_schema, keeps, schema_of

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TREE = {
    "$ref": "#/$defs/n",
    "$defs": {"n": {"type": "object", "properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}},
}


def doubling(levels: int) -> dict[str, Any]:
    """A schema that says twice as much with every level."""
    defs: dict[str, Any] = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{levels}": {"type": "object"}}}


def manifold(branches: int) -> dict[str, Any]:
    """A schema that looks at every value below so many times, on every level."""
    below = {"properties": {"x": {"$ref": "#"}}}
    return {"allOf": [below] * branches}


@pytest.mark.parametrize(
    ("schema", "answer", "kept"),
    [
        (CITY, '{"city": "Paris"}', True),
        (CITY, '{"city": 5}', False),
        (CITY, '{"city": "Paris", "zip": 1}', False),
        (CITY, "Paris", False),
        (CITY, '{"city": "Par', False),
        (CITY, '```json\n{"city": "Paris"}\n```', False),
        (CITY | {"$schema": "http://json-schema.org/draft-07/schema#"}, '{"city": "Paris"}', True),
        ({"type": "string", "format": "date"}, '"2026-02-30"', False),
        (TREE, '{"l": {"l": {}, "r": {"l": {}}}}', True),
        (TREE, '{"l": {"l": {}, "r": {"l": 1}}}', False),
        (None, '{"city": 5}', True),
        (None, "[1, 2", False),
        (None, "{'city': 5}", False),
    ],
)
def test_what_keeps_a_schema(schema: dict[str, Any] | None, answer: str, kept: bool) -> None:
    assert keeps(answer, None if schema is None else schema_of(schema)) is kept


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://schemas.test/x.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "x.json"},
        {"properties": {"a": {"$id": "https://schemas.test/", "$ref": "#/y"}}},
        {"$dynamicRef": "#x"},
        {"$ref": "#/$defs/none"},
        {"$ref": "#"},
        {"allOf": [{"not": {"$ref": "#"}}]},
        {"type": 5},
        {"$schema": "https://schemas.test/own"},
        {"pattern": "(?=a)b"},
        {"pattern": "((a{1,100}){1,100}){1,100}"},
        doubling(30),
        {"properties": {str(i): {"type": "string"} for i in range(30_000)}},
        [CITY],
        "x",
    ],
)
def test_a_schema_that_cannot_be_used(schema: Any) -> None:
    with pytest.raises(UnusableSchemaError):
        schema_of(schema)
    assert compiled_schema(orjson.dumps(schema)) is None


def test_a_deep_schema_cannot_be_used() -> None:
    schema: dict[str, Any] = {}
    for _ in range(200):
        schema = {"items": schema}
    with pytest.raises(UnusableSchemaError):
        schema_of(schema)


def test_no_text_is_a_schema() -> None:
    assert compiled_schema(b"") is None
    assert compiled_schema(b"{") is None


def test_what_would_take_too_long_is_not_checked() -> None:
    small = schema_of(doubling(8))
    assert keeps("{}", small) is True
    assert keeps("[" + "{}," * 300_000 + "{}]", small) is None
    deep = '{"x":' * 40 + "{}" + "}" * 40
    assert keeps(deep, schema_of(manifold(2))) is None
    assert keeps('{"x": {"x": {}}}', schema_of(manifold(2))) is True
    assert keeps(deep, schema_of(manifold(1))) is True
    assert keeps("[" * 2000 + "]" * 2000, None) is None
    assert keeps("[" + "[]," * 300_000 + "[]]", None) is True


def test_trees_that_look_at_each_value_once_may_be_deep() -> None:
    assert keeps('{"l":' * 60 + "{}" + "}" * 60, schema_of(TREE)) is True


def test_equal_schemas_are_compiled_once() -> None:
    assert compiled_schema(orjson.dumps(CITY)) is compiled_schema(orjson.dumps(dict(CITY)))
