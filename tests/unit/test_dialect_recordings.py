"""What requests of real instrumentation libraries sum to, read by hand from the spans and from what their provider had answered.

`TOTALS` is what the spans of a recording tell together when every call is counted once: the best anybody can know from them.
Where single spans tell otherwise, `BY_SPAN` says what and why.
"""

from typing import Any, NamedTuple

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.decode.usage import DOUBTFUL
from tests.otlp import DECODER, RECORDED, keeps_law_a, record, rows

RECORDINGS = RECORDED.parent / "dialects"


class Totals(NamedTuple):
    """Sums over the calls of a recording; unknown: answered calls that do not tell their usage."""

    requests: int
    errors: int
    streamed: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    unknown: int


TOTALS = {
    "adk": Totals(7, 1, 0, 342, 124, 192, 0, 30, 0),
    "agents_oi": Totals(14, 2, 0, 627, 209, 224, 0, 35, 1),
    "agents_oi_both": Totals(14, 2, 3, 627, 209, 352, 0, 55, 1),
    "aisdk4_basic": Totals(12, 2, 4, 356, 114, 192, 0, 20, 2),
    "aisdk4_oinf_retry_parallel": Totals(7, 1, 2, 342, 114, 192, 0, 30, 0),
    "aisdk4_tools": Totals(10, 0, 3, 570, 190, 320, 0, 40, 0),
    "aisdk6_basic": Totals(12, 2, 4, 356, 114, 192, 0, 20, 2),
    "aisdk6_nested": Totals(6, 0, 1, 342, 114, 192, 0, 30, 0),
    "aisdk6_oinf_retry_parallel": Totals(7, 1, 2, 342, 114, 192, 0, 30, 0),
    "aisdk6_tools": Totals(10, 0, 3, 570, 190, 288, 0, 35, 0),
    "aisdk7_basic": Totals(12, 2, 4, 356, 114, 192, 0, 0, 2),
    "aisdk7_oinf_retry_parallel": Totals(7, 0, 2, 342, 114, 192, 0, 30, 1),
    "aisdk7_tools": Totals(10, 0, 2, 570, 190, 320, 0, 0, 0),
    "crewai": Totals(0, 0, 0, 0, 0, 0, 0, 0, 0),
    "dspy": Totals(4, 1, 0, 0, 0, 0, 0, 0, 3),
    "haystack_oi": Totals(4, 1, 0, 57, 19, 32, 0, 5, 2),
    "langfuse5": Totals(14, 1, 5, 577, 190, 320, 0, 50, 2),
    "langfuse_aisdk5": Totals(4, 1, 2, 114, 38, 32, 0, 5, 1),
    "langfuse_openai": Totals(10, 2, 4, 342, 114, 192, 0, 30, 2),
    "litellm_otel_v2": Totals(16, 1, 3, 748, 247, 384, 32, 0, 1),
    "litellm_proxy_v1": Totals(8, 1, 2, 349, 114, 192, 0, 25, 0),
    "mastra": Totals(6, 1, 0, 228, 76, 128, 0, 20, 1),
    "mixed_oilc_olmoai": Totals(16, 3, 2, 634, 209, 352, 0, 55, 1),
    "oi_both": Totals(16, 3, 2, 634, 209, 352, 0, 55, 1),
    "oi_gemini": Totals(7, 1, 1, 285, 95, 160, 0, 25, 1),
    "oi_langchain": Totals(15, 3, 0, 627, 209, 352, 0, 55, 1),
    "oinfjs_anthropic": Totals(5, 1, 2, 228, 76, 128, 0, 0, 0),
    "oinfjs_langchain": Totals(12, 1, 2, 570, 190, 320, 0, 50, 1),
    "oinfjs_langchain_openai_both": Totals(13, 1, 4, 570, 190, 320, 0, 50, 2),
    "oinfjs_openai": Totals(10, 0, 4, 342, 114, 192, 0, 30, 4),
    "oinfjs_openai_retry_parallel": Totals(8, 0, 4, 228, 76, 128, 0, 20, 4),
    "olm_anthropic": Totals(6, 1, 2, 285, 95, 128, 32, 0, 0),
    "olm_bedrock": Totals(6, 1, 0, 253, 95, 128, 0, 0, 0),
    "olm_both": Totals(16, 3, 0, 634, 209, 352, 0, 5, 1),
    "olm_langchain": Totals(15, 3, 0, 627, 209, 352, 0, 0, 1),
    "olm_ollama": Totals(6, 1, 1, 228, 76, 0, 0, 0, 1),
    "openlit_bedrock": Totals(3, 1, 0, 114, 38, 64, 0, 0, 0),
    "openlit_openai": Totals(12, 1, 3, 540, 187, 288, 0, 10, 0),
    "openlitjs_openai": Totals(10, 2, 4, 349, 114, 192, 0, 10, 1),
    "otel_google_genai": Totals(7, 1, 1, 285, 95, 160, 0, 25, 1),
    "otelgenaijs": Totals(10, 2, 0, 349, 114, 0, 0, 0, 1),
    "otelgenaijs_retry_parallel": Totals(6, 0, 0, 342, 114, 0, 0, 0, 0),
    "pydantic_openai_only": Totals(18, 2, 5, 805, 266, 416, 32, 45, 1),
    "pydantic_plain": Totals(17, 2, 5, 805, 266, 416, 32, 55, 0),
    "sk": Totals(8, 1, 0, 399, 133, 0, 0, 0, 0),
    "springai": Totals(10, 1, 2, 406, 133, 0, 0, 0, 1),
    "strands": Totals(8, 2, 0, 342, 114, 192, 0, 0, 0),
    "tl_langchain_and_openai": Totals(7, 1, 0, 285, 95, 0, 0, 0, 1),
    "tl_openai": Totals(7, 0, 0, 171, 57, 0, 0, 0, 4),
    "traceai_agents": Totals(14, 2, 0, 627, 209, 224, 0, 35, 1),
    "traceai_anthropic": Totals(4, 0, 1, 196, 76, 64, 32, 0, 0),
    "traceai_langchain": Totals(15, 3, 0, 627, 209, 352, 0, 55, 1),
}

BY_SPAN: dict[str, tuple[Totals, str]] = {
    "agents_oi_both": (
        Totals(28, 4, 3, 1197, 399, 544, 0, 85, 3),
        "each call is told by the agents' instrumentor and by the client's under it",
    ),
    "langfuse5": (
        Totals(16, 1, 6, 634, 209, 352, 0, 55, 3),
        "two calls of LangChain are told by its handler and by the client under it, one of them streamed and without usage",
    ),
    "litellm_otel_v2": (
        Totals(17, 1, 3, 748, 247, 384, 32, 0, 2),
        "a call of a reranker is a call of a model; it has no tokens",
    ),
    "litellm_proxy_v1": (
        Totals(18, 2, 4, 755, 247, 192, 0, 25, 1),
        "nine calls are told by client and proxy, one answered from the proxy's cache; each knows what the other does not",
    ),
    "mixed_oilc_olmoai": (
        Totals(31, 6, 2, 1261, 418, 704, 0, 105, 2),
        "each call but the embedding is told by LangChain's instrumentor and by the client's beside it, in two dialects",
    ),
    "oi_both": (
        Totals(31, 6, 2, 1261, 418, 704, 0, 110, 2),
        "each call but the embedding is told by LangChain's instrumentor and by the client's beside it",
    ),
    "oinfjs_anthropic": (
        Totals(10, 2, 4, 456, 152, 256, 0, 0, 0),
        "each call is told by the instrumentor and by the client itself",
    ),
    "oinfjs_langchain_openai_both": (
        Totals(24, 1, 6, 1026, 342, 576, 0, 90, 5),
        "eleven calls are told by LangChain's instrumentor and, in another trace, by the client's",
    ),
    "olm_anthropic": (
        Totals(12, 2, 3, 570, 192, 256, 64, 0, 0),
        "each call is told by the instrumentor, which counts a token too many of a stream, and by the client itself",
    ),
    "olm_both": (
        Totals(17, 3, 0, 691, 228, 384, 0, 5, 1),
        "one call is told by LangChain's instrumentor and by the client's",
    ),
    "openlitjs_openai": (
        Totals(10, 2, 4, 359, 121, 192, 0, 10, 0),
        "a stream without usage gets an estimate of 10 and 7 that nothing marks",
    ),
    "pydantic_openai_only": (
        Totals(23, 2, 6, 805, 266, 416, 32, 45, 6),
        "each stream is two spans, the request without usage and the response with it",
    ),
    "pydantic_plain": (
        Totals(20, 2, 6, 976, 323, 480, 64, 55, 0),
        "three calls of Anthropic are told by the framework and by the client itself",
    ),
    "tl_langchain_and_openai": (
        Totals(13, 1, 0, 530, 185, 0, 0, 0, 1),
        "six calls are told twice, in two traces; of a stream without usage one span has an estimate of 7 and 7",
    ),
    "tl_openai": (
        Totals(7, 0, 0, 191, 71, 0, 0, 0, 2),
        "two streams get an estimate of 10 and 7 each that nothing marks",
    ),
}

NAMES = sorted({path.name.split(".")[0] for path in RECORDINGS.glob("*.pb")})


def as_json(value: bytes) -> bytes:
    """The request as OTLP/JSON: protobuf's mapping but for the ids, which are hex."""
    document = MessageToDict(ExportTraceServiceRequest.FromString(value))
    request = ExportTraceServiceRequest.FromString(value)
    for resource, of_resource in zip(request.resource_spans, document["resourceSpans"], strict=True):
        for scope, of_scope in zip(resource.scope_spans, of_resource["scopeSpans"], strict=True):
            for span, of_span in zip(scope.spans, of_scope["spans"], strict=True):
                of_span.update(traceId=span.trace_id.hex(), spanId=span.span_id.hex(), parentSpanId=span.parent_span_id.hex())
    return orjson.dumps(document)


def requests_of(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(RECORDINGS.glob(f"{name}.traces.*.pb"))]


def decoded(requests: list[bytes]) -> list[dict[str, Any]]:
    found = DECODER.decode([record(value, i) for i, value in enumerate(requests)])
    assert not found.dead
    assert keeps_law_a(found)
    return rows(found)


def totals(calls: list[dict[str, Any]]) -> Totals:
    """Sums over the rows of calls."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    answered = [row for row in calls if row["status"] != "error"]
    return Totals(
        len(calls),
        len(calls) - len(answered),
        sum(row["stream"] is True for row in calls),
        *(sum(row[name] or 0 for row in calls) for name in names),
        unknown=sum(row["input_tokens"] is None and row["output_tokens"] is None for row in answered),
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_a_recording_sums_to(name: str) -> None:
    calls = [row for row in decoded(requests_of(name)) if row["kind"] in REQUEST_KINDS]
    expected, _ = BY_SPAN.get(name, (TOTALS[name], ""))
    assert totals(calls) == expected
    assert not [row["span_id"] for row in calls if row["usage_rule"] in DOUBTFUL]


@pytest.mark.parametrize("name", NAMES)
def test_both_encodings_say_the_same(name: str) -> None:
    requests = requests_of(name)
    assert decoded(requests) == decoded([as_json(value) for value in requests])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_recording_is_not_understood(name: str) -> None:
    found = DECODER.decode([record(value) for value in requests_of(name)])
    assert [account.names for account in found.ledger if account.not_understood] == []


def test_every_recording_is_expected() -> None:
    assert set(NAMES) == set(TOTALS)
    assert not [name for name, (found, _) in BY_SPAN.items() if found == TOTALS[name]]


SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    # A prompt of Anthropic that excludes the cache, which only the provider's metadata know.
    ("aisdk4_basic", "00c38b04629984bf"): {"input_tokens": 57, "cache_read_tokens": 32, "usage_rule": "cache beside: larger"}
    | {"stream": True, "ttft_ns": 133_694_624, "provider": "anthropic", "session_id": "s-204", "dialect": "vercel"},
    # The error of the attempt before it, copied onto the one that was answered.
    ("aisdk6_oinf_retry_parallel", "5ffd700c27939dd4"): {"status": "ok", "error_type": "", "output_tokens": 19},
    ("langfuse_openai", "482de4c8effb2111"): {"ttft_ns": 156_000_000, "session_id": "s-204", "dialect": "langfuse"}
    | {"usage_rule": "cache beside: total; reasoning beside: total"},
    # Its level says so, the status does not.
    ("langfuse_openai", "6e9539e598bd0911"): {"status": "error", "stream": None},
    # Nothing but a name and an exception.
    ("openlit_bedrock", "6ee5ec40f1a3e5ab"): {"kind": "llm", "status": "error", "model": ""}
    | {"error_type": "botocore.errorfactory.ThrottlingException"},
    ("litellm_otel_v2", "6a3d297e302dedd0"): {"kind": "reranker", "model": "rerank-v3.5", "dialect": "litellm"}
    | {"span_cost_nusd": 2_000_000},
    # The proxy sells it as `claude-sonnet`.
    ("litellm_proxy_v1", "697d81dead0e707d"): {"model": "claude-sonnet-4-5-20250929", "stream": False, "kind": "llm"},
    ("olm_ollama", ""): {"stream": True, "provider": "Ollama", "model": "llama3.2"},
    ("sk", ""): {"error_type": "semantic_kernel.exceptions.service_exceptions.ServiceResponseException"},
    ("traceai_anthropic", ""): {"input_tokens": 57, "cache_write_tokens": 32, "cache_read_tokens": 0},
}
"""One call each whose other columns are easily wrong; without an id, some call of the recording."""


@pytest.mark.parametrize(("name", "span_id"), SAMPLES)
def test_a_call_of_a_recording(name: str, span_id: str) -> None:
    expected = SAMPLES[name, span_id]
    calls = [row for row in decoded(requests_of(name)) if span_id in ("", row["span_id"])]
    assert expected in [{column: row[column] for column in expected} for row in calls]


def test_all_recordings_at_once_are_what_they_are_alone() -> None:
    """No value of one request is read for another's; a batch resolves all dialects at once."""
    together = decoded([value for name in NAMES for value in requests_of(name)])
    alone = [row for name in NAMES for row in decoded(requests_of(name))]
    assert [row | {"offset": 0} for row in together] == [row | {"offset": 0} for row in alone]
