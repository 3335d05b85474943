"""The JSON Schema of the evaluators' file, made from the evaluators themselves: for editors; the loader's errors say more."""

from dataclasses import fields
from typing import Any, get_type_hints

import msgspec

from pipeline.evaluators.configuration import ASKED, MOST, OF_THE_STAGE
from pipeline.evaluators.registry import OURS
from pipeline.topics import schemas_dir

FILE = schemas_dir() / "config" / "evaluators.json"

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
NAME = {"type": "string", "minLength": 1}
OF_ALL = {
    "name": NAME | {"description": "as tables show it; an evaluator's name, package.module:Class, or any with `type`"},
    "type": NAME | {"description": "which evaluator it is, where `name` is another"},
    "rate": {"anyOf": [SHARE, {"type": "null"}], "description": "share of traces; null for the stage's own"},
    "routes": {"type": ["object", "null"], "additionalProperties": SHARE, "description": "the same by pattern of the route"},
    "cohorts": {"type": ["object", "null"], "additionalProperties": SHARE, "description": "the same by pattern of the cohort"},
}


def _options(name: str) -> dict[str, Any]:
    """The options of one of ours, each with its type."""
    hints = get_type_hints(OURS[name])
    wanted = [field.name for field in fields(OURS[name]) if field.name not in (ASKED, *OF_THE_STAGE)]  # type: ignore[arg-type]
    return {key: msgspec.json.schema(hints[key]) for key in wanted}


def _is(name: str) -> dict[str, Any]:
    """An entry that is this evaluator, by its type or else its name."""
    of_type = {"properties": {"type": {"const": name}}, "required": ["type"]}
    of_name = {"properties": {"name": {"const": name}}, "required": ["name"], "not": {"required": ["type"]}}
    return {"anyOf": [of_type, of_name]}


def document() -> dict[str, Any]:
    """The schema. Keys of evaluators that are not ours are open."""
    ours = [
        {
            "if": _is(name),
            "then": {"properties": _options(name), "propertyNames": {"enum": [*OF_THE_STAGE, *_options(name)]}},
        }
        for name in OURS
    ]
    entry = {"anyOf": [NAME, {"type": "object", "required": ["name"], "properties": OF_ALL, "allOf": ours}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Which evaluators run",
        "type": "object",
        "additionalProperties": False,
        "required": ["evaluators"],
        "properties": {"evaluators": {"type": "array", "maxItems": MOST, "items": entry}},
    }
