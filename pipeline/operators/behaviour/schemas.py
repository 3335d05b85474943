"""Does an answer keep the JSON Schema that was asked for. A schema is a stranger's: it fetches nothing, and is bounded.

Validation cannot be interrupted, so how often it may look at a value is bounded before: a schema that unrolls to too much, has a
pattern that is too large, or refers to anything but a place within itself is as none. Drafts as `$schema` says, 2020-12 without.
Source: json-schema.org; jsonschema-rs, whose patterns take linear time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

MAX_SCHEMA_BYTES = 1 << 16
MAX_SIZE = 20_000
"""Of a schema, unrolled: subschemas, each as often as it is referred to."""

MAX_LOOKS = 1_000_000
"""Subschemas times values of an answer: about a second at worst."""

MAX_DEPTH = 100
TOO_DEEP = "depth limit"
"""What is said of JSON that is too deep to be read."""

KEPT = 128
"""Schemas that are kept compiled."""

PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 18)

IN_PLACE = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
"""Keywords whose schemas look at the same value."""

NAMED = ("properties",)
"""Keywords whose schemas look at a value each."""

DATA = frozenset({"const", "enum", "default", "examples", "example", "$defs", "definitions", "components", "required"})
"""Keywords that hold no schema that is looked at where they stand."""

ELSEWHERE = frozenset({"$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"})
"""Ways to refer that are not followed here."""

DEAR = {"multipleOf": 100}
"""Keywords that take so much longer than others."""


class UnusableSchemaError(Exception):
    """The schema is none, refers elsewhere, or asks for too much."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema. size: subschemas, unrolled. again: how often a value may be looked at anew a level down a recursion."""

    validator: Any
    size: int
    again: int

    def keeps(self, answer: Any, values: int) -> bool | None:
        """Whether a JSON value keeps it; None if it would take too long to say. values: of the answer, at least."""
        looks = self.size * values
        for _ in range(_depth(answer) if self.again > 1 and looks <= MAX_LOOKS else 0):
            looks *= self.again
            if looks > MAX_LOOKS:
                break
        if looks > MAX_LOOKS:
            return None
        try:
            return bool(self.validator.is_valid(answer))
        except ValueError:  # deeper or larger than it reads
            return None


def _depth(value: Any) -> int:
    """Levels of a JSON value."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            below for one in level if isinstance(one, dict | list) for below in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def keeps(text: str, schema: Schema | None) -> bool | None:
    """Whether an answer is JSON, and keeps the schema if there is one; None if that would take too long to say."""
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return None if TOO_DEEP in str(error) else False
    return True if schema is None else schema.keeps(answer, 1 + sum(map(text.count, ",:[{")))


@lru_cache(KEPT)
def compiled_schema(raw: bytes) -> Schema | None:
    """The schema in a JSON text; None for one that cannot be used. Equal ones are compiled once."""
    try:
        return schema_of(orjson.loads(raw))
    except (UnusableSchemaError, orjson.JSONDecodeError):
        return None


def schema_of(found: Any) -> Schema:
    """The schema in a JSON value. Raises UnusableSchemaError for one that cannot be used."""
    if not isinstance(found, dict):
        raise UnusableSchemaError("it is no object")
    size, again = _Unrolled(found).measure()
    try:
        validator = jsonschema_rs.validator_for(found, validate_formats=True, retriever=_refuse, pattern_options=PATTERNS)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise UnusableSchemaError(str(error).partition("\n")[0][:200]) from None
    return Schema(validator, size, again)


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


class _Unrolled:
    """How much a schema comes to when every reference is replaced by what it refers to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.known: dict[str, tuple[int, int]] = {}
        self.open: dict[str, int] = {}

    def measure(self) -> tuple[int, int]:
        """Subschemas, and the most references back to what is being unrolled that may look at one value."""
        self.open["#"] = 0
        return self._of(self.root, 0, 0)

    def _of(self, found: Any, depth: int, level: int) -> tuple[int, int]:
        if depth > MAX_DEPTH:
            raise UnusableSchemaError(f"it is deeper than {MAX_DEPTH} levels")
        if isinstance(found, list):
            return self._sum(found, depth, level)
        if not isinstance(found, dict):
            return 1, 0
        if not ELSEWHERE.isdisjoint(found) or (depth and isinstance(found.get("$id"), str)):
            raise UnusableSchemaError("it refers by anchors or ids")
        size, again = 1 + sum(DEAR.get(key, 0) for key in found), 0
        for key, below in found.items():
            if key in DATA or not isinstance(below, dict | list | str):
                size += len(below) if key in ("enum", "required") and isinstance(below, list) else 0
                continue
            more = self._under(key, below, depth + 1, level + (key not in IN_PLACE))
            size, again = size + more[0], again + more[1]
            if size > MAX_SIZE:
                raise UnusableSchemaError(f"it unrolls to more than {MAX_SIZE} subschemas")
        return size, again

    def _under(self, key: str, below: Any, depth: int, level: int) -> tuple[int, int]:
        if key == "$ref":
            return self._referred(below, depth, level)
        if isinstance(below, str):
            return 0, 0
        if isinstance(below, dict) and key in (*NAMED, "patternProperties", "dependentSchemas", "dependencies"):
            sizes = [self._of(one, depth, level) for one in below.values()]
            again = [more for _, more in sizes]
            return sum(size for size, _ in sizes), max(again, default=0) if key in NAMED else sum(again)
        return self._of(below, depth, level)

    def _sum(self, found: list[Any], depth: int, level: int) -> tuple[int, int]:
        sizes = [self._of(one, depth, level) for one in found]
        return sum(size for size, _ in sizes), sum(again for _, again in sizes)

    def _referred(self, ref: Any, depth: int, level: int) -> tuple[int, int]:
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise UnusableSchemaError("it refers to something outside")
        if ref in self.open:
            if self.open[ref] == level:
                raise UnusableSchemaError("it refers to itself in place")
            return 1, 1
        if ref not in self.known:
            self.open[ref] = level
            self.known[ref] = self._of(self._at(ref), depth, level)
            del self.open[ref]
        return self.known[ref]

    def _at(self, ref: str) -> Any:
        found: Any = self.root
        for part in ref.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(key)] if key.isdecimal() and len(key) < 6 and int(key) < len(found) else None
            else:
                found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict | bool):
            raise UnusableSchemaError("it refers to what it does not hold")
        return found
