"""OTLP/JSON to OTLP/protobuf, so that everything behind it knows one encoding.

OTLP/JSON is protobuf's JSON mapping except that trace and span ids are hex, not base64. A span that does not fit the
mapping is emptied and named, the others of its record go on.

Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".
"""

import base64
from collections.abc import Iterator
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def to_protobuf(value: bytes) -> tuple[bytes, dict[int, str]]:
    """The request as protobuf, and what is wrong by index of span. Raises ValueError if it is no OTLP/JSON request."""
    try:
        request = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the caller counts bad values, it does not debug types
    spans = list(_spans(request))
    for holder in spans:
        _ids_to_base64(holder)
    try:
        return _parse(request), {}
    except (ParseError, TypeError, AttributeError):
        return _without_bad(request, spans)


def _without_bad(request: dict[str, Any], spans: list[dict[str, Any]]) -> tuple[bytes, dict[int, str]]:
    """Empty the spans that do not parse alone and try again; wrong in another place is the whole record's failure."""
    wrong = {}
    for index, span in enumerate(spans):
        try:
            ParseDict(span, Span(), ignore_unknown_fields=True)
        except (ParseError, TypeError, AttributeError) as error:
            wrong[index] = _first_line(error)
            span.clear()
    try:
        return _parse(request), wrong
    except (ParseError, TypeError, AttributeError) as error:
        raise ValueError(_first_line(error)) from None


def _parse(request: dict[str, Any]) -> bytes:
    parsed: bytes = ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=True).SerializeToString()
    return parsed


def _spans(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every span of the request, in order."""
    for resource in _objects(request, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            yield from _objects(scope, "spans", "spans")


def _objects(parent: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    """The objects in the array under the first of `names` that is there."""
    found = next((parent[name] for name in names if name in parent), None)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _ids_to_base64(span: dict[str, Any]) -> None:
    for holder in (span, *_objects(span, "links")):
        for name in IDS:
            text = holder.get(name)
            if isinstance(text, str):
                try:
                    holder[name] = base64.b64encode(bytes.fromhex(text)).decode()
                except ValueError:
                    holder[name] = ""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
