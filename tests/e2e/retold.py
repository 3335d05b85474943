"""What becomes of a trace on its way: a framework tells of its calls too, they do not say whose they are, a part comes apart.

All of it changes spans that are made already and none of what is true of the calls.
"""

import random
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.operators.traffic import MS, Call, encode

FRAMEWORK = "opentelemetry.instrumentation.langchain"
AGAIN = "ChatModel.invoke"
"""Name of the spans in which the framework tells of a call that its client tells, too."""

SAID_BY_FRAMEWORK = (
    *("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "error.type"),
    *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "tailrace.route", "tailrace.cohort", "tailrace.language"),
)
NAMES = ("tailrace.route", "tailrace.cohort", "service.name")


def tell_again(request: ExportTraceServiceRequest, calls: Sequence[Call], rng: random.Random) -> set[bytes]:
    """The framework tells of these calls, around the client's span or beside it. Returns the ids of its spans."""
    told = {span.span_id: (resource, span) for resource in request.resource_spans for span in resource.scope_spans[0].spans}
    made = set()
    for call in calls:
        resource, span = told[call.span_id]
        scope = resource.scope_spans.add()
        scope.scope.name = FRAMEWORK
        scope.spans.append(framework_span(call, rng))
        if rng.random() < 0.5:
            span.parent_span_id = scope.spans[0].span_id
        made.add(scope.spans[0].span_id)
    return made


def framework_span(call: Call, rng: random.Random) -> Span:
    """What a framework says of a call: around it in time, and of its usage only how many tokens."""
    around = replace(call, dialect="otel_genai", start_ns=call.start_ns - MS, end_ns=call.end_ns + MS)
    (span,) = spans_of(ExportTraceServiceRequest.FromString(encode([around], around=False)))
    span.name, span.span_id = AGAIN, rng.getrandbits(64).to_bytes(8, "big")
    keep(span.attributes, lambda said: said.key in SAID_BY_FRAMEWORK)
    return span


def take_names(request: ExportTraceServiceRequest, trace_id: bytes) -> None:
    """No span of the trace but its root says route or cohort, and neither does what it ran in."""
    for resource in request.resource_spans:
        spans = [span for scope in resource.scope_spans for span in scope.spans if span.trace_id == trace_id]
        if spans:
            keep(resource.resource.attributes, is_no_name)
        for span in spans:
            if span.parent_span_id:
                keep(span.attributes, is_no_name)


def is_no_name(said: KeyValue) -> bool:
    return said.key not in NAMES


def keep(attributes: Any, wanted: Callable[[KeyValue], bool]) -> None:
    """Attributes of a message that are not wanted go."""
    kept = [said for said in attributes if wanted(said)]
    del attributes[:]
    attributes.extend(kept)


def root_of(request: ExportTraceServiceRequest, trace_id: bytes) -> bytes:
    """The id of the trace's root."""
    return next(span.span_id for span in spans_of(request) if span.trace_id == trace_id and not span.parent_span_id)


def taken_out(request: ExportTraceServiceRequest, span_ids: Container[bytes]) -> bytes:
    """These spans leave the request; they are one of their own, which is returned."""
    apart = ExportTraceServiceRequest()
    for resource in request.resource_spans:
        beside = apart.resource_spans.add(resource=resource.resource)
        for scope in resource.scope_spans:
            stay = [span for span in scope.spans if span.span_id not in span_ids]
            beside.scope_spans.add(scope=scope.scope).spans.extend(s for s in scope.spans if s.span_id in span_ids)
            del scope.spans[:]
            scope.spans.extend(stay)
    encoded: bytes = apart.SerializeToString()
    return encoded


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """All its spans."""
    return (span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans)


def forgotten(rng: random.Random, call: Call) -> Call:
    """One more call of its trace, which nobody had told of."""
    span_id = rng.getrandbits(64).to_bytes(8, "big")
    return replace(call, span_id=span_id, is_step=True)
