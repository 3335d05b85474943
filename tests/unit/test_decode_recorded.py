"""What each recorded model call must decode to, read by hand from the requests in `tests/data/otlp`."""

from collections import Counter
from typing import Any, NamedTuple

import pytest

from pipeline.model.columns import REQUEST_KINDS, SPANS
from tests.otlp import DECODER, RECORDED, decoder, keeps_law_a, record, rows

CHAT, EMBED = "gpt-4o-mini-2024-07-18", "text-embedding-3-small"

CACHED_CHAT = 25 * 150 + 32 * 75 + 19 * 600
"""nano-USD: gpt-4o-mini takes 0.15 USD per million prompt tokens, 0.075 if cached, 0.60 per million of the answer."""
PLAIN_CHAT = 57 * 150 + 19 * 600
"""The same call where the span does not say that tokens were cached."""
CLAUDE = 25 * 3000 + 32 * 300 + 19 * 15000
"""claude-sonnet-4-5: 3 USD, 0.30 from the cache, 15 USD."""
EMBEDDING = 7 * 20
"""text-embedding-3-small: 0.02 USD."""


class Call(NamedTuple):
    """One model call. usage: prompt, completion, cached, reasoning."""

    model: str
    usage: tuple[int | None, int | None, int | None, int | None]
    stream: bool | None
    ttft_ns: int | None
    cost_nusd: int | None
    status: str = "ok"
    kind: str = "llm"


FULL, NO_USAGE = (57, 19, 32, 5), (None, None, None, None)
SEVEN = (7, None, None, None)
PLAIN = (57, 19, None, None)
CLAUDES = (57, 19, 32, None)

SUPPORT = {"route": "support", "cohort": "enterprise"}

EXPECTED: dict[str, tuple[dict[str, str], dict[str, Call]]] = {
    "oinf.traces.001": (
        SUPPORT | {"release": "1.2.3", "environment": "prod", "dialect": "openinference", "provider": "openai"},
        {
            "07f6074b6fa1c1a5": Call(CHAT, FULL, None, None, CACHED_CHAT),
            "fa12102310db691d": Call(CHAT, FULL, True, 161_800_553, CACHED_CHAT),
            "6ba5de31502fa2ff": Call(CHAT, NO_USAGE, True, 154_262_749, None),
            "487c7c36e887b338": Call(CHAT, FULL, None, None, CACHED_CHAT),
            "8c9a2b3e91fd8d53": Call(CHAT, FULL, False, None, CACHED_CHAT),
        },
    ),
    "oinf.traces.002": (
        {"release": "1.2.3", "environment": "prod"},
        {
            "8d0726305792f33c": Call(CHAT, FULL, None, None, CACHED_CHAT),
            "0a88d2bdb26ea1f0": Call(CHAT, FULL, True, 28_216_451, CACHED_CHAT),
            "e1146b4cc6bcab4d": Call(EMBED, SEVEN, None, None, EMBEDDING, kind="embedding"),
            "a33372698e8b630e": Call("gpt-4o-mini", NO_USAGE, None, None, None, "error"),
            "d512ff8ae14ac5fe": Call(CHAT, FULL, True, 173_514_982, CACHED_CHAT),
            "12da429d51cc56f8": Call("claude-sonnet-4-5", CLAUDES, None, None, CLAUDE),
            "11ec70780e2806b1": Call("claude-sonnet-4-5", CLAUDES, True, 197_480_884, CLAUDE),
            "bb0a69594588546e": Call("claude-sonnet-4-5", CLAUDES, None, None, CLAUDE),
            "0c8428689f1cb5a4": Call("claude-sonnet-4-5", CLAUDES, True, None, CLAUDE),
        },
    ),
    "traceai.traces.003": (
        SUPPORT | {"release": "", "environment": "", "dialect": "traceai", "provider": "openai"},
        {
            "1dd26c7be11fc64c": Call(CHAT, PLAIN, None, None, PLAIN_CHAT),
            "1840d5f8c33f8d74": Call("gpt-4o-mini", PLAIN, True, 164_374_645, PLAIN_CHAT),
            "e822a997a4441d96": Call("gpt-4o-mini", NO_USAGE, True, 153_790_955, None),
            "b55bc7b8597590b2": Call(CHAT, PLAIN, None, None, PLAIN_CHAT),
            "651e13456f813541": Call(CHAT, PLAIN, False, None, PLAIN_CHAT),
            "ded86807ccc7b649": Call(CHAT, FULL, None, None, CACHED_CHAT),
            "fe3772850bf23b8c": Call(CHAT, FULL, True, 40_414_713, CACHED_CHAT),
            "3243372535a242d3": Call(EMBED, SEVEN, None, None, EMBEDDING, kind="embedding"),
            "7852ab4b300339a4": Call("gpt-4o-mini", NO_USAGE, None, None, None, "error"),
            "47527b478b94ae90": Call("gpt-4o-mini", PLAIN, True, 189_804_982, PLAIN_CHAT),
        },
    ),
    "otelgenai.traces.006": (
        {"route": "demo-otelgenai", "cohort": "", "release": "1.2.3", "environment": "prod"}
        | {"dialect": "otel_genai", "provider": "openai"},
        {
            "c0e415ba1e9a21e3": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "d8512ff0864f6688": Call(CHAT, FULL, True, 164_532_148, CACHED_CHAT, "unset"),
            "2a3bc132b5a29e11": Call(CHAT, NO_USAGE, True, 155_399_569, None, "unset"),
            "1b68f0d8b1c95a85": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "e8c8499d3465c7b6": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "08d0e3ab6488be54": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "9c16dcfc8bd10e54": Call(CHAT, FULL, True, 33_665_100, CACHED_CHAT, "unset"),
            "04614e4c5b42cbfc": Call(EMBED, SEVEN, None, None, EMBEDDING, "unset", "embedding"),
            "d91f3298b354bd5c": Call("gpt-4o-mini", NO_USAGE, None, None, None, "error"),
            "9109311879738f4e": Call(CHAT, FULL, True, 192_256_998, CACHED_CHAT, "unset"),
        },
    ),
    "otelgenai_content.traces.007": (
        {"route": "demo-otelgenai", "cohort": "", "release": "1.2.3", "environment": "prod"}
        | {"dialect": "otel_genai", "provider": "openai"},
        {
            "bcbeacfce495ba55": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "6bd4ef42f4d9eb61": Call(CHAT, FULL, True, 161_307_431, CACHED_CHAT, "unset"),
            "bddef86b11b342b0": Call(CHAT, NO_USAGE, True, 161_753_820, None, "unset"),
            "a2cc4de3532a64d4": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "2afabcb7e83d02b8": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "7c2f1295d3c2d6dd": Call(CHAT, FULL, None, None, CACHED_CHAT, "unset"),
            "ee620f40c18ba1a1": Call(CHAT, FULL, True, 48_522_145, CACHED_CHAT, "unset"),
            "f9c48e5b3ff215b8": Call(EMBED, SEVEN, None, None, EMBEDDING, "unset", "embedding"),
            "023d107f56ceb415": Call("gpt-4o-mini", NO_USAGE, None, None, None, "error"),
            "f6f03f4d8c5bf355": Call(CHAT, FULL, True, 201_179_032, CACHED_CHAT, "unset"),
        },
    ),
    "rag_oinf.traces.010": (
        {"route": "rag", "cohort": "free", "release": "", "environment": "", "dialect": "openinference", "provider": "openai"},
        {
            "ea63607133369cb0": Call(CHAT, FULL, False, None, CACHED_CHAT),
            "d6cc01e250665e6e": Call("gpt-4o-mini", FULL, False, None, CACHED_CHAT),
        },
    ),
}

SPAN_COUNTS = {
    "oinf.traces.001": 10,
    "oinf.traces.002": 15,
    "otelgenai.traces.006": 20,
    "otelgenai_content.traces.007": 20,
    "rag_oinf.traces.010": 18,
    "traceai.traces.003": 20,
    "traceloop.traces.004": 18,
    "traceloop.traces.005": 2,
}

BESIDE: dict[str, dict[str, Any]] = {
    # The Anthropic SDK's own spans know no metadata; the instrumentor's do.
    "12da429d51cc56f8": {"route": "demo-oinf", "cohort": "", "dialect": "otel_genai", "provider": "anthropic"},
    "bb0a69594588546e": SUPPORT | {"dialect": "openinference", "provider": "anthropic"},
    # One sample each of the columns that the tables above leave out.
    "07f6074b6fa1c1a5": {"session_id": "sess-42", "finish_reason": "stop", "scope_name": "openinference.instrumentation.openai"}
    | {"parent_span_id": "f2bd341a41c2343c", "latency_ns": 172_095_680, "start_ns": 1_795_405_220_349_001_139},
    "c0e415ba1e9a21e3": {"response_id": "chatcmpl-813dcf96eef74c2f93e2", "service_tier": "default", "operation": "chat"}
    | {"finish_reason": "stop", "cost_source": "book", "trace_id": "d60a645f742d849ca119b89432084f5c"},
    "d91f3298b354bd5c": {"error_type": "openai.APIConnectionError", "cost_source": ""},
    "3243372535a242d3": {"provider": "openai", "session_id": "sess-42"},
    # A stream whose usage never came costs an unknown sum; it is not unpriced, for nobody knows what to price.
    "6ba5de31502fa2ff": {"cost_source": "", "price_version": ""},
}


def decoded(name: str, suffix: str) -> list[dict[str, Any]]:
    found = DECODER.decode([record((RECORDED / f"{name}{suffix}").read_bytes())])
    assert not found.dead
    assert keeps_law_a(found)
    return rows(found)


def seen(row: dict[str, Any]) -> Call:
    usage = (row["input_tokens"], row["output_tokens"], row["cache_read_tokens"], row["reasoning_tokens"])
    return Call(row["model"], usage, row["stream"], row["ttft_ns"], row["cost_nusd"], row["status"], row["kind"])


@pytest.mark.parametrize("suffix", [".pb", ".otlp.json"])
@pytest.mark.parametrize("name", EXPECTED)
def test_model_calls(name: str, suffix: str) -> None:
    series, calls = EXPECTED[name]
    found = {row["span_id"]: row for row in decoded(name, suffix) if row["kind"] in REQUEST_KINDS}
    assert {span_id: seen(row) for span_id, row in found.items()} == calls
    for row in found.values():
        assert series == {column: row[column] for column in series}


@pytest.mark.parametrize("span_id", BESIDE)
def test_other_columns(span_id: str) -> None:
    every = {row["span_id"]: row for name in EXPECTED for row in decoded(name, ".pb")}
    assert BESIDE[span_id] == {column: every[span_id][column] for column in BESIDE[span_id]}


@pytest.mark.parametrize("name", SPAN_COUNTS)
def test_every_span_is_a_row_in_both_encodings(name: str) -> None:
    from_protobuf, from_json = decoded(name, ".pb"), decoded(name, ".otlp.json")
    assert len(from_protobuf) == SPAN_COUNTS[name]
    assert from_protobuf == from_json
    assert set(from_protobuf[0]) == {column.name for column in SPANS}


def test_every_recorded_request_is_expected() -> None:
    assert {path.name.removesuffix(".pb") for path in RECORDED.glob("*.pb")} == set(SPAN_COUNTS)


def test_retrieval_chain_keeps_its_shape() -> None:
    kinds = Counter(row["kind"] for row in decoded("rag_oinf.traces.010", ".pb"))
    assert kinds == {"chain": 14, "retriever": 2, "llm": 2}


def test_spans_of_the_application_are_no_requests() -> None:
    roots = [row for row in decoded("otelgenai.traces.006", ".pb") if not row["parent_span_id"]]
    assert len(roots) == 10
    assert {(row["kind"], row["dialect"], row["model"], row["cost_source"]) for row in roots} == {("other", "", "", "")}


def test_users_leave_only_as_hashes() -> None:
    every = [row for name in SPAN_COUNTS for row in decoded(name, ".pb")]
    assert "user-7" not in repr(every)
    assert "user-3" not in repr(every)
    # printf %s user-7 | openssl mac -macopt size:8 -macopt key:"key of the tests" BLAKE2BMAC, and the same for user-3
    assert {row["user_hash"] for row in every} == {"", "00ecbe4a5ca104ef", "aa7ccbf16a1aeffd"}


def test_without_a_key_users_leave_no_trace() -> None:
    batch = [record((RECORDED / f"{name}.pb").read_bytes()) for name in SPAN_COUNTS]
    assert set(decoder(user_key=b"").decode(batch).columns["user_hash"].tolist()) == {""}
