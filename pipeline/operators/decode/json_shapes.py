"""The request in a JSON document, or what the document is instead.

Read are OTLP's own names in both spellings, Tempo's `batches`, what OTLP called its parts before 0.15, and an array of
requests. Everything else is refused with the shape that was recognised and what to do about it. A document that holds no span but
members which a request has not is refused too: it has its spans somewhere else.

Source: the comment on `instrumentation_library_spans` in opentelemetry-proto 0.15, trace.proto: what is set beside
`scope_spans` says the same a second time and is ignored.
"""

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

REQUEST = frozenset({"resourceSpans", "resource_spans", "batches"})
RESOURCE_SPANS = frozenset({"resource", "scopeSpans", "scope_spans", "schemaUrl", "schema_url"})
SCOPE_SPANS = frozenset({"scope", "spans", "schemaUrl", "schema_url"})
"""Members of the three messages above spans."""

OLD_SCOPE_SPANS = ("instrumentationLibrarySpans", "instrumentation_library_spans")
OLD_SCOPE = ("instrumentationLibrary", "instrumentation_library")

WRAP = 'put it into {"resourceSpans": [...]}'
SPANS_ONLY = "this topic takes traces only: export it elsewhere"
EXPORT = "let its exporter write OTLP"

SHAPES: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"resourceMetrics"}), "OTLP metrics", SPANS_ONLY),
    (frozenset({"resource_metrics"}), "OTLP metrics", SPANS_ONLY),
    (frozenset({"resourceLogs"}), "OTLP logs", SPANS_ONLY),
    (frozenset({"resource_logs"}), "OTLP logs", SPANS_ONLY),
    (frozenset({"resourceProfiles"}), "OTLP profiles", SPANS_ONLY),
    (frozenset({"scopeSpans"}), "ResourceSpans without a request", WRAP),
    (frozenset({"scope_spans"}), "ResourceSpans without a request", WRAP),
    *((frozenset({name}), "ResourceSpans without a request", WRAP) for name in OLD_SCOPE_SPANS),
    (frozenset({"traceID", "spans"}), "a Jaeger trace", EXPORT),
    (frozenset({"process", "spans"}), "a Jaeger batch", EXPORT),
    (frozenset({"traceID", "spanID"}), "a Jaeger span", EXPORT),
    (frozenset({"traceId", "id"}), "a Zipkin span", EXPORT),
    (frozenset({"spans"}), "ScopeSpans without a request", WRAP),
    (frozenset({"traceId", "spanId"}), "a span without a request", WRAP),
    (frozenset({"trace_id", "span_id"}), "a span without a request", WRAP),
    (frozenset({"context", "start_time"}), "a span as the SDK's console exporter prints it", EXPORT),
    (REQUEST & {"resourceSpans"}, "a request", "write the inner object alone"),
    (REQUEST & {"resource_spans"}, "a request", "write the inner object alone"),
    (REQUEST & {"batches"}, "a request", "write the inner object alone"),
)
"""(members, what an object that has them is, what to do); the first that holds."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
NAMES = 5
"""So many members are named in a detail, if their names are words: a name may be a user's, too."""


def request_of(document: Any) -> dict[str, Any]:
    """The one request of a document, its parts under today's names; members it should not have stay. Changes the document.

    Raises ValueError with the document's shape if it is none, never with a value of it.
    """
    parts = document if isinstance(document, list) and document else [document]
    if not all(isinstance(part, dict) and (not part or not REQUEST.isdisjoint(part)) for part in parts):
        raise ValueError(_shape(document))
    merged = {name: value for part in parts for name, value in part.items() if name not in REQUEST}
    merged["resourceSpans"] = resources = [resource for part in parts for resource in _resources(part)]
    for resource in _objects(resources):
        _renamed(resource, OLD_SCOPE_SPANS, ("scopeSpans", "scope_spans"))
        for scope in _scopes(resource):
            _renamed(scope, OLD_SCOPE, ("scope",))
    return merged


def span_lists(request: dict[str, Any]) -> Iterator[list[Any]]:
    """Every list of spans, in the order in which they are written."""
    for resource in _objects(request["resourceSpans"]):
        for scope in _scopes(resource):
            if isinstance(scope.get("spans"), list):
                yield scope["spans"]


def refuse_another_shape(request: dict[str, Any]) -> None:
    """Raises ValueError if a request without spans has members that say that they are elsewhere."""
    for what, known, message in _messages(request):
        strange = [name for name in message if name not in known]
        if strange:
            raise ValueError(f"no spans, and {what} has {_named(strange)}")


def _messages(request: dict[str, Any]) -> Iterator[tuple[str, Collection[str], dict[str, Any]]]:
    yield "the request", REQUEST, request
    for resource in _objects(request["resourceSpans"]):
        yield "ResourceSpans", RESOURCE_SPANS, resource
        for scope in _scopes(resource):
            yield "ScopeSpans", SCOPE_SPANS, scope


def _resources(part: dict[str, Any]) -> Iterator[Any]:
    for name, found in part.items():
        if name in REQUEST and found is not None:
            if not isinstance(found, list):
                raise ValueError(f"{name} is not an array")
            yield from found


def _scopes(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, found in resource.items():
        if name in ("scopeSpans", "scope_spans") and isinstance(found, list):
            yield from _objects(found)


def _objects(items: list[Any]) -> Iterator[dict[str, Any]]:
    return (item for item in items if isinstance(item, dict))


def _renamed(message: dict[str, Any], old: Collection[str], new: tuple[str, ...]) -> None:
    """What stands under an old name moves to the new one, unless that says something itself."""
    for name in old:
        if name in message:
            found = message.pop(name)
            if not any(message.get(n) for n in new):
                message[new[0]] = found


def _shape(document: Any) -> str:
    """What the document is, and what to do."""
    if isinstance(document, list):
        if not document:
            return "an empty array, no request"
        bad = next(part for part in document if not isinstance(part, dict) or not REQUEST.intersection(part))
        recognised = _recognised(bad)
        return f"an array that holds {recognised}" if recognised else "an array, and not of requests"
    if not isinstance(document, dict):
        return "JSON, but not an object"
    recognised = _recognised(document)
    if recognised:
        return recognised
    for member in document.values():
        inner = member[0] if isinstance(member, list) and member else member
        recognised = _recognised(inner)
        if recognised:
            return f"an object around {recognised}"
    return f"an object without resourceSpans; it has {_named(document)}"


def _recognised(found: Any) -> str:
    if not isinstance(found, dict):
        return ""
    return next((f"{what}: {advice}" for members, what, advice in SHAPES if members <= found.keys()), "")


def _named(names: Collection[str]) -> str:
    """The first few names, those that are no words left out."""
    words = list(islice((name for name in names if NAME.fullmatch(name)), NAMES))
    return f"{len(names)} other members" + (f": {', '.join(words)}" if words else "")
