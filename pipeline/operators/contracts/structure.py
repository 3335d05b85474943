"""The shape of a contract file, as JSON Schema 2020-12: for editors, and for the reader, which says what does not keep it.

`python -m schemas` writes it to `schemas/config/contract.json`. What a schema cannot say (units, signs, contradictions)
is said by `reading.py` and its neighbours. Every description completes "it is to be …", because messages are made of them.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import jsonschema_rs

from pipeline.model.contracts import LEAST_N, SLICEABLE, Baseline, Severity
from pipeline.model.metrics import EVALUATOR, METRICS
from pipeline.operators.contracts.located import Located
from pipeline.operators.contracts.problems import KeyPath

Schema = dict[str, Any]

MOST_OBJECTIVES = 200
MOST_SLICES = 20
MOST_BUDGETS = 20
MOST_BURN_RATES = 8
MOST_PATTERNS = 50

NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"
ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"


def _object(says: str, properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {
        "description": says,
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(says: str, **more: Any) -> Schema:
    return {"description": says, "type": "string", **more}


def _list(says: str, items: Schema, most: int, least: int = 1) -> Schema:
    return {"description": says, "type": "array", "items": items, "minItems": least, "maxItems": most}


def _one_of(says: str, words: Any) -> Schema:
    return {"description": says, "enum": [str(word) for word in words]}


AMOUNT: Schema = {"type": ["string", "number"]}
SHARE = _text("a share in percent, for instance 95%")
WINDOW = _text("a length of time: whole minutes, from 1m to 7d")
SEVERITY = _one_of("page, ticket or info", Severity)
METRIC: Schema = {
    "description": "a metric, for instance latency.p99, error.ratio or groundedness_lexical.mean",
    "type": "string",
    "anyOf": [{"enum": list(METRICS)}, {"pattern": rf"^{EVALUATOR.pattern}\.(mean|fail)$"}],
}
PATTERNS: Schema = {
    "description": 'a name, a pattern such as "support-*", or a list of these',
    "type": ["string", "array"],
    "maxLength": 200,
    "items": _text("a name or a pattern", maxLength=200),
    "minItems": 1,
    "maxItems": MOST_PATTERNS,
}
_COLUMN = _one_of(f"one of {', '.join(SLICEABLE)}", SLICEABLE)
SLICE: Schema = {
    "description": f"one of {', '.join(SLICEABLE)}, or a list of these that are crossed",
    "anyOf": [_COLUMN, {"type": "array", "items": _COLUMN, "minItems": 1, "uniqueItems": True}],
}
LEAST: Schema = {"description": "a whole number from 1", "type": "integer", "minimum": 1}

OBJECTIVE = _object(
    "an objective: a mapping with a metric and at_most or at_least",
    {
        "metric": METRIC,
        "at_most": AMOUNT | {"description": "the ceiling, with its unit: 4s, 300ms, $0.04, 2%, 50 USD/day"},
        "at_least": AMOUNT | {"description": "the floor, with its unit: 90%, 0.8, 30 tokens/s"},
        "window": WINDOW,
        "minimum": LEAST,
        "severity": SEVERITY,
        "id": _text("letters, digits, dots, dashes and underscores", pattern=ID),
    },
    ("metric",),
)
REGRESSION = _object(
    "what must not become worse: a mapping",
    {
        "baseline": _one_of("previous_release or same_hours_before", Baseline),
        "limit": AMOUNT | {"description": "how much worse anything may become: 2%"},
        "limits": {
            "description": "the same by metric: a mapping of metrics to 5%, or of shares and scores to 1 point",
            "type": "object",
            "additionalProperties": AMOUNT,
        },
        "metrics": _list("a list of metrics", METRIC, MOST_OBJECTIVES),
        "confidence": SHARE,
        "false_discovery_rate": SHARE,
        "severity": SEVERITY,
    },
)
BURN_RATE = _object(
    "a burn rate: a mapping with short, long and rate",
    {
        "short": WINDOW,
        "long": WINDOW,
        "rate": {"description": "a number above 0", "type": "number", "exclusiveMinimum": 0},
        "severity": SEVERITY,
    },
    ("short", "long", "rate"),
)
BUDGET = _object(
    "an error budget: a mapping with `of`",
    {
        "of": _text("a ratio (error.ratio), a measure (latency, with above), or the id of an objective"),
        "above": AMOUNT | {"description": "the bound above which a call is bad, with its unit: 4s"},
        "below": AMOUNT | {"description": "the bound below which a call is bad, with its unit: 30 tokens/s"},
        "target": SHARE | {"description": "the share that is to be good, in percent: 99.5%"},
        "period": _text("a length of time, from 1d to 90d"),
        "minimum": LEAST | {"default": LEAST_N},
        "burn_rates": _list("a list of burn rates", BURN_RATE, MOST_BURN_RATES),
        "id": _text("letters, digits, dots, dashes and underscores", pattern=ID),
    },
    ("of",),
)
CONTRACT = _object(
    "a contract: a mapping with name, version, routes and objectives",
    {
        "name": _text("small letters, digits, dots, dashes and underscores", pattern=NAME),
        "version": LEAST | {"maximum": 2**31 - 1},
        "owner": _text("who is told, in words", maxLength=200),
        "description": _text("words for people", maxLength=2000),
        "environment": PATTERNS,
        "routes": PATTERNS,
        "select": _object("whose calls: a mapping with model, release or both", {"model": PATTERNS, "release": PATTERNS}),
        "slices": _list("a list of slices", SLICE, MOST_SLICES, 0),
        "objectives": _list("a list of objectives", OBJECTIVE, MOST_OBJECTIVES),
        "regression": REGRESSION,
        "error_budgets": _list("a list of error budgets", BUDGET, MOST_BUDGETS),
    },
    ("name", "version", "routes", "objectives"),
)


def document() -> Schema:
    """The schema as it is committed."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A contract of Tailrace"} | CONTRACT


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(document())


def mistakes(found: Located) -> Iterator[tuple[KeyPath, str]]:
    """What does not keep the schema, in the file's order: where, and what to do. Unknown metrics are left to `reader.py`."""
    said = [one for error in _validator().iter_errors(found.value) for one in _told(error)]
    yield from sorted(said, key=lambda one: found.line(one[0]))


def _told(error: Any) -> Iterator[tuple[KeyPath, str]]:
    path, kind = tuple(error.instance_path), error.kind
    schema = _at(error.schema_path[:-1])
    wanted = schema.get("description", "")
    match kind.name:
        case "additionalProperties":
            yield from (((*path, key), _unknown(key, list(schema["properties"]))) for key in kind.unexpected)
        case "required":
            yield path, f"{kind.property} is missing: it is to be {schema['properties'][kind.property]['description']}"
        case "anyOf" if schema is METRIC:
            return
        case "enum":
            near = get_close_matches(str(error.instance), schema["enum"], 1)
            yield path, f"{_short(error.instance)} is not {wanted}" + (f"; did you mean {near[0]}?" if near else "")
        case "minItems" | "maxItems":
            yield path, f"it has {len(error.instance):,} entries; {schema['minItems']} to {schema['maxItems']} are allowed"
        case _:
            yield path, f"{_short(error.instance)} is not {wanted}"


def _at(path: list[str | int]) -> Schema:
    """The part of the schema that a path names."""
    found: Any = CONTRACT
    for step in path:
        found = found[step]
    return found  # type: ignore[no-any-return]


def _unknown(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, 1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else f'"{value:.60}"' if isinstance(value, str) else f"{value!r:.60}"
