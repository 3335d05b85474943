"""What a call was asked for, as the documents of requests say it: JSON, after which schema, with sources to cite.

Shapes are told by their keys, as those of conversations are. Nothing of a request is kept but the schema.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.operators.behaviour.schemas import MAX_SCHEMA_BYTES
from pipeline.operators.decode.values import MAX_JSON_BYTES

MAX_DEPTH = 4
MAX_TOOLS = 100

SAYS = (b"json", b"chema", b"earch", b"documents", b"etrieval", b"data_sources", b"url_context", b"<class ", b'"format"')
"""What stands in a document that says anything."""

FORMATS = ("response_format", "responseFormat", "output_format", "outputFormat", "format", "output_config", "text")
MIME_TYPES = ("response_mime_type", "responseMimeType")
GEMINI_SCHEMAS = ("response_schema", "responseSchema")
SCHEMAS = ("response_json_schema", "responseJsonSchema", "guided_json", "output_schema", "ls_structured_output_format")
INWARD = frozenset(
    {
        *("config", "generation_config", "generationConfig", "kwargs", "extra_body", "options", "parameters", "request", "body"),
        *("invocation_params", "invocation_parameters", "llm_request", "model_request_parameters", "model_settings", "text"),
        *("output_object", "settings"),
    }
)
"""Keys under which a request lies within another document."""

SEARCHES = frozenset({"web_search_options", "search_parameters", "documents", "data_sources", "retrieval", "search_mode"})
"""Keys of requests that carry what is to be cited, or have it searched for."""

SEARCH_TOOLS = re.compile(
    r"(?i)^(?:web|file|google|bing|enterprise_web)_?search|google_?search|retrieval$|file_search|url_context"
)

GEMINI_NAMES = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. json: an answer that is JSON; schema: after which, as JSON, None for any; sources: to cite."""

    json: bool = False
    schema: bytes | None = None
    sources: bool = False


NOTHING = Request()


def read_request(raw: bytes) -> Request | None:
    """What a document that holds a request asks for; None for nothing."""
    if len(raw) > MAX_JSON_BYTES or not any(word in raw for word in SAYS):
        return None
    try:
        return request_in(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return None


def read_schema(raw: bytes) -> Request | None:
    """What a text that is a schema asks for."""
    if len(raw) > MAX_JSON_BYTES:
        return Request(json=True, schema=b"")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return Request(json=True, schema=_as_schema(found)) if isinstance(found, dict) else None


def request_in(found: Any) -> Request | None:
    """What a JSON value that holds a request asks for; None for nothing."""
    parts = list(_parts(found, 0))
    schema = next((part.schema for part in parts if part.schema is not None), None)
    asked = Request(any(part.json for part in parts), schema, any(part.sources for part in parts))
    return None if asked == NOTHING else asked


def _parts(found: Any, depth: int) -> Iterator[Request]:
    if not isinstance(found, dict) or depth > MAX_DEPTH:
        return
    yield from _formats(found)
    if not SEARCHES.isdisjoint(found) and any(found.get(key) for key in SEARCHES):
        yield Request(sources=True)
    if _searches(found.get("tools")):
        yield Request(sources=True)
    for key in found.keys() & INWARD:
        yield from _parts(found[key], depth + 1)


def _formats(found: Mapping[str, Any]) -> Iterator[Request]:
    """What the fields of one object say of the form of the answer."""
    for key in FORMATS:
        if found.get(key):
            yield from _format(found[key], 0)
    if any(str(found.get(key)).lower() == "application/json" for key in MIME_TYPES):
        yield Request(json=True)
    for key in (*GEMINI_SCHEMAS, *SCHEMAS):
        if isinstance(found.get(key), dict):
            inner = found[key]
            schema = next((inner[name] for name in ("schema", "json_schema") if isinstance(inner.get(name), dict)), inner)
            yield Request(json=True, schema=_as_schema(schema))
    if found.get("output_mode") in ("native", "prompted") and isinstance(found.get("output_object"), dict):
        schema = found["output_object"].get("json_schema")
        yield Request(json=True, schema=_as_schema(schema) if isinstance(schema, dict) else None)


def _format(found: Any, depth: int) -> Iterator[Request]:
    """A format as providers have it: a word, an object with a type, a schema itself (Ollama)."""
    if isinstance(found, str):
        if found.lower() in ("json", "json_object", "json_schema") or found.startswith("<class "):
            yield Request(json=True)
        return
    if not isinstance(found, dict) or depth > 1:
        return
    kind = found.get("type")
    inner = next((found[name] for name in ("json_schema", "schema") if isinstance(found.get(name), dict)), None)
    if kind in ("json_object", "json_schema", "json"):
        schema = inner.get("schema", inner) if inner is not None else None
        yield Request(json=True, schema=_as_schema(schema) if isinstance(schema, dict) else None)
    elif (
        (isinstance(kind, str) and kind.lower() in ("object", "array"))
        or "properties" in found
        or "anyOf" in found
        or "$ref" in found
    ):
        yield Request(json=True, schema=_as_schema(found))
    elif "format" in found:
        yield from _format(found["format"], depth + 1)


def _searches(tools: Any) -> bool:
    """Whether one of the tools of a request is the provider's own search."""
    for tool in tools[:MAX_TOOLS] if isinstance(tools, list) else ():
        if isinstance(tool, dict) and (
            SEARCH_TOOLS.search(str(tool.get("type", "")))
            or any(tool.get(k) is not None and SEARCH_TOOLS.search(k) for k in tool)
        ):
            return True
    return False


def _as_schema(found: Mapping[str, Any]) -> bytes:
    """A schema as JSON, b"" for one that is too long or too deep; in Gemini's own words it is rewritten."""
    try:
        raw = orjson.dumps(found)
        if len(raw) <= MAX_SCHEMA_BYTES and GEMINI_TYPES.search(raw):
            raw = orjson.dumps(_of_gemini(found))
    except (TypeError, RecursionError):
        return b""
    return raw if len(raw) <= MAX_SCHEMA_BYTES else b""


GEMINI_TYPES = re.compile(rb'"type_?": ?"(?:OBJECT|ARRAY|STRING|NUMBER|INTEGER|BOOLEAN)"')


def _of_gemini(found: Any) -> Any:
    """A schema of Gemini (types in capitals, `nullable`) as JSON Schema has it."""
    if isinstance(found, list):
        return [_of_gemini(one) for one in found]
    if not isinstance(found, dict):
        return found
    schema = {GEMINI_NAMES.get(key, key): _of_gemini(value) for key, value in found.items() if value is not None}
    kind = schema.pop("type_", schema.get("type"))
    if isinstance(kind, str):
        schema["type"] = [kind.lower(), "null"] if schema.get("nullable") is True else kind.lower()
    return schema
