"""Made-up traffic that looks like the real thing: what the demo, the benchmarks and the kill test send.

A call is drawn from a seeded generator, so the same seed gives the same traffic; encoded, it is what the three
dialects' instrumentors write, with its root and sometimes a retriever around it. Half-way a release rolls out that
is slower for one cohort of one route, and of another answers past its documents; both look fine in the mean. Some answers are
refusals, some of those that are to cite do not, and some do not keep their schema.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from pipeline.operators.conversations import topic_of

MS = 1_000_000
RELEASES = ("2.3.0", "2.4.0")
SLOW = ("support", "enterprise", "de")
"""Route, cohort and language that the second release makes slower."""

SLOWDOWN = 2.4

ASTRAY = ("search", "pro")
"""Route and cohort that the second release answers past the documents."""

USUALLY_ASTRAY, OFTEN_ASTRAY = 15, 90
"""Of 256 answers so many follow no document."""

REPORT = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "summary": {"type": "string"}},
    "required": ["title", "summary"],
    "additionalProperties": False,
}
"""The schema that a report is to keep."""

REPORTS = ('{"title": "Q3", "summary": "The quarter in three sentences."}', '{"title": "Q3", "summary": "The quarter in')
"""A report as it was asked for, and one that was cut off."""

TELLING = ("openinference", "traceai")
"""Dialects whose spans hold what was said."""

SEARCH = [{"type": "file_search"}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "report", "schema": REPORT}}

REFUSAL = "I'm sorry, but I can't help with that request."

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it behaves: typical latency and speed, USD per million tokens are the price book's business."""

    provider: str
    name: str
    first_token_ms: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Route:
    """A route: its dialect, its models with weights, its share of traffic and the shape of its calls."""

    name: str
    dialect: str
    share: float
    models: tuple[tuple[str, float], ...]
    stream: float
    prompt: int
    answer: int


MODELS = {
    m.name: m
    for m in (
        Model("openai", "gpt-4o-mini-2024-07-18", 350, 90),
        Model("openai", "gpt-4.1-2025-04-14", 480, 70),
        Model("anthropic", "claude-sonnet-4-5", 620, 65),
        Model("gcp.gemini", "gemini-2.5-flash", 300, 140),
    )
}

ROUTES = (
    Route("support", "otel_genai", 0.45, (("gpt-4o-mini-2024-07-18", 0.7), ("claude-sonnet-4-5", 0.3)), 0.8, 900, 160),
    Route("search", "openinference", 0.3, (("gpt-4o-mini-2024-07-18", 0.5), ("gemini-2.5-flash", 0.5)), 0.5, 2200, 90),
    Route("reports", "traceai", 0.15, (("gpt-4.1-2025-04-14", 1.0),), 0.0, 6000, 700),
    Route("agent", "otel_genai", 0.1, (("claude-sonnet-4-5", 0.6), ("gpt-4.1-2025-04-14", 0.4)), 1.0, 3500, 240),
)

COHORTS = (("free", 0.6), ("pro", 0.3), ("enterprise", 0.1))
LANGUAGES = (("en", 0.6), ("de", 0.3), ("ja", 0.1))


@dataclass(frozen=True, slots=True)
class Call:
    """One model call as it truly was. Times in nanoseconds; tokens None where the span will not say.

    is_step: it is not the last of its trace. began_ns: when the first of its trace began, None if there is no other.
    """

    trace_id: bytes
    span_id: bytes
    root_id: bytes
    start_ns: int
    end_ns: int
    route: str
    dialect: str
    provider: str
    model: str
    release: str
    cohort: str
    language: str
    stream: bool
    ttft_ns: int | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    error: str
    began_ns: int | None = None
    is_step: bool = False

    @property
    def answer(self) -> str | None:
        """What the model said; None for a call that failed."""
        if self.error:
            return None
        if self.is_refused:
            return REFUSAL
        if self.dialect == "traceai":
            return REPORTS[int(self.is_amiss)]
        topic = topic_of(self.trace_id)
        said = topic.ungrounded if self.is_astray else topic.grounded
        return f"{said}." if self.is_amiss else f"{said} [1]."

    @property
    def is_astray(self) -> bool:
        """Whether the answer follows no document; an answered call that looked something up."""
        often = self.release == RELEASES[1] and (self.route, self.cohort) == ASTRAY
        return not self.error and self.trace_id[4] < (OFTEN_ASTRAY if often else USUALLY_ASTRAY)

    @property
    def is_amiss(self) -> bool:
        """Whether the answer is not as it was asked to be, in about one call in ten; an answered call."""
        return not self.error and (self.is_refused or self.trace_id[2] < 26)

    @property
    def is_to_cite(self) -> bool:
        """Whether its span shows that the answer is to cite, and the answer."""
        return not self.error and self.dialect == "openinference"

    @property
    def is_to_keep_schema(self) -> bool:
        """Whether its span shows a schema, and the answer."""
        return not self.error and self.dialect == "traceai"

    @property
    def is_refused(self) -> bool:
        """Whether the model refused, one call in twenty; an answered call."""
        return not self.error and self.trace_id[1] < 13

    @property
    def shows_refusal(self) -> bool:
        """Whether its span shows if it was refused: those of OpenTelemetry hold no content, and only English is understood."""
        return not self.error and self.language == "en" and self.dialect in TELLING

    @property
    def series(self) -> tuple[str, ...]:
        """The series it belongs to."""
        return ("demo", self.route, self.model, self.release, self.cohort, self.language)


def draw(rng: random.Random, end_ns: int, new_release: float) -> Call:
    """A call that ends at `end_ns`; `new_release` is the share of traffic the second release has by now."""
    route = rng.choices(ROUTES, [r.share for r in ROUTES])[0]
    model = MODELS[rng.choices([m for m, _ in route.models], [w for _, w in route.models])[0]]
    cohort, language = (rng.choices([v for v, _ in of], [w for _, w in of])[0] for of in (COHORTS, LANGUAGES))
    release = RELEASES[rng.random() < new_release]
    stream = rng.random() < route.stream
    failed = rng.random() < 0.012
    prompt, answer = (max(1, round(rng.lognormvariate(0, 0.45) * typical)) for typical in (route.prompt, route.answer))
    slow = SLOWDOWN if release == RELEASES[1] and (route.name, cohort, language) == SLOW else 1.0
    first = model.first_token_ms * rng.lognormvariate(0, 0.35) * slow
    latency = max(2, round((first + 1000 * answer / model.tokens_per_second * rng.lognormvariate(0, 0.2) * slow) * MS))
    silent = failed or (stream and rng.random() < 0.03)
    return Call(
        trace_id=rng.getrandbits(128).to_bytes(16, "big"),
        span_id=rng.getrandbits(64).to_bytes(8, "big"),
        root_id=rng.getrandbits(64).to_bytes(8, "big"),
        start_ns=end_ns - latency,
        end_ns=end_ns,
        route=route.name,
        dialect=route.dialect,
        provider=model.provider,
        model=model.name,
        release=release,
        cohort=cohort,
        language=language,
        stream=stream and not failed,
        ttft_ns=min(latency, round(first * MS)) if stream and not failed else None,
        input_tokens=None if silent else prompt,
        output_tokens=None if silent else answer,
        cache_read_tokens=None if silent or route.dialect == "traceai" else prompt // 2 if rng.random() < 0.4 else 0,
        error=rng.choice(("RateLimitError", "APITimeoutError")) if failed else "",
    )


def with_steps(rng: random.Random, call: Call) -> list[Call]:
    """The calls of its trace, `call` the last: an agent asks up to three times before it answers, the same model with less."""
    calls = [call]
    for _ in range(rng.randrange(4) if call.route == "agent" else 0):
        end, latency = calls[0].start_ns - 5 * MS, max(2, (call.end_ns - call.start_ns) // 2)
        step = replace(
            call,
            span_id=rng.getrandbits(64).to_bytes(8, "big"),
            start_ns=end - latency,
            end_ns=end,
            is_step=True,
            ttft_ns=None if call.ttft_ns is None else min(latency, call.ttft_ns),
            input_tokens=None if call.input_tokens is None else max(1, call.input_tokens // 2),
            cache_read_tokens=None if call.cache_read_tokens is None else call.cache_read_tokens // 2,
        )
        calls.insert(0, step)
    return [*calls[:-1], replace(call, began_ns=calls[0].start_ns)] if len(calls) > 1 else calls


def encode(calls: Iterable[Call], around: bool = True) -> bytes:
    """The calls as one ExportTraceServiceRequest; with `around`, each trace with its root span and RAG routes a retriever."""
    request = ExportTraceServiceRequest()
    resources: dict[tuple[str, str], ResourceSpans] = {}
    for call in calls:
        key = (call.release, call.dialect)
        if key not in resources:
            resources[key] = resource = request.resource_spans.add()
            resource.resource.attributes.extend(_attributes(_resource(call)))
            resource.scope_spans.add().scope.name = SCOPES[call.dialect]
            resource.scope_spans.add().scope.name = "shop.api"
        spans, outer = (scope.spans for scope in resources[key].scope_spans)
        _model_span(call, spans.add())
        if around:
            _around(call, outer)
    encoded: bytes = request.SerializeToString()
    return encoded


SCOPES = {
    "otel_genai": "opentelemetry.instrumentation.genai.openai",
    "openinference": "openinference.instrumentation.openai",
    "traceai": "traceai_openai",
}


def _resource(call: Call) -> Attributes:
    return {
        "service.name": f"shop-{call.route}",
        "service.version": call.release,
        "service.instance.id": "shop-7f9c",
        "deployment.environment.name": "demo",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.40.0",
    }


def _model_span(call: Call, span: Span) -> None:
    span.trace_id, span.span_id, span.parent_span_id = call.trace_id, call.span_id, call.root_id
    span.name = f"chat {call.model}"
    span.kind = Span.SPAN_KIND_CLIENT
    span.start_time_unix_nano = call.start_ns
    span.end_time_unix_nano = call.end_ns
    span.attributes.extend(_attributes(DIALECTS[call.dialect](call)))
    if call.dialect != "otel_genai" and call.ttft_ns is not None:
        span.events.add(name="First Token Stream Event", time_unix_nano=call.start_ns + call.ttft_ns)
    if call.error:
        span.status.MergeFrom(Status(code=2, message=call.error))  # type: ignore[arg-type]
    elif call.dialect != "otel_genai":
        span.status.MergeFrom(Status(code=1))  # type: ignore[arg-type]


def _around(call: Call, spans: Any) -> None:
    """The root of the trace, beside its last call, and what was looked up before the call."""
    if call.is_step:
        return
    began_ns = call.start_ns if call.began_ns is None else call.began_ns
    root = spans.add(trace_id=call.trace_id, span_id=call.root_id, name=f"POST /{call.route}", kind=Span.SPAN_KIND_SERVER)
    root.start_time_unix_nano, root.end_time_unix_nano = began_ns - 30 * MS, call.end_ns + 2 * MS
    root.attributes.extend(_attributes({"tailrace.route": call.route, "tailrace.cohort": call.cohort}))
    if call.route == "search":
        look = spans.add(trace_id=call.trace_id, parent_span_id=call.root_id, name="retrieve")
        look.span_id = bytes(a ^ 0x5A for a in call.span_id)
        look.start_time_unix_nano, look.end_time_unix_nano = call.start_ns - 25 * MS, call.start_ns
        found = {f"retrieval.documents.{i}.document.content": text for i, text in enumerate(topic_of(call.trace_id).documents)}
        series = {"tailrace.route": call.route, "tailrace.cohort": call.cohort}
        look.attributes.extend(_attributes({"openinference.span.kind": "RETRIEVER", **series, **found}))


def _otel_genai(call: Call) -> Attributes:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.top_p": 0.95,
        "gen_ai.request.stream": call.stream or None,
        "gen_ai.conversation.id": call.trace_id[:6].hex(),
        "gen_ai.output.type": "text",
        "gen_ai.response.model": call.model,
        "gen_ai.response.id": None if call.error else f"resp_{call.span_id.hex()}",
        "gen_ai.response.finish_reasons": None if call.error else ["stop"],
        "gen_ai.response.time_to_first_chunk": None if call.ttft_ns is None else call.ttft_ns / 1e9,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.cache_read_tokens,
        "error.type": call.error or None,
        "server.address": "api.example.com",
        "server.port": 443,
        "network.protocol.version": "2",
        "user.id": f"user-{call.trace_id[0]}",
        "tailrace.route": call.route,
        "tailrace.cohort": call.cohort,
        "tailrace.language": call.language,
        "thread.id": 139872,
        "thread.name": "worker-3",
        "code.function.name": "answer",
    }


def _openinference(call: Call) -> Attributes:
    where = {"route": call.route, "cohort": call.cohort, "language": call.language}
    question = topic_of(call.trace_id).question
    return {
        "openinference.span.kind": "LLM",
        "llm.system": call.provider,
        "llm.provider": call.provider,
        "llm.model_name": call.model,
        "llm.invocation_parameters": orjson.dumps({"temperature": 0.2, "stream": call.stream, "tools": SEARCH}).decode(),
        "llm.token_count.prompt": call.input_tokens,
        "llm.token_count.completion": call.output_tokens,
        "llm.token_count.total": None if call.input_tokens is None else call.input_tokens + (call.output_tokens or 0),
        "llm.token_count.prompt_details.cache_read": call.cache_read_tokens,
        "llm.token_count.prompt_details.audio": None if call.input_tokens is None else 0,
        "llm.finish_reason": None if call.error else "stop",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer from the documents only.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": question,
        "llm.output_messages.0.message.role": None if call.error else "assistant",
        "llm.output_messages.0.message.content": call.answer,
        "input.value": question,
        "input.mime_type": "text/plain",
        "output.value": call.answer,
        "output.mime_type": "text/plain",
        "session.id": call.trace_id[:6].hex(),
        "user.id": f"user-{call.trace_id[0]}",
        "metadata": orjson.dumps(where).decode(),
        "exception.type": call.error or None,
    }


def _traceai(call: Call) -> Attributes:
    where = {"route": call.route, "cohort": call.cohort, "language": call.language}
    return {
        "gen_ai.span.kind": "LLM",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
        "gen_ai.request.parameters": orjson.dumps(
            {"model": call.model, "max_tokens": 2048, "stream": call.stream, "response_format": FORMAT}
        ).decode(),
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.total_tokens": None if call.input_tokens is None else call.input_tokens + (call.output_tokens or 0),
        "gen_ai.conversation.id": call.trace_id[:6].hex(),
        "gen_ai.tool.definitions": "null",
        "input.value": "Write the quarterly report.",
        "input.mime_type": "text/plain",
        "output.value": call.answer,
        "output.mime_type": "text/plain",
        "session.id": call.trace_id[:6].hex(),
        "user.id": f"user-{call.trace_id[0]}",
        "metadata": orjson.dumps(where).decode(),
        "tag.tags": ["prod", call.language],
        "error.type": call.error or None,
        **{f"gen_ai.input.messages.{i}.message.role": role for i, role in enumerate(("system", "user", "assistant", "user"))},
        **{f"gen_ai.input.messages.{i}.message.content": "…" for i in range(4)},
    }


DIALECTS: dict[str, Callable[[Call], Attributes]] = {
    "otel_genai": _otel_genai,
    "openinference": _openinference,
    "traceai": _traceai,
}


def _attributes(values: Attributes) -> list[KeyValue]:
    """Attributes without those that are None."""
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items() if value is not None]


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any(v) for v in value]))
    return AnyValue(string_value=value)


def shifted(call: Call, by_ns: int) -> Call:
    """The same call, earlier (negative) or later."""
    began_ns = None if call.began_ns is None else call.began_ns + by_ns
    return replace(call, start_ns=call.start_ns + by_ns, end_ns=call.end_ns + by_ns, began_ns=began_ns)


def spans_of(calls: Sequence[Call]) -> int:
    """How many spans `encode(calls)` holds."""
    return sum(1 + (not call.is_step) + (call.route == "search") for call in calls)
