"""JSON of another shape is read where it is plain; else it is one dead letter that says what it is and what to do."""

import base64
from typing import Any

import orjson
import pytest

from pipeline.model.reasons import Reason
from pipeline.operators.decode.spans import Decoded
from tests.otlp import DECODER, keeps_law_a, record, rows

START = "2027-01-15T08:00:00.48Z"
START_NS = 1_800_000_000_480_000_000

TRACE, SPAN = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
TRACE64, SPAN64 = (base64.b64encode(bytes.fromhex(text)).decode() for text in (TRACE, SPAN))

ROUTE = [{"key": "route", "value": {"stringValue": "rag"}}]


def span(**changes: Any) -> dict[str, Any]:
    """A span as OTLP has it, changed where the test says."""
    times = {"startTimeUnixNano": str(START_NS), "endTimeUnixNano": str(START_NS + 1)}
    return {"traceId": TRACE, "spanId": SPAN, **times, "attributes": ROUTE, **changes}


def resource_spans(*spans: Any) -> dict[str, Any]:
    """The spans of one resource and scope."""
    return {"scopeSpans": [{"scope": {"name": "lib"}, "spans": list(spans)}]}


def request(*spans: Any) -> dict[str, Any]:
    """One request as OTLP has it."""
    return {"resourceSpans": [resource_spans(*spans)]}


def decode(document: Any) -> Decoded:
    """One record of JSON."""
    decoded = DECODER.decode([record(orjson.dumps(document))])
    assert keeps_law_a(decoded)
    return decoded


SNAKE = {
    "trace_id": TRACE,
    "span_id": SPAN,
    "start_time_unix_nano": START_NS,
    "end_time_unix_nano": START_NS + 1,
    "attributes": [{"key": "route", "value": {"string_value": "rag"}}],
}

OLD = {"instrumentationLibrary": {"name": "lib"}, "spans": [span()]}
OLD_SNAKE = {"instrumentation_library": {"name": "lib"}, "spans": [SNAKE]}

READ: dict[str, Any] = {
    "otlp": request(span()),
    "snake case": {"resource_spans": [{"scope_spans": [{"scope": {"name": "lib"}, "spans": [SNAKE]}]}]},
    "tempo": {"batches": [resource_spans(span(traceId=TRACE64, spanId=SPAN64, kind="SPAN_KIND_CLIENT"))]},
    "array of one": [request(span())],
    "array with an empty one": [{}, request(span())],
    "old": {"resourceSpans": [{"instrumentationLibrarySpans": [OLD]}]},
    "old, snake case": {"resource_spans": [{"instrumentation_library_spans": [OLD_SNAKE]}]},
    "old beside new": {"resourceSpans": [resource_spans(span()) | {"instrumentationLibrarySpans": [OLD]}]},
    "old beside empty": {"resourceSpans": [{"scopeSpans": [], "instrumentationLibrarySpans": [OLD]}]},
    "base64 without padding": request(span(traceId=TRACE64.rstrip("="), spanId=SPAN64.rstrip("="))),
    "times in words": request(span(startTimeUnixNano=START, endTimeUnixNano="2027-01-15T10:00:00.480000001+02:00")),
    "attributes as an object": request(span(attributes={"route": "rag"})),
    "attributes as an object of AnyValues": request(span(attributes={"route": {"stringValue": "rag"}})),
    "a value without its type": request(span(attributes=[{"key": "route", "value": "rag"}])),
    "go": request(span(attributes=[{"key": "route", "value": {"Value": {"StringValue": "rag"}}}])),
}
"""One span each, the same."""


@pytest.mark.parametrize("document", READ.values(), ids=READ)
def test_another_shape_is_read(document: Any) -> None:
    decoded = decode(document)
    assert not decoded.dead
    (row,) = rows(decoded)
    assert (row["trace_id"], row["span_id"], row["start_ns"], row["latency_ns"]) == (TRACE, SPAN, START_NS, 1)
    assert (row["route"], row["scope_name"]) == ("rag", "lib")


def test_an_array_of_requests_is_read_in_order() -> None:
    spans = [span(spanId=f"{i:016x}") for i in range(1, 4)]
    decoded = decode([request(*spans[:2]), {"resource_spans": [resource_spans(spans[2])]}])
    assert [row["span_id"] for row in rows(decoded)] == [s["spanId"] for s in spans]


JAEGER = {"traceID": TRACE, "spans": [{"traceID": TRACE, "spanID": SPAN, "operationName": "chat"}], "processes": {}}
ZIPKIN = {"traceId": TRACE, "id": SPAN, "name": "chat", "timestamp": START_NS // 1000, "duration": 5}

REFUSED: dict[str, tuple[Any, str]] = {
    "metrics": ({"resourceMetrics": [{}]}, "OTLP metrics"),
    "logs": ({"resource_logs": [{}]}, "OTLP logs"),
    "jaeger": ({"data": [JAEGER]}, "Jaeger"),
    "jaeger, one trace": (JAEGER, "Jaeger"),
    "zipkin": ([ZIPKIN, ZIPKIN], "Zipkin"),
    "a span": (span(), "span without a request"),
    "spans": ([span(), span()], "span without a request"),
    "a snake": (SNAKE, "span without a request"),
    "resource spans": (resource_spans(span()), "ResourceSpans without a request"),
    "an array of resource spans": ([resource_spans(span())], "ResourceSpans without a request"),
    "old resource spans": ({"instrumentationLibrarySpans": [OLD]}, "ResourceSpans without a request"),
    "scope spans": ({"scope": {}, "spans": [span()]}, "ScopeSpans without a request"),
    "wrapped": ({"data": request(span())}, "an object around a request"),
    "wrapped as Tempo does": ({"trace": request(span())}, "an object around a request"),
    "foreign": ({"event": "signup", "my secret": 1}, "2 other members: event"),
    "one of an array": ([request(span()), {"event": 1}], "an array, and not of requests"),
    "text in an array": (["chat"], "an array, and not of requests"),
    "spans one level too high": ({"resourceSpans": [{"spans": [span()]}]}, "ResourceSpans has 1 other members: spans"),
    "spans under another name": (
        {"resourceSpans": [{"scopeSpans": [{"items": [span()]}]}]},
        "ScopeSpans has 1 other members: items",
    ),
    "another member": ({"resourceSpans": [], "spanData": [span()]}, "the request has 1 other members: spanData"),
}
"""(document, what the detail names)"""


@pytest.mark.parametrize(("document", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_is_one_dead_letter_that_names_the_shape(document: Any, named: str) -> None:
    decoded = decode(document)
    (dead,) = decoded.dead
    assert (dead.index, dead.reason) == (-1, Reason.MALFORMED_JSON)
    assert named in dead.detail
    assert "secret" not in dead.detail


EMPTY: list[Any] = [
    {},
    {"resourceSpans": []},
    {"resourceSpans": None},
    {"resourceSpans": [{"scopeSpans": [{"spans": []}]}]},
    [{}],
]


@pytest.mark.parametrize("document", EMPTY, ids=str)
def test_a_request_of_nothing_is_one(document: Any) -> None:
    decoded = decode(document)
    assert (rows(decoded), decoded.dead) == ([], [])


STATUS = {
    "error": [2, "2", 2.0, "STATUS_CODE_ERROR", "status_code_error", "ERROR", "Error", "StatusCode.ERROR", "DEADLINE_EXCEEDED"],
    "ok": [1, "1", "STATUS_CODE_OK", "OK", "Ok", "success"],
    "unset": [0, "0", "", None, "STATUS_CODE_UNSET", "Unset", "UNSPECIFIED"],
}


@pytest.mark.parametrize(("status", "code"), [(status, code) for status, codes in STATUS.items() for code in codes])
def test_a_status_however_it_is_written(status: str, code: Any) -> None:
    (row,) = rows(decode(request(span(status={"code": code}))))
    assert row["status"] == status
    (row,) = rows(decode(request(span(status={"status_code": code}))))
    assert row["status"] == status
    if isinstance(code, str | int):
        (row,) = rows(decode(request(span(status=code))))
        assert row["status"] == status


def test_a_status_nobody_knows_is_named() -> None:
    (dead,) = decode(request(span(status={"code": "secret"}))).dead
    assert (dead.index, dead.reason, dead.detail) == (0, Reason.MALFORMED_JSON, "Status.code is a name nobody knows")


@pytest.mark.parametrize(
    "time", ["2027-06-23", "2027-06-23T02:20:20", "2027-13-23T02:20:20Z", "1960-06-23T02:20:20Z", "soon", ""]
)
def test_a_time_that_is_not_plain_is_malformed(time: str) -> None:
    (dead,) = decode(request(span(startTimeUnixNano=time))).dead
    assert (dead.index, dead.reason) == (0, Reason.MALFORMED_JSON)


def test_attributes_as_an_object_may_hold_anything() -> None:
    attributes = {"route": "rag", "cohort": ["a", 1], "n": 1 << 63, "x": 1.5, "none": None, "deep": {"list": [{"a": True}]}}
    decoded = decode(request(span(attributes=attributes)))
    assert not decoded.dead
    assert [row["route"] for row in rows(decoded)] == ["rag"]


def test_a_deep_object_costs_its_span_alone() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": [deep]}
    decoded = decode(request(span(attributes={"deep": deep}), span(spanId="00000000000000aa")))
    assert [(d.index, d.reason) for d in decoded.dead] == [(0, Reason.MALFORMED_JSON)]
    assert len(rows(decoded)) == 1
